// Idempotency keys from outside: a second try under the same key is no second call, whatever became of the first. What is
// kept is encrypted, belongs to one agent, and is as it was given.
import assert from 'node:assert/strict';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { look } from '#test/platform/storage/throwaway.ts';
import { type Appliance, startAppliance } from '#test/support/appliance.ts';
import { searchFiles } from '#test/support/canary.ts';
import { rpc } from '#test/support/mcp.ts';
import { type Answer, ask, askLocally, type Json } from '#test/support/requests.ts';

const CANARY = 'canary-answer-9f1c27d04be34a56';
const LONG = 300_000;

/** Paths that reached the service, in order. */
const reached: string[] = [];
const held: ServerResponse[] = [];
let upstream: Server;
let appliance: Appliance;

function answer(path: string, response: ServerResponse): void {
  if (path.startsWith('/held')) held.push(response);
  if (path === '/held/stream') response.write('first ');
  if (path.startsWith('/held')) return;
  if (path.startsWith('/long')) response.end('x'.repeat(LONG));
  else if (path.startsWith('/broken')) {
    response.writeHead(200, { 'content-length': '100' });
    response.write('half');
    setTimeout(() => response.destroy(), 50);
  } else if (path.startsWith('/refused')) response.writeHead(422, { 'x-reason': 'no' }).end('no');
  else {
    response.writeHead(201, { 'content-type': 'application/json', 'x-count': String(reached.length) });
    response.end(JSON.stringify({ count: reached.length, canary: CANARY }));
  }
}

before(async () => {
  upstream = createServer((request, response) => {
    request.resume();
    request.on('end', () => {
      reached.push(request.url ?? '');
      answer(request.url ?? '', response);
    });
  });
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
  const { port } = upstream.address() as AddressInfo;
  const grants = 'services: { ledger: [ "ledger:calls:make" ], absent: [ "absent:calls:make" ] }';
  appliance = await startAppliance({
    services: `
  ledger:
    base_url: http://127.0.0.1:${port}
    network: loopback
    headers: { allow: [ x-request-id ], volatile: [ x-request-id ] }
    actions: { "ledger:calls:make": [ "GET /**", "HEAD /**", "POST /**" ] }
  absent:
    base_url: http://127.0.0.1:9
    network: loopback
    actions: { "absent:calls:make": [ "POST /**" ] }`,
    agents: `
  worker: { ${grants} }
  other: { ${grants} }
  counted: { ${grants}, limits: { calls_per_minute: 1 } }`,
    extra: 'limits: { call_timeout: 2s }',
  });
});

after(async () => {
  await appliance?.dispose();
  upstream?.closeAllConnections();
  upstream?.close();
});

type Call = { readonly key?: string; readonly path?: string; readonly agent?: string } & Json;

const call = ({ key, path = '/x', agent = 'worker', ...more }: Call): Promise<Answer> =>
  ask(appliance, '/v1/proxy', {
    headers: { 'x-stack-agent': agent },
    body: {
      ...{ service: 'ledger', method: 'POST', path, body: { amount: 5 } },
      ...(key === undefined ? {} : { idempotency_key: key }),
      ...more,
    },
  });

async function onPath(path: string, key: string, init: RequestInit = {}): Promise<Response> {
  const headers = {
    authorization: `Bearer ${appliance.apiKey}`,
    'x-stack-agent': 'worker',
    'x-stack-idempotency-key': key,
    ...(init.headers as Record<string, string>),
  };
  return fetch(`${appliance.url}/proxy/ledger${path}`, {
    method: 'POST',
    body: 'amount=5',
    ...init,
    headers,
  });
}

const times = (path: string): number => reached.filter((one) => one === path).length;
const metadataOf = ({ body }: { body: Json }): Json => body['metadata'] as Json;
const codeOf = ({ body }: { body: Json }): unknown => (body['error'] as Json | undefined)?.['code'];
async function until(reachedIt: () => boolean): Promise<void> {
  const end = performance.now() + 10_000;
  while (!reachedIt()) {
    assert.ok(performance.now() < end, 'it never came');
    await new Promise((done) => setTimeout(done, 5));
  }
}

