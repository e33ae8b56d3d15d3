// What clients do, one act at a time. Each tells the journal what it is about to begin and what was acknowledged; an answer
// that is neither is a surprise.
import { rpc } from '#test/support/mcp.ts';
import { type Answer, ask, askLocally, type Json } from '#test/support/requests.ts';
import { AGENT, SERVICES, type Stage, secretValue, titleOf } from './stage.ts';

/** Another answer than those that the act can have. */
export class Surprise extends Error {}

/** Of an act: whose it is, which of its acts, and which service it is about. */
export type Act = (stage: Stage, name: string) => Promise<void>;

const acting = { 'x-stack-agent': AGENT };
const serviceOf = (name: string): string => SERVICES[name.length % SERVICES.length] ?? SERVICES[0];

function expect(answer: Pick<Answer, 'status' | 'text'>, ...statuses: readonly number[]): void {
  if (!statuses.includes(answer.status)) throw new Surprise(`${answer.status} ${answer.text}`);
}

function done(stage: Stage, path: string, upstreamStatus: unknown): void {
  if (upstreamStatus !== 200) throw new Surprise(`the upstream's status is ${String(upstreamStatus)}`);
  stage.journal.acknowledge({ kind: 'call', path });
}

const envelope = (name: string, path: string): Json => ({
  service: serviceOf(name),
  method: 'POST',
  path,
  body: { from: name },
});

const viaProxy: Act = async (stage, name) => {
  const path = `/calls/${name}`;
  const answer = await ask(stage, '/v1/proxy', { headers: acting, body: envelope(name, path) });
  expect(answer, 200);
  done(stage, path, answer.body['status']);
};

const viaPath: Act = async (stage, name) => {
  const path = `/calls/${name}`;
  const headers = { ...acting, authorization: `Bearer ${stage.apiKey}`, 'content-type': 'application/json' };
  const to = `${stage.url}/proxy/${serviceOf(name)}${path}`;
  const answer = await fetch(to, { method: 'POST', headers, body: JSON.stringify({ from: name }) });
  const text = await answer.text();
  expect({ status: answer.status, text }, 200);
  done(stage, path, text === '{"done":true}' ? 200 : text);
};

const viaMcp: Act = async (stage, name) => {
  const path = `/calls/${name}`;
  const params = { name: 'stack_proxy_request', arguments: envelope(name, path) };
  const answer = await rpc(stage, { method: 'tools/call', params, headers: acting });
  expect(answer, 200);
  const shown = answer.result?.['structuredContent'] as Json | undefined;
  if (shown?.['status'] !== 200) throw new Surprise(answer.text);
  done(stage, path, 200);
};

const issue: Act = async (stage, name) => {
  const intent = { summary: `work of ${name}`, services: [serviceOf(name)] };
  const issued = await ask(stage, '/v1/passports/issue', { body: { agent: AGENT, intent } });
  expect(issued, 201);
  const [jti, token] = [String(issued.body['jti']), String(issued.body['token'])];
  stage.journal.acknowledge({ kind: 'passport', jti });
  const path = `/calls/${name}`;
  const headers = { authorization: `Bearer ${token}` };
  const called = await ask(stage, '/v1/proxy', { headers, body: envelope(name, path) });
  expect(called, 200);
  done(stage, path, called.body['status']);
  const revoked = await ask(stage, `/v1/passports/${jti}/revoke`, { body: {} });
  expect(revoked, 200);
  stage.journal.acknowledge({ kind: 'revocation', jti, token });
};

const mission: Act = async (stage, name) => {
  const intent = { summary: `mission of ${name}`, services: [serviceOf(name)] };
  const begun = await ask(stage, '/v1/passports/issue', { body: { agent: AGENT, intent } });
  expect(begun, 201);
  const first = { jti: String(begun.body['jti']), token: String(begun.body['token']) };
  stage.journal.acknowledge({ kind: 'passport', jti: first.jti });
  const parting = { parent_jti: first.jti, child_agent_id: AGENT, intent };
  const delegated = await ask(stage, '/v1/passports/delegate', { body: parting });
  expect(delegated, 201);
  stage.journal.acknowledge({ kind: 'delegation', jti: String(delegated.body['jti']) });
  const report = { services_used: [serviceOf(name)], actions_count: 1 };
  const extended = await ask(stage, `/v1/passports/${first.jti}/checkpoint`, { body: report });
  expect(extended, 200);
  const untilMs = Date.parse(String(extended.body['expires_at']));
  stage.journal.acknowledge({ kind: 'lease', jti: first.jti, untilMs });
  const refreshed = await ask(stage, '/v1/passports/refresh', { body: { jti: first.jti } });
  expect(refreshed, 201);
  stage.journal.acknowledge({ kind: 'mission-end', ...first, by: 'passport.refresh' });
  const last = { jti: String(refreshed.body['jti']), token: String(refreshed.body['token']) };
  expect(await ask(stage, `/v1/passports/${last.jti}/checkout`, { body: {} }), 200);
  stage.journal.acknowledge({ kind: 'mission-end', ...last, by: 'passport.checkout' });
};

