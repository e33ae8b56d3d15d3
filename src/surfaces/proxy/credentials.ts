// Who calls on the path form. SDKs put their one key where their service wants it, so ours is taken from there, too, and
// every header that held a credential or a control word of ours is consumed here: none of them can be forwarded.
import type { IncomingMessage } from 'node:http';
import type { Presented } from '#pipeline/authenticate.ts';

type Header = readonly [name: string, value: string];

export type Taken = {
  readonly presented: Presented;
  readonly approvalId: string | undefined;
  readonly idempotencyKey: string | undefined;
  /** What is left: headers of the call itself. */
  readonly rest: readonly Header[];
};

/** Control words of ours, by what they say. */
const OURS: Readonly<Record<string, 'passport' | 'agent' | 'intent' | 'approval' | 'key'>> = {
  'x-passport-token': 'passport',
  'x-stack-agent': 'agent',
  'x-stack-intent': 'intent',
  'x-stack-approval': 'approval',
  'x-stack-idempotency-key': 'key',
};
/** `Bearer K`, `token K` (GitHub), `Token token=K` (PagerDuty) or `K` alone (Linear), with a K of our shape. */
const SHAPE = /^(?:[A-Za-z]+ )?(?:[a-z]+=)?"?(sk_live_[A-Za-z0-9]+|eyJ[\w-]+\.[\w-]+\.[\w-]+)"?$/;
const SCHEME = /^(?:Bearer|token) ([!-~]+)$/i;
const BASIC = /^Basic ([A-Za-z0-9+/]+={0,2})$/i;

/** `keyHeader`: the header into which the service's own credential goes, where it has one. */
export function takeCredentials({ rawHeaders }: IncomingMessage, keyHeader: string | undefined): Taken {
  const said: Partial<Record<'passport' | 'agent' | 'intent' | 'approval' | 'key', string>> = {};
  const rest: Header[] = [];
  let bearer: string | undefined;
  let unreadable = false;
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] ?? '').toLowerCase();
    const value = rawHeaders[at + 1] ?? '';
    const word = Object.hasOwn(OURS, name) ? OURS[name] : undefined;
    // SDKs put their key into one of these.
    const slot = name === 'authorization' || name === 'x-api-key' || name === keyHeader;
    const token = slot ? tokenIn(name, value) : undefined;
    // Two that differ would leave the choice to whoever reads first.
    if (token !== undefined && bearer !== undefined && token !== bearer) unreadable = true;
    if (word !== undefined) {
      // RFC 9110 5.3: two lines are one list, and a list is none of these.
      if (value !== '') said[word] = said[word] === undefined ? value : `${said[word]}, ${value}`;
    } else if (token !== undefined) bearer = token;
    else if (name === 'authorization') unreadable = true;
    else rest.push([name, value]);
  }
  const { passport, agent, intent, approval, key } = said;
  const presented = { local: false, unreadable, bearer, passport, agent, intent };
  return { presented, approvalId: approval, idempotencyKey: key, rest };
}

/** In Authorization any bearer is meant for us; in another header only what has the shape of ours. */
function tokenIn(name: string, value: string): string | undefined {
  const shaped = SHAPE.exec(value)?.[1];
  if (shaped !== undefined) return shaped;
  const pair = BASIC.exec(value)?.[1];
  if (pair !== undefined) {
    const parts = Buffer.from(pair, 'base64').toString('latin1').split(':');
    return parts.map((part) => SHAPE.exec(part)?.[1]).find((token) => token !== undefined);
  }
  return name === 'authorization' ? SCHEME.exec(value)?.[1] : undefined;
}
