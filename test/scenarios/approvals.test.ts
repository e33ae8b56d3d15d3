// A person decides, from outside: what was approved is what runs, once. Every refusal of the gate names its reason and a step that
// works, and the service sees nothing of a call that was refused.
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { openDatabase } from '#platform/storage/database.ts';
import { addonPath } from '#test/platform/storage/throwaway.ts';
import { type Appliance, startAppliance } from '#test/support/appliance.ts';
import { searchFiles } from '#test/support/canary.ts';
import { rpc } from '#test/support/mcp.ts';
import { type Answer, ask, askLocally, type Json } from '#test/support/requests.ts';

const CANARY = 'canary-in-a-body-77d0e3c4a9';
type Seen = { readonly method: string; readonly url: string; readonly body: string; readonly type: string };

/** What reached the service, in order. */
const seen: Seen[] = [];
const held: ServerResponse[] = [];
let upstream: Server;
let appliance: Appliance;

function answer(request: IncomingMessage, response: ServerResponse): void {
  let body = '';
  request.setEncoding('utf8').on('data', (part: string) => {
    body += part;
  });
  request.on('end', () => {
    const { method = '', url = '', headers } = request;
    seen.push({ method, url, body, type: headers['content-type'] ?? '' });
    if (url.startsWith('/held')) held.push(response);
    else response.writeHead(201, { 'content-type': 'application/json' }).end('{"done":true}');
  });
}

before(async () => {
  upstream = createServer(answer);
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
  const { port } = upstream.address() as AddressInfo;
  const grants = 'services: { ledger: [ "ledger:*" ], dead: [ "dead:*" ] }';
  appliance = await startAppliance({
    services: `
  ledger:
    base_url: http://127.0.0.1:${port}
    network: loopback
    headers: { allow: [ x-request-id, x-tag ], volatile: [ x-request-id ] }
    actions:
      "ledger:refunds:create": [ "POST /refunds/**" ]
      "ledger:refunds:change": [ "PUT /refunds/**" ]
      "ledger:notes:create": [ "POST /notes", "POST /held/**" ]
      "ledger:notes:read": [ "GET /**" ]
    approval:
      - { action: "ledger:refunds:create", where: [ { path: body.amount, op: gt, value: 100 } ] }
      - { action: "ledger:refunds:change", on_reject: deny, on_call: submit }
  dead:
    base_url: http://127.0.0.1:9
    network: loopback
    actions: { "dead:calls:make": [ "POST /**" ] }
    approval: writes`,
    agents: `
  worker: { ${grants} }
  other: { ${grants} }
  sinner: { ${grants} }
  patient: { ${grants} }`,
    extra: 'limits: { call_timeout: 2s }',
  });
});

after(async () => {
  for (const response of held) response.destroy();
  await appliance?.dispose();
  upstream?.closeAllConnections();
  upstream?.close();
});

const as = (agent: string) => ({ 'x-stack-agent': agent });
const refund = (id: string): Json => ({
  service: 'ledger',
  method: 'POST',
  path: `/refunds/${id}`,
  body: { amount: 120, note: CANARY, items: [{ price: 1 }] },
});

const submit = (call: Json, agent = 'worker'): Promise<Answer> =>
  ask(appliance, '/v1/intents', { headers: as(agent), body: call });
const send = (call: Json, agent = 'worker'): Promise<Answer> =>
  ask(appliance, '/v1/proxy', { headers: as(agent), body: call });
const decide = (id: string, verb: string, body: Json = {}): Promise<Answer> =>
  askLocally(appliance, `/v1/approvals/${id}/${verb}`, { method: 'POST', body });
const poll = async (id: string, agent = 'worker'): Promise<Json> =>
  (await ask(appliance, `/v1/intents/approvals/${id}`, { headers: as(agent) })).body;

async function asked(call: Json, agent = 'worker'): Promise<string> {
  const submitted = await submit(call, agent);
  assert.equal(submitted.status, 201, submitted.text);
  return String(submitted.body['approval_id']);
}

