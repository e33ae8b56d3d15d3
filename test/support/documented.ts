// Every answer a test gets is held against the documents: its shape against the schema of its verb, its refusal against
// the list of those the verb can give. So what the reference says is what every scenario has seen.
import assert from 'node:assert/strict';
import type { Operation } from '#kernel/operation.ts';
import { codesOf, verbOf } from '#surfaces/openapi/verbs.ts';
import { describedOperations } from '../../src/operations.ts';

type Entry = { readonly operation: Operation; readonly path: RegExp; readonly codes: readonly string[] };

const entries: readonly Entry[] = describedOperations().map((operation) => ({
  operation,
  path: new RegExp(`^${operation.route.path.replaceAll('.', '\\.').replaceAll(/:[a-z_]+/g, '[^/]+')}$`),
  codes: codesOf(verbOf(operation)),
}));

const asked = new Map<string, Set<string>>();

/** What each verb has answered in this process: codes of refusals, and `done`. */
export const answersSoFar = (): ReadonlyMap<string, ReadonlySet<string>> => asked;

function note({ operation }: Entry, what: string): void {
  asked.set(operation.name, (asked.get(operation.name) ?? new Set()).add(what));
}

type Seen = { readonly status: number; readonly body: unknown };

/** Routes that are no operation, and methods that a route does not take, are somebody else's. */
export function assertDocumented(method: string, target: string, seen: Seen): void {
  const path = target.split('?')[0] ?? '';
  // `/v1/passports/issue` is no `/v1/passports/:jti`: the longest literal route is first in the router, too.
  const found = entries.filter((entry) => entry.operation.route.method === method && entry.path.test(path));
  const entry = found.find(({ operation }) => operation.route.path === path) ?? found[0];
  if (entry === undefined) return;
  if (seen.status < 400) assertAnswer(entry, seen);
  else assertRefusal(entry, seen.body);
}

/** A tool's answer has the same shape and the same refusals as its route's. */
export function assertToolDocumented(
  name: string,
  result: { isError?: unknown; structuredContent?: unknown },
): void {
  const entry = entries.find(({ operation }) => operation.name === name);
  if (entry === undefined || result.structuredContent === undefined) return;
  if (result.isError === true) assertRefusal(entry, result.structuredContent);
  else assertShape(entry, result.structuredContent);
}

function assertAnswer({ operation, ...entry }: Entry, { status, body }: Seen): void {
  const statuses = operation.statuses ?? [200];
  assert.ok(
    statuses.includes(status),
    `${operation.name} answers ${status}, documented: ${statuses.join(', ')}`,
  );
  assertShape({ operation, ...entry }, body);
}

function assertShape(entry: Entry, body: unknown): void {
  const { operation } = entry;
  note(entry, 'done');
  const { error } = operation.output.safeParse(body);
  assert.equal(
    error,
    undefined,
    `the answer of ${operation.name} is not the documented one: ${error?.message}`,
  );
}

function assertRefusal(entry: Entry, body: unknown): void {
  const { operation, codes } = entry;
  const code = (body as { error?: { code?: unknown } } | undefined)?.error?.code;
  note(entry, String(code));
  assert.ok(
    codes.includes(String(code)),
    `${operation.name} refused with ${String(code)}, which its documents do not name; see errors in its operations.ts`,
  );
}
