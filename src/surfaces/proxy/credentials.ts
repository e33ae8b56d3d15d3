// Who calls on the path form. SDKs put their one key where their service wants it, so ours is taken from there, too, and
// every header that held a credential or a control word of ours is consumed here: none of them can be forwarded.
import type { IncomingMessage } from 'node:http';
import type { Presented } from '#pipeline/authenticate.ts';

type Header = readonly [name: string, value: string];

export type Taken = {
  readonly presented: Presented;
  readonly approvalId: string | undefined;
  /** What is left: headers of the call itself. */
  readonly rest: readonly Header[];
};

const OUR_HEADERS = ['x-passport-token', 'x-stack-agent', 'x-stack-intent', 'x-stack-approval'];
/** Where SDKs put a key; a service's own header comes on top. */
const KEY_HEADERS = ['authorization', 'x-api-key'];
/** `Bearer K`, `token K` (GitHub), `Token token=K` (PagerDuty) or `K` alone (Linear), with a K of our shape. */
const OURS = /^(?:[A-Za-z]+ )?(?:[a-z]+=)?"?(sk_live_[A-Za-z0-9]+|eyJ[\w-]+\.[\w-]+\.[\w-]+)"?$/;
const SCHEME = /^(?:Bearer|token) ([!-~]+)$/i;
const BASIC = /^Basic ([A-Za-z0-9+/]+={0,2})$/i;

/** `keyHeader`: the header into which the service's own credential goes, where it has one. */
export function takeCredentials(request: IncomingMessage, keyHeader: string | undefined): Taken {
  const own = new Map<string, string>();
  const tokens = new Set<string>();
  const rest: Header[] = [];
  let unreadable = false;
  for (const [name, value] of headersOf(request)) {
    if (OUR_HEADERS.includes(name)) {
      own.set(name, value);
      continue;
    }
    const slot = KEY_HEADERS.includes(name) || name === keyHeader;
    const token = slot ? tokenIn(name, value) : undefined;
    if (token !== undefined) tokens.add(token);
    else if (name === 'authorization') unreadable = true;
    else rest.push([name, value]);
  }
  const [bearer] = tokens;
  const presented = {
    local: false,
    // Two that differ would leave the choice to whoever reads first.
    unreadable: unreadable || tokens.size > 1,
    bearer,
    passport: given(own, 'x-passport-token'),
    agent: given(own, 'x-stack-agent'),
    intent: given(own, 'x-stack-intent'),
  };
  return { presented, approvalId: given(own, 'x-stack-approval'), rest };
}

function* headersOf({ rawHeaders }: IncomingMessage): Generator<Header> {
  for (let at = 0; at + 1 < rawHeaders.length; at += 2)
    yield [(rawHeaders[at] ?? '').toLowerCase(), rawHeaders[at + 1] ?? ''];
}

const given = (own: ReadonlyMap<string, string>, name: string): string | undefined =>
  own.get(name) === '' ? undefined : own.get(name);

/** In Authorization any bearer is meant for us; in another header only what has the shape of ours. */
function tokenIn(name: string, value: string): string | undefined {
  const pair = BASIC.exec(value)?.[1];
  if (pair !== undefined) {
    const parts = Buffer.from(pair, 'base64').toString('latin1').split(':');
    return parts.map((part) => OURS.exec(part)?.[1]).find((token) => token !== undefined);
  }
  return OURS.exec(value)?.[1] ?? (name === 'authorization' ? SCHEME.exec(value)?.[1] : undefined);
}
