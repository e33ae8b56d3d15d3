// Which invariants the tests of a source name. What may be skipped proves nothing: not a skipped test, nor one in a skipped
// suite, nor one that skips itself on a condition, nor a suite in which no test is left.
import { blank, closingOf } from './source-text.ts';

type Call = {
  readonly kind: string;
  readonly modifier: string | undefined;
  /** From the word to the closing bracket. */
  readonly from: number;
  readonly to: number;
  readonly opening: number;
};

const CALL = /(?<![.\w$])(it|test|describe|suite)(?:\.(\w+))?\s*(\()/g;
const CITE = /^\s*['"`]invariants? (\d+(?:(?:,| and) \d+)*):/;
/** `{ skip }`, `{ skip: … }`, `{ todo: … }` among the options. */
const OPTION = /[{,]\s*(?:skip|todo)\s*[,:}]/;
/** `t.skip()` in the body, whatever the context is called. */
const OWN_SKIP = /(?<![\w$])(?!(?:it|test|describe|suite)\.)[\w$]+\.(?:skip|todo)\(/;
const BODY = /(?:=>|\bfunction\b)/;

const isSuite = ({ kind }: Call): boolean => kind === 'describe' || kind === 'suite';
const holds = (outer: Call, inner: Call): boolean => outer.from < inner.from && inner.to <= outer.to;

/** Numbers of the invariants that a test which always runs is named after. */
export function citationsIn(text: string): readonly number[] {
  const { code } = blank(text);
  const calls = [...code.matchAll(CALL)].map((found): Call => {
    const opening = found.index + found[0].length - 1;
    const [, kind = '', modifier] = found;
    return { kind, modifier, from: found.index, opening, to: closingOf(code, opening) };
  });
  const idle = calls.filter((call) => mayBeSkipped(code, call));
  const runs = (call: Call): boolean => !idle.some((one) => one === call || holds(one, call));
  const proves = (call: Call): boolean =>
    runs(call) &&
    (!isSuite(call) || calls.some((inner) => !isSuite(inner) && holds(call, inner) && runs(inner)));
  return calls
    .filter(proves)
    .flatMap(({ opening, to }) => CITE.exec(text.slice(opening + 1, to))?.[1]?.match(/\d+/g) ?? [])
    .map(Number);
}

function mayBeSkipped(code: string, call: Call): boolean {
  if (call.modifier === 'skip' || call.modifier === 'todo') return true;
  const inside = code.slice(call.opening + 1, call.to);
  const body = BODY.exec(inside)?.index ?? inside.length;
  // A test without a body is a promise.
  if (body === inside.length) return true;
  return OPTION.test(inside.slice(0, body)) || (!isSuite(call) && OWN_SKIP.test(inside.slice(body)));
}
