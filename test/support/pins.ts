// Two JSON values compared place by place, so that a change of what the outside sees is read at a glance.

type Members = Readonly<Record<string, unknown>>;

const SHOWN_CHARS = 160;
const SHOWN_CHANGES = 60;

/** Members by name, so that moving code about changes no pin; lists keep their order, which is seen outside. */
export function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (typeof value !== 'object' || value === null) return value;
  const names = Object.keys(value).sort();
  return Object.fromEntries(names.map((name) => [name, ordered((value as Members)[name])]));
}

/** One line a change: `+` added, `-` removed, `~` changed, each with its JSON pointer. */
export function changesOf(before: unknown, after: unknown): readonly string[] {
  const changes = compare(before, after, '');
  if (changes.length <= SHOWN_CHANGES) return changes;
  return [...changes.slice(0, SHOWN_CHANGES), `… and ${changes.length - SHOWN_CHANGES} more`];
}

function compare(before: unknown, after: unknown, at: string): readonly string[] {
  if (!isTree(before) || !isTree(after) || Array.isArray(before) !== Array.isArray(after)) {
    return Object.is(before, after) ? [] : [`~ ${at}: ${shown(before)} → ${shown(after)}`];
  }
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names.flatMap((name) => {
    const path = `${at}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    if (!Object.hasOwn(after, name)) return [`- ${path}: ${shown(before[name])}`];
    if (!Object.hasOwn(before, name)) return [`+ ${path}: ${shown(after[name])}`];
    return compare(before[name], after[name], path);
  });
}

const isTree = (value: unknown): value is Members => typeof value === 'object' && value !== null;

function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length <= SHOWN_CHARS ? text : `${text.slice(0, SHOWN_CHARS)}…`;
}
