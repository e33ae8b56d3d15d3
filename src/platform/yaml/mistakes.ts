// zod issues as mistakes: line, key path, what is wrong, what would be right. Values are quoted only where they are no secret.
import type { z } from 'zod';
import type { KeyPath, Mistake, YamlFile } from './read.ts';

const SECRET_PATH = /secret|key|value|password|token|inject|fixed/i;
/** Further edits make another word of it. */
const SUGGESTION_DISTANCE_MAX = 3;
/** What zod says where the schema has no sentence of its own. */
const ZOD_SENTENCE = /^Invalid /;
const NOUNS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list, like [ a, b ]',
  object: 'a mapping of keys',
  record: 'a mapping of keys',
};

type Issue = z.core.$ZodIssue;
export type Context = {
  readonly file: YamlFile;
  /** Keys of the contract that this version does not know yet: refused with a sentence of their own. */
  readonly later: ReadonlySet<string>;
  /** The keys that may stand in the object at this path. */
  readonly known: (path: KeyPath) => readonly string[];
};

export function mistakesOf(issues: readonly Issue[], context: Context): Mistake[] {
  return issues.flatMap((issue) => {
    const path = issue.path as KeyPath;
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => unknownKey([...path, key], context));
    if (issue.code === 'invalid_union') return unionMistakes(issue, context);
    return [at(context.file, path, messageOf(issue, context.file))];
  });
}

export function at(file: YamlFile, path: KeyPath, message: string): Mistake {
  return { ...file.locate(path), path: path.join('.'), message, severity: 'error' };
}

function unknownKey(path: KeyPath, { file, later, known }: Context): Mistake {
  const key = String(path.at(-1));
  const near = nearest(key, known(path.slice(0, -1)));
  const hint = near === undefined ? '' : `, did you mean \`${near}\`?`;
  const message = later.has(key) ? `\`${key}\` is not in this version` : `unknown key \`${key}\`${hint}`;
  return { ...file.locate(path, true), path: path.join('.'), message, severity: 'error' };
}

/** Of several forms the one that was meant: the same kind of value, with the fewest mistakes. */
function unionMistakes(issue: z.core.$ZodIssueInvalidUnion, context: Context): Mistake[] {
  const path = issue.path as KeyPath;
  const branches: Issue[][] = issue.errors.map((inner) =>
    inner.map((one) => ({ ...one, path: [...path, ...one.path] })),
  );
  const later = branches.flat().filter((one) => isLater(one, context));
  if (later[0] !== undefined) return mistakesOf([later[0]], context);
  if (!ZOD_SENTENCE.test(issue.message)) return [at(context.file, path, issue.message)];
  const meant = branches
    .filter((inner) => !inner.some((one) => isOtherKind(one, path, context)))
    .sort((a, b) => a.length - b.length)[0];
  if (meant !== undefined) return mistakesOf(meant, context);
  const forms = branches.flat().flatMap((one) => (one.code === 'invalid_type' ? [nounOf(one.expected)] : []));
  return [at(context.file, path, `must be ${[...new Set(forms)].join(' or ')}`)];
}

/** A word where a list or an object stands is another form, too, though it would be the one with the fewest mistakes. */
function isOtherKind(issue: Issue, path: KeyPath, { file }: Context): boolean {
  if (issue.path.length !== path.length) return false;
  const wordForObject = issue.code === 'invalid_value' && typeof valueAt(file, path) === 'object';
  return issue.code === 'invalid_type' || wordForObject;
}

const isLater = (issue: Issue, { later }: Context): boolean =>
  issue.code === 'unrecognized_keys' && issue.keys.some((key) => later.has(key));

const nounOf = (kind: string): string => NOUNS[kind] ?? kind;

const valueAt = (file: YamlFile, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (value, step) => (value as Record<PropertyKey, unknown> | undefined | null)?.[step],
    file.value,
  );

function messageOf(issue: Issue, file: YamlFile): string {
  const found = valueAt(file, issue.path);
  if (!ZOD_SENTENCE.test(issue.message)) return withFound(issue.message, found, issue);
  if (issue.code === 'invalid_value') {
    const values = issue.values.map(String);
    const near = typeof found === 'string' ? nearest(found, values) : undefined;
    const hint = near === undefined ? '' : `, did you mean ${near}?`;
    return `${withFound(`must be ${values.join(' or ')}`, found, issue)}${hint}`;
  }
  if (issue.code !== 'invalid_type') return withFound(issue.message, found, issue);
  if (found === undefined) return `is required, ${nounOf(issue.expected)}`;
  const unquoted = issue.expected === 'string' && (typeof found === 'number' || typeof found === 'boolean');
  return withFound(
    `must be ${nounOf(issue.expected)}${unquoted ? '; quote it to make it text' : ''}`,
    found,
    issue,
  );
}

/** What was found, unless it might be a secret that stands in the wrong place. */
function withFound(message: string, found: unknown, issue: Issue): string {
  const hidden = typeof found === 'object' || found === undefined || SECRET_PATH.test(issue.path.join('.'));
  return hidden ? message : `${message}, found ${JSON.stringify(found)}`;
}

type Definition = {
  readonly innerType?: Schema;
  readonly valueType?: Schema;
  readonly element?: Schema;
  readonly options?: readonly Schema[];
  readonly shape?: Readonly<Record<string, Schema>>;
};
type Schema = { readonly def?: Definition };

/** The forms a value may have, without the wrappers around them. */
function formsOf(schema: Schema | undefined): readonly Definition[] {
  const def = schema?.def;
  if (def === undefined) return [];
  if (def.innerType !== undefined) return formsOf(def.innerType);
  return def.options === undefined ? [def] : def.options.flatMap(formsOf);
}

/** Every key that may stand at this path of a schema of objects, records, lists and unions. */
export function knownKeys(schema: unknown, path: KeyPath): readonly string[] {
  let forms = formsOf(schema as Schema);
  for (const step of path)
    forms = forms.flatMap((form) => formsOf(form.shape?.[String(step)] ?? form.valueType ?? form.element));
  return [...new Set(forms.flatMap(({ shape }) => Object.keys(shape ?? {})))];
}

/** The known word that was probably meant: few edits away, or the beginning or end of one. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const ranked = known
    .map((name) => ({ name, distance: distance(word.toLowerCase(), name) }))
    .sort((a, b) => a.distance - b.distance);
  const [best] = ranked;
  // Half of a short word's letters would make any word of it.
  const bound = Math.min(SUGGESTION_DISTANCE_MAX, Math.ceil(word.length / 2));
  if (best !== undefined && best.distance <= bound) return best.name;
  const parts = known.filter((name) => name.startsWith(`${word}_`) || name.endsWith(`_${word}`));
  return parts.length === 1 ? parts[0] : undefined;
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
