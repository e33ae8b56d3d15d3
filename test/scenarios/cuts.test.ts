// invariant 6, the second half: what ends a passport cuts what is open under it. Both ends of each call see it, the log says
// so, and nothing passes afterwards. How soon, is measured by heavy/cuts.test.ts.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import {
  deafClient,
  delegated,
  inTime,
  issue,
  OPEN_FORMS,
  type Passport,
  rawCall,
  triedWith,
} from '#test/support/open-calls.ts';
import { head, outcome, type PathForm, rawClient, startPathForm } from '#test/support/path-form.ts';
import { type Answer, ask, askLocally, type Json } from '#test/support/requests.ts';

let form: PathForm;
before(async () => {
  form = await startPathForm('call_timeout: 20s');
});
after(async () => {
  await form?.dispose();
});

const revoke = (jti: string): Promise<Answer> =>
  askLocally(form.appliance, `/v1/passports/${jti}/revoke`, { body: { reason: 'test' } });
const cutOf = ({ body }: Answer): unknown => body['cut'];
const NOTHING = { requests: 0, streams: 0, calls: 0, approvals: 0 };
const reachedBy = async (step: () => Promise<unknown>): Promise<number> => {
  const count = form.reached.length;
  await step();
  return form.reached.length - count;
};

const REFUSED = '401 PASSPORT_REVOKED 401 PASSPORT_REVOKED';
/** Nothing that this passport could do reaches the service. */
const assertDead = async (passport: Passport): Promise<void> => {
  const reached = await reachedBy(async () => assert.equal(await triedWith(form, passport), REFUSED));
  assert.equal(reached, 0);
};

describe('invariant 6: a revocation cuts what is open', () => {
  for (const [what, { counted, open }] of Object.entries(OPEN_FORMS)) {
    it(`cuts ${what}, says so to both ends and in the log, and lets nothing pass afterwards`, async () => {
      const passport = await issue(form);
      const call = await open({ form, passport });
      const answer = await revoke(passport.jti);
      assert.deepEqual(cutOf(answer), { ...NOTHING, [counted]: 1 });
      await inTime(call.lostMs, 'the service did not lose its connection');
      const { text } = await inTime(call.client, 'the client was left waiting');
      if (counted === 'streams') assert.ok(!text.endsWith('0\r\n\r\n'), 'a cut answer looks whole');
      else assert.match(text, /PASSPORT_REVOKED/);
      const { outcome: last, intent } = await outcome(form.appliance);
      assert.deepEqual(
        [last['outcome'], last['error_code'], intent['passport_jti'], (last['detail'] as Json)['reason']],
        ['unknown', 'PASSPORT_REVOKED', passport.jti, `cut: ${passport.jti} was revoked`],
      );
      await assertDead(passport);
    });
  }

  it('says of a call that was sent that it was, and names no plain retry', async () => {
    const passport = await issue(form);
    const call = await OPEN_FORMS['a call in the envelope']?.open({ form, passport });
    await revoke(passport.jti);
    const { error } = JSON.parse((await inTime(call?.client ?? Promise.reject(), 'no answer')).text) as {
      error: { metadata: Json; next: string };
    };
    assert.deepEqual([error.metadata['sent'], error.metadata['reason']], [true, 'cut']);
    assert.match(String(error.metadata['entry_id']), /^aud_/);
    assert.match(error.next, /do not repeat/);
  });

  it('touches no call of another passport, and not the next one of its agent', async () => {
    const [doomed, spared] = [await issue(form), await issue(form)];
    const stream = OPEN_FORMS['a stream on the path form'];
    const other = await stream?.open({ form, passport: spared });
    const call = await stream?.open({ form, passport: doomed });
    assert.deepEqual(cutOf(await revoke(doomed.jti)), { ...NOTHING, streams: 1 });
    await inTime(call?.client ?? Promise.reject(), 'not cut');
    const still = await Promise.race([other?.client.then(() => 'cut'), Promise.resolve('open')]);
    assert.equal(still, 'open');
    assert.deepEqual(cutOf(await revoke(spared.jti)), { ...NOTHING, streams: 1 });
  });

  it('cuts a client that takes nothing of its stream', async () => {
    const passport = await issue(form);
    const lost = Promise.withResolvers<void>();
    form.script((_request, response) => {
      response.on('close', lost.resolve);
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
      };
      response.on('drain', more).writeHead(200);
      more();
    });
    const client = deafClient({ form, passport }, 'GET /proxy/shop/flood');
    const begun = form.reached.length;
    while (form.reached.length === begun) await new Promise((next) => setTimeout(next, 5));
    await new Promise((next) => setTimeout(next, 300));
    assert.deepEqual(cutOf(await revoke(passport.jti)), { ...NOTHING, streams: 1 });
    await inTime(lost.promise, 'the service went on');
    // What the kernel held for it is gone, too.
    assert.equal(await inTime(client.end(), 'the client stayed connected'), 'ECONNRESET');
  });

  it('cuts a call whose body is still being read for a rule: nothing of it was sent', async () => {
    const passport = await issue(form);
    const client = rawClient(form.appliance);
    const headers = ['Content-Type: application/json', 'Content-Length: 20'];
    const text = head(form.appliance, 'POST /proxy/shop/orders', headers).replace(
      'X-Stack-Agent: clerk\r\n',
      '',
    );
    client.write(text.replace(form.appliance.apiKey, passport.token));
    client.write('{');
    await new Promise((next) => setTimeout(next, 200));
    const reached = await reachedBy(async () => {
      assert.deepEqual(cutOf(await revoke(passport.jti)), { ...NOTHING, requests: 1 });
      assert.match(await inTime(client.until(), 'the client was left waiting'), /^HTTP\/1\.1 401 /);
    });
    assert.equal(reached, 0);
  });
});

