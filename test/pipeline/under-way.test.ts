// What is cut by what: entries that have become durable, and passports that are over without any.
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { draftEntry } from '#features/audit/entry.ts';
import { Fault } from '#kernel/errors.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { EntryDraft } from '#kernel/unit.ts';
import { asCut, CallUnderWay, createUnderWay, type UnderWay, untilCut } from '#pipeline/under-way.ts';

let underWay: UnderWay;
beforeEach(() => {
  underWay = createUnderWay();
});

function begin(jti: string | null, kind: CallUnderWay['kind'] = 'request'): CallUnderWay {
  const call = new CallUnderWay(jti, kind);
  underWay.begin(call);
  return call;
}

const entry = (fields: Partial<EntryDraft>): EntryDraft =>
  draftEntry({ entry_id: 'aud_1', timestamp: 0, outcome: 'success', ...fields });
const revoked = (...jtis: string[]): readonly EntryDraft[] =>
  jtis.map((jti) => entry({ action: 'passport.revoke', passport_jti: jti }));
const isCut = ({ fault }: CallUnderWay): boolean => fault !== undefined;

describe('a unit that ends passports', () => {
  it('cuts the calls under them, and says of which kind they were', () => {
    const calls = [begin('pp_1'), begin('pp_2', 'tool'), begin('pp_2', 'stream'), begin('pp_3')];
    for (const call of calls) call.passing = { cut: () => call.kind === 'stream' };
    const entries = revoked('pp_1', 'pp_2');
    underWay.committed(entries);
    assert.deepEqual(calls.map(isCut), [true, true, true, false]);
    assert.deepEqual(underWay.cutBy(entries), { requests: 1, streams: 1, calls: 1 });
  });

  it('cuts what each call waits for, once', () => {
    const call = begin('pp_1');
    let times = 0;
    const count = (): void => {
      times += 1;
    };
    call.waiting = { cut: count };
    underWay.committed(revoked('pp_1'));
    underWay.committed(revoked('pp_1'));
    assert.equal(times, 1);
  });

  it('counts a stream that has not begun as a request', () => {
    begin('pp_1', 'stream').passing = { cut: () => false };
    const entries = revoked('pp_1');
    underWay.committed(entries);
    assert.deepEqual(underWay.cutBy(entries), { requests: 1, streams: 0, calls: 0 });
  });

  it('finds the descendants by entries of their own, and takes no refused attempt for one', () => {
    const [child, safe] = [begin('pp_child'), begin('pp_safe')];
    underWay.committed([
      entry({ action: 'passport.revoke_cascade', passport_jti: 'pp_child' }),
      entry({ action: 'passport.revoke', passport_jti: 'pp_safe', outcome: 'blocked' }),
    ]);
    assert.deepEqual([isCut(child), isCut(safe)], [true, false]);
  });

  it('does not concern a call that has ended, nor one of a person', () => {
    const [over, person] = [begin('pp_1'), begin(null)];
    underWay.end(over);
    underWay.committed(revoked('pp_1'));
    assert.deepEqual([isCut(over), isCut(person)], [false, false]);
  });
});

describe('a passport that takes the place of another', () => {
  it('has its calls from then on', () => {
    const call = begin('pp_old', 'stream');
    underWay.committed([
      entry({ action: 'passport.checkpoint', passport_jti: 'pp_new', detail: { from: 'pp_old' } }),
    ]);
    underWay.committed(revoked('pp_old'));
    assert.equal(isCut(call), false);
    underWay.committed(revoked('pp_new'));
    assert.equal(isCut(call), true);
  });

  it('has them when another mission begins under X-Stack-Agent, and an issue like any moves nothing', () => {
    const [call, person] = [begin('pp_old', 'stream'), begin(null)];
    underWay.committed([
      entry({ action: 'passport.issue', passport_jti: 'pp_new', detail: { from: 'pp_old' } }),
      entry({ action: 'passport.issue', passport_jti: 'pp_else', detail: {} }),
    ]);
    underWay.committed([...revoked('pp_old'), ...revoked('pp_else')]);
    assert.deepEqual([isCut(call), isCut(person)], [false, false]);
    underWay.committed(revoked('pp_new'));
    assert.equal(isCut(call), true);
  });
});

describe('a passport that is over without an entry (mcp M010)', () => {
  const expired = (): Result<unknown> =>
    refuse(new Fault('PASSPORT_EXPIRED', { detail: 'the lease has ended' }));
  const gone = (): Result<unknown> => refuse(new Fault('PASSPORT_REVOKED', { detail: 'the agent is gone' }));

  it('loses its streams when its time is over, and finishes what was asked in time', () => {
    const [stream, request] = [begin('pp_1', 'stream'), begin('pp_1')];
    underWay.look(expired);
    assert.deepEqual([isCut(stream), isCut(request)], [true, false]);
    assert.equal(stream.fault?.code, 'PASSPORT_EXPIRED');
  });

  it('loses everything when its key or its agent is gone, and nothing while it lives', () => {
    const calls = [begin('pp_1', 'stream'), begin('pp_1', 'tool')];
    underWay.look(() => ok(undefined));
    assert.deepEqual(calls.map(isCut), [false, false]);
    underWay.look(gone);
    assert.deepEqual(calls.map(isCut), [true, true]);
  });
});

describe('the end of a call that was cut', () => {
  it('says so in place of what broke, and keeps what is known of its sending', () => {
    const call = begin('pp_1');
    underWay.committed(revoked('pp_1'));
    const broken = new Fault('UPSTREAM_UNREACHABLE', { metadata: { sent: true, upstream_status: 200 } });
    const fault = asCut(call, broken);
    assert.deepEqual(
      [fault?.code, fault?.metadata],
      ['PASSPORT_REVOKED', { sent: true, reason: 'cut', upstream_status: 200 }],
    );
    assert.equal(asCut(begin('pp_2'), broken), undefined);
  });

  it('comes at once where the call waits for its caller', async () => {
    const call = begin('pp_1');
    const never = new Promise<Result<string>>(() => undefined);
    const waited = untilCut(call, never);
    underWay.committed(revoked('pp_1'));
    const result = await waited;
    assert.equal(result.ok || result.fault.code, 'PASSPORT_REVOKED');
    assert.equal((await untilCut(call, never)).ok, false);
  });
});
