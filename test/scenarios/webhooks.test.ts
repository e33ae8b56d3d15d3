// Being asked, from outside: signed webhooks as Standard Webhooks has them, verified here by its text alone. What is not taken is
// tried again under the same id; what was given up can be seen. Nothing of the call leaves with them.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type Appliance, startAppliance } from '#test/support/appliance.ts';
import { ask, askLocally, type Json } from '#test/support/requests.ts';

const KEY = Buffer.from('webhook-secret-of-32-bytes-here!');
const SECRET = `whsec_${KEY.toString('base64')}`;
const CANARY = 'canary-in-a-call-2f7c';
type Posted = { readonly url: string; readonly headers: IncomingHttpHeaders; readonly body: string };

const posted: Posted[] = [];
/** Status of the next answers by path; 204 where there is none left. */
const answers: Record<string, number[]> = { '/flaky': [500], '/gone': [410], '/moved': [302] };
let receiver: Server;
let appliance: Appliance;

before(async () => {
  receiver = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (part: string) => {
      body += part;
    });
    request.on('end', () => {
      const { url = '', headers } = request;
      posted.push({ url, headers, body });
      response.writeHead(answers[url]?.shift() ?? 204, { location: '/elsewhere' }).end();
    });
  });
  await new Promise<void>((done) => receiver.listen(0, '127.0.0.1', done));
  const { port } = receiver.address() as AddressInfo;
  const hook = (path: string, more = ''): string =>
    `{ url: "http://127.0.0.1:${port}${path}", network: loopback, secret: { env: HOOK_SECRET }${more} }`;
  appliance = await startAppliance({
    services: `
  ledger:
    base_url: http://127.0.0.1:${port}
    network: loopback
    actions: { "ledger:refunds:create": [ "POST /refunds" ] }
    approval: writes`,
    agents: `
  worker: { services: { ledger: [ "ledger:*" ] } }`,
    extra: `notifications:
  webhooks:
    all: ${hook('/all?from=stack')}
    flaky: ${hook('/flaky', ', events: [ approval.pending ]')}
    gone: ${hook('/gone', ', events: [ approval.pending ]')}
    secretless: ${hook('/never', ', events: [ approval.pending ]').replace('HOOK_SECRET', 'NO_SUCH_SECRET')}`,
    env: { HOOK_SECRET: SECRET },
  });
});
after(async () => {
  await appliance?.dispose();
  receiver?.closeAllConnections();
  receiver?.close();
});

async function until(so: () => boolean | Promise<boolean>, withinMs = 12_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await so())) {
    assert.ok(performance.now() < end, 'it never came');
    await new Promise((done) => setTimeout(done, 25));
  }
}
const at = (url: string): Posted[] => posted.filter((one) => one.url === url);
const deliveries = async (state: string): Promise<Json[]> => {
  const { body } = await askLocally(appliance, `/v1/notifications/deliveries?state=${state}&limit=100`);
  return body['deliveries'] as Json[];
};

/** As https://www.standardwebhooks.com says it, by nothing of ours. */
function assertSigned({ headers, body }: Posted): void {
  const [id, time, marks] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) =>
    String(headers[name]),
  );
  const expected = createHmac('sha256', KEY).update(`${id}.${time}.${body}`).digest('base64');
  assert.ok(String(marks).split(' ').includes(`v1,${expected}`), String(marks));
  assert.ok(Math.abs(Number(time) - Date.now() / 1000) < 60);
}

describe('webhooks', () => {
  it('tell of a call that waits, and of what became of it, signed and without the call', async () => {
    const call = {
      service: 'ledger',
      method: 'POST',
      path: '/refunds',
      body: { note: CANARY },
      reason: CANARY,
    };
    const headers = { 'x-stack-agent': 'worker' };
    const submitted = await ask(appliance, '/v1/intents', { headers, body: call });
    assert.equal(submitted.status, 201, submitted.text);
    const id = String(submitted.body['approval_id']);
    const to = '/all?from=stack';
    await until(() => at(to).length === 1);
    await askLocally(appliance, `/v1/approvals/${id}/approve`, { method: 'POST', body: {} });
    await until(() => at(to).length === 2);
    for (const one of at(to)) assertSigned(one);
    const told = at(to).map(({ body }) => JSON.parse(body) as { type: string; data: Json });
    assert.deepEqual(
      told.map(({ type, data }) => [type, data['approval_id'], data['agent_name'], data['action']]),
      [
        ['approval.pending', id, 'worker', 'ledger:refunds:create'],
        ['approval.approved', id, 'worker', 'ledger:refunds:create'],
      ],
    );
    assert.ok(posted.every(({ body }) => !body.includes(CANARY)));
  });

  it('are tried again under the same id, and given up where nobody wants them', async () => {
    await until(() => at('/flaky').length === 2);
    const ids = at('/flaky').map(({ headers }) => headers['webhook-id']);
    assert.equal(ids[0], ids[1]);
    await until(async () => (await deliveries('dead')).length === 1);
    const [dead] = await deliveries('dead');
    assert.deepEqual([dead?.['destination'], dead?.['last_error']], ['gone', 'answered 410']);
    assert.equal(at('/gone').length, 1);
    assert.match(appliance.logs(), /a webhook was given up/);
    await until(async () => (await deliveries('waiting')).length === 1);
    const [waiting, ...more] = await deliveries('waiting');
    assert.deepEqual([waiting?.['destination'], more], ['secretless', []]);
    assert.match(String(waiting?.['last_error']), /secret is not set/);
    assert.equal(at('/never').length, 0, 'nothing leaves unsigned');
  });

  it('outlive kill -9: what was told of is in the outbox with what happened', async () => {
    const before = at('/all?from=stack').length;
    const headers = { 'x-stack-agent': 'worker' };
    const call = { service: 'ledger', method: 'POST', path: '/refunds', body: {} };
    const submitted = await ask(appliance, '/v1/intents', { headers, body: call });
    await appliance.kill9();
    await appliance.restart();
    const id = String(submitted.body['approval_id']);
    await until(() => at('/all?from=stack').some(({ body }) => body.includes(id)));
    assert.ok(at('/all?from=stack').length > before);
  });

  it('keep their secret: it is in no log, list or file', async () => {
    const { searchFiles, assertAbsent } = await import('#test/support/canary.ts');
    assertAbsent({ log: appliance.logs(), list: JSON.stringify(await deliveries('dead')) }, SECRET);
    assert.deepEqual((await searchFiles(appliance.dataDir, SECRET)).found, []);
  });
});