/** The same call again: it has to be the same to the byte. */
async function secondTry(what: string, opening: Parameters<typeof rawCall>[0]): Promise<string> {
  if (what === 'a stream on the path form')
    return inTime(rawCall(opening, 'GET /proxy/shop/stream').until('"sent"'), 'no answer');
  const { passport, key } = opening;
  const headers = { authorization: `Bearer ${passport.token}` };
  const body = { service: 'shop', method: 'GET', path: '/stream', idempotency_key: key };
  return (await ask(form.appliance, '/v1/proxy', { headers, body })).text;
}

describe('a call under an idempotency key, which goes on without its caller', () => {
  for (const what of ['a stream on the path form', 'a call in the envelope']) {
    it(`is cut as well: ${what}`, async () => {
      const passport = await issue(form);
      const key = `cut ${what}`.replaceAll(' ', '-');
      const call = await OPEN_FORMS[what]?.open({ form, passport, key });
      call?.leave();
      const early = await Promise.race([call?.lostMs, new Promise((next) => setTimeout(next, 200, 'open'))]);
      assert.equal(early, 'open');
      await revoke(passport.jti);
      await inTime(call?.lostMs ?? Promise.reject(), 'it went on');
      // Its second try, under a passport that lives, is told that nobody knows; nothing is sent again.
      const again = await issue(form);
      const reached = await reachedBy(async () => {
        const text = await secondTry(what, { form, passport: again, key });
        assert.match(text, /"outcome":"unknown"/);
        assert.match(text, /"sent":true/);
      });
      assert.equal(reached, 0);
    });
  }
});

describe('a passport further up', () => {
  for (const [what, hops] of [
    ['parent', 1],
    ['grandparent', 2],
  ] as const) {
    it(`cuts what is open under what was delegated from it: the ${what}`, async () => {
      const chain = await delegated(form, await issue(form), hops);
      const [top, last] = [chain[0], chain.at(-1)];
      assert.ok(top !== undefined && last !== undefined);
      assert.match(last.jti, /^pp_/);
      const call = await OPEN_FORMS['a stream on the path form']?.open({ form, passport: last });
      const answer = await revoke(top.jti);
      assert.deepEqual([answer.body['cascaded'], cutOf(answer)], [hops, { ...NOTHING, streams: 1 }]);
      await inTime(call?.lostMs ?? Promise.reject(), 'the service did not lose its connection');
      const { outcome: end } = await outcome(form.appliance);
      assert.deepEqual([end['error_code'], end['passport_jti']], ['PASSPORT_REVOKED', last.jti]);
      for (const passport of chain) await assertDead(passport);
    });
  }

  it('lives on when what was delegated from it is revoked', async () => {
    const [top, child] = await delegated(form, await issue(form), 1);
    assert.ok(top !== undefined && child !== undefined);
    const call = await OPEN_FORMS['a stream on the path form']?.open({ form, passport: top });
    assert.deepEqual(cutOf(await revoke(child.jti)), NOTHING);
    const early = await Promise.race([call?.lostMs, new Promise((next) => setTimeout(next, 100, 'open'))]);
    assert.equal(early, 'open');
    await revoke(top.jti);
  });
});

