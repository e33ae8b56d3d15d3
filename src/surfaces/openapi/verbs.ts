// A verb as documents show it: where each field of its input stands in an HTTP request, who may call, what it can refuse.
import { type FaultCode, REFUSALS } from '#kernel/errors.ts';
import type { CallerKind, Operation } from '#kernel/operation.ts';
import { type Refusals, refusalsOf } from '#pipeline/refusals.ts';
import { type Schema, schemaOf } from './schema.ts';

export type Place = 'path' | 'query' | 'body';
export type Json = Readonly<Record<string, unknown>>;

export type Verb = {
  readonly operation: Operation;
  readonly title: string;
  readonly area: string;
  readonly input: Schema;
  readonly output: Schema;
  readonly placeOf: (field: string) => Place;
  /** The fields at one place, as a schema of their own. */
  readonly inputAt: (place: Place) => Schema;
  readonly exampleAt: (place: Place) => Json;
  readonly statuses: readonly number[];
  readonly refusals: Refusals & { readonly transport: readonly FaultCode[] };
};

/** The guard, before anything is read. The local socket has neither Host nor Origin nor proxy. */
export const GUARD: readonly FaultCode[] = ['HOST_DENIED', 'ORIGIN_DENIED', 'TLS_REQUIRED'];
export const BODY: readonly FaultCode[] = ['PAYLOAD_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'];

const AREAS: Readonly<Record<string, string>> = {
  service: 'Services',
  agent: 'Agents',
  passport: 'Passports',
  credential: 'Calls',
  approval: 'Approvals',
  notification: 'Notifications',
  audit: 'Audit log',
  key: 'API keys',
  secret: 'Secrets',
  config: 'Config',
};

/** In the order of the table above, then as they come. */
export function areasOf(verbs: readonly Verb[]): readonly string[] {
  const known = Object.values(AREAS);
  const present = new Set(verbs.map(({ area }) => area));
  return [
    ...known.filter((area) => present.has(area)),
    ...[...present].filter((area) => !known.includes(area)),
  ];
}

/** The noun of the action: `passport.issue` stands among the passports. */
export function areaOf({ action }: Operation): string {
  const noun = action.slice(0, action.indexOf('.'));
  return AREAS[noun] ?? sentence(noun);
}

const sentence = (words: string): string => `${words.slice(0, 1).toUpperCase()}${words.slice(1)}`;
/** `stack_issue_passport` is read as "Issue passport". */
export const titleOf = (name: string): string =>
  sentence(name.replace('stack_', '').replaceAll('_', ' ')).replace(/\bjwks\b/, 'JWKS');

export function verbOf(operation: Operation): Verb {
  const { route, name } = operation;
  const input = schemaOf(operation.input, 'input');
  const inPath = new Set([...route.path.matchAll(/:([a-z_]+)/g)].map(([, field = '']) => field));
  const rest: Place = route.method === 'GET' || route.method === 'DELETE' ? 'query' : 'body';
  const placeOf = (field: string): Place => (inPath.has(field) ? 'path' : rest);
  const refusals = refusalsOf(operation);
  const hasBody = Object.keys(input.properties ?? {}).some((field) => placeOf(field) === 'body');
  return {
    operation,
    title: titleOf(name),
    area: areaOf(operation),
    input,
    output: schemaOf(operation.output, 'output'),
    placeOf,
    inputAt: (place) => only(input, (field) => placeOf(field) === place),
    exampleAt: (place) => pick(operation.example.input, (field) => placeOf(field) === place),
    statuses: operation.statuses ?? [200],
    refusals: { ...refusals, transport: without(hasBody ? [...GUARD, ...BODY] : GUARD, refusals) },
  };
}

const without = (codes: readonly FaultCode[], { own, line }: Refusals): readonly FaultCode[] =>
  codes.filter((code) => !own.includes(code) && !line.includes(code));

function only(schema: Schema, wanted: (field: string) => boolean): Schema {
  const properties = pick(schema.properties ?? {}, wanted) as Readonly<Record<string, Schema>>;
  const required = (schema.required ?? []).filter(wanted);
  return { ...schema, properties, ...(schema.required === undefined ? {} : { required }) };
}

const pick = (from: Json, wanted: (field: string) => boolean): Json =>
  Object.fromEntries(Object.entries(from).filter(([field]) => wanted(field)));

export const codesOf = ({ refusals }: Verb): readonly FaultCode[] => [
  ...refusals.own,
  ...refusals.line,
  ...refusals.authenticate,
  ...refusals.transport,
];

export const byStatus = (codes: readonly FaultCode[]): readonly (readonly [number, readonly FaultCode[]])[] =>
  [...Map.groupBy(codes, (code): number => REFUSALS[code].status)].sort(([one], [two]) => one - two);

export const CALLERS: Readonly<Record<CallerKind, string>> = {
  key: 'API key',
  passport: 'passport',
  agent_key: 'agent key',
  person: 'person',
  anonymous: 'anyone',
};
/** In the order of contract 2. */
const KINDS: readonly CallerKind[] = ['key', 'passport', 'agent_key', 'person'];

export const callersOf = ({ callers }: Operation): readonly CallerKind[] =>
  callers === 'anyone' ? ['anonymous'] : KINDS.filter((kind) => callers.includes(kind));
