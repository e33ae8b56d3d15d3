// The whole config: every section in one schema. A bad file says every mistake at once and changes nothing (invariant 8).
import { dirname, relative, resolve } from 'node:path';
import { z } from 'zod';
import type { AgentSettings } from '#features/agents/model.ts';
import { agentSettings } from '#features/agents/settings.ts';
import { approvalSettings } from '#features/approvals/settings.ts';
import type { Webhook } from '#features/notifications/model.ts';
import { notificationSettings } from '#features/notifications/settings.ts';
import { passportSettings } from '#features/passports/settings.ts';
import type { PassportTerms } from '#features/passports/terms.ts';
import { createCatalogue } from '#features/services/catalogue.ts';
import type { Service } from '#features/services/model.ts';
import { serviceSettings } from '#features/services/settings.ts';
import { useCatalogue } from '#features/services/use.ts';
import { leashProblem, readSealed } from '#features/vault/sealed.ts';
import { vaultSettings } from '#features/vault/settings.ts';
import type { Json } from '#kernel/canonical.ts';
import {
  CALL_TIMEOUT_MS,
  CALL_TIMEOUT_MS_MAX,
  CALL_TIMEOUT_MS_MIN,
  CONFIG_MISTAKES_MAX,
  CONFIGURED_BODY_BYTES_MIN,
  REQUEST_BODY_BYTES_MAX,
  RESPONSE_BYTES_CONFIGURED_MAX,
  RESPONSE_BYTES_MAX,
} from '#kernel/limits.ts';
import { catalogueTexts } from '#platform/host/assets.ts';
import { folderProblem, isLink, readConfigText, readTextOrNothing } from '#platform/host/files.ts';
import { keyFileProblem } from '#platform/host/key-file.ts';
import { at, knownKeys, mistakesOf } from '#platform/yaml/mistakes.ts';
import { type KeyPath, type Mistake, readYaml, type YamlFile } from '#platform/yaml/read.ts';
import { duration, size } from '#platform/yaml/units.ts';
import { agentMistakes, caseMistakes, unknownService } from './config-agents.ts';
import { approvalWarnings } from './config-approvals.ts';
import { webhooksOf } from './config-notifications.ts';
import { type ServerConfig, serverOf, serverSettings, serverWarnings } from './config-server.ts';
import { buildService } from './config-services.ts';

export type Config = ServerConfig & {
  readonly configPath: string;
  /** The whole file as read, with its defaults: what two loads are compared by. */
  readonly settings: Json;
  /** Absolute paths of the files it names, beside itself. */
  readonly files: readonly string[];
  readonly dataDir: string;
  readonly keyFile: string;
  readonly services: ReadonlyMap<string, Service>;
  readonly agents: ReadonlyMap<string, AgentSettings>;
  /** `agents."*"`: what agents registered by a call may have. */
  readonly agentCeiling: AgentSettings;
  readonly passports: PassportTerms;
  readonly approvals: { readonly localSocket: boolean; readonly pendingMs: number; readonly useMs: number };
  readonly webhooks: readonly Webhook[];
  readonly limits: {
    readonly callTimeoutMs: number;
    readonly responseBytesMax: number;
    readonly requestBytesMax: number;
  };
};

const MS_PER_SECOND = 1000;
/** Named by the contract and built later: refused with a sentence of their own. */
const LATER = new Set([
  'people',
  'keys',
  'audit',
  'detectors',
  'dropoffs',
  'skills',
  'oauth',
  'openapi',
  'tls',
  'oauth2',
  'jwt_bearer',
  'github_app',
  'aws_sigv4',
  'hmac',
  'mtls',
  'body',
]);

export const configSchema = z.strictObject({
  version: z
    .literal(1, 'version must be the number 1, the only one this program knows')
    .optional()
    .describe('Version of this file: 1. Optional.'),
  server: serverSettings.prefault({}).describe('Where the appliance listens, and how agents reach it.'),
  vault: vaultSettings.prefault({}).describe('Where the root key of all stored secrets is.'),
  data_dir: z.string().default('./data').describe('Where the state lives; a local disk.'),
  services: z.record(z.string(), serviceSettings).default({}).describe('The services agents may call.'),
  agents: z
    .record(z.string(), agentSettings)
    .default({})
    .describe('Agents by name; "*" is the ceiling of agents registered by a call.'),
  passports: passportSettings.prefault({}).describe('How long a passport lives.'),
  approvals: approvalSettings.prefault({}).describe('How persons decide about calls under approval.'),
  notifications: notificationSettings.prefault({}).describe('Who is told of them.'),
  limits: z
    .strictObject({
      call_timeout: duration({
        min: CALL_TIMEOUT_MS_MIN,
        max: CALL_TIMEOUT_MS_MAX,
        text: 'between 1s and 10m',
      })
        .default(CALL_TIMEOUT_MS)
        .describe('Longest a call to a service may take.'),
      response_body: size({
        min: CONFIGURED_BODY_BYTES_MIN,
        max: RESPONSE_BYTES_CONFIGURED_MAX,
        text: 'between 1kB and 100MB',
      })
        .default(RESPONSE_BYTES_MAX)
        .describe('Where an answer is cut.'),
      request_body: size({
        min: CONFIGURED_BODY_BYTES_MIN,
        max: REQUEST_BODY_BYTES_MAX,
        text: 'between 1kB and 10MB',
      })
        .default(REQUEST_BODY_BYTES_MAX)
        .describe('Largest body of a call.'),
    })
    .prefault({})
    .describe('Bounds of every call.'),
});
type Parsed = z.infer<typeof configSchema>;