/** What ends a passport, each by its own verb or by the config. */
const WAYS: Readonly<Record<string, (passport: Passport) => Promise<unknown>>> = {
  'its agent': () =>
    askLocally(form.appliance, '/v1/passports/revoke-agent', { body: { agent_id: 'clerk' } }),
  'its session': ({ sessionId }) =>
    askLocally(form.appliance, '/v1/passports/revoke-session', { body: { session_id: sessionId } }),
  'everything there is': () =>
    askLocally(form.appliance, '/v1/passports/revoke-all', { body: { confirm: true } }),
  'a service that the config drops': () => changed((text) => text.replaceAll('shop', 'store')),
  'an agent that the config drops': () => changed((text) => text.replace('  clerk:', '  writer:')),
};

/** The config is changed and read again, and put back when the step is over. */
async function changed(change: (text: string) => string): Promise<void> {
  const { appliance } = form;
  const before = await readFile(appliance.configFile, 'utf8');
  await writeFile(appliance.configFile, change(before));
  const answer = await askLocally(appliance, '/v1/config/reload', { method: 'POST', body: {} });
  assert.equal(answer.status, 200, answer.text);
  await writeFile(appliance.configFile, before);
  assert.equal((await askLocally(appliance, '/v1/config/reload', { method: 'POST', body: {} })).status, 200);
}

describe('what else ends a passport cuts as well', () => {
  for (const [way, end] of Object.entries(WAYS)) {
    it(`the end of ${way}`, async () => {
      const passport = await issue(form);
      const call = await OPEN_FORMS['a stream on the path form']?.open({ form, passport });
      await end(passport);
      await inTime(call?.lostMs ?? Promise.reject(), 'the service did not lose its connection');
      await assertDead(passport);
    });
  }

  it('the end of the key that minted it', async () => {
    const { appliance } = form;
    const made = (await askLocally(appliance, '/v1/keys', { body: { name: 'lost' } })).body;
    const intent = { summary: 'x', services: ['shop'] };
    const issued = await ask(appliance, '/v1/passports/issue', {
      headers: { authorization: `Bearer ${String(made['api_key'])}` },
      body: { agent: 'clerk', intent },
    });
    const passport = { token: String(issued.body['token']), jti: String(issued.body['jti']), sessionId: '' };
    const call = await OPEN_FORMS['a stream on the path form']?.open({ form, passport });
    await askLocally(appliance, `/v1/keys/${String(made['id'])}`, { method: 'DELETE' });
    await inTime(call?.lostMs ?? Promise.reject(), 'the service did not lose its connection');
    await assertDead(passport);
  });

  it('the expiry of that key, within a second or two', async () => {
    const { appliance } = form;
    const expires = new Date(Date.now() + 2_000).toISOString().replace(/\.\d+Z$/, 'Z');
    const made = (await askLocally(appliance, '/v1/keys', { body: { name: 'short', expires } })).body;
    const issued = await ask(appliance, '/v1/passports/issue', {
      headers: { authorization: `Bearer ${String(made['api_key'])}` },
      body: { agent: 'clerk', intent: { summary: 'x', services: ['shop'] } },
    });
    const passport = { token: String(issued.body['token']), jti: String(issued.body['jti']), sessionId: '' };
    const call = await OPEN_FORMS['a call in the envelope']?.open({ form, passport });
    await inTime(call?.lostMs ?? Promise.reject(), 'the call outlived the key of its passport');
  });

  it('X-Stack-Agent works again at once where the config ended its passport', async () => {
    const headers = { 'x-stack-agent': 'clerk' };
    form.script((_request, response) => void response.end('ok'));
    assert.equal((await ask(form.appliance, '/proxy/shop/a', { headers })).status, 200);
    await changed((text) => text.replaceAll('shop', 'store'));
    assert.equal((await ask(form.appliance, '/proxy/shop/b', { headers })).status, 200);
  });
});

describe('kill -9 right after the acknowledgement', () => {
  it('brings nothing of the subtree back', async () => {
    const chain = await delegated(form, await issue(form), 2);
    const [top, last] = [chain[0], chain.at(-1)];
    assert.ok(top !== undefined && last !== undefined);
    const call = await OPEN_FORMS['a stream on the path form']?.open({ form, passport: last });
    const answer = await revoke(top.jti);
    await form.appliance.kill9();
    assert.deepEqual(
      answer.body['revoked'],
      chain.map(({ jti }) => jti),
    );
    await inTime(call?.lostMs ?? Promise.reject(), 'the service did not lose its connection');
    await form.appliance.restart();
    for (const passport of chain) await assertDead(passport);
  });
});
