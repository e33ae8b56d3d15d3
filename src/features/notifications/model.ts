// Being asked: webhooks after the Standard Webhooks scheme (https://www.standardwebhooks.com, version 1). Who receives one knows by
// the signature that it is ours and whole, and by its id that it came before.
import { createHmac } from 'node:crypto';
import { WEBHOOK_SECRET_BYTES_MAX, WEBHOOK_SECRET_BYTES_MIN } from '#kernel/limits.ts';

export const EVENTS = [
  'approval.pending',
  'approval.approved',
  'approval.rejected',
  'approval.withdrawn',
  'approval.expired',
] as const;
export type Event = (typeof EVENTS)[number];

export type SecretPlace =
  | { readonly kind: 'env'; readonly name: string }
  | { readonly kind: 'file'; readonly path: string };

export type Webhook = {
  readonly name: string;
  readonly origin: { readonly scheme: 'http' | 'https'; readonly host: string; readonly port: number };
  /** With its query. */
  readonly path: string;
  readonly network: 'public' | 'private' | 'loopback';
  readonly secret: SecretPlace;
  readonly events: readonly Event[];
};

/** What an event is about. Nothing of the call itself: whoever wants to see it opens the card. */
export type Subject = {
  readonly id: string;
  readonly agent_id: string;
  readonly agent_name: string;
  readonly service: string;
  readonly action: string;
  readonly method: string;
  readonly expires_at: number;
};

type Happened = { readonly event: Event; readonly subject: Subject; readonly nowMs: number };

export function bodyOf({ event, subject, nowMs }: Happened): string {
  const { id: approval_id, expires_at, agent_id, agent_name, service, action, method } = subject;
  const data = { approval_id, agent_id, agent_name, service, action, method };
  return JSON.stringify({
    type: event,
    timestamp: new Date(nowMs).toISOString(),
    data: { ...data, expires_at: new Date(expires_at).toISOString() },
  });
}

const PREFIX = 'whsec_';
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** `whsec_` and 24 to 64 bytes in base64; undefined for anything else. */
export function secretBytes(text: string | undefined): Uint8Array | undefined {
  const encoded = text?.trim();
  if (encoded?.startsWith(PREFIX) !== true || !BASE64.test(encoded.slice(PREFIX.length))) return undefined;
  const bytes = Buffer.from(encoded.slice(PREFIX.length), 'base64');
  const fits = bytes.length >= WEBHOOK_SECRET_BYTES_MIN && bytes.length <= WEBHOOK_SECRET_BYTES_MAX;
  return fits ? bytes : undefined;
}

export type Message = { readonly id: string; readonly timestampSeconds: number; readonly body: string };

/** Headers of a message: HMAC-SHA256 over `id.timestamp.body`, base64, as version 1. */
export function signedHeaders(
  { id, timestampSeconds, body }: Message,
  secret: Uint8Array,
): readonly (readonly [string, string])[] {
  const mark = createHmac('sha256', secret).update(`${id}.${timestampSeconds}.${body}`).digest('base64');
  return [
    ['content-type', 'application/json'],
    ['user-agent', 'stack'],
    ['webhook-id', id],
    ['webhook-timestamp', String(timestampSeconds)],
    ['webhook-signature', `v1,${mark}`],
  ];
}
