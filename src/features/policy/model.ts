// What a call is to the rules: constraints, actions, scopes, and the view of a call they read.

export const OPERATORS = [
  'eq',
  'not_eq',
  'in',
  'not_in',
  'matches',
  'starts_with',
  'lt',
  'lte',
  'gt',
  'gte',
  'exists',
  'absent',
] as const;
export type Operator = (typeof OPERATORS)[number];
export type Scalar = string | number | boolean | null;
export type Constraint = {
  readonly path: string;
  readonly op: Operator;
  readonly value?: Scalar | readonly Scalar[];
};

/** `METHOD /pattern`: `*` is one non-empty segment, `**` the rest, also empty; relative to base_url (contract 6). */
export type CallPattern = {
  readonly method: string;
  readonly segments: readonly string[];
  readonly text: string;
};
/** Where a call may have its arguments. `either`: each in one of the two, none in both. */
export const ARGUMENT_PLACES = ['query', 'body', 'either'] as const;
export type ArgumentPlace = (typeof ARGUMENT_PLACES)[number];
export type ActionCall = {
  readonly pattern: CallPattern;
  readonly where: readonly Constraint[];
  /** Anywhere, where it is not said. */
  readonly arguments?: ArgumentPlace;
};
/** `service:resource:verb` over patterns; it covers a call if one of them does. */
export type Action = { readonly name: string; readonly calls: readonly ActionCall[] };
export type ApprovalRule = {
  readonly action: string | 'writes';
  readonly where: readonly Constraint[];
  /** A rejection revokes the passport that asked, unless this says that it only denies the call. */
  readonly onReject?: 'deny';
  /** A call that comes without an approval is submitted at once. */
  readonly onCall?: 'submit';
};

/** The body as rules may read it. `broken`: does not parse as declared, or repeats a member or field. */
export type BodyView =
  | { readonly kind: 'none' }
  | { readonly kind: 'json'; readonly value: unknown }
  | { readonly kind: 'form'; readonly value: unknown }
  /** `holdsFields`: arguments stand in it, in a form that is not read here. */
  | { readonly kind: 'opaque'; readonly holdsFields?: boolean }
  | { readonly kind: 'broken'; readonly reason: string };

export type CallView = {
  readonly method: string;
  readonly host: string;
  readonly origin: string;
  /** Raw path below base_url, beginning with `/`; what patterns see. */
  readonly relativePath: string;
  /** Raw path of the whole URL, without a trailing slash: `url.pathname`. */
  readonly pathname: string;
  readonly query: ReadonlyMap<string, readonly string[]>;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: BodyView;
};

/** Scopes are `service:resource:verb`: `*` fills one whole part, a trailing `*` the rest; the first part names the service. */
const PART = /^(?:[a-z0-9][a-z0-9_.-]*|\*)$/;
const PARTS = 3;

export function isScope(text: string): boolean {
  const parts = text.split(':');
  if (!parts.every((part) => PART.test(part)) || parts[0] === '*') return false;
  return parts.length === PARTS || (parts.length === PARTS - 1 && parts.at(-1) === '*');
}

export const serviceOf = (scope: string): string => scope.replace(/:.*/s, '');

/** A trailing `*` stands for all parts that are left. */
function expand(scope: string): readonly string[] {
  const parts = scope.split(':');
  const left = Math.max(0, PARTS - parts.length);
  return [...parts, ...Array<string>(left).fill('*')];
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
