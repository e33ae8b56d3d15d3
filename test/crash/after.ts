// After a crash: started again in time, the chain verified by the product, the state judged from outside, and what only a
// running appliance can show asked of it.
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '#config.ts';
import { look } from '#test/platform/storage/throwaway.ts';
import { holds, searchFiles } from '#test/support/canary.ts';
import { ask, askLocally } from '#test/support/requests.ts';
import { inForce } from './acts.ts';
import { canonical } from './chain.ts';
import { effects } from './journal.ts';
import { judge, secretRange } from './judge.ts';
import { type Running, serve } from './process.ts';
import { AGENT, CANARY, SERVICES, type Stage, secretValue, titleOf } from './stage.ts';
import { readState } from './state.ts';

const READY_MS = 5_000;
const START_TRIES = 3;
/** Of the newest revocations so many are asked for at every start; the state of all of them is judged. */
const REVOKED_ASKED = 3;

export type Found = { readonly violations: readonly string[]; readonly readyMs: number };

/** Starts the stage again and answers it running, with everything that is wrong. */
export async function startAndJudge(
  stage: Stage,
  label: string,
): Promise<Found & { readonly running: Running }> {
  const { running, readyMs } = await started(stage, label);
  const violations = [
    ...(readyMs > READY_MS && isQuiet() ? [`ready only after ${Math.round(readyMs)} ms`] : []),
    ...(await verified(stage)),
    ...(await judgedState(stage)),
    ...(await probed(stage, label)),
    ...(await leaks(stage)),
    ...(holds(Buffer.from(running.output()), CANARY) ? ['I9 a secret stands in the process log'] : []),
    ...stage.journal.surprises.splice(0).map((one) => `surprise: ${one}`),
  ];
  return { running, readyMs, violations: violations.map((one) => `${label}: ${one}`) };
}

/** Five seconds are meant for a machine that does little else; where it does, a slow start is only shown. */
const isQuiet = (): boolean => (loadavg()[0] ?? 0) <= 2 * availableParallelism();

/** A start that took longer is tried again on what it has left behind; the quickest of three is what counts. */
async function started(
  stage: Stage,
  label: string,
): Promise<{ readonly running: Running; readonly readyMs: number }> {
  let quickest = Number.POSITIVE_INFINITY;
  for (let tries = 1; ; tries += 1) {
    const running = serve(stage);
    const readyMs = await running.ready;
    if (readyMs === undefined) throw new Error(`it does not start again (${label}):\n${running.output()}`);
    quickest = Math.min(quickest, readyMs);
    if (quickest <= READY_MS || tries === START_TRIES) return { running, readyMs: quickest };
    await running.kill();
  }
}

async function verified(stage: Stage): Promise<readonly string[]> {
  const chain = await askLocally(stage, '/v1/audit/verify-chain');
  return chain.body['valid'] === true ? [] : [`I3 verify-chain says ${chain.text}`];
}

async function judgedState(stage: Stage): Promise<readonly string[]> {
  const digests = await configDigests(stage);
  const state = look(join(stage.dataDir, 'stack.db'), readState);
  return judge(state, { ...stage.journal, digests });
}

const digested = new WeakMap<Stage['journal'], Map<number, string>>();

/** By version; SHA-256 over the canonical form of what the file says. */
export async function configDigests(stage: Stage): Promise<ReadonlyMap<number, string>> {
  const file = join(stage.dir, 'version.yaml');
  const digests = digested.get(stage.journal) ?? new Map<number, string>();
  digested.set(stage.journal, digests);
  for (let version = digests.size + 1; version <= (stage.journal.begun.get('config') ?? 1); version += 1) {
    await writeFile(file, stage.configText(version), { mode: 0o600 });
    const read = loadConfig(file, (name) => stage.env[name]);
    if ('mistakes' in read) throw new Error(JSON.stringify(read.mistakes));
    digests.set(version, createHash('sha256').update(canonical(read.config.settings)).digest('hex'));
  }
  return digests;
}

/** One whole config, the right credential at the upstream, and what was revoked stays so. */
async function probed(stage: Stage, label: string): Promise<readonly string[]> {
  const found: string[] = [];
  const { titles } = await inForce(stage);
  const versions = [...Array(stage.journal.begun.get('config') ?? 1).keys()].map((at) => at + 1);
  const whole = versions.find((version) => SERVICES.every((name) => titles.includes(titleOf(name, version))));
  const least = Math.max(1, ...effects(stage.journal.acknowledged, 'config').map(({ version }) => version));
  if (whole === undefined || whole < least) found.push(`I10 in force is ${titles.join(', ')}, not ${least}`);
  for (const service of SERVICES) found.push(...(await credentialOf(stage, service, label)));
  const ended = [
    ...effects(stage.journal.acknowledged, 'revocation').slice(-REVOKED_ASKED),
    ...effects(stage.journal.acknowledged, 'mission-end').slice(-REVOKED_ASKED),
  ];
  for (const { jti, token } of ended) {
    const asked = await ask(stage, '/v1/passports/verify', { body: { token } });
    if (asked.body['code'] !== 'PASSPORT_REVOKED')
      found.push(`I6 passport ${jti} lives again: ${asked.text}`);
  }
  for (const { id, apiKey } of effects(stage.journal.acknowledged, 'key-end').slice(-REVOKED_ASKED)) {
    const asked = await ask({ ...stage, apiKey }, '/v1/services');
    if (asked.status !== 401) found.push(`I6 key ${id} lives again: ${asked.text}`);
  }
  return found;
}

async function credentialOf(stage: Stage, service: string, label: string): Promise<readonly string[]> {
  const { least, most } = secretRange(service, stage.journal);
  const path = `/calls/probe-${service}-${label.replaceAll(/\W+/g, '-')}`;
  const answer = await ask(stage, '/v1/proxy', {
    headers: { 'x-stack-agent': AGENT },
    body: { service, method: 'POST', path, body: {} },
  });
  const arrived = stage.journal.received.find((one) => one.path === path)?.credential;
  if (answer.status === 424 && least === 0) return [];
  const allowed = Array.from({ length: most - least + 1 }, (_, at) => secretValue(service, least + at));
  if (answer.status === 200 && arrived !== undefined && allowed.includes(arrived)) return [];
  return [
    `I8 the upstream of ${service} got ${arrived?.slice(CANARY.length)}, wanted ${least} to ${most}: ${answer.text}`,
  ];
}

async function leaks(stage: Stage): Promise<readonly string[]> {
  const { found } = await searchFiles(stage.dir, CANARY);
  const keys = effects(stage.journal.acknowledged, 'key').slice(-1);
  const more = await Promise.all(keys.map(({ apiKey }) => searchFiles(stage.dir, apiKey)));
  return [...found, ...more.flatMap((one) => one.found)].map((file) => `I9 a secret stands in ${file}`);
}
