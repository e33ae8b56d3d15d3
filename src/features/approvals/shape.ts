// What callers see of an approval (contract 4), field by field, with examples.
import { z } from 'zod';
import type { ApprovalRule } from '#features/policy/model.ts';
import { decodeUtf8 } from '#kernel/bytes.ts';
import { APPROVAL_BODY_CHARS_SHOWN, APPROVAL_POLL_AFTER_MS } from '#kernel/limits.ts';
import type { Shown as ShownValue } from '#kernel/operation.ts';
import { APPROVAL_STATUSES, type Card, ENDINGS, type State, USE_OUTCOMES } from './model.ts';
import type { Shown } from './store.ts';

const id = (says: string) => z.string().describe(says);
const time = (says: string) => z.string().describe(`${says}, RFC 3339 UTC.`);

export const approvalShape = z.strictObject({
  approval_id: id('Id of the approval, apr_….'),
  status: z
    .enum(APPROVAL_STATUSES)
    .describe('Where it stands. A used one is approved with uses_left 0; expired is nobody’s no.'),
  agent_id: id('Agent that asks.'),
  agent_name: id('Its name.'),
  session_id: id('Session (mission) whose passports may use it.'),
  passport_jti: id('Passport it was asked for under.'),
  service: id('Service of the call.'),
  action: id('Action that the call is.'),
  method: id('HTTP method of the call.'),
  url: id('Canonical URL of the call, query included.'),
  reason: z.string().describe('What the agent says it is for. The agent wrote it; it decides nothing.'),
  created_at: time('When it was asked for'),
  expires_at: time('Until when it may be decided, or used'),
  decided_at: time('When a person decided').optional(),
  decided_by: id('Who decided.').optional(),
  note: z.string().optional().describe('What that person wrote.'),
  uses_left: z.number().int().min(0).describe('How many times the call may be made now.'),
  outcome: z
    .enum(USE_OUTCOMES)
    .optional()
    .describe('How the last use ended; unknown where the service may have been reached without an answer.'),
  ended: z
    .enum(ENDINGS)
    .optional()
    .describe('What ended it, where it is expired: its time, a person, or the end of its passport.'),
  free: z.array(z.string()).optional().describe('Fields that may differ, by decision of the approver.'),
});

export const submittedShape = approvalShape.extend({
  approve_url: z.string().nullable().describe('Page on which a person decides; null, there is none yet.'),
  poll_after_ms: z.number().int().min(0).describe('Ask again after so many milliseconds.'),
});

export const cardShape = approvalShape.extend({
  headers: z.record(z.string(), z.string()).describe('Headers of the call, without the credential.'),
  body: z.unknown().optional().describe('Body: a JSON value, or text.'),
  body_base64: z.string().optional().describe('Body bytes, where they are no text.'),
  body_truncated: z.boolean().describe('The body is longer than what is shown here.'),
  body_bytes: z.number().int().min(0).describe('Length of the whole body.'),
  body_sha256: z.string().nullable().describe('SHA-256 of the whole body, hex.'),
  rule: z.string().nullable().describe('Rule of the config that asks for a person; null where none does.'),
  call_hash: z.string().describe('SHA-256 over all that the decision is about; the receipt has it, too.'),
  receipt: z
    .string()
    .optional()
    .describe('Signed record of the decision (JWS), which the JWKS verifies offline.'),
});

export const decidedShape = approvalShape.extend({
  receipt: z.string().describe('Signed record of the decision (JWS), which the JWKS verifies offline.'),
});
export const rejectedShape = decidedShape.extend({
  revoked: z.array(z.string()).describe('Passports that the rejection has revoked.'),
});

export const listShape = z.strictObject({
  approvals: z.array(approvalShape).describe('Approvals of this page, the newest first.'),
  next_cursor: z.string().nullable().describe('Give it as cursor for the next page; null at the end.'),
});

const iso = (ms: number): string => new Date(ms).toISOString();

export type Approval = ShownValue<z.output<typeof approvalShape>>;

