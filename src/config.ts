// The whole config: every section in one schema. A bad file says every mistake at once and changes nothing (invariant 8).
import { dirname, join, relative, resolve } from 'node:path';
import { z } from 'zod';
import type { AgentSettings } from '#features/agents/model.ts';
import { MODES } from '#features/agents/model.ts';
import { AGENT_NAME } from '#features/agents/shape.ts';
import { isScope, narrower, serviceOf } from '#features/policy/scope.ts';
import type { Service } from '#features/services/model.ts';
import {
  CALL_TIMEOUT_MS,
  CONFIG_MISTAKES_MAX,
  PASSPORT_TTL_SECONDS,
  PASSPORT_TTL_SECONDS_MAX,
  PASSPORT_TTL_SECONDS_MIN,
  REQUEST_BODY_BYTES_MAX,
  RESPONSE_BYTES_MAX,
} from '#kernel/limits.ts';
import { readConfigText } from '#platform/host/files.ts';
import { at, mistakesOf, nearest } from '#platform/yaml/mistakes.ts';
import { type Mistake, readYaml, type YamlFile } from '#platform/yaml/read.ts';
import { duration, size } from '#platform/yaml/units.ts';
import { buildService, serviceSchema } from './config-services.ts';

export type Config = {
  readonly configPath: string;
  readonly listen: { readonly host: string; readonly port: number };
  readonly publicUrl: string;
  readonly hosts: readonly string[];
  readonly dataDir: string;
  readonly keyFile: string;
  readonly services: ReadonlyMap<string, Service>;
  readonly agents: ReadonlyMap<string, AgentSettings>;
  /** `agents."*"`: what agents registered by a call may have. */
  readonly agentCeiling: AgentSettings;
  readonly passports: { readonly ttlSeconds: number; readonly ttlSecondsMax: number };
  readonly limits: {
    readonly callTimeoutMs: number;
    readonly responseBytesMax: number;
    readonly requestBytesMax: number;
  };
};

const MS = 1000;
const SECOND_MS = 1000;
/** Named by the contract and built later: refused with a sentence of their own. */
const LATER = new Set([
  'people',
  'keys',
  'approvals',
  'audit',
  'detectors',
  'dropoffs',
  'skills',
  'oauth',
  'notifications',
  'use',
  'openapi',
  'limits',
  'tls',
  'behind_proxy',
  'basic',
  'query',
  'cookie',
  'sealed',
  'fixed',
  'volatile',
  'oauth2',
  'jwt_bearer',
  'github_app',
  'aws_sigv4',
  'hmac',
  'mtls',
  'body',
]);
const LISTEN = /^(127\.\d{1,3}\.\d{1,3}\.\d{1,3}|localhost|\[::1\]):(\d{1,5})$/;
const PORT_MAX = 65_535;

const mode = z.enum(MODES).describe('enforced (default), logged or standard.');
const agentSchema = z.strictObject({
  mode: mode.optional(),
  services: z
    .record(z.string(), z.array(z.string().refine(isScope, 'must be a scope service:resource:verb')))
    .default({})
    .describe('Per service, the scopes this agent is granted: service:resource:verb with * parts.'),
});

const ttl = duration({
  min: PASSPORT_TTL_SECONDS_MIN * MS,
  max: PASSPORT_TTL_SECONDS_MAX * MS,
  text: `between ${PASSPORT_TTL_SECONDS_MIN}s and ${PASSPORT_TTL_SECONDS_MAX}s`,
});

