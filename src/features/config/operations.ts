// The config file of the running appliance: what it would change, and reading it again. Persons only.
import { z } from 'zod';
import { type Caller, type Operation, operation } from '#kernel/operation.ts';
import { ok, type Result } from '#kernel/result.ts';
import type { Change, Look } from './model.ts';

type Deps = {
  readonly look: () => Look;
  readonly reload: (caller: Caller) => Promise<Result<readonly Change[]>>;
};

const changes = z
  .array(
    z.strictObject({
      path: z.string().describe('Field of the config.'),
      from: z.unknown().describe('Value in force; null where there is none.'),
      to: z.unknown().describe('Value in the file; null where there is none.'),
    }),
  )
  .describe('Fields that differ.');
const EXAMPLE: z.output<typeof changes>[number] = { path: 'limits.call_timeout', from: '30s', to: '20s' };
const problems = z
  .array(
    z.strictObject({
      place: z.string().describe('Line and column in the file, or a field.'),
      message: z.string().describe('What is wrong, and what would be right.'),
    }),
  )
  .describe('Why the file cannot take effect; none where it can.');

export function configOperations(deps: Deps): readonly Operation[] {
  const compare = operation({
    name: 'stack_compare_config',
    action: 'config.compare',
    summary: 'Read the config file and say what it would change. Changes nothing.',
    effect: 'read',
    callers: ['person'],
    scope: 'services:read',
    input: z.strictObject({}),
    output: z.strictObject({ problems, changes }),
    example: { input: {}, output: { problems: [], changes: [EXAMPLE] } },
    errors: [],
    route: { method: 'GET', path: '/v1/config/changes' },
    toolset: null,
    line: 'operations',
    run: async () => {
      const look = deps.look();
      return ok({ output: { problems: [...look.problems], changes: [...look.changes] }, changes: [] });
    },
  });
  const reload = operation({
    name: 'stack_reload_config',
    action: 'config.reload',
    summary: 'Read the config file again. All of it takes effect, or nothing.',
    effect: 'write',
    callers: ['person'],
    scope: 'services:read',
    input: z.strictObject({}),
    output: z.strictObject({ changes }),
    example: { input: {}, output: { changes: [EXAMPLE] } },
    errors: ['CONFLICT'],
    idempotent: true,
    route: { method: 'POST', path: '/v1/config/reload' },
    toolset: null,
    line: 'operations',
    run: async ({ caller }) => {
      const done = await deps.reload(caller);
      if (!done.ok) return done;
      return ok({ output: { changes: [...done.value] }, changes: [], committed: true });
    },
  });
  return [compare, reload];
}