async function approved(call: Json, terms: Json = {}): Promise<string> {
  const id = await asked(call);
  const answered = await decide(id, 'approve', terms);
  assert.equal(answered.status, 200, answered.text);
  return id;
}

const reasonOf = ({ body }: Answer): unknown => (body['metadata'] as Json | undefined)?.['gate_reason'];
function assertGate(answered: Answer, reason: string): void {
  assert.equal(answered.status, 403, answered.text);
  assert.equal((answered.body['error'] as Json)['code'], 'APPROVAL_GATE_DENIED');
  assert.equal(reasonOf(answered), reason, answered.text);
}
const times = (url: string): number => seen.filter((one) => one.url === url).length;

describe('a call under approval', () => {
  it('is refused without one, says how to ask, and reaches nobody', async () => {
    const refused = await send(refund('none'));
    assertGate(refused, 'approval_required');
    assert.match(String((refused.body['error'] as Json)['next']), /stack_submit_intent/);
    assert.equal(times('/refunds/none'), 0);
  });

  it('invariant 5, corpus A002, corpus A118: is submitted, approved and made once, as it was stored', async () => {
    const submitted = await submit({ ...refund('one'), reason: 'charged twice' });
    assert.equal(submitted.status, 201);
    const { approval_id, status, reason, poll_after_ms } = submitted.body;
    assert.deepEqual([status, reason, typeof poll_after_ms], ['pending', 'charged twice', 'number']);
    const id = String(approval_id);
    assertGate(await send({ ...refund('one'), approval_id: id }), 'approval_pending');
    assert.equal((await poll(id))['status'], 'pending');
    const decided = await decide(id, 'approve', { note: 'ok' });
    assert.deepEqual([decided.body['status'], decided.body['uses_left']], ['approved', 1]);
    const made = await send({ ...refund('one'), approval_id: id });
    assert.equal(made.status, 200, made.text);
    assertGate(await send({ ...refund('one'), approval_id: id }), 'approval_spent');
    const { status: now, uses_left, outcome, note } = await poll(id);
    assert.deepEqual([now, uses_left, outcome, note], ['approved', 0, 'success', 'ok']);
    const [sent, ...more] = seen.filter(({ url }) => url === '/refunds/one');
    assert.deepEqual(more, []);
    assert.equal(sent?.body, `{"amount":120,"items":[{"price":1}],"note":"${CANARY}"}`, 'canonical JSON');
    assert.equal(sent?.type, 'application/json');
  });

  it('may be named by its approval alone: the stored call is sent', async () => {
    const id = await approved(refund('bare'));
    const made = await send({ approval_id: id });
    assert.equal(made.status, 200, made.text);
    assert.equal(times('/refunds/bare'), 1);
    assertGate(await send({ approval_id: id }), 'approval_spent');
  });

  it('works the same in MCP', async () => {
    const tool = async (name: string, input: Json): Promise<Json> => {
      const params = { name, arguments: input };
      const { result } = await rpc(appliance, { method: 'tools/call', params, headers: as('worker') });
      return result?.['structuredContent'] as Json;
    };
    const { approval_id } = await tool('stack_submit_intent', { ...refund('mcp'), reason: 'by a model' });
    await decide(String(approval_id), 'approve');
    const { status } = await tool('stack_get_intent_approval', { approval_id });
    assert.equal(status, 'approved');
    assert.equal((await tool('stack_proxy_request', { approval_id }))['status'], 201);
    assert.equal(times('/refunds/mcp'), 1);
  });

  it('works the same on the path form, where members may stand in any order', async () => {
    const id = await approved(refund('path'));
    const to = `${appliance.url}/proxy/ledger/refunds/path`;
    const headers = {
      ...as('worker'),
      authorization: `Bearer ${appliance.apiKey}`,
      'content-type': 'application/json',
      'x-stack-approval': id,
    };
    const body = JSON.stringify({ note: CANARY, items: [{ price: 1 }], amount: 120 });
    const wrong = await fetch(to, { method: 'POST', headers, body: body.replace('120', '121') });
    assert.equal(wrong.status, 403);
    const { metadata } = (await wrong.json()) as { metadata: Json };
    assert.deepEqual(metadata['mismatched'], ['body.amount'], 'what fetch adds by itself is no difference');
    const right = await fetch(to, { method: 'POST', headers, body });
    assert.deepEqual([right.status, await right.text()], [201, '{"done":true}']);
    assert.equal(times('/refunds/path'), 1);
  });

  it('is refused with what differs, field by field', async () => {
    const id = await approved(refund('diff'));
    const other = { ...refund('diff'), approval_id: id };
    const cases: readonly (readonly [Json, readonly string[]])[] = [
      [{ ...other, body: { amount: 121, note: CANARY, items: [{ price: 1 }] } }, ['body.amount']],
      [{ ...other, body: { amount: 120, note: CANARY, items: [{ price: 2 }] } }, ['body.items.0.price']],
      [{ ...other, body: { amount: 120, note: CANARY, items: [] } }, ['body.items']],
      [{ ...other, path: '/refunds/other' }, ['url']],
      [{ ...other, query: { a: '1' } }, ['url']],
      [{ ...other, method: 'PUT' }, ['method']],
      [{ ...other, headers: { 'x-tag': 'a' } }, ['headers.x-tag']],
    ];
    for (const [call, mismatched] of cases) {
      const refused = await send(call);
      assertGate(refused, 'call_mismatch');
      assert.deepEqual((refused.body['metadata'] as Json)['mismatched'], mismatched);
    }
    const same = await send({ ...other, headers: { 'x-request-id': 'another try' } });
    assert.equal(same.status, 200, 'a volatile header is no part of it');
    assert.equal(times('/refunds/diff'), 1);
  });

  it('is of one agent and one session', async () => {
    const id = await approved(refund('whose'));
    const call = { ...refund('whose'), approval_id: id };
    assertGate(await send(call, 'other'), 'approval_not_found');
    assertGate(await send({ ...call, approval_id: 'apr_none' }), 'approval_not_found');
    const intent = { summary: 'another mission', services: ['ledger'] };
    const issued = await ask(appliance, '/v1/passports/issue', { body: { agent: 'worker', intent } });
    const passport = { headers: { 'x-passport-token': String(issued.body['token']) }, body: call };
    assertGate(await ask(appliance, '/v1/proxy', passport), 'wrong_passport');
    assert.equal((await ask(appliance, `/v1/intents/approvals/${id}`, { headers: as('other') })).status, 404);
    assert.equal(times('/refunds/whose'), 0);
  });

  it('is checked where no rule asks for a person, too', async () => {
    const note = { service: 'ledger', method: 'POST', path: '/notes', body: { text: 'x' } };
    assert.equal((await send(note)).status, 200);
    const id = await asked(note);
    assertGate(await send({ ...note, approval_id: id }), 'approval_pending');
    assert.equal(times('/notes'), 1);
  });

  it('has its answer again under its idempotency key, though the approval is spent', async () => {
    const call = { ...refund('again'), approval_id: await approved(refund('again')), idempotency_key: 'k1' };
    const first = await send(call);
    const second = await send(call);
    assert.deepEqual(second.body, { ...first.body, replayed: true });
    assertGate(await send({ ...call, idempotency_key: 'k2' }), 'approval_spent');
    assert.equal(times('/refunds/again'), 1);
  });
});