export const configSchema = z.strictObject({
  version: z
    .literal(1, 'version must be the number 1, the only one this program knows')
    .optional()
    .describe('Version of this file: 1. Optional.'),
  server: z
    .strictObject({
      listen: z
        .string()
        .refine(
          (text) => LISTEN.test(text),
          'listen must be a loopback host:port; serving a network is not in this version',
        )
        .refine((text) => Number(text.split(':').at(-1)) <= PORT_MAX, `port must be at most ${PORT_MAX}`)
        .default('127.0.0.1:7822')
        .describe('Loopback address and port.'),
      public_url: z
        .string()
        .regex(
          /^https?:\/\/[A-Za-z0-9.[\]:-]+$/,
          'public_url must be an origin like http://localhost:7822, with no path and no trailing slash',
        )
        .default('http://localhost:7822')
        .describe('How agents reach the appliance; issuer and audience of passports.'),
      hosts: z.array(z.string()).default([]).describe('Further Host values that are accepted.'),
    })
    .prefault({}),
  vault: z
    .strictObject({
      key_file: z.string().default('./stack.key').describe('The root key, 0600, never inside data_dir.'),
    })
    .prefault({}),
  data_dir: z.string().default('./data').describe('Where the state lives; a local disk.'),
  services: z.record(z.string(), serviceSchema).default({}).describe('The services agents may call.'),
  agents: z
    .record(z.string(), agentSchema)
    .default({})
    .describe('Agents by name; "*" is the ceiling of agents registered by a call.'),
  passports: z
    .strictObject({
      ttl: ttl.default(PASSPORT_TTL_SECONDS * MS).describe('Lifetime where the caller names none.'),
      ttl_max: ttl.default(PASSPORT_TTL_SECONDS_MAX * MS).describe('Longest lifetime a caller may ask for.'),
    })
    .prefault({}),
  limits: z
    .strictObject({
      call_timeout: duration({ min: SECOND_MS, max: 10 * 60_000, text: 'between 1s and 10m' })
        .default(CALL_TIMEOUT_MS)
        .describe('Longest a call to a service may take.'),
      response_body: size({ min: 1000, max: 100_000_000, text: 'between 1kB and 100MB' })
        .default(RESPONSE_BYTES_MAX)
        .describe('Where an answer is cut.'),
      request_body: size({ min: 1000, max: REQUEST_BODY_BYTES_MAX, text: 'between 1kB and 10MB' })
        .default(REQUEST_BODY_BYTES_MAX)
        .describe('Largest body of a call.'),
    })
    .prefault({}),
});
type Parsed = z.infer<typeof configSchema>;

export type ConfigRead =
  | { readonly config: Config; readonly warnings: readonly Mistake[] }
  | { readonly mistakes: readonly Mistake[] };

type Around = {
  /** Absolute path of the file. */
  readonly path: string;
  readonly environment: (name: string) => string | undefined;
  readonly readFile: (path: string) => string | undefined;
};

export function readConfig(text: string, around: Around): ConfigRead {
  const yaml = readYaml(text);
  if ('mistakes' in yaml) return yaml;
  const parsed = configSchema.safeParse(yaml.file.value);
  if (!parsed.success) {
    // `known` names the keys of the object, for the suggestion.
    const issues = parsed.error.issues.map((issue) =>
      issue.code === 'unrecognized_keys' ? { ...issue, known: knownKeys(issue.path) } : issue,
    );
    const shape = mistakesOf(issues as never, yaml.file, LATER);
    return { mistakes: inOrder([...shape, ...looseReferences(yaml.file)]) };
  }
  return assemble(parsed.data, yaml.file, around);
}

/** As the reader meets them in the file. */
const inOrder = (mistakes: readonly Mistake[]): readonly Mistake[] =>
  [...mistakes].sort((a, b) => a.line - b.line || a.column - b.column).slice(0, CONFIG_MISTAKES_MAX);

type Sections = Readonly<
  Record<string, { readonly services?: Readonly<Record<string, unknown>> } | undefined>
>;

/** Names that point nowhere, found even while the shape is wrong elsewhere: every mistake at once. */
function looseReferences(file: YamlFile): readonly Mistake[] {
  const { services, agents } = file.value as { readonly services?: Sections; readonly agents?: Sections };
  const known = Object.keys(services ?? {});
  return Object.entries(agents ?? {}).flatMap(([agent, settings]) =>
    Object.keys(settings?.services ?? {})
      .filter((name) => !known.includes(name))
      .map((name) => at(file, ['agents', agent, 'services', name], unknownService(name, known))),
  );
}

