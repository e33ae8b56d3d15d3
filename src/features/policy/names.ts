// Names as other readers take them: what a service might read in place of the named member, field or parameter.
import type { BodyView } from './model.ts';

/** Case, compatibility forms: Go, .NET and others read such names as one (Go: encoding/json, "case-insensitive match"). */
export const folded = (name: string): string => name.normalize('NFKC').toLowerCase();

/** PHP reads a dot, a blank and an opening bracket of a field's name as an underscore, and `a[]` as `a`. */
export const foldedField = (name: string): string => folded(name).replace(/\[.*/s, '').replace(/[ .]/g, '_');

/** The arguments that a body holds at its top; undefined where that cannot be told. */
export function argumentNames(body: BodyView): readonly string[] | undefined {
  if (body.kind === 'none') return [];
  if (body.kind === 'opaque' || body.kind === 'broken') return undefined;
  const { value } = body;
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.keys(value) : [];
}

/** Whether one of `names` might be read as `name`. */
export const holdsAlike = (names: Iterable<string>, name: string): boolean =>
  [...names].some((other) => foldedField(other) === foldedField(name));
