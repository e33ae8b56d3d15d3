// The difference between two configs, field by field. Neither holds a secret: the YAML has references and sealed boxes.
import { canonicalize, type Json } from '#kernel/canonical.ts';
import { CONFIG_CHANGE_VALUE_CHARS_MAX } from '#kernel/limits.ts';
import type { Change } from './model.ts';

type Members = Readonly<Record<string, Json>>;

const isMap = (value: Json | undefined): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** In the order of the fields' names. A list counts as one value, since the place in it has meaning. */
export function compareSettings(before: Json, after: Json): readonly Change[] {
  return compare([], before, after);
}

function compare(path: readonly string[], before: Json | undefined, after: Json | undefined): Change[] {
  if (isMap(before) && isMap(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
    return names.flatMap((name) => compare([...path, name], before[name], after[name]));
  }
  if (canonicalize(before ?? null) === canonicalize(after ?? null)) return [];
  return [{ path: path.join('.'), from: before ?? null, to: after ?? null }];
}

/** `services.billing.base_url: "https://a" → "https://b"`; a long value is cut and says so. */
export function changeText({ path, from, to }: Change): string {
  if (from === null) return `${path}: added ${shown(to)}`;
  return to === null ? `${path}: removed ${shown(from)}` : `${path}: ${shown(from)} → ${shown(to)}`;
}

function shown(value: Json): string {
  const text = JSON.stringify(value);
  const max = CONFIG_CHANGE_VALUE_CHARS_MAX;
  return text.length <= max ? text : `${text.slice(0, max)}… (${text.length} characters)`;
}