function unknownService(name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  return `${name} is not among the services of this file${near === undefined ? '' : `, did you mean ${near}?`}`;
}

function knownKeys(path: readonly PropertyKey[]): readonly string[] {
  let schema: unknown = configSchema;
  for (const step of path) {
    const inner = unwrap(schema);
    schema = inner?.shape?.[String(step)] ?? inner?.valueType;
  }
  return Object.keys(unwrap(schema)?.shape ?? {});
}

type Inner = { readonly shape?: Record<string, unknown>; readonly valueType?: unknown };

function unwrap(schema: unknown): Inner | undefined {
  let current = schema as
    | { def?: { innerType?: unknown; shape?: Record<string, unknown>; valueType?: unknown } }
    | undefined;
  while (current?.def?.innerType !== undefined) current = current.def.innerType as typeof current;
  return current?.def as Inner | undefined;
}

function assemble(parsed: Parsed, file: YamlFile, around: Around): ConfigRead {
  const folder = dirname(around.path);
  const mistakes: Mistake[] = [];
  const services = new Map<string, Service>();
  const lower = new Map<string, string>();
  for (const [name, section] of Object.entries(parsed.services)) {
    clash(lower, name, () =>
      mistakes.push(
        at(file, ['services', name], `${name} differs from ${lower.get(name.toLowerCase())} only in case`),
      ),
    );
    const built = buildService(name, section, { folder, readFile: around.readFile });
    for (const { path, message } of built.mistakes)
      mistakes.push(at(file, ['services', name, ...path], message));
    if (built.service !== undefined) services.set(name, built.service);
  }
  mistakes.push(...agentMistakes(parsed, services, file));
  const dataDir = resolve(folder, parsed.data_dir);
  const keyFile = resolve(folder, parsed.vault.key_file);
  if (!relative(dataDir, keyFile).startsWith('..'))
    mistakes.push(
      at(
        file,
        ['vault', 'key_file'],
        'key_file must not lie inside data_dir: a copy of the data would hold its key',
      ),
    );
  if (parsed.passports.ttl > parsed.passports.ttl_max)
    mistakes.push(at(file, ['passports', 'ttl'], 'ttl is longer than ttl_max'));
  if (mistakes.length > 0) return { mistakes: inOrder(mistakes) };
  return {
    config: configOf(parsed, { services, dataDir, keyFile, path: around.path }),
    warnings: warningsOf(parsed, file, { ...around, folder }),
  };
}

function clash(seen: Map<string, string>, name: string, report: () => void): void {
  if (seen.has(name.toLowerCase())) report();
  else seen.set(name.toLowerCase(), name);
}

function agentMistakes(parsed: Parsed, services: ReadonlyMap<string, Service>, file: YamlFile): Mistake[] {
  const mistakes: Mistake[] = [];
  const lower = new Map<string, string>();
  for (const [name, { services: grants }] of Object.entries(parsed.agents)) {
    clash(lower, name, () =>
      mistakes.push(
        at(file, ['agents', name], `${name} differs from ${lower.get(name.toLowerCase())} only in case`),
      ),
    );
    if (name !== '*' && !AGENT_NAME.test(name))
      mistakes.push(
        at(
          file,
          ['agents', name],
          `agent name ${name} must be lower-case letters, digits and dashes, at least two characters`,
        ),
      );
    for (const [service, scopes] of Object.entries(grants)) {
      const path = ['agents', name, 'services', service];
      if (parsed.services[service] === undefined)
        mistakes.push(at(file, path, unknownService(service, Object.keys(parsed.services))));
      mistakes.push(
        ...scopes.flatMap((scope, index) =>
          scopeMistakes(scope, services.get(service), { file, path: [...path, index] }),
        ),
      );
    }
  }
  return mistakes;
}

