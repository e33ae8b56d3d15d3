// Invariant 2 over every surface that can be read: while services echo, fail and break off, and callers send what they
// should not, no secret of ours and of theirs stands in any answer, page, metric, log line or file, in any usual encoding.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { stack } from '#test/support/appliance.ts';
import { assertAbsent, searchFiles } from '#test/support/canary.ts';
import { bytesOf, FAULT_SECRET, type Faults, startFaults } from '#test/support/faults.ts';
import { rawClient } from '#test/support/path-form.ts';
import type { Script } from '#test/support/raw-upstream.ts';
import { ask, askLocally, type Json } from '#test/support/requests.ts';
import { describedOperations } from '../../src/operations.ts';

const STORED = 'canary/stored+value="of:the"vault-91d0c4e7';
const OK = 'HTTP/1.1 200 OK\r\n';

/** Everything that came goes back, on a way that the name says. */
const echoing =
  (make: (got: string) => string): Script =>
  (socket) => {
    const got = `${FAULT_SECRET} ${STORED}`;
    socket.write(Buffer.from(make(got), 'latin1'));
  };
const SCRIPTS: Readonly<Record<string, Script>> = {
  body: echoing((got) => `${OK}Content-Length: ${got.length}\r\n\r\n${got}`),
  header: echoing((got) => `${OK}X-Saw: ${got}\r\nContent-Length: 2\r\n\r\nok`),
  name: echoing(() => `${OK}X-${FAULT_SECRET}: a\r\nContent-Length: 2\r\n\r\nok`),
  status: echoing((got) => `HTTP/1.1 200 ${got}\r\nContent-Length: 2\r\n\r\nok`),
  moved: echoing(
    (got) => `HTTP/1.1 302 Found\r\nLocation: /x?k=${encodeURI(got)}\r\nContent-Length: 0\r\n\r\n`,
  ),
  trailer: echoing((got) => `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: ${got}\r\n\r\n`),
  broken: echoing((got) => `${OK}Content-Length: 9000\r\n\r\n${got}`),
  framing: echoing((got) => `${OK}Content-Length: 1\r\nContent-Length: 2\r\n\r\n${got}`),
  'no-http': echoing((got) => `${got}\r\n`),
  'bad-chunk': echoing((got) => `${OK}Transfer-Encoding: chunked\r\n\r\n${got}\r\n`),
  'bad-length': echoing((got) => `${OK}Content-Length: ${got}\r\n\r\n`),
  'bad-coding': echoing(
    (got) => `${OK}Content-Encoding: ${got.split(' ')[0]}\r\nContent-Length: 2\r\n\r\nok`,
  ),
  interim: echoing((got) => `HTTP/1.1 103 ${got}\r\nX-A: ${got}\r\n\r\n${OK}Content-Length: 2\r\n\r\nok`),
  refused: echoing((got) => `HTTP/1.1 401 Unauthorized\r\nContent-Length: ${got.length}\r\n\r\n${got}`),
};

let faults: Faults;
let passport: string;
/** Tokens of a mission: delegated, signed anew, refreshed. */
const tokens: string[] = [];
let reports: string[] = [];
const told: Record<string, string> = {};

before(async () => {
  faults = await startFaults({
    scripts: SCRIPTS,
    limits: 'call_timeout: 1s',
    stored: ['good'],
  });
  const { appliance } = faults;
  const value = { method: 'PUT', body: { value: STORED } };
  const set = await askLocally(appliance, '/v1/secrets/good', value);
  assert.equal(set.status, 200, set.text);
  told['set'] = set.text;
  const intent = { summary: 'canary', services: ['bad'] };
  const issued = await ask(appliance, '/v1/passports/issue', { body: { agent: 'clerk', intent } });
  passport = String(issued.body['token']);
  const jti = String(issued.body['jti']);
  const mission = async (path: string, body: Json): Promise<Json> => {
    const answer = await ask(appliance, `/v1/passports/${path}`, { body });
    assert.ok(answer.status < 300, answer.text);
    tokens.push(String(answer.body['token']));
    return answer.body;
  };
  const part = await mission('delegate', { parent_token: passport, child_agent_id: 'clerk', intent });
  const report = { services_used: ['bad'], actions_count: 1, summary: 'half' };
  await mission(`${jti}/checkpoint`, report);
  await mission('refresh', { jti: part['jti'] });
  reports = [`/v1/passports/${jti}/report`];
});
after(() => faults?.dispose());

const texts = (): Record<string, string> => ({ ...told, 'process log': faults.appliance.logs() });