export function showApproval(row: Shown, card: Card, state: State): Approval {
  const free = JSON.parse(row.free) as readonly string[];
  return {
    approval_id: row.id,
    status: state.status,
    agent_id: row.agent_id,
    agent_name: row.agent_name,
    session_id: row.session_id,
    passport_jti: row.passport_jti,
    service: row.service,
    action: row.action,
    method: row.method,
    url: card.url,
    reason: card.reason,
    created_at: iso(row.created_at),
    expires_at: iso(row.expires_at),
    ...(row.decided_at === null ? {} : { decided_at: iso(row.decided_at) }),
    ...(row.decided_by === null ? {} : { decided_by: row.decided_by }),
    ...(row.note === null ? {} : { note: row.note }),
    uses_left: state.usesLeft,
    ...(row.outcome === null ? {} : { outcome: row.outcome }),
    ...(state.ended === undefined ? {} : { ended: state.ended }),
    ...(free.length === 0 ? {} : { free }),
  };
}

export const showSubmitted = (approval: Approval): ShownValue<z.output<typeof submittedShape>> => ({
  ...approval,
  approve_url: null,
  poll_after_ms: APPROVAL_POLL_AFTER_MS,
});

type Whole = { readonly card: Card; readonly body: Uint8Array | undefined; readonly receipt: string | null };

/** Everything that the decision binds. A long body says that it is cut, how long it is, and its digest. */
export function showCard(
  approval: Approval,
  { card, body, receipt }: Whole,
): ShownValue<z.output<typeof cardShape>> {
  const { fields, cut } = bodyFields(body, card.structured);
  return {
    ...approval,
    headers: Object.fromEntries(card.headers),
    ...fields,
    body_truncated: cut,
    body_bytes: body?.length ?? 0,
    body_sha256: card.bodySha256,
    rule: card.rule === null ? null : ruleText(card.rule),
    call_hash: card.callHash,
    ...(receipt === null ? {} : { receipt }),
  };
}

/** `billing:refunds:create where body.amount gt 100`, as it stands in the config. */
function ruleText({ action, where, onReject }: ApprovalRule): string {
  const conditions = where.map(({ path, op, value }) =>
    value === undefined ? `${path} ${op}` : `${path} ${op} ${JSON.stringify(value)}`,
  );
  const narrowed = conditions.length === 0 ? '' : ` where ${conditions.join(' and ')}`;
  return `${action}${narrowed}${onReject === undefined ? '' : ', a rejection only denies'}`;
}

type BodyFields = {
  readonly fields: { readonly body?: unknown; readonly body_base64?: string };
  readonly cut: boolean;
};

function bodyFields(body: Uint8Array | undefined, structured: boolean): BodyFields {
  if (body === undefined || body.length === 0) return { fields: {}, cut: false };
  const text = decodeUtf8(body);
  if (text === undefined) {
    const base64 = Buffer.from(body).toString('base64');
    const cut = base64.length > APPROVAL_BODY_CHARS_SHOWN;
    return { fields: { body_base64: base64.slice(0, APPROVAL_BODY_CHARS_SHOWN) }, cut };
  }
  if (text.length > APPROVAL_BODY_CHARS_SHOWN)
    return { fields: { body: text.slice(0, APPROVAL_BODY_CHARS_SHOWN).toWellFormed() }, cut: true };
  return { fields: { body: structured ? (JSON.parse(text) as unknown) : text }, cut: false };
}

export const APPROVAL_EXAMPLE: z.output<typeof approvalShape> = {
  approval_id: 'apr_5d2c7e9a1b3f48608192a3b4c5d6e7f8',
  status: 'pending',
  agent_id: 'agt_3f9a1c5e7b2d4860a1b2c3d4e5f60718',
  agent_name: 'support-bot',
  session_id: 'ses_6b1f2e3d4c5b6a798897a6b5c4d3e2f1',
  passport_jti: 'pp_9c8b7a6f5e4d3c2b1a0918273645546f',
  service: 'billing',
  action: 'billing:refunds:create',
  method: 'POST',
  url: 'https://billing.internal:8443/v1/refunds',
  reason: 'Customer cus_42 was charged twice for invoice in_7',
  created_at: '2026-11-23T09:30:00.000Z',
  expires_at: '2026-11-23T09:45:00.000Z',
  uses_left: 0,
};
export const DECIDED_EXAMPLE: z.output<typeof decidedShape> = {
  ...APPROVAL_EXAMPLE,
  status: 'approved',
  decided_at: '2026-11-23T09:31:00.000Z',
  decided_by: 'local',
  note: 'ok, in_7 is a double charge',
  expires_at: '2026-11-23T09:41:00.000Z',
  uses_left: 1,
  receipt: 'eyJ.EXAMPLE.not-a-real-receipt',
};