describe('who decides', () => {
  it('invariant 5: no key, passport or agent decides, or takes a decision back', async () => {
    const id = await asked(refund('self'));
    const intent = { summary: 'decides for itself', services: ['ledger'] };
    const issued = await ask(appliance, '/v1/passports/issue', { body: { agent: 'worker', intent } });
    const token = String(issued.body['token']);
    for (const headers of [{}, as('worker'), { authorization: `Bearer ${token}` }])
      for (const verb of ['approve', 'reject', 'withdraw']) {
        const refused = await ask(appliance, `/v1/approvals/${id}/${verb}`, { headers, body: {} });
        assert.equal(refused.status, 403, refused.text);
      }
    assert.equal((await poll(id))['status'], 'pending');
    const { result } = await rpc(appliance, { method: 'tools/list' });
    const names = ((result?.['tools'] ?? []) as Json[]).map(({ name }) => String(name));
    assert.deepEqual(
      names.filter((name) => /approve|reject|withdraw/.test(name)),
      [],
    );
  });

  it('decides once: a second decision, and one about nothing, are refused', async () => {
    const id = await approved(refund('twice'));
    for (const verb of ['approve', 'reject']) assert.equal((await decide(id, verb)).status, 409);
    assert.equal((await decide('apr_none', 'approve')).status, 404);
    const both = await asked(refund('both'));
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, at) => decide(both, at % 2 === 0 ? 'approve' : 'reject')),
    );
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
  });

  it('rejects, and the passport that asked is revoked with what else waits in its mission', async () => {
    const [id, second] = [await asked(refund('no'), 'sinner'), await asked(refund('no2'), 'sinner')];
    const rejected = await decide(id, 'reject', { note: 'not today' });
    assert.equal(rejected.status, 200, rejected.text);
    assert.deepEqual(rejected.body['revoked'], [rejected.body['passport_jti']]);
    const refused = await send({ ...refund('no'), approval_id: id }, 'sinner');
    assert.equal((refused.body['error'] as Json)['code'], 'PASSPORT_REVOKED');
    const card = await askLocally(appliance, `/v1/approvals/${id}`);
    assert.deepEqual([card.body['status'], card.body['note']], ['rejected', 'not today']);
    const { body } = await askLocally(appliance, `/v1/approvals/${second}`);
    assert.deepEqual([body['status'], body['ended']], ['expired', 'passport_revoked']);
    assert.equal((await decide(second, 'approve')).status, 409);
  });

  it('only denies the call where the rule or the person says so', async () => {
    const change = { service: 'ledger', method: 'PUT', path: '/refunds/9', body: { b: 1, a: 2 } };
    const refused = await send(change, 'patient');
    assertGate(refused, 'approval_required');
    const id = String((refused.body['metadata'] as Json)['approval_id']);
    assert.equal((await poll(id, 'patient'))['status'], 'pending', 'the rule submits it on the spot');
    const again = await send({ ...change, body: { a: 2, b: 1 } }, 'patient');
    assert.equal((again.body['metadata'] as Json)['approval_id'], id, 'a second try is the same question');
    assert.deepEqual((await decide(id, 'reject')).body['revoked'], []);
    const other = await asked(refund('kept'), 'patient');
    assert.deepEqual((await decide(other, 'reject', { revoke: false })).body['revoked'], []);
    assertGate(await send({ ...change, approval_id: id }, 'patient'), 'approval_rejected');
  });
});

