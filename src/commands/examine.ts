// What `stack doctor` looks at, from the config to the services. The running appliance is asked where there is one, since
// it holds the credentials and its own environment; else this program looks for itself, without any credential.
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Config, type ConfigRead, loadConfig, placeText } from '#config.ts';
import { examineAgents } from '#features/doctor/agents.ts';
import { examineFiles } from '#features/doctor/files.ts';
import type { Finding } from '#features/doctor/model.ts';
import { type Checked, examineClock, examineServices } from '#features/doctor/services.ts';
import { DOCTOR_CHECK_TIMEOUT_MS, DOCTOR_CHECKS_AT_ONCE } from '#kernel/limits.ts';
import { obstacleTo } from '#pipeline/verify-connection.ts';
import type { Host } from '#platform/host/host.ts';
import { clientsOf, listenersOf, readPrograms } from '#platform/host/processes.ts';
import { askSocket, socketPathOf } from '#platform/net/local-socket.ts';
import { systemResolver } from '#platform/net/resolve.ts';
import { createUpstream, type Upstream } from '#platform/net/upstream.ts';
import type { Given } from '#surfaces/cli/command.ts';
import { readSoundPart } from './sound-part.ts';

/** This program: who it runs as, which process it is, what time it is. */
export type Self = {
  readonly uid: number;
  readonly pid: number;
  readonly version: string;
  readonly host: Pick<Host, 'nowMs'>;
};

/** Asks the running appliance; undefined where it does not answer with what was asked for. */
type Ask = (method: 'GET' | 'POST', route: string) => Promise<Readonly<Record<string, unknown>> | undefined>;
type Running = { readonly ask: Ask | undefined; readonly findings: readonly Finding[] };

export async function examine(given: Given, self: Self): Promise<readonly Finding[]> {
  const path = resolve(given.config);
  const { environment } = given.shell;
  const read = loadConfig(path, environment);
  const config = 'config' in read ? read.config : readSoundPart(path, environment);
  if (config === undefined) return [...configFindings(given.config, read), nothingElse];
  const running = await findRunning(config, given, self);
  const upstream = createUpstream({ resolver: systemResolver, closed: () => false });
  try {
    const checked = await checkServices(config, running, upstream);
    return [
      ...(running.ask === undefined || 'mistakes' in read
        ? configFindings(given.config, read)
        : await pendingFindings(running.ask)),
      ...grantFindings(config),
      ...running.findings,
      ...(running.ask === undefined ? await portFindings(config, upstream) : []),
      ...examineFiles({ ...placesOf(config), uid: ownerOf(config, self) }),
      ...examineClock({ nowMs: self.host.nowMs(), newestEntryMs: await newestEntry(running), checked }),
      ...examineServices(checked),
      ...agentFindings(config, self),
    ];
  } finally {
    await upstream.close();
  }
}

const nothingElse: Finding = {
  topic: 'config',
  level: 'warning',
  message: 'nothing else was looked at, since the config says where everything is',
  next: 'Correct the config and run stack doctor again.',
};

function configFindings(file: string, read: ConfigRead): readonly Finding[] {
  const list = 'mistakes' in read ? read.mistakes : read.warnings;
  if (list.length === 0) return [{ topic: 'config', level: 'ok', message: `${file} has no mistakes` }];
  return list.map((one) => ({
    topic: 'config',
    level: one.severity === 'error' ? 'problem' : 'warning',
    message: `${file}:${placeText(one)}: ${one.message}`,
    ...(one.severity === 'error' ? { next: NOT_IN_FORCE } : {}),
  }));
}

const NOT_IN_FORCE =
  'Correct it; until then this file is not taken, and a running appliance goes on as it was.';

type Pending = {
  readonly problems?: readonly { readonly place: string; readonly message: string }[];
  readonly changes?: readonly { readonly path: string }[];
};

/** The running appliance has its own environment and its own view of the file. */
async function pendingFindings(ask: Ask): Promise<readonly Finding[]> {
  const { problems = [], changes = [] } = ((await ask('GET', '/v1/config/changes')) ?? {}) as Pending;
  const found: Finding[] = problems.map(({ place, message }) => ({
    topic: 'config',
    level: 'problem',
    message: `the file is not in force: ${place}: ${message}`,
    next: 'Do what it says there; the appliance reads the file again by itself.',
  }));
  if (found.length > 0) return found;
  if (changes.length === 0)
    return [{ topic: 'config', level: 'ok', message: 'the file has no mistakes and is in force' }];
  const message = `the file is not in force yet: ${changes.map(({ path }) => path).join(', ')}`;
  return [{ topic: 'config', level: 'warning', message, next: 'stack config reload' }];
}

/** A service nobody may call is most often a forgotten line. */
function grantFindings({ services, agents, agentCeiling }: Config): readonly Finding[] {
  const granted = [...agents.values(), agentCeiling].flatMap((agent) => agent.services);
  const forgotten = [...services.keys()].filter(
    (name) => !granted.some(({ service, scopes }) => service === name && scopes.length > 0),
  );
  return forgotten.map((name) => ({
    topic: 'config',
    level: 'warning',
    message: `no agent may call ${name}`,
    next: `Grant it under agents: NAME: services: { ${name}: [ … ] }.`,
  }));
}

