// Reading the log: a page for polling, and the walk over the whole chain.
import { z } from 'zod';
import { Fault } from '#kernel/errors.ts';
import { AUDIT_PAGE, AUDIT_PAGE_MAX, ID_CHARS_MAX } from '#kernel/limits.ts';
import { type Caller, type Operation, operation } from '#kernel/operation.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import { ENTRY_EXAMPLE, type Entry, entryShape } from './shape.ts';
import { type EntryRow, type Filter, selectPage } from './store.ts';
import type { ChainReport } from './verify.ts';

type Deps = { readonly reader: Reader; readonly scanChain: () => Promise<ChainReport> };

const pageInput = z.strictObject({
  limit: z.number().int().min(1).max(AUDIT_PAGE_MAX).default(AUDIT_PAGE).describe('Entries per page.'),
  since: z
    .number()
    .int()
    .min(0)
    .max(Number.MAX_SAFE_INTEGER)
    .optional()
    .describe('Only entries after this unix ms.'),
  cursor: z
    .string()
    .regex(/^\d{1,15}$/)
    .optional()
    .describe('next_cursor of the page before; loses nothing.'),
  agent_id: z.string().max(ID_CHARS_MAX).optional().describe('Only entries of this agent, by id.'),
  passport_jti: z.string().max(ID_CHARS_MAX).optional().describe('Only entries of this passport.'),
});

const pageOutput = z.strictObject({
  entries: z.array(entryShape).describe('Newest first; entry_hash stands beside the chained fields.'),
  max_timestamp: z.number().int().min(0).describe('Watermark for since.'),
  next_cursor: z.string().nullable().describe('Give it as cursor for older entries; null at the end.'),
});

const reportOutput = z.strictObject({
  valid: z.boolean().describe('Every entry is there, in order, unchanged, up to the recorded head.'),
  entries: z.number().int().min(0).describe('Entries that were walked.'),
  head_seq: z
    .number()
    .int()
    .min(0)
    .describe('Number of the last entry. Note it elsewhere from time to time.'),
  head_hash: z.string().describe('Hash of the last entry. Note it elsewhere, too.'),
  first_break: z
    .strictObject({
      seq: z.number().int().min(0).describe('Number of the entry where the chain breaks.'),
      reason: z.string().describe('What is wrong there.'),
    })
    .optional()
    .describe('The first break, where there is one.'),
});

export function auditOperations({ reader, scanChain }: Deps): readonly Operation[] {
  const list = operation({
    name: 'stack_list_audit',
    action: 'audit.read',
    summary: 'Read the audit log, newest first: a key its own doings, a passport its session, a person all.',
    effect: 'read',
    callers: ['key', 'passport', 'agent_key', 'person'],
    scope: 'audit:read',
    input: pageInput,
    output: pageOutput,
    example: {
      input: { limit: 1 },
      output: { entries: [ENTRY_EXAMPLE], max_timestamp: ENTRY_EXAMPLE.timestamp, next_cursor: '41' },
    },
    errors: [],
    route: { method: 'GET', path: '/v1/audit' },
    toolset: 'audit',
    line: 'operations',
    run: async ({ caller, input }) => {
      const own = caller.acting?.agentId;
      if (caller.bound === true && input.agent_id !== undefined && input.agent_id !== own)
        return foreign('the key is bound to another agent than agent_id');
      const rows = await reader.all(selectPage(filterOf(caller, input)));
      return ok({ output: pageOf(rows, input), changes: [] });
    },
  });
  const verify = operation({
    name: 'stack_verify_chain',
    action: 'audit.verify',
    summary:
      'Walk the whole chain and report the first entry that was changed, deleted, reordered or cut off.',
    effect: 'read',
    callers: ['key', 'person'],
    scope: 'audit:read',
    input: z.strictObject({}),
    output: reportOutput,
    example: {
      input: {},
      output: { valid: true, entries: 41, head_seq: 41, head_hash: ENTRY_EXAMPLE.entry_hash },
    },
    errors: [],
    route: { method: 'GET', path: '/v1/audit/verify-chain' },
    toolset: 'audit',
    line: 'operations',
    run: async ({ caller }) =>
      caller.bound === true
        ? foreign('the whole log is not of the one agent that the key is bound to')
        : ok({ output: await scanChain(), changes: [] }),
  });
  return [list, verify];
}

const foreign = (detail: string): Result<never> => refuse(new Fault('FORBIDDEN', { detail }));

type PageInput = z.infer<typeof pageInput>;

function filterOf(caller: Caller, input: PageInput): Filter {
  return {
    visibleTo: visible(caller),
    agentId: caller.bound === true ? caller.acting?.agentId : input.agent_id,
    passportJti: input.passport_jti,
    sinceMs: input.since,
    beforeSeq: input.cursor === undefined ? undefined : Number(input.cursor),
    limit: input.limit,
  };
}

function visible(caller: Caller): Filter['visibleTo'] {
  if (caller.kind === 'person') return 'all';
  if (caller.kind === 'passport') return { sessionId: caller.acting?.sessionId ?? '' };
  return { keyId: caller.id };
}

function pageOf(rows: readonly EntryRow[], input: PageInput): z.infer<typeof pageOutput> {
  // The bytes are ours, written by sealEntry and covered by the hash beside them.
  const entries = rows.map((row) => ({
    ...(JSON.parse(row.bytes) as Omit<Entry, 'entry_hash'>),
    entry_hash: row.entry_hash,
  }));
  const last = rows.at(-1);
  return {
    entries,
    max_timestamp: Math.max(input.since ?? 0, ...rows.map((row) => row.timestamp)),
    next_cursor: last !== undefined && rows.length === input.limit && last.seq > 1 ? String(last.seq) : null,
  };
}