describe('how far a decision goes', () => {
  it('N times', async () => {
    const id = await approved(refund('thrice'), { uses: 3 });
    const answers = [];
    for (let at = 0; at < 4; at += 1) answers.push(await send({ approval_id: id }));
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 200, 403],
    );
    assert.equal(times('/refunds/thrice'), 3);
  });

  it('corpus A003: for a time, after which it is expired and nobody’s no', async () => {
    const id = await approved(refund('time'), { for_seconds: 1 });
    assert.equal((await send({ approval_id: id })).status, 200);
    assert.equal((await send({ approval_id: id })).status, 200);
    await new Promise((done) => setTimeout(done, 1_100));
    assertGate(await send({ approval_id: id }), 'approval_expired');
    const { status, ended, uses_left } = await poll(id);
    assert.deepEqual([status, ended, uses_left], ['expired', 'time', 0]);
  });

  it('with fields left free, and only these', async () => {
    const id = await approved(refund('free'), { uses: 2, free: ['body.note'] });
    const call = { ...refund('free'), approval_id: id };
    const other = { ...call, body: { amount: 120, note: 'another', items: [{ price: 1 }] } };
    assert.equal((await send(other)).status, 200);
    const refused = await send({ ...other, body: { amount: 5000, note: 'x', items: [{ price: 1 }] } });
    assertGate(refused, 'call_mismatch');
    assert.deepEqual((refused.body['metadata'] as Json)['mismatched'], ['body.amount']);
    assert.match(seen.findLast(({ url }) => url === '/refunds/free')?.body ?? '', /another/);
    assert.equal((await decide(await asked(refund('f')), 'approve', { free: ['url'] })).status, 400);
  });

  it('until it is withdrawn', async () => {
    const id = await approved(refund('back'), { uses: 2 });
    assert.equal((await send({ approval_id: id })).status, 200);
    const withdrawn = await decide(id, 'withdraw');
    assert.deepEqual([withdrawn.body['status'], withdrawn.body['ended']], ['expired', 'withdrawn']);
    assertGate(await send({ approval_id: id }), 'approval_expired');
    assert.equal((await decide(id, 'withdraw')).status, 409);
    assert.equal(times('/refunds/back'), 1);
  });
});

