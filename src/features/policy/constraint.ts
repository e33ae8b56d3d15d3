// One constraint `{path, op, value}` against one call: holds, fails, or undecided where the call can be read two ways.
// Undecided counts against the caller: a grant does not hold, an approval rule does.
import { RE2JS } from 're2js';
import { REGEX_CHARS_MAX } from '#kernel/limits.ts';
import type { CallView, Constraint, Operator, Scalar } from './model.ts';
import { argumentNames, folded, foldedField, holdsAlike } from './names.ts';

export type Verdict = 'holds' | 'fails' | 'undecided';
export type CompiledConstraint = {
  readonly constraint: Constraint;
  readonly judge: (view: CallView) => Verdict;
};

/** `value: undefined` with `found` false: the path is absent. */
type Found =
  | { readonly kind: 'value'; readonly value: unknown; readonly textual: boolean }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unclear' };

const PATH = /^(?:method|url\.(?:pathname|host|origin)|headers\.[a-z0-9-]+|query\..+|body(?:\.[^.]+)+)$/;
/** One spelling per number, so that no upstream reads another one. */
const DECIMAL = /^-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?$/;
type Ordering = Extract<Operator, 'lt' | 'lte' | 'gt' | 'gte'>;
const ORDER: Readonly<Record<Ordering, (left: number, right: number) => boolean>> = {
  lt: (left, right) => left < right,
  lte: (left, right) => left <= right,
  gt: (left, right) => left > right,
  gte: (left, right) => left >= right,
};

const isOrdering = (op: Operator): op is Ordering => Object.hasOwn(ORDER, op);

export function compileConstraint(constraint: Constraint): CompiledConstraint | { readonly problem: string } {
  const problem = shapeProblem(constraint);
  if (problem !== undefined) return { problem };
  const test = testOf(constraint);
  return 'problem' in test
    ? test
    : { constraint, judge: (view) => judge(constraint, test.test, find(constraint.path, view)) };
}

function shapeProblem({ path, op, value }: Constraint): string | undefined {
  if (!PATH.test(path))
    return `path ${path} is none of method, url.pathname, url.host, url.origin, headers.x, query.x, body.x`;
  const list = Array.isArray(value);
  if (op === 'exists' || op === 'absent') return value === undefined ? undefined : `${op} takes no value`;
  if (op === 'in' || op === 'not_in') return list ? undefined : `${op} wants a list`;
  if (value === undefined || list) return `${op} wants one value`;
  if (isOrdering(op)) return typeof value === 'number' ? undefined : `${op} wants a number`;
  if (op === 'matches' || op === 'starts_with')
    return typeof value === 'string' ? undefined : `${op} wants text`;
  return undefined;
}

type Test = { readonly test: (found: Found & { kind: 'value' }) => Verdict };

function testOf({ op, value }: Constraint): Test | { readonly problem: string } {
  if (op === 'matches') return regexTest(String(value));
  if (isOrdering(op))
    return { test: (found) => compare(found, (number) => ORDER[op](number, Number(value))) };
  const wanted = (Array.isArray(value) ? value : [value]) as readonly Scalar[];
  const equal = (found: Found & { kind: 'value' }): boolean => wanted.some((scalar) => same(scalar, found));
  const tests: Readonly<Record<typeof op, (found: Found & { kind: 'value' }) => boolean>> = {
    exists: () => true,
    absent: () => false,
    starts_with: ({ value: text }) => typeof text === 'string' && text.startsWith(String(value)),
    eq: equal,
    in: equal,
    not_eq: (found) => !equal(found),
    not_in: (found) => !equal(found),
  };
  return { test: (found) => (tests[op](found) ? 'holds' : 'fails') };
}

/** RE2: linear time, no backtracking; finds anywhere in the text unless the pattern anchors itself. */
function regexTest(pattern: string): Test | { readonly problem: string } {
  if (pattern.length > REGEX_CHARS_MAX)
    return { problem: `pattern is longer than ${REGEX_CHARS_MAX} characters` };
  try {
    const compiled = RE2JS.compile(pattern);
    return {
      test: ({ value }) => (typeof value === 'string' && compiled.matcher(value).find() ? 'holds' : 'fails'),
    };
  } catch {
    return { problem: 'pattern is not an RE2 regular expression' };
  }
}

