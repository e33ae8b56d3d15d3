// The config is read again while calls go on: all of a good file takes effect, nothing of a bad one, no call fails of it.
import assert from 'node:assert/strict';
import { readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { type Appliance, freePort, startAppliance } from '#test/support/appliance.ts';
import { assertAbsent } from '#test/support/canary.ts';
import { type Answer, ask, askLocally } from '#test/support/requests.ts';

const FIRST = 'first-credential-7f3a9c51';
const SECOND = 'second-credential-c08e4d2b';
const PATIENCE_MS = 15_000;
let at: Appliance;
let upstream: Server;
let port: number;
const authorizations: string[] = [];
let held: (() => void)[] = [];

type Wanted = { readonly service?: string; readonly top?: string; readonly agents?: string };

/** The whole file; `service` are further lines of the ledger. */
function fileOf({ service = '', top = '', agents = '' }: Wanted = {}): string {
  return `version: 1
server: { listen: "127.0.0.1:${at.port}", public_url: "${at.url}" }
${top}
services:
  ledger:
    base_url: http://127.0.0.1:${port}
    network: loopback
    inject: { bearer: "{secret}" }
    secret: { file: ./ledger.key }
    actions: { "ledger:calls:read": [ "GET /**" ] }
${service}
agents:
  worker:
    mode: standard
    services: { ledger: [ "ledger:calls:*" ] }
${agents}
`;
}

const replaceFile = async (text: string): Promise<void> => {
  await writeFile(`${at.configFile}.new`, text, { mode: 0o600 });
  await rename(`${at.configFile}.new`, at.configFile);
};
const reload = (): Promise<Answer> => askLocally(at, '/v1/config/reload', { body: {} });
const call = (path = '/calls/1', agent = 'worker'): Promise<Answer> =>
  ask(at, '/v1/proxy', {
    headers: { 'x-stack-agent': agent },
    body: { service: 'ledger', method: 'GET', path },
  });

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!(await condition())) {
    assert.ok(performance.now() < end, `not in time: ${what}`);
    await pause(100);
  }
}

before(async () => {
  port = await freePort();
  upstream = createServer((request, response) => {
    authorizations.push(String(request.headers.authorization));
    const answer = (): void => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ echo: request.headers.authorization }));
    };
    if (request.url === '/calls/held') held.push(answer);
    else answer();
  });
  await new Promise<void>((done) => upstream.listen(port, '127.0.0.1', done));
  at = await startAppliance({});
  await writeFile(join(at.dir, 'ledger.key'), FIRST, { mode: 0o600 });
  await replaceFile(fileOf());
  assert.equal((await reload()).status, 200);
});

after(async () => {
  await at?.dispose();
  upstream?.close();
});

