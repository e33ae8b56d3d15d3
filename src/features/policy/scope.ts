// Scopes `service:resource:verb`: `*` fills one whole part, a trailing `*` the rest. A scope names its service.

const PART = /^(?:[a-z0-9][a-z0-9_.-]*|\*)$/;
const PARTS = 3;

export function isScope(text: string): boolean {
  const parts = text.split(':');
  if (!parts.every((part) => PART.test(part)) || parts[0] === '*') return false;
  return parts.length === PARTS || (parts.length === PARTS - 1 && parts.at(-1) === '*');
}

export const serviceOf = (scope: string): string => scope.split(':')[0] ?? '';

/** A trailing `*` stands for all parts that are left. */
function expand(scope: string): readonly string[] {
  const parts = scope.split(':');
  return parts.length < PARTS ? [...parts, ...Array<string>(PARTS - parts.length).fill('*')] : parts;
}

/** Whether everything that `child` covers, `parent` covers too. For an action name this is plain coverage. */
export function narrower(child: string, parent: string): boolean {
  const wide = expand(parent);
  return expand(child).every((part, at) => wide[at] === '*' || wide[at] === part);
}

export const scopeCovers = (scope: string, action: string): boolean => narrower(action, scope);

/** What both allow, as one scope; undefined where they have nothing in common. */
export function intersect(a: string, b: string): string | undefined {
  const right = expand(b);
  const parts: string[] = [];
  for (const [at, left] of expand(a).entries()) {
    const other = right[at] ?? '*';
    if (left !== other && left !== '*' && other !== '*') return undefined;
    parts.push(left === '*' ? other : left);
  }
  return parts.join(':');
}