describe('exactly once', () => {
  it('race R001, corpus A117, invariant 5: of fifty at once one goes out, the others are spent', async () => {
    const id = await approved(refund('race'));
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, at) =>
        send(at % 2 === 0 ? { approval_id: id } : { ...refund('race'), approval_id: id }),
      ),
    );
    assert.equal(times('/refunds/race'), 1);
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    for (const one of answers.filter(({ status }) => status !== 200)) assertGate(one, 'approval_spent');
  });

  it('race R005: nothing goes out under a passport whose revocation was acknowledged', async () => {
    for (let round = 0; round < 10; round += 1) {
      const intent = { summary: `round ${round}`, services: ['ledger'] };
      const issued = await ask(appliance, '/v1/passports/issue', { body: { agent: 'worker', intent } });
      const headers = { 'x-passport-token': String(issued.body['token']) };
      const path = `revoked${round}`;
      const body = refund(path);
      const { approval_id } = (await ask(appliance, '/v1/intents', { headers, body })).body;
      await decide(String(approval_id), 'approve', { uses: 20 });
      const tries = Array.from({ length: 20 }, () =>
        ask(appliance, '/v1/proxy', { headers, body: { approval_id } }),
      );
      const revoked = ask(appliance, `/v1/passports/${String(issued.body['jti'])}/revoke`, { body: {} });
      await Promise.all([...tries, revoked]);
      const before = times(`/refunds/${path}`);
      const late = await ask(appliance, '/v1/proxy', { headers, body: { approval_id } });
      assert.equal(late.status, 401, late.text);
      assert.equal(times(`/refunds/${path}`), before);
      // The revocation cuts what it finds under way, and says that it was sent.
      const left = (await Promise.all(tries)).filter(
        ({ status, body }) => status === 200 || (body['metadata'] as Json)['sent'] === true,
      );
      assert.equal(left.length, before, 'each that went out was answered or cut, each other refused');
    }
  });

  it('corpus A114: is given back where no byte left, and stays spent where one may have', async () => {
    const dead = { service: 'dead', method: 'POST', path: '/x', body: { a: 1 } };
    const id = await approved(dead);
    assert.equal((await send({ approval_id: id })).status, 502);
    const { status, uses_left, outcome } = await poll(id);
    assert.deepEqual([status, uses_left, outcome], ['approved', 1, undefined]);
    const hangs = await approved({ service: 'ledger', method: 'POST', path: '/held/1', body: {} });
    assert.equal((await send({ approval_id: hangs })).status, 504);
    const after504 = await poll(hangs);
    assert.deepEqual([after504['uses_left'], after504['outcome']], [0, 'unknown']);
    assertGate(await send({ approval_id: hangs }), 'approval_spent');
  });

  it('invariant 5: outlives kill -9: what waits waits, what is under way is spent and unknown', async () => {
    const [pending, live] = [await asked(refund('later')), await approved(refund('live'))];
    const open = await approved({ service: 'ledger', method: 'POST', path: '/held/2', body: {} });
    const cut = send({ approval_id: open }).catch(() => undefined);
    while (times('/held/2') === 0) await new Promise((done) => setTimeout(done, 5));
    await appliance.kill9();
    await cut;
    await appliance.restart();
    assertGate(await send({ approval_id: open }), 'approval_spent');
    assert.equal((await poll(open))['outcome'], 'unknown');
    assert.equal((await poll(pending))['status'], 'pending');
    assert.equal((await decide(pending, 'approve')).status, 200);
    assert.equal((await send({ approval_id: pending })).status, 200);
    assert.equal((await send({ approval_id: live })).status, 200);
    assert.deepEqual([times('/held/2'), times('/refunds/later'), times('/refunds/live')], [1, 1, 1]);
  });
});

