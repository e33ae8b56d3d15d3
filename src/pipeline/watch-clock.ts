// A machine's clock that is set while the appliance runs, or was set back while it did not: told to the log, and nothing that
// had ended by the later time lives again (security.md 5.4).
import { endKeysOver } from '#features/keys/store.ts';
import { endPassportsOver } from '#features/passports/store.ts';
import type { Job } from '#kernel/job.ts';
import { CLOCK_LOOK_EVERY_MS, CLOCK_SKEW_SECONDS_MAX } from '#kernel/limits.ts';
import type { Clock } from '#platform/host/clock.ts';
import type { Log } from '#platform/log/log.ts';
import type { Committer } from './commit.ts';
import type { DraftEntry } from './record.ts';

type Deps = {
  readonly clock: Clock;
  readonly committer: Committer;
  readonly draft: DraftEntry;
  readonly log: Pick<Log, 'warn' | 'info'>;
};

const MS_PER_SECOND = 1_000;
const SKEW_MS = CLOCK_SKEW_SECONDS_MAX * MS_PER_SECOND;
const seconds = (ms: number): number => Math.round(ms / MS_PER_SECOND);

/** A suspended machine is one whose clock was set ahead. */
export function watchClock({ clock, committer, draft, log }: Deps): Job {
  let behind = false;
  return {
    name: 'watch the clock',
    everyMs: CLOCK_LOOK_EVERY_MS,
    run: async () => {
      const setBy = seconds(clock.setByMs());
      const behindMs = clock.behindMs();
      if (Math.abs(setBy) > CLOCK_SKEW_SECONDS_MAX) {
        const facts = { set_by_seconds: setBy, behind_seconds: seconds(behindMs) };
        log.warn(setBy < 0 ? SET_BACK : 'the clock was set ahead; what ends by then has ended', facts);
        const entries = [draft({ action: 'clock.set', outcome: 'success', detail: facts })];
        committer.note({ statements: [], entries });
      }
      if (behind && behindMs < SKEW_MS) log.info('the clock has caught up');
      behind = behindMs >= SKEW_MS;
    },
  };
}

const SET_BACK =
  'the clock was set back; time goes on from where it was, so that nothing that has ended lives again. ' +
  'If the earlier time is the right one, restart stack';

/**
 * At a start: `newestMs` is of the last entry of the log. A clock that is further behind than clocks differ is followed, since
 * nobody could start otherwise after the log has met a wrong one; what had ended by then, or begins later, ends for good.
 * Rejects where the log does not take it.
 */
export async function resumeClock(newestMs: number, { clock, committer, draft, log }: Deps): Promise<void> {
  const nowMs = clock.nowMs();
  if (newestMs - nowMs <= SKEW_MS) return clock.notBefore(newestMs);
  const facts = { set_by_seconds: seconds(nowMs - newestMs), behind_seconds: 0 };
  log.warn(
    'the clock is behind the log; passports and keys that had ended by its last entry stay ended',
    facts,
  );
  const over = { endedByMs: newestMs, nowMs };
  const committed = await committer.commit({
    statements: [endPassportsOver(over), endKeysOver(over)],
    entries: [draft({ action: 'clock.set', outcome: 'success', detail: facts })],
  });
  if (!committed.ok) throw committed.fault;
}