describe('invariant 8: a config that is read again', () => {
  it('brings new services and agents, and says in the log what has changed', async () => {
    const answer = await call();
    assert.equal(answer.status, 200, answer.text);
    assert.equal(authorizations.at(-1), `Bearer ${FIRST}`);
    assert.match(at.logs(), /services\.ledger: added.*config reloaded/);
    const { body } = await askLocally(at, '/v1/audit?limit=100');
    const entries = body['entries'] as { action: string; detail: { changes?: string[]; digest: string } }[];
    const entry = entries.find(({ action }) => action === 'config.reload');
    assert.ok(entry !== undefined);
    assert.ok(entry.detail.changes?.includes('services.ledger'));
    assert.match(entry.detail.digest, /^[0-9a-f]{64}$/);
    assert.ok(entries.some(({ action }) => action === 'config.load'));
  });

  it('says every mistake of a bad file and changes nothing', async () => {
    const good = await readFile(at.configFile, 'utf8');
    await replaceFile(fileOf({ top: 'passports: { ttl: 5 }', agents: '  Bad: { services: { ledgr: [] } }' }));
    const look = await askLocally(at, '/v1/config/changes');
    assert.equal((look.body['problems'] as unknown[]).length, 2, look.text);
    const { status, body } = await reload();
    assert.equal(status, 409);
    const text = JSON.stringify(body);
    assert.ok(text.includes('unit') && text.includes('ledger'), text);
    assert.equal((await call()).status, 200);
    await replaceFile(good);
  });

  it('refuses what takes effect at a start only, and the rest of that file with it', async () => {
    const good = await readFile(at.configFile, 'utf8');
    const other = good
      .replace(`127.0.0.1:${at.port}`, '127.0.0.1:7999')
      .replace('"ledger:calls:read": [ "GET /**" ]', '"ledger:calls:none": [ "GET /none" ]');
    await replaceFile(other);
    const { status, text } = await reload();
    assert.equal(status, 409);
    assert.ok(text.includes('server.listen') && text.includes('restart'), text);
    assert.equal((await call()).status, 200);
    await replaceFile(good);
  });

  it('refuses a file that was replaced by a link', async () => {
    const good = await readFile(at.configFile, 'utf8');
    await writeFile(join(at.dir, 'elsewhere.yaml'), good, { mode: 0o600 });
    await rm(at.configFile);
    await symlink('elsewhere.yaml', at.configFile);
    const { status, text } = await reload();
    assert.ok(status === 409 && text.includes('link'), text);
    await replaceFile(good);
  });

  it('is read on SIGHUP, and when the file or a file it names changes', async () => {
    await replaceFile(fileOf({ agents: '  by-change: { services: { ledger: [ "ledger:calls:read" ] } }' }));
    await until('the change of the file', async () => (await call('/calls/2', 'by-change')).status === 200);
    await replaceFile(fileOf({ agents: '  by-signal: { services: { ledger: [ "ledger:calls:read" ] } }' }));
    at.signal('SIGHUP');
    await until('the signal', async () => (await call('/calls/3', 'by-signal')).status === 200);
    const gone = await call('/calls/2', 'by-change');
    assert.equal(gone.status, 404, gone.text);
    await writeFile(join(at.dir, 'ledger.key'), SECOND);
    await until('the change of the secret', async () => {
      await call();
      return authorizations.at(-1) === `Bearer ${SECOND}`;
    });
  });

  it('invariant 2: lets a call under way end with the value it began with, and scrubs that value still', async () => {
    await writeFile(join(at.dir, 'ledger.key'), FIRST);
    await reload();
    const under = call('/calls/held');
    await until('the held call', async () => held.length === 1);
    await writeFile(join(at.dir, 'ledger.key'), SECOND);
    assert.equal((await reload()).status, 200);
    for (const answer of held) answer();
    held = [];
    const { status, text } = await under;
    assert.equal(status, 200, text);
    assert.equal(authorizations.at(-1), `Bearer ${FIRST}`);
    assertAbsent({ answer: text, logs: at.logs() }, FIRST);
    assertAbsent({ answer: text, logs: at.logs() }, SECOND);
    assert.ok(text.includes('[redacted:'));
  });

  it('invariant 3: does not move a stored secret to other hosts', async () => {
    const vault = fileOf().replace('{ file: ./ledger.key }', '{ vault: ledger }');
    await replaceFile(vault);
    assert.equal((await reload()).status, 200);
    const stored = await askLocally(at, '/v1/secrets/ledger', { method: 'PUT', body: { value: FIRST } });
    assert.equal(stored.status, 200, stored.text);
    assert.equal((await call()).status, 200);
    const moved = vault.replace(`base_url: http://127.0.0.1:${port}`, 'base_url: http://127.0.0.1:9');
    await replaceFile(moved);
    const refused = await reload();
    assert.ok(refused.status === 409 && refused.text.includes('set it again'), refused.text);
    assert.equal((await call()).status, 200);
    assert.equal((await askLocally(at, '/v1/secrets/ledger', { method: 'DELETE' })).status, 200);
    assert.equal((await reload()).status, 200);
    const missing = await call();
    assert.equal(
      missing.body['error'] && (missing.body['error'] as { code: string }).code,
      'CREDENTIAL_MISSING',
    );
    await replaceFile(fileOf());
    assert.equal((await reload()).status, 200);
  });
});

describe('invariant 8, corpus R022: 200 reloads under load, every second one broken', () => {
  it('fail no call, and no broken one takes effect', { timeout: 180_000 }, async () => {
    let running = true;
    let calls = 0;
    const surprises: string[] = [];
    const client = async (): Promise<void> => {
      while (running) {
        const { status, text } = await call(`/calls/${calls}`);
        calls += 1;
        if (status !== 200 || !text.includes('"status":200')) surprises.push(`${status} ${text}`);
      }
    };
    const clients = [client(), client(), client(), client()];
    const outcomes = { applied: 0, refused: 0 };
    for (let turn = 1; turn <= 200; turn += 1) {
      const broken = turn % 2 === 0;
      const agent = `  turn-${turn}: { services: { ledger: [ "ledger:calls:read" ] } }`;
      const line = broken ? '    approvall: writes' : `    title: Turn ${turn}`;
      await replaceFile(fileOf({ service: line, agents: agent }));
      // The watcher may have been first: then there is nothing left to change.
      const { status, body } = await reload();
      if (status === 200) outcomes.applied += 1;
      else outcomes.refused += 1;
      assert.equal(status, broken ? 409 : 200, JSON.stringify(body));
      const known = (await askLocally(at, `/v1/agents/turn-${turn}`)).status;
      assert.equal(known, broken ? 404 : 200, `turn ${turn}`);
    }
    running = false;
    await Promise.all(clients);
    assert.deepEqual(surprises, []);
    assert.deepEqual(outcomes, { applied: 100, refused: 100 });
    assert.ok(calls >= 200, `${calls} calls`);
    const chain = await askLocally(at, '/v1/audit/verify-chain');
    assert.equal(chain.body['valid'], true, chain.text);
  });
});
