// Reading approvals: agents their own, persons all. A poll holds nothing open for a person and is no entry; a person who opens a
// card is one (contract 7).
import { z } from 'zod';
import { Fault } from '#kernel/errors.ts';
import { APPROVAL_WAIT_SECONDS_MAX, ID_CHARS_MAX, LIST_PAGE, LIST_PAGE_MAX } from '#kernel/limits.ts';
import { type Caller, type Operation, operation } from '#kernel/operation.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { Host } from '#platform/host/host.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import type { ApprovalBook } from './book.ts';
import { APPROVAL_ID } from './model.ts';
import { APPROVAL_EXAMPLE, approvalShape, cardShape, listShape, showCard } from './shape.ts';
import { type ApprovalRow, approvals, openCard, type Shown } from './store.ts';
import type { Waiting } from './waiting.ts';

export type ReadingDeps = {
  readonly reader: Reader;
  readonly host: Pick<Host, 'monotonicMs'>;
  readonly book: ApprovalBook;
  readonly waiting: Waiting;
  readonly findAgent: (idOrName: string) => { readonly id: string } | undefined;
};

const MS_PER_SECOND = 1_000;
const approvalId = z.string().max(ID_CHARS_MAX).describe('Id of the approval, apr_….');

export function approvalReading(deps: ReadingDeps): readonly Operation[] {
  return [polling(deps), listing(deps), showing(deps)];
}

/** Contract 2: a person all, a passport those of its session, a key those of its agent, else of the passports it minted. */
function isOf(caller: Caller, row: Pick<ApprovalRow, 'agent_id' | 'session_id' | 'minted_by'>): boolean {
  if (caller.kind === 'person') return true;
  if (caller.kind === 'passport') return caller.acting?.sessionId === row.session_id && ofAgent(caller, row);
  return caller.acting === undefined ? row.minted_by === caller.id : ofAgent(caller, row);
}

const ofAgent = ({ acting }: Caller, { agent_id }: Pick<ApprovalRow, 'agent_id'>): boolean =>
  acting?.agentId === agent_id;

/** One refusal for what there is not and what is another's. */
export async function approvalOf(
  book: ApprovalBook,
  { caller, id }: { readonly caller: Caller; readonly id: string },
): Promise<Result<Shown>> {
  const row = APPROVAL_ID.test(id) ? await book.find(id) : undefined;
  if (row === undefined || !isOf(caller, row))
    return refuse(
      new Fault('NOT_FOUND', { detail: 'no such approval of this caller', next: 'Check the approval_id.' }),
    );
  return ok(row);
}

function polling(deps: ReadingDeps): Operation {
  return operation({
    name: 'stack_get_intent_approval',
    action: 'approval.poll',
    summary:
      'Ask how an approval stands. Poll until status is not pending; if approved, call stack_proxy_request with the ' +
      'approval_id. If rejected or expired, stop.',
    effect: 'read',
    callers: ['key', 'passport', 'agent_key', 'person'],
    scope: 'proxy:use',
    input: z.strictObject({
      approval_id: approvalId,
      wait_seconds: z
        .number()
        .min(0)
        .max(APPROVAL_WAIT_SECONDS_MAX)
        .optional()
        .describe('Wait so long for a decision before answering.'),
    }),
    output: approvalShape,
    example: { input: { approval_id: APPROVAL_EXAMPLE.approval_id }, output: APPROVAL_EXAMPLE },
    errors: ['NOT_FOUND'],
    route: { method: 'GET', path: '/v1/intents/approvals/:approval_id' },
    toolset: 'default',
    line: 'operations',
    run: async ({ caller, input, signal }) => {
      const { book, waiting, host } = deps;
      const endMs = host.monotonicMs() + (input.wait_seconds ?? 0) * MS_PER_SECOND;
      for (;;) {
        await waiting.settled(input.approval_id);
        const row = await approvalOf(book, { caller, id: input.approval_id });
        if (!row.ok) return row;
        const leftMs = endMs - host.monotonicMs();
        const waits = book.state(row.value).status === 'pending' && leftMs > 0 && !signal.aborted;
        if (!waits) return ok({ output: book.show(row.value), changes: [] });
        await waiting.pause(leftMs, signal);
      }
    },
  });
}

/** `created_at.id` of the last one of the page before. */
const CURSOR = /^(\d{1,16})\.(apr_[0-9a-f]{32})$/;