/** Part of the program, so the same for every config. */
export const catalogue = createCatalogue(catalogueTexts());

export type ConfigRead =
  | { readonly config: Config; readonly warnings: readonly Mistake[] }
  | { readonly mistakes: readonly Mistake[] };

type Around = {
  /** Absolute path of the file. */
  readonly path: string;
  readonly environment: (name: string) => string | undefined;
  readonly readFile: (path: string) => string | undefined;
  /** Why the state cannot live in this folder, or undefined. */
  readonly folderProblem: (path: string) => string | undefined;
  /** Why this file cannot be the root key, or undefined; one that is not there yet is made at the start. */
  readonly keyFileProblem: (path: string) => string | undefined;
};

export function readConfig(text: string, around: Around): ConfigRead {
  const yaml = readYaml(text);
  if ('mistakes' in yaml) return yaml;
  const { file, mistakes } = useCatalogue(yaml.file, catalogue);
  const parsed = configSchema.safeParse(file.value);
  if (parsed.success && mistakes.length === 0) return assemble(parsed.data, file, around);
  const known = (path: KeyPath): readonly string[] => knownKeys(configSchema, path);
  const shape = mistakesOf(parsed.error?.issues ?? [], { file, later: LATER, known });
  return { mistakes: inOrder([...mistakes, ...shape, ...looseReferences(file)]) };
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

function assemble(parsed: Parsed, file: YamlFile, around: Around): ConfigRead {
  const folder = dirname(around.path);
  const mistakes: Mistake[] = [];
  const services = new Map<string, Service>();
  mistakes.push(...caseMistakes(Object.keys(parsed.services), file, 'services'));
  for (const [name, section] of Object.entries(parsed.services)) {
    const built = buildService(name, section, { folder, readFile: around.readFile });
    for (const { path, message } of built.mistakes)
      mistakes.push(at(file, ['services', name, ...path], message));
    if (built.service !== undefined) services.set(name, built.service);
  }
  mistakes.push(...agentMistakes(parsed, services, file));
  const notified = webhooksOf(parsed.notifications, { file, folder });
  mistakes.push(...notified.mistakes);
  const dataDir = resolve(folder, parsed.data_dir);
  const keyFile = resolve(folder, parsed.vault.key_file);
  const places = placeProblems({ dataDir, keyFile }, around);
  mistakes.push(...places.map(({ path, message }) => at(file, path, message)));
  if (parsed.passports.ttl > parsed.passports.ttl_max)
    mistakes.push(at(file, ['passports', 'ttl'], 'ttl is longer than ttl_max'));
  if (mistakes.length > 0) return { mistakes: inOrder(mistakes) };
  return {
    config: configOf(parsed, {
      services,
      webhooks: notified.webhooks,
      dataDir,
      keyFile,
      path: around.path,
      folder,
    }),
    warnings: [
      ...warningsOf(parsed, file, { ...around, folder }),
      ...sealedWarnings(services, file),
      ...approvalWarnings(services.values(), file),
    ],
  };
}

type Places = { readonly dataDir: string; readonly keyFile: string };
type Problem = { readonly path: readonly string[]; readonly message: string };

/** What the machine says about the two places of the config. */
function placeProblems({ dataDir, keyFile }: Places, around: Around): readonly Problem[] {
  const folder = around.folderProblem(dataDir);
  const file = relative(dataDir, keyFile).startsWith('..')
    ? around.keyFileProblem(keyFile)
    : 'key_file must not lie inside data_dir: a copy of the data would hold its key';
  return [
    ...(folder === undefined ? [] : [{ path: ['data_dir'], message: folder }]),
    ...(file === undefined ? [] : [{ path: ['vault', 'key_file'], message: file }]),
  ];
}

type Parts = {
  readonly services: ReadonlyMap<string, Service>;
  readonly webhooks: readonly Webhook[];
  readonly dataDir: string;
  readonly keyFile: string;
  readonly path: string;
  readonly folder: string;
};

/** Files beside the config that a reload reads, too. */
function filesOf({ services }: Parsed, folder: string): readonly string[] {
  return Object.values(services).flatMap(({ tls, secret }) => [
    ...(tls === undefined ? [] : [resolve(folder, tls.ca_file)]),
    ...(secret !== undefined && 'file' in secret ? [resolve(folder, secret.file)] : []),
  ]);
}

function configOf(parsed: Parsed, parts: Parts): Config {
  const { services, webhooks, dataDir, keyFile, path, folder } = parts;
  const settings = Object.entries(parsed.agents).map(
    ([name, agent]) =>
      [
        name,
        {
          mode: agent.mode,
          limits: agent.limits,
          services: Object.entries(agent.services).map(([service, scopes]) => ({ service, scopes })),
        },
      ] as const,
  );
  const agents = new Map<string, AgentSettings>(settings.filter(([name]) => name !== '*'));
  const agentCeiling = settings.find(([name]) => name === '*')?.[1] ?? {
    mode: undefined,
    services: [],
  };
  return {
    configPath: path,
    settings: JSON.parse(JSON.stringify(parsed)) as Json,
    files: filesOf(parsed, folder),
    ...serverOf(parsed.server),
    dataDir,
    keyFile,
    services,
    agents,
    agentCeiling,
    passports: {
      ttlSeconds: parsed.passports.ttl / MS_PER_SECOND,
      ttlSecondsMax: parsed.passports.ttl_max / MS_PER_SECOND,
      missionSeconds: parsed.passports.mission_max / MS_PER_SECOND,
      checkpointIntervalSeconds: parsed.passports.checkpoint_interval / MS_PER_SECOND,
    },
    approvals: {
      localSocket: parsed.approvals.local_socket === 'on',
      pendingMs: parsed.approvals.pending,
      useMs: parsed.approvals.approved,
    },
    webhooks,
    limits: {
      callTimeoutMs: parsed.limits.call_timeout,
      responseBytesMax: parsed.limits.response_body,
      requestBytesMax: parsed.limits.request_body,
    },
  };
}

function warningsOf(parsed: Parsed, file: YamlFile, around: Around & { readonly folder: string }): Mistake[] {
  const server = serverWarnings(parsed.server).map(({ path, message }) => ({
    ...at(file, path, message),
    severity: 'warning' as const,
  }));
  return [...server, ...secretWarnings(parsed, file, around)];
}

/** An unset secret warns at start and refuses the call. */
function secretWarnings(
  parsed: Parsed,
  file: YamlFile,
  around: Around & { readonly folder: string },
): Mistake[] {
  return Object.entries(parsed.services).flatMap(([name, { secret }]) => {
    if (secret === undefined || 'vault' in secret || 'sealed' in secret) return [];
    const value =
      'env' in secret ? around.environment(secret.env) : around.readFile(resolve(around.folder, secret.file));
    const source = 'env' in secret ? `variable ${secret.env}` : `file ${secret.file}`;
    const warning = {
      ...at(file, ['services', name, 'secret'], `${source} is not set; calls to ${name} will be refused`),
      severity: 'warning' as const,
    };
    return value === undefined || value === '' ? [warning] : [];
  });
}

/** Without a key: what stands in clear beside the value says where it opens, and the keyring will hold it to that. */
function sealedWarnings(services: ReadonlyMap<string, Service>, file: YamlFile): Mistake[] {
  return [...services.values()].flatMap((service) => {
    const sealed = service.secret?.kind === 'sealed' ? readSealed(service.secret.text) : undefined;
    const problem = sealed === undefined ? undefined : leashProblem(sealed, service);
    if (problem === undefined) return [];
    const message = `the value is ${problem}; calls to ${service.name} will be refused. Seal it again: stack seal --service ${service.name}`;
    return [{ ...at(file, ['services', service.name, 'secret'], message), severity: 'warning' as const }];
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
    readFile: readTextOrNothing,
    folderProblem,
    keyFileProblem,
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

/** For a running appliance. A file that has become a link since could be switched between check and use. */
export function configReloader(path: string, environment: Around['environment']): () => ConfigRead {
  const wasLink = isLink(path);
  return () => {
    if (wasLink || !isLink(path)) return loadConfig(path, environment);
    const message = `${path} was replaced by a link; restart if that is meant`;
    return { mistakes: [{ line: 0, column: 0, path: '', message, severity: 'error' }] };
  };
}

export const placeText = ({ line, column, path }: Mistake): string =>
  path === '' ? `${line}:${column}` : `${line}:${column}: ${path}`;

export const formatMistake = (file: string, mistake: Mistake): string =>
  `${file}:${placeText(mistake)}: ${mistake.message}`;