describe('what is stored and logged', () => {
  it('a definition that has changed since is another call', async () => {
    const id = await approved(refund('moved'));
    const { readFile, writeFile } = await import('node:fs/promises');
    const text = await readFile(appliance.configFile, 'utf8');
    await writeFile(appliance.configFile, text.replace('value: 100', 'value: 90'));
    assert.equal((await askLocally(appliance, '/v1/config/reload', { body: {} })).status, 200);
    assertGate(await send({ approval_id: id }), 'definition_changed');
    await writeFile(appliance.configFile, text);
    assert.equal((await askLocally(appliance, '/v1/config/reload', { body: {} })).status, 200);
    assert.equal((await send({ approval_id: id })).status, 200);
  });

  it('every step is in the log under the approval, and the call itself in no file', async () => {
    const id = await approved(refund('logged'));
    await send({ approval_id: id });
    assertGate(await send({ approval_id: id }), 'approval_spent');
    await askLocally(appliance, `/v1/approvals/${id}`);
    const { body } = await askLocally(appliance, '/v1/audit?limit=100');
    const entries = (body['entries'] as Json[]).filter((entry) => entry['approval_id'] === id);
    const steps = entries.map(({ action, outcome }) => `${String(action)} ${String(outcome)}`);
    for (const step of [
      'approval.submit success',
      'approval.approve success',
      'approval.open success',
      'credential.proxy pending',
      'credential.proxy success',
      'credential.proxy blocked',
    ])
      assert.ok(steps.includes(step), `${step} in ${steps.join(', ')}`);
    const { found } = await searchFiles(appliance.dataDir, CANARY);
    assert.deepEqual(found, []);
  });

  it('a row that was changed does not open, and nobody becomes an approver by writing into one', async () => {
    const id = await asked(refund('swapped'));
    const [forged, raised] = [await asked(refund('forged')), await approved(refund('raised'))];
    await appliance.kill9();
    const db = openDatabase(join(appliance.dataDir, 'stack.db'), { addonPath });
    db.prepare("UPDATE approvals SET service = 'dead' WHERE id = ?").run(id);
    db.prepare("UPDATE approvals SET status = 'approved', uses_left = 1 WHERE id = ?").run(forged);
    db.prepare('UPDATE approvals SET uses_left = 5 WHERE id = ?').run(raised);
    db.close();
    await appliance.restart();
    const shown = await askLocally(appliance, `/v1/approvals/${id}`);
    assert.equal(shown.status, 500);
    for (const changed of [forged, raised]) {
      const refused = await send({ approval_id: changed });
      assert.equal((refused.body['error'] as Json)['code'], 'INTERNAL', refused.text);
    }
    assert.deepEqual([times('/refunds/forged'), times('/refunds/raised')], [0, 0]);
  });
});
