// Approvals as they stand now: the row, what time and the passport have made of it, and what is sealed in it.
import { decodeUtf8, utf8 } from '#kernel/bytes.ts';
import { Fault } from '#kernel/errors.ts';
import type { Host } from '#platform/host/host.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import { type Card, type CardBinding, type State, stateOf } from './model.ts';
import type { CallSafe } from './safe.ts';
import { type Approval, showApproval } from './shape.ts';
import { type ApprovalRow, approvalRow, type Shown, storedBody } from './store.ts';

export type ApprovalBook = {
  readonly find: (id: string) => Promise<Shown | undefined>;
  readonly state: (row: Shown) => State;
  readonly card: (row: ApprovalRow) => Card;
  readonly body: (row: ApprovalRow) => Promise<Uint8Array | undefined>;
  readonly show: (row: Shown) => Approval;
  /** Card and body as they are stored. */
  readonly seal: (binding: CardBinding, call: Sealing) => { card: Uint8Array; body: Uint8Array | null };
};
type Sealing = { readonly card: Card; readonly body: Uint8Array | undefined };

type Deps = {
  readonly reader: Reader;
  readonly host: Pick<Host, 'nowMs'>;
  readonly safe: CallSafe;
  readonly passportRevoked: (jti: string) => boolean;
};

export function createApprovalBook({ reader, host, safe, passportRevoked }: Deps): ApprovalBook {
  const state = (row: Shown): State =>
    stateOf(row, { nowMs: host.nowMs(), passportRevoked: passportRevoked(row.passport_jti) });
  const card = (row: ApprovalRow): Card => {
    const plain = safe.open(row.card, 'card', row);
    if (plain === undefined) throw unreadable(row.id);
    return JSON.parse(decodeUtf8(plain) ?? 'null') as Card;
  };
  return {
    find: (id) => approvalRow(reader, id),
    state,
    card,
    body: async (row) => {
      const sealed = await storedBody(reader, row.id);
      if (sealed === null) return undefined;
      const plain = safe.open(sealed, 'body', row);
      if (plain === undefined) throw unreadable(row.id);
      return plain;
    },
    show: (row) => showApproval(row, card(row), state(row)),
    seal: (binding, call) => ({
      card: safe.close(utf8(JSON.stringify(call.card)), 'card', binding),
      body: call.body === undefined ? null : safe.close(call.body, 'body', binding),
    }),
  };
}

/** Its row was changed: what was approved is not what stands there. */
const unreadable = (id: string): Fault =>
  new Fault('INTERNAL', { detail: `the stored call of ${id} does not open: its row was changed` });