async function findRunning({ dataDir }: Config, { shell }: Given, self: Self): Promise<Running> {
  const socket = socketPathOf(dataDir, shell.environment);
  const topic = 'appliance';
  const health = await askSocket(socket, { method: 'GET', route: '/readyz' });
  if (health.kind === 'absent') {
    const next = 'Start it with stack serve; a running appliance can check credentials, too.';
    return {
      ask: undefined,
      findings: [{ topic, level: 'warning', message: 'the appliance is not running', next }],
    };
  }
  if (health.kind !== 'answer') {
    const [message, next] =
      'reason' in health
        ? [`the appliance does not answer on ${socket}: ${health.reason}`, 'Look at its log, and restart it.']
        : [`the socket ${socket} is another user's`, "Run stack doctor as the appliance's user or as root."];
    return { ask: undefined, findings: [{ topic, level: 'problem', message, next }] };
  }
  const ask: Ask = async (method, route) => {
    const answer = await askSocket(socket, { method, route, timeoutMs: DOCTOR_CHECK_TIMEOUT_MS });
    return answer.kind === 'answer' && answer.status === 200
      ? (JSON.parse(answer.text) as Record<string, unknown>)
      : undefined;
  };
  const said = JSON.parse(health.text) as Readiness;
  return { ask, findings: [readiness(health.status, said, self)] };
}

type Readiness = { readonly version?: string; readonly reason?: string };

function readiness(status: number, { version, reason }: Readiness, self: Self): Finding {
  const topic = 'appliance';
  if (status !== 200) {
    const message = `the appliance takes no calls: ${reason ?? status}`;
    return { topic, level: 'problem', message, next: 'See to the cause; the log has more of it.' };
  }
  if (version !== self.version) {
    const message = `version ${version} is running, and this program is ${self.version}`;
    return { topic, level: 'warning', message, next: 'Restart the appliance.' };
  }
  return { topic, level: 'ok', message: `version ${version} is running and takes calls` };
}

/** Where the appliance is not running, its place must be free. */
async function portFindings({ listen }: Config, { reach }: Upstream): Promise<readonly Finding[]> {
  const { host, port } = listen;
  const name = host === 'localhost' ? '127.0.0.1' : host;
  const origin = { scheme: 'http', host: name, port } as const;
  const taken = await reach({ origin, network: { kind: 'loopback' }, caPem: undefined });
  if (!taken.ok) return [];
  const message = `another program listens on ${host}:${port}`;
  return [{ topic: 'appliance', level: 'problem', message, next: 'Stop it, or change server.listen.' }];
}

/** The running appliance knows its services, also where the file has become unreadable. */
async function checkServices(
  config: Config,
  { ask }: Running,
  { reach }: Upstream,
): Promise<readonly Checked[]> {
  const inForce = (await ask?.('GET', '/v1/services'))?.['services'] as { name: string }[] | undefined;
  const waiting = inForce?.map(({ name }) => name) ?? [...config.services.keys()];
  const checked: Checked[] = [];
  const worker = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const answer = await ask?.('POST', `/v1/services/${name}/verify`);
      checked.push((answer as Checked | undefined) ?? (await reachService(config, name, reach)));
    }
  };
  await Promise.all(Array.from({ length: DOCTOR_CHECKS_AT_ONCE }, worker));
  return checked.sort((a, b) => a.service.localeCompare(b.service));
}

async function reachService(config: Config, name: string, reach: Upstream['reach']): Promise<Checked> {
  const service = config.services.get(name);
  if (service === undefined)
    return { service: name, reachable: false, reason: 'the appliance did not answer' };
  const reason = await obstacleTo(service, reach);
  return reason === undefined
    ? { service: name, reachable: true }
    : { service: name, reachable: false, reason };
}

async function newestEntry({ ask }: Running): Promise<number | undefined> {
  const newest = (await ask?.('GET', '/v1/audit?limit=1'))?.['max_timestamp'];
  return typeof newest === 'number' ? newest : undefined;
}

function placesOf({ configPath, dataDir, keyFile, services }: Config) {
  const secretFiles = [...services.values()].flatMap(({ secret }) =>
    secret?.kind === 'file' ? [secret.path] : [],
  );
  return { configPath, dataDir, keyFile, secretFiles };
}

/** The state belongs to whoever runs the appliance; before there is any, it is taken to be whoever asks. */
const ownerOf = ({ dataDir }: Config, { uid }: Self): number =>
  statSync(dataDir, { throwIfNoEntry: false })?.uid ?? uid;

function agentFindings(config: Config, self: Self): readonly Finding[] {
  const programs = readPrograms();
  const { port } = config.listen;
  const appliance = listenersOf(port, programs).flatMap(({ program }) => program?.pid ?? []);
  return examineAgents({
    uid: ownerOf(config, self),
    programs,
    clients: clientsOf(port, programs),
    self: self.pid,
    appliance,
  });
}
