// A receipt: the signed record of one decision, a compact JWS (RFC 7515) by a key for receipts alone. Its `typ` and `aud` are no
// passport's, and the verifier of passports does not know its key.
import { fromBase64url, utf8 } from '#kernel/bytes.ts';
import { signJws } from '#platform/crypto/jws.ts';
import { type SigningKey, verifyBytes } from '#platform/crypto/signing.ts';
import type { Card } from './model.ts';
import { ruleHash } from './model.ts';
import type { ApprovalRow } from './store.ts';

export const RECEIPT_TYPE = 'approval-receipt+jwt';
export const RECEIPT_AUDIENCE = 'stack:approval-receipt';
const MS_PER_SECOND = 1_000;

export type Decided = {
  readonly decision: 'approved' | 'rejected' | 'withdrawn';
  readonly by: { readonly kind: string; readonly id: string };
  readonly nowMs: number;
  readonly note: string | null;
  readonly uses: number;
  readonly expiresAtMs: number;
  readonly free: readonly string[];
};

type About = { readonly row: ApprovalRow; readonly card: Card };
type Signing = { readonly key: SigningKey; readonly issuer: string };

/** Who decided what about which call, when, by which rule and with which bounds. */
export function receiptOf({ row, card }: About, decided: Decided, { key, issuer }: Signing): string {
  const claims = {
    iss: issuer,
    aud: RECEIPT_AUDIENCE,
    iat: Math.floor(decided.nowMs / MS_PER_SECOND),
    jti: row.id,
    sub: row.agent_id,
    decision: decided.decision,
    decided_by: decided.by,
    decided_at: new Date(decided.nowMs).toISOString(),
    call_hash: card.callHash,
    definition_hash: card.definitionHash,
    rule: card.rule,
    rule_hash: ruleHash(card.rule ?? undefined),
    session_id: row.session_id,
    service: row.service,
    action: row.action,
    method: row.method,
    uses: decided.uses,
    free: decided.free,
    expires_at: new Date(decided.expiresAtMs).toISOString(),
    note: decided.note,
  };
  return signJws(JSON.stringify(claims), { type: RECEIPT_TYPE, key });
}

type Verifying = { readonly keys: readonly SigningKey[]; readonly row: ApprovalRow; readonly card: Card };

/**
 * Whether the row says what a person has signed: that this call is approved, for no more uses, no longer, and with no other
 * fields free. Whoever can write the database cannot make an approval.
 */
export function receiptHolds({ keys, row, card }: Verifying): boolean {
  const [head = '', body = '', mark = ''] = (row.receipt ?? '').split('.');
  const signature = fromBase64url(mark);
  const signed = utf8(`${head}.${body}`);
  if (signature === undefined || !keys.some(({ publicKey }) => verifyBytes(signed, signature, publicKey)))
    return false;
  const said = JSON.parse(Buffer.from(body, 'base64url').toString('utf8')) as Readonly<
    Record<string, unknown>
  >;
  return (
    said['decision'] === 'approved' &&
    said['jti'] === row.id &&
    said['session_id'] === row.session_id &&
    said['call_hash'] === card.callHash &&
    JSON.stringify(said['free']) === row.free &&
    Number(said['uses']) >= row.uses_left &&
    Date.parse(String(said['expires_at'])) >= row.expires_at
  );
}