function listing(deps: ReadingDeps): Operation {
  return operation({
    name: 'stack_list_approvals',
    action: 'approval.list',
    summary: 'List approvals, the newest first: a person all, an agent its own.',
    effect: 'read',
    callers: ['key', 'passport', 'agent_key', 'person'],
    scope: 'proxy:use',
    input: z.strictObject({
      open: z.boolean().optional().describe('Only those that wait for a person or may still be used.'),
      agent_id: z.string().max(ID_CHARS_MAX).optional().describe('Only of this agent, by id or name.'),
      limit: z.number().int().min(1).max(LIST_PAGE_MAX).default(LIST_PAGE).describe('Approvals per page.'),
      cursor: z.string().max(ID_CHARS_MAX).optional().describe('next_cursor of the page before.'),
    }),
    output: listShape,
    example: { input: { open: true }, output: { approvals: [APPROVAL_EXAMPLE], next_cursor: null } },
    errors: [],
    route: { method: 'GET', path: '/v1/approvals' },
    toolset: 'passports',
    line: 'operations',
    run: async ({ caller, input }) => {
      const place = CURSOR.exec(input.cursor ?? '');
      if (input.cursor !== undefined && place === null) return unreadableCursor();
      const named = input.agent_id === undefined ? undefined : (deps.findAgent(input.agent_id)?.id ?? '');
      const own = caller.kind === 'person' ? undefined : caller.acting?.agentId;
      if (own !== undefined && named !== undefined && named !== own)
        return ok(page({ rows: [], limit: input.limit }, deps));
      const rows = await approvals(deps.reader, {
        agentId: own ?? named,
        sessionId: caller.kind === 'passport' ? caller.acting?.sessionId : undefined,
        mintedBy: caller.kind !== 'person' && own === undefined ? caller.id : undefined,
        open: input.open === true,
        before: place === null ? undefined : { createdAt: Number(place[1]), id: place[2] ?? '' },
        limit: input.limit,
      });
      return ok(page({ rows, limit: input.limit }, deps));
    },
  });
}

const unreadableCursor = (): Result<never> =>
  refuse(
    new Fault('INVALID_REQUEST', {
      metadata: { issues: [{ path: 'cursor', message: 'is no next_cursor of this list' }] },
    }),
  );

type Page = { readonly rows: readonly Shown[]; readonly limit: number };

function page({ rows, limit }: Page, { book }: Pick<ReadingDeps, 'book'>) {
  const last = rows.length === limit ? rows.at(-1) : undefined;
  const next_cursor = last === undefined ? null : `${last.created_at}.${last.id}`;
  return { output: { approvals: rows.map(book.show), next_cursor }, changes: [] };
}

function showing(deps: ReadingDeps): Operation {
  return operation({
    name: 'stack_show_approval',
    action: 'approval.open',
    summary: 'Show one approval with the whole call that it is about.',
    effect: 'read',
    callers: ['key', 'passport', 'agent_key', 'person'],
    scope: 'proxy:use',
    input: z.strictObject({ id: approvalId }),
    output: cardShape,
    example: {
      input: { id: APPROVAL_EXAMPLE.approval_id },
      output: {
        ...APPROVAL_EXAMPLE,
        headers: { 'content-type': 'application/json' },
        body: { amount: 120, invoice: 'in_7' },
        body_truncated: false,
        body_bytes: 31,
        body_sha256: 'a6c5a3d0f1f6d5b2d3fda0c7ba9d8c4c1a9f4c25f0a6c5a3d0f1f6d5b2d3fda0',
        rule: 'billing:refunds:create where body.amount gt 100',
        call_hash: '5b2d3fda0c7ba9d8c4c1a9f4c25f0a6c5a3d0f1f6d5b2d3fda0a6c5a3d0f1f6d',
      },
    },
    errors: ['NOT_FOUND'],
    route: { method: 'GET', path: '/v1/approvals/:id' },
    toolset: 'passports',
    line: 'operations',
    run: async ({ caller, input, nowMs }) => {
      const { book, waiting } = deps;
      await waiting.settled(input.id);
      const row = await approvalOf(book, { caller, id: input.id });
      if (!row.ok) return row;
      const card = book.card(row.value);
      const whole = { card, body: await book.body(row.value), receipt: row.value.receipt };
      const output = showCard(book.show(row.value), whole);
      if (caller.kind !== 'person') return ok({ output, changes: [] });
      return ok({ output, changes: [openCard(row.value.id, nowMs)], entry: entryOf(row.value) });
    },
  });
}

/** What every entry about an approval says. */
export const entryOf = (row: ApprovalRow) => ({
  approval_id: row.id,
  agent_id: row.agent_id,
  session_id: row.session_id,
  passport_jti: row.passport_jti,
  service: row.service,
  service_action: row.action,
  method: row.method,
});