describe('invariant 2: a secret stands nowhere', () => {
  it('in no answer of a service that echoes, fails or breaks off', { timeout: 60_000 }, async () => {
    await Promise.all(
      Object.keys(SCRIPTS).flatMap((name) =>
        (['envelope', 'path', 'mcp'] as const).map(async (form) => {
          const client = rawClient(faults.appliance);
          client.write(bytesOf(form, faults.appliance, { path: `/${name}/${form}` }));
          setTimeout(() => client.socket.end(), 2_500);
          told[`${name} ${form}`] = await client.until();
        }),
      ),
    );
    assert.ok(faults.bad.requests.every((text) => text.includes(`Bearer ${FAULT_SECRET}`)));
    for (const secret of [FAULT_SECRET, STORED]) assertAbsent(texts(), secret);
  });

  it('in no refusal of a caller that sends one where it does not belong', async () => {
    const { appliance } = faults;
    const call = (given: Json) =>
      ask(appliance, '/v1/proxy', {
        headers: { 'x-stack-agent': 'clerk' },
        body: { service: 'bad', method: 'GET', path: '/body', ...given },
      });
    for (const [at, secret] of [appliance.apiKey, passport].entries()) {
      const wrong: readonly Promise<{ text: string }>[] = [
        call({ headers: { authorization: `Bearer ${secret}` } }),
        call({ headers: { 'x-mine': secret } }),
        call({ headers: { accept: secret } }),
        call({ service: secret }),
        call({ approval_id: secret }),
        ...['/v1/intents', '/v1/intents/simulate'].map((path) =>
          ask(appliance, path, {
            headers: { 'x-stack-agent': 'clerk' },
            body: { service: 'bad', method: 'GET', path: '/body', reason: secret },
          }),
        ),
        ask(appliance, `/v1/intents/approvals/${secret}`),
        ask(appliance, `/v1/approvals/${secret}`),
        call({ passport: `${secret}x` }),
        call({ [secret]: 1 }),
        ask(appliance, `/v1/services?token=${secret}`),
        ask(appliance, `/v1/agents/${secret}`),
        ask(appliance, `/${secret}`),
        ask(appliance, '/v1/services', { headers: { authorization: `Basic ${secret}` } }),
        ask(appliance, '/v1/services', { headers: { authorization: `Bearer ${secret}x` } }),
        ask(appliance, '/v1/services', { headers: { 'x-passport-token': `${secret}x` } }),
        ask(appliance, '/v1/services', { headers: { 'x-stack-agent': secret } }),
      ];
      for (const [nth, answer] of (await Promise.all(wrong)).entries())
        told[`wrong ${at} ${nth}`] = answer.text;
    }
    // A caller may see its own text where an answer quotes a name that it gave; the log of the process does not.
    for (const secret of [appliance.apiKey, passport])
      assertAbsent({ 'process log': texts()['process log'] ?? '' }, secret);
  });

  it('in no page, list, metric or entry that can be read, by anybody', async () => {
    const { appliance } = faults;
    const routes = describedOperations()
      .filter(({ route }) => route.method === 'GET' && !route.path.includes(':'))
      .map(({ route }) => route.path);
    assert.ok(routes.length > 8);
    for (const path of [
      ...routes,
      ...reports,
      '/healthz',
      '/readyz',
      '/metrics',
      '/openapi.json',
      '/reference',
      '/v1/audit?limit=100',
    ]) {
      told[`local ${path}`] = (await askLocally(appliance, path)).text;
      told[`key ${path}`] = (await ask(appliance, path)).text;
    }
    for (let cursor: unknown; cursor !== null; ) {
      const from = cursor === undefined ? '' : `&cursor=${String(cursor)}`;
      const { body, text } = await askLocally(appliance, `/v1/audit?limit=100${from}`);
      told[`log ${String(cursor)}`] = text;
      cursor = body['next_cursor'] ?? null;
    }
    const doctor = await stack(appliance, ['doctor', '--json', '--config', appliance.configFile]);
    told['stack doctor'] = doctor.stdout + doctor.stderr;
    const root = (await readFile(appliance.keyFile, 'utf8')).trim().split(' ').at(-1) ?? '';
    for (const secret of [FAULT_SECRET, STORED, root]) assertAbsent(texts(), secret);
    const read = Object.entries(texts()).filter(([name]) => /^(?:local|key|log|stack|process)/.test(name));
    for (const secret of [appliance.apiKey, passport, ...tokens])
      assertAbsent(Object.fromEntries(read), secret);
  });

  it('in no file of the data, with the write-ahead log as it lies after a kill, and after the next start', async () => {
    const { appliance } = faults;
    const root = (await readFile(appliance.keyFile, 'utf8')).trim().split(' ').at(-1) ?? '';
    await appliance.kill9();
    for (const round of ['killed', 'started']) {
      for (const [at, secret] of [
        FAULT_SECRET,
        STORED,
        root,
        passport,
        ...tokens,
        appliance.apiKey,
      ].entries()) {
        const { searched, found } = await searchFiles(appliance.dataDir, secret);
        assert.ok(searched.some((path) => path.endsWith('-wal')) || round === 'started', searched.join());
        assert.deepEqual(found, [], `${round}, secret ${at}`);
      }
      if (round === 'killed') await appliance.restart();
    }
  });
});