describe('a call under an idempotency key', () => {
  it('is answered again as it was, right after it and later, and is not made again', async () => {
    const first = await call({ key: 'order-1', path: '/orders' });
    assert.equal(first.status, 200, first.text);
    assert.equal(first.body['replayed'], undefined);
    for (let at = 0; at < 3; at += 1) {
      const again = await call({ key: 'order-1', path: '/orders' });
      assert.deepEqual(again.body, { ...first.body, replayed: true });
    }
    assert.equal(times('/orders'), 1);
    await appliance.restart();
    const later = await call({ key: 'order-1', path: '/orders' });
    assert.deepEqual(later.body, { ...first.body, replayed: true });
    assert.equal(times('/orders'), 1);
  });

  it('is answered again in MCP, too, whose answer is the same', async () => {
    const input = { service: 'ledger', method: 'POST', path: '/mcp', idempotency_key: 'm1' };
    const headers = { 'x-stack-agent': 'worker' };
    const params = { name: 'stack_proxy_request', arguments: input };
    const tool = async (): Promise<Json> => {
      const { result } = await rpc(appliance, { method: 'tools/call', params, headers });
      return result?.['structuredContent'] as Json;
    };
    const first = await tool();
    assert.equal(first['status'], 201);
    assert.deepEqual(await tool(), { ...first, replayed: true });
    assert.equal(times('/mcp'), 1);
  });

  it('of an error of the service is answered again with that error', async () => {
    const first = await call({ key: 'no-1', path: '/refused' });
    const again = await call({ key: 'no-1', path: '/refused' });
    assert.deepEqual([first.body['status'], again.body['status']], [422, 422]);
    assert.equal(again.body['replayed'], true);
    assert.equal(times('/refused'), 1);
  });

  it('invariant 1: of fifty at once is made exactly once; the others are told so, or have its answer', async () => {
    const all = Array.from({ length: 50 }, () => call({ key: 'race', path: '/race' }));
    const answers = await Promise.all(all);
    assert.equal(times('/race'), 1);
    const fresh = answers.filter(({ status, body }) => status === 200 && body['replayed'] === undefined);
    assert.equal(fresh.length, 1);
    for (const one of answers.filter((seen) => seen !== fresh[0])) {
      if (one.status === 200) assert.equal(one.body['replayed'], true);
      else assert.deepEqual([codeOf(one), metadataOf(one)['reason']], ['CONFLICT', 'running']);
    }
  });

  it('with other arguments is refused; a header that the config calls volatile is none', async () => {
    const same = { key: 'args', path: '/args' };
    assert.equal((await call({ ...same, headers: { 'x-request-id': 'a' } })).status, 200);
    assert.equal((await call({ ...same, headers: { 'x-request-id': 'b' } })).body['replayed'], true);
    const others: Call[] = [
      { ...same, body: { amount: 6 } },
      { ...same, path: '/args/2' },
      { ...same, query: { a: '1' } },
      { ...same, headers: { accept: 'text/plain' } },
      { ...same, method: 'GET', body: undefined },
    ];
    for (const other of others) {
      const refused = await call(other);
      assert.deepEqual(
        [refused.status, metadataOf(refused)['reason']],
        [409, 'other_arguments'],
        refused.text,
      );
      assert.match(refused.text, /new key/);
    }
    const path = await onPath('/args', 'args');
    assert.equal(path.status, 409, 'the other form of a call is another call');
    assert.equal(reached.filter((one) => one.startsWith('/args')).length, 1);
  });

  it('belongs to its agent: the same key of another is another key', async () => {
    const mine = await call({ key: 'shared', path: '/mine' });
    const theirs = await call({ key: 'shared', path: '/mine', agent: 'other' });
    assert.equal(theirs.status, 200);
    assert.equal(theirs.body['replayed'], undefined);
    assert.notEqual(theirs.body['entry_id'], mine.body['entry_id']);
    assert.equal(times('/mine'), 2);
  });

  it('must still be allowed when it is asked again', async () => {
    const first = await call({ key: 'narrow', path: '/narrow' });
    assert.equal(first.status, 200);
    const issued = await ask(appliance, '/v1/passports/issue', {
      body: {
        agent: 'worker',
        intent: { summary: 'less', services: ['ledger'] },
        constraints: [{ service: 'ledger', path: 'method', op: 'eq', value: 'GET' }],
      },
    });
    const body = {
      service: 'ledger',
      method: 'POST',
      path: '/narrow',
      body: { amount: 5 },
      idempotency_key: 'narrow',
    };
    const headers = { authorization: `Bearer ${String(issued.body['token'])}` };
    const denied = await ask(appliance, '/v1/proxy', { headers, body });
    assert.equal(denied.status, 403, denied.text);
  });

  it('is not counted against the limits of its agent when it is only answered again', async () => {
    const once = { key: 'c1', agent: 'counted', path: '/counted' };
    assert.equal((await call(once)).status, 200);
    assert.equal((await call(once)).body['replayed'], true);
    assert.equal((await call({ ...once, key: 'c2' })).status, 429);
  });

  it('that could not leave gives its key back', async () => {
    for (let at = 0; at < 2; at += 1) {
      const failed = await call({ key: 'absent', service: 'absent' });
      assert.deepEqual([codeOf(failed), metadataOf(failed)['sent']], ['UPSTREAM_UNREACHABLE', false]);
      assert.equal(metadataOf(failed)['replayed'], undefined, 'tried anew');
    }
  });

  it('whose answer was too long to keep is not made again, and says what came', async () => {
    const first = await call({ key: 'long', path: '/long' });
    assert.equal(first.body['body_bytes'], LONG);
    const again = await call({ key: 'long', path: '/long' });
    const { reason, upstream_status: status, sent } = metadataOf(again);
    assert.deepEqual([again.status, reason, status, sent], [409, 'answer_not_kept', 200, true]);
    assert.equal(times('/long'), 1);
  });

  it('whose outcome is unknown says so again, and is not made again', async () => {
    const first = await call({ key: 'late', path: '/held/late' });
    assert.equal(codeOf(first), 'UPSTREAM_TIMEOUT', first.text);
    const again = await call({ key: 'late', path: '/held/late' });
    assert.equal(codeOf(again), 'UPSTREAM_TIMEOUT');
    const { sent, outcome, replayed, entry_id: id } = metadataOf(again);
    assert.deepEqual([sent, outcome, replayed, id], [true, 'unknown', true, metadataOf(first)['entry_id']]);
    assert.equal(times('/held/late'), 1);
  });

  it('goes on when its caller goes away, and the second try has its answer', async () => {
    const gone = new AbortController();
    const body = JSON.stringify({
      service: 'ledger',
      method: 'POST',
      path: '/held/gone',
      idempotency_key: 'gone',
    });
    const headers = {
      authorization: `Bearer ${appliance.apiKey}`,
      'x-stack-agent': 'worker',
      'content-type': 'application/json',
    };
    const url = `${appliance.url}/v1/proxy`;
    const first = fetch(url, { method: 'POST', headers, body, signal: gone.signal });
    await until(() => times('/held/gone') === 1);
    gone.abort();
    await assert.rejects(first);
    const again = { method: 'POST', path: '/held/gone', key: 'gone', body: undefined };
    const running = await call(again);
    assert.deepEqual([running.status, metadataOf(running)['reason']], [409, 'running'], running.text);
    held.at(-1)?.end('late');
    let answer = await call(again);
    while (answer.status === 409) answer = await call(again);
    assert.deepEqual([answer.body['body_text'], answer.body['replayed']], ['late', true]);
    assert.equal(times('/held/gone'), 1);
  });

  it('invariant 1: that a kill cut is unknown after the start, and is never sent again', async () => {
    const cut = assert.rejects(call({ key: 'killed', path: '/held/killed' }));
    await until(() => times('/held/killed') === 1);
    await appliance.kill9();
    await cut;
    await appliance.restart();
    for (let at = 0; at < 2; at += 1) {
      const again = await call({ key: 'killed', path: '/held/killed' });
      const { reason, outcome } = metadataOf(again);
      assert.deepEqual([again.status, reason, outcome], [409, 'unknown', 'unknown'], again.text);
    }
    assert.equal(times('/held/killed'), 1);
  });

  it('must be one word', async () => {
    for (const key of ['', 'a b', 'ä', 'k'.repeat(256)]) {
      const refused = await call({ key });
      assert.equal(codeOf(refused), 'INVALID_REQUEST', `${key}: ${refused.text}`);
    }
  });
});

