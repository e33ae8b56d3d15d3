// zod issues as mistakes: line, key path, what is wrong, what would be right. Values are quoted only where they are no secret.
import type { z } from 'zod';
import type { KeyPath, Mistake, YamlFile } from './read.ts';

const SECRET_PATH = /secret|key|value|password|token/i;
/** Further edits make another word of it. */
const SUGGESTION_DISTANCE_MAX = 3;

export function mistakesOf(
  issues: readonly z.core.$ZodIssue[],
  file: YamlFile,
  later: ReadonlySet<string>,
): Mistake[] {
  return issues.flatMap((issue) => {
    const path = issue.path as KeyPath;
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => unknownKey(file, [...path, key], { issue, later }));
    if (issue.code === 'invalid_union') return [at(file, path, unionMessage(issue))];
    return [at(file, path, messageOf(issue, file, path))];
  });
}

export function at(file: YamlFile, path: KeyPath, message: string): Mistake {
  return { ...file.locate(path), path: path.join('.'), message, severity: 'error' };
}

type Context = { readonly issue: z.core.$ZodIssueUnrecognizedKeys; readonly later: ReadonlySet<string> };

function unknownKey(file: YamlFile, path: KeyPath, { issue, later }: Context): Mistake {
  const key = String(path.at(-1));
  const place = { ...file.locate(path, true), path: path.join('.'), severity: 'error' as const };
  if (later.has(key)) return { ...place, message: `\`${key}\` is not in this version` };
  const known = (issue as unknown as { readonly known?: readonly string[] }).known ?? [];
  const near = nearest(key, known);
  return {
    ...place,
    message: `unknown key \`${key}\`${near === undefined ? '' : `, did you mean \`${near}\`?`}`,
  };
}

function unionMessage(issue: z.core.$ZodIssueInvalidUnion): string {
  // A sentence of the schema's own says it better than its branches.
  if (issue.message !== 'Invalid input') return issue.message;
  const messages = issue.errors.flat().map((inner) => inner.message);
  return messages.length === 0
    ? issue.message
    : `none of the forms fits: ${[...new Set(messages)].join('; or ')}`;
}

function messageOf(issue: z.core.$ZodIssue, file: YamlFile, path: KeyPath): string {
  if (SECRET_PATH.test(path.join('.'))) return issue.message;
  const found = path.reduce<unknown>(
    (value, step) => (value as Record<string, unknown> | undefined)?.[step],
    file.value,
  );
  return typeof found === 'object' ? issue.message : `${issue.message}, found ${JSON.stringify(found)}`;
}

export function nearest(word: string, known: readonly string[]): string | undefined {
  const ranked = known
    .map((name) => ({ name, distance: distance(word, name) }))
    .sort((a, b) => a.distance - b.distance);
  const [best] = ranked;
  return best !== undefined && best.distance <= SUGGESTION_DISTANCE_MAX ? best.name : undefined;
}

/** Edit distance with transpositions (optimal string alignment). */
export function distance(a: string, b: string): number {
  const rows = Array.from({ length: a.length + 1 }, (_, at) => [at, ...Array<number>(b.length).fill(0)]);
  rows[0] = Array.from({ length: b.length + 1 }, (_, at) => at);
  const cell = (i: number, j: number): number => rows[i]?.[j] ?? 0;
  for (let i = 1; i <= a.length; i += 1) {
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      const swapped =
        i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
          ? cell(i - 2, j - 2) + 1
          : Number.POSITIVE_INFINITY;
      (rows[i] as number[])[j] = Math.min(
        cell(i - 1, j) + 1,
        cell(i, j - 1) + 1,
        cell(i - 1, j - 1) + same,
        swapped,
      );
    }
  }
  return cell(a.length, b.length);
}