/** A person is asked, agrees, and the call goes out; a second one does not. */
const approve: Act = async (stage, name) => {
  const path = `/calls/${name}`;
  const submitted = await ask(stage, '/v1/intents', { headers: acting, body: envelope(name, path) });
  expect(submitted, 201);
  const id = String(submitted.body['approval_id']);
  stage.journal.acknowledge({ kind: 'approval', id });
  expect(await askLocally(stage, `/v1/approvals/${id}/approve`, { method: 'POST', body: {} }), 200);
  stage.journal.acknowledge({ kind: 'decision', id });
  const call = { headers: acting, body: { approval_id: id } };
  const made = await ask(stage, '/v1/proxy', call);
  expect(made, 200);
  done(stage, path, made.body['status']);
  stage.journal.acknowledge({ kind: 'use', id });
  expect(await ask(stage, '/v1/proxy', call), 403);
};

const register: Act = async (stage, name) => {
  const agent = `bot-${name}`;
  const answer = await ask(stage, '/v1/agents/register', {
    body: { name: agent, description: 'of a crash' },
  });
  expect(answer, 201);
  stage.journal.acknowledge({ kind: 'agent', id: String(answer.body['id']), name: agent });
};

const makeKey: Act = async (stage, name) => {
  const made = await askLocally(stage, '/v1/keys', { body: { name } });
  expect(made, 201);
  const key = { id: String(made.body['id']), apiKey: String(made.body['api_key']) };
  stage.journal.acknowledge({ kind: 'key', ...key });
  const ended = await askLocally(stage, `/v1/keys/${key.id}`, { method: 'DELETE' });
  expect(ended, 200);
  stage.journal.acknowledge({ kind: 'key-end', ...key });
};

const next = (stage: Stage, what: string): number => {
  const number = (stage.journal.begun.get(what) ?? 0) + 1;
  stage.journal.begun.set(what, number);
  return number;
};

/** One client alone sets the secret of one service: which value is the newest must be known. */
export const setSecret =
  (service: string): Act =>
  async (stage) => {
    const number = next(stage, service);
    const body = { value: secretValue(service, number) };
    const answer = await askLocally(stage, `/v1/secrets/${service}`, { method: 'PUT', body });
    expect(answer, 200);
    stage.journal.acknowledge({ kind: 'secret', service, number });
  };

/** A rotation that is still under way is a conflict, and no fault. */
const rotateRing: Act = async (stage) => {
  const answer = await askLocally(stage, '/v1/vault/rotate', { body: {} });
  expect(answer, 202, 409);
  if (answer.status === 202) stage.journal.acknowledge({ kind: 'ring', id: String(answer.body['ring_key']) });
};

const rotateSigning: Act = async (stage) => {
  const answer = await askLocally(stage, '/v1/vault/rotate-signing-key', { body: {} });
  expect(answer, 200);
  stage.journal.acknowledge({ kind: 'signing', kid: String(answer.body['kid']) });
};

const reloadByCall: Act = async (stage) => {
  const version = next(stage, 'config');
  await stage.writeConfig(version);
  const answer = await askLocally(stage, '/v1/config/reload', { body: {} });
  expect(answer, 200);
  stage.journal.acknowledge({ kind: 'config', version });
};

const SEEN_EVERY_MS = 100;
const SEEN_WITHIN = 50;

/** Nobody answers this one: it is acknowledged once it is seen in force. */
const reloadByChange: Act = async (stage) => {
  const version = next(stage, 'config');
  await stage.writeConfig(version);
  for (let looks = 0; looks < SEEN_WITHIN; looks += 1) {
    const { titles } = await inForce(stage);
    if (titles.includes(titleOf(SERVICES[0], version))) {
      stage.journal.acknowledge({ kind: 'config', version });
      return;
    }
    await new Promise((done) => setTimeout(done, SEEN_EVERY_MS));
  }
  throw new Surprise(`version ${version} of the config was not taken up`);
};

/** The titles of the services in force. */
export async function inForce(stage: Stage): Promise<{ readonly titles: readonly string[] }> {
  const answer = await askLocally(stage, '/v1/services');
  expect(answer, 200);
  const services = answer.body['services'] as readonly { readonly title: string }[];
  return { titles: services.map(({ title }) => title).sort() };
}

/** Every act once: the pass that is killed at each of its writes. */
export const ACTS: Readonly<Record<string, Act>> = {
  'call by /v1/proxy': viaProxy,
  'call by the path form': viaPath,
  'call by MCP': viaMcp,
  'passport issued, used and revoked': issue,
  'mission delegated, reported, refreshed and checked out': mission,
  'call submitted, approved and made': approve,
  'agent registered': register,
  'key made and revoked': makeKey,
  'secret set': setSecret(SERVICES[0]),
  'other secret set': setSecret(SERVICES[1]),
  'keyring rotated': rotateRing,
  'signing key replaced': rotateSigning,
  'config reloaded by a call': reloadByCall,
  'config reloaded by a change': reloadByChange,
};

export const CALLS = { viaProxy, viaPath, viaMcp };
/** What one of the clients does beside calls; what has one owner only is done by one of them alone. */
export const OWN: readonly (readonly Act[])[] = [
  [setSecret(SERVICES[0])],
  [setSecret(SERVICES[1])],
  [reloadByCall, reloadByChange],
  [rotateRing, rotateSigning],
  [makeKey],
  [register],
];
export const EVERYBODYS: readonly Act[] = [issue, issue, mission, approve, register];