describe('the path form under an idempotency key', () => {
  it('streams the first answer and gives the same again, with a header that says so', async () => {
    const first = await onPath('/p/orders', 'p1');
    const text = await first.text();
    assert.equal(first.headers.get('x-stack-replayed'), null);
    const again = await onPath('/p/orders', 'p1');
    assert.equal(again.headers.get('x-stack-replayed'), 'true');
    assert.deepEqual([again.status, await again.text()], [201, text]);
    for (const name of ['x-count', 'content-type', 'x-stack-entry', 'content-security-policy'])
      assert.equal(again.headers.get(name), first.headers.get(name), name);
    assert.equal(times('/p/orders'), 1);
    const other = await onPath('/p/orders', 'p1', { body: 'amount=6' });
    assert.equal(other.status, 409);
  });

  it('holds no piece back, and goes on recording when its client has gone', async () => {
    const gone = new AbortController();
    const first = await onPath('/held/stream', 's1', { signal: gone.signal });
    const [piece] = (await Promise.all([first.body?.getReader().read()])) as [{ value: Uint8Array }];
    assert.equal(Buffer.from(piece.value).toString(), 'first ', 'before the end is there');
    gone.abort();
    await new Promise((done) => setTimeout(done, 50));
    held.at(-1)?.end('second');
    let again = await onPath('/held/stream', 's1');
    while (again.status === 409) again = await onPath('/held/stream', 's1');
    assert.deepEqual([await again.text(), again.headers.get('x-stack-replayed')], ['first second', 'true']);
    assert.equal(times('/held/stream'), 1);
  });

  it('answers HEAD again without a body', async () => {
    for (const replayed of [null, 'true']) {
      const answer = await onPath('/p/head', 'h1', { method: 'HEAD', body: null });
      assert.deepEqual([answer.status, answer.headers.get('x-stack-replayed')], [201, replayed]);
    }
    assert.equal(times('/p/head'), 1);
  });

  it('passes a long answer on whole, and says of it afterwards that it was made', async () => {
    assert.equal((await (await onPath('/long/p', 'p2')).text()).length, LONG);
    const again = await onPath('/long/p', 'p2');
    assert.equal(again.status, 409);
    assert.equal(((await again.json()) as { metadata: Json }).metadata['reason'], 'answer_not_kept');
    assert.equal(times('/long/p'), 1);
  });

  it('of which the service broke off the answer is unknown', async () => {
    const broken = await onPath('/broken', 'p3');
    await assert.rejects(broken.text());
    const again = await onPath('/broken', 'p3');
    assert.equal(again.headers.get('x-should-retry'), 'false');
    const { metadata } = (await again.json()) as { metadata: Json };
    assert.deepEqual([metadata['outcome'], metadata['upstream_status']], ['unknown', 200]);
    assert.equal(times('/broken'), 1);
  });
});