/** A number that is text in JSON, or not in its one spelling, could be read as a number by the upstream. */
function compare(found: Found & { kind: 'value' }, test: (value: number) => boolean): Verdict {
  const { value, textual } = found;
  if (typeof value === 'number') return test(value) ? 'holds' : 'fails';
  if (textual && typeof value === 'string' && DECIMAL.test(value))
    return test(Number(value)) ? 'holds' : 'fails';
  return 'undecided';
}

/** Text forms (query, form, header) carry numbers and booleans as text. Objects never equal scalars. */
function same(scalar: Scalar, { value, textual }: Found & { kind: 'value' }): boolean {
  if (value === scalar) return true;
  if (!textual || typeof value !== 'string' || scalar === null) return false;
  return typeof scalar === 'number'
    ? DECIMAL.test(value) && Number(value) === scalar
    : value === String(scalar);
}

function judge({ op }: Constraint, test: Test['test'], found: Found): Verdict {
  if (found.kind === 'unclear') return 'undecided';
  // Contract 6: an absent path fails every operator but these three.
  if (found.kind === 'absent')
    return op === 'absent' || op === 'not_eq' || op === 'not_in' ? 'holds' : 'fails';
  return test(found);
}

const text = (value: string | undefined): Found =>
  value === undefined ? { kind: 'absent' } : { kind: 'value', value, textual: true };

function find(path: string, view: CallView): Found {
  const cut = `${path}.`.indexOf('.');
  const head = path.slice(0, cut);
  const rest = path.slice(cut + 1);
  if (head === 'method') return text(view.method);
  if (head === 'headers') return text(view.headers.get(rest));
  if (head === 'url') return text({ pathname: view.pathname, host: view.host, origin: view.origin }[rest]);
  return head === 'body' ? findInBody(rest.split('.'), view) : findInQuery(rest, view);
}

/** The member of this very name; unclear where some upstream would take another member for it. */
function member(
  object: Readonly<Record<string, unknown>>,
  name: string,
  fold: (name: string) => string,
): Found {
  const alike = Object.keys(object).filter((key) => fold(key) === fold(name));
  const [only] = alike;
  if (only === undefined) return { kind: 'absent' };
  if (alike.length > 1 || only !== name) return { kind: 'unclear' };
  return { kind: 'value', value: object[name], textual: fold === foldedField };
}

/** An argument in query and body: which of the two the service takes, nobody here can know. */
function findInQuery(name: string, { query, body }: CallView): Found {
  const unread = body.kind === 'broken' || (body.kind === 'opaque' && body.holdsFields === true);
  if (unread) return { kind: 'unclear' };
  if (holdsAlike(argumentNames(body) ?? [], name)) return { kind: 'unclear' };
  const found = member(Object.fromEntries(query), name, foldedField);
  if (found.kind !== 'value') return found;
  const values = found.value as readonly string[];
  return values.length > 1 ? { kind: 'unclear' } : text(values[0]);
}

function findInBody(steps: readonly string[], { query, body }: CallView): Found {
  if (holdsAlike(query.keys(), steps[0] ?? '')) return { kind: 'unclear' };
  if (body.kind === 'none') return { kind: 'absent' };
  if (body.kind === 'opaque' || body.kind === 'broken') return { kind: 'unclear' };
  const textual = body.kind === 'form';
  const fold = textual ? foldedField : folded;
  return steps.reduce<Found>(
    (found, step) => (found.kind === 'value' ? within(found.value, step, fold) : found),
    { kind: 'value', value: body.value, textual },
  );
}

const within = (value: unknown, name: string, fold: (name: string) => string): Found =>
  typeof value === 'object' && value !== null
    ? member(value as Readonly<Record<string, unknown>>, name, fold)
    : { kind: 'absent' };
