// How soon a stream dies after the acknowledgement of what ends its passport: 200 tries of each way, p99 at most 50 ms.
// STACK_CUTS sets another number of tries.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { delegated, inTime, issue, OPEN_FORMS, type Passport } from '#test/support/open-calls.ts';
import { type PathForm, startPathForm } from '#test/support/path-form.ts';
import { type Answer, askLocally, type Json } from '#test/support/requests.ts';

const TRIES = Number(process.env['STACK_CUTS'] ?? 200);
const P99_MS_MAX = 50;

let form: PathForm;
before(async () => {
  form = await startPathForm('call_timeout: 20s');
});
after(async () => {
  await form?.dispose();
});

const ask = (path: string, body: Json): Promise<Answer> =>
  askLocally(form.appliance, `/v1/passports/${path}`, { body });
const one = ([top]: readonly Passport[]): Promise<Answer> => ask(`${top?.jti}/revoke`, {});

type Way = { readonly hops: number; readonly end: (chain: readonly Passport[]) => Promise<Answer> };
const WAYS: Readonly<Record<string, Way>> = {
  'its passport': { hops: 0, end: one },
  'the parent': { hops: 1, end: one },
  'the grandparent': { hops: 2, end: one },
  'its agent': { hops: 0, end: () => ask('revoke-agent', { agent_id: 'clerk' }) },
  'its session': { hops: 1, end: ([top]) => ask('revoke-session', { session_id: top?.sessionId }) },
  everything: { hops: 1, end: () => ask('revoke-all', { confirm: true }) },
};

/** Ms from the acknowledgement until the service has lost its connection; below zero where that came first. */
async function tried({ hops, end }: Way): Promise<number> {
  const chain = await delegated(form, await issue(form), hops);
  const passport = chain.at(-1);
  const stream = OPEN_FORMS['a stream on the path form'];
  assert.ok(passport !== undefined && stream !== undefined);
  const call = await stream.open({ form, passport });
  const answer = await end(chain);
  const acknowledgedMs = performance.now();
  assert.equal((answer.body['cut'] as Json)['streams'], 1);
  const lostMs = await inTime(call.lostMs, 'the service did not lose its connection');
  return lostMs - acknowledgedMs;
}

describe('a stream that is under way', () => {
  for (const [name, way] of Object.entries(WAYS)) {
    it(`dies within ${P99_MS_MAX} ms of the revocation of ${name}`, async (t) => {
      const delays: number[] = [];
      while (delays.length < TRIES) delays.push(await tried(way));
      delays.sort((a, b) => a - b);
      const at = (share: number): number => delays[Math.ceil(share * delays.length) - 1] ?? 0;
      t.diagnostic(`${TRIES} tries: median ${at(0.5).toFixed(2)} ms, p99 ${at(0.99).toFixed(2)} ms`);
      assert.ok(at(0.99) <= P99_MS_MAX, `p99 ${at(0.99)} ms`);
    });
  }
});