const KILLS = 5;
const CLIENTS = 4;
const LOAD_MS = 5_000;

const wait = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

describe(`calls under keys with ${KILLS} kills between`, () => {
  it('invariant 1: are tried until they are answered, and none is made twice', async () => {
    let going = true;
    let answered = 0;
    const interrupted = new Set<string>();
    const client = async (name: string): Promise<void> => {
      for (let at = 0; going; at += 1) {
        const path = `/kills/${name}-${at}`;
        try {
          const { status, text } = await call({ key: path, path });
          assert.equal(status, 200, text);
          answered += 1;
        } catch (error) {
          if (going) throw error;
          interrupted.add(path);
        }
      }
    };
    for (let round = 0; round < KILLS; round += 1) {
      going = true;
      const clients = Array.from({ length: CLIENTS }, (_, at) => client(`${round}-${at}`));
      await wait(40 + 60 * round);
      // A start on a busy machine may take all of that.
      const end = performance.now() + LOAD_MS;
      while (round === KILLS - 1 && answered <= KILLS && performance.now() < end) await wait(5);
      going = false;
      await appliance.kill9();
      await Promise.all(clients);
      await appliance.restart();
      for (const path of interrupted) {
        const again = await call({ key: path, path });
        if (again.status !== 200) assert.equal(metadataOf(again)['outcome'], 'unknown', again.text);
        // Asked once more, it says the same.
        const { body } = await call({ key: path, path });
        assert.equal(body['replayed'] ?? metadataOf({ body })['replayed'], true);
      }
      interrupted.clear();
    }
    const made = reached.filter((path) => path.startsWith('/kills/'));
    assert.equal(new Set(made).size, made.length, 'a call was made twice');
    assert.ok(answered > KILLS, 'there was a load');
    const chain = await askLocally(appliance, '/v1/audit/verify-chain');
    assert.equal(chain.body['valid'], true, chain.text);
  });
});

describe('what is kept', () => {
  it('shows neither answers nor keys in any file, and none of it in the log', async () => {
    await call({ key: 'a-key-that-is-nowhere', path: '/kept' });
    const rows = look(`${appliance.dataDir}/stack.db`, (db) =>
      db.prepare('SELECT count(*) FROM idempotency_keys WHERE value IS NOT NULL').pluck().get(),
    );
    assert.ok(Number(rows) > 3, 'there is something to find');
    for (const secret of [CANARY, 'a-key-that-is-nowhere']) {
      const { found, searched } = await searchFiles(appliance.dir, secret);
      assert.ok(searched.some((file) => file.endsWith('stack.db')));
      assert.deepEqual(found, []);
      assert.ok(!appliance.logs().includes(secret));
    }
  });

  it('has come to an end in every row when its call has', () => {
    const states = look(`${appliance.dataDir}/stack.db`, (db) =>
      db.prepare("SELECT count(*) FROM idempotency_keys WHERE state = 'running'").pluck().get(),
    );
    assert.equal(states, 0);
  });

  it('invariant 12: each answer that was given again stands in the log, and names the call that it is of', async () => {
    const first = await call({ key: 'logged', path: '/logged' });
    await call({ key: 'logged', path: '/logged' });
    const { body } = await askLocally(appliance, '/v1/audit?limit=5');
    const entries = body['entries'] as Json[];
    const replay = entries.find((entry) => (entry['detail'] as Json)['replayed'] === first.body['entry_id']);
    assert.deepEqual(
      [replay?.['action'], replay?.['outcome'], replay?.['path']],
      ['credential.proxy', 'success', '/logged'],
    );
    const chain = await askLocally(appliance, '/v1/audit/verify-chain');
    assert.equal(chain.body['valid'], true, chain.text);
  });
});