type Place = { readonly file: YamlFile; readonly path: readonly (string | number)[] };

function scopeMistakes(scope: string, service: Service | undefined, { file, path }: Place): Mistake[] {
  if (service === undefined) return [];
  if (serviceOf(scope) !== service.name)
    return [at(file, path, `scope ${scope} must begin with ${service.name}:`)];
  const covers = service.actions.some(({ name }) => narrower(name, scope));
  return covers
    ? []
    : [
        at(
          file,
          path,
          `scope ${scope} covers no action of ${service.name}: ${service.actions.map(({ name }) => name).join(', ')}`,
        ),
      ];
}

type Parts = {
  readonly services: ReadonlyMap<string, Service>;
  readonly dataDir: string;
  readonly keyFile: string;
  readonly path: string;
};

function configOf(parsed: Parsed, { services, dataDir, keyFile, path }: Parts): Config {
  const [, host = '127.0.0.1', port = '7822'] = LISTEN.exec(parsed.server.listen) ?? [];
  const settings = Object.entries(parsed.agents).map(
    ([name, agent]) =>
      [
        name,
        {
          mode: agent.mode,
          services: Object.entries(agent.services).map(([service, scopes]) => ({ service, scopes })),
        },
      ] as const,
  );
  const agents = new Map<string, AgentSettings>(settings.filter(([name]) => name !== '*'));
  const agentCeiling = settings.find(([name]) => name === '*')?.[1] ?? { mode: undefined, services: [] };
  return {
    configPath: path,
    listen: { host: host.replace(/^\[|\]$/g, ''), port: Number(port) },
    publicUrl: parsed.server.public_url,
    hosts: parsed.server.hosts,
    dataDir,
    keyFile,
    services,
    agents,
    agentCeiling,
    passports: { ttlSeconds: parsed.passports.ttl / MS, ttlSecondsMax: parsed.passports.ttl_max / MS },
    limits: {
      callTimeoutMs: parsed.limits.call_timeout,
      responseBytesMax: parsed.limits.response_body,
      requestBytesMax: parsed.limits.request_body,
    },
  };
}

/** An unset secret warns at start and refuses the call. */
function warningsOf(parsed: Parsed, file: YamlFile, around: Around & { readonly folder: string }): Mistake[] {
  return Object.entries(parsed.services).flatMap(([name, { secret }]) => {
    if (secret === undefined || 'vault' in secret) return [];
    const value =
      'env' in secret ? around.environment(secret.env) : around.readFile(join(around.folder, secret.file));
    const source = 'env' in secret ? `variable ${secret.env}` : `file ${secret.file}`;
    const warning = {
      ...at(file, ['services', name, 'secret'], `${source} is not set; calls to ${name} will be refused`),
      severity: 'warning' as const,
    };
    return value === undefined || value === '' ? [warning] : [];
  });
}

/** Reads the file once; a link is followed at start and its facts are judged. */
export function loadConfig(path: string, environment: Around['environment']): ConfigRead {
  const read = readConfigText(path);
  if ('problem' in read)
    return { mistakes: [{ line: 0, column: 0, path: '', message: read.problem, severity: 'error' }] };
  const result = readConfig(read.text, {
    path,
    environment,
    readFile: (file) => readConfigTextOrNothing(file),
  });
  if ('mistakes' in result || read.warning === undefined) return result;
  return {
    ...result,
    warnings: [
      { line: 0, column: 0, path: '', message: read.warning, severity: 'warning' },
      ...result.warnings,
    ],
  };
}

function readConfigTextOrNothing(path: string): string | undefined {
  const read = readConfigText(path);
  return 'text' in read ? read.text : undefined;
}

export function formatMistake(file: string, { line, column, path, message }: Mistake): string {
  return `${file}:${line}:${column}: ${path === '' ? '' : `${path}: `}${message}`;
}
