// Whether a passport may have a successor. What was ended by anybody, or by silence, has none. Pure: now is an argument.
import { Fault } from '#kernel/errors.ts';
import { isPastGrace, missedCheckpoint } from './lease.ts';
import type { PassportRow } from './store.ts';

export function refreshProblem(row: PassportRow, nowMs: number): Fault | undefined {
  if (row.revoked_at !== null)
    return new Fault('PASSPORT_REVOKED', { detail: row.revoke_reason ?? 'revoked' });
  if (row.ended_at !== null)
    return new Fault('PASSPORT_REVOKED', { detail: `ended by ${row.ended_by ?? 'its holder'}`, next: ENDED });
  // Also one that was renewed and has left its session since: it was replaced, and not by a refresh.
  if (row.standing !== 0 || row.successor_jti !== null)
    return new Fault('CONFLICT', {
      detail: 'a standing passport',
      metadata: { reason: 'The passport behind X-Stack-Agent renews itself.' },
      next: 'Go on calling with X-Stack-Agent; there is nothing to refresh.',
    });
  if (missedCheckpoint(row, nowMs)) return over('it missed a checkpoint');
  if (isPastGrace(row, nowMs)) return over('it ended a day ago');
  return nowMs >= row.mission_ends_at ? over('its mission is as old as one may be') : undefined;
}

const ENDED = 'Use the passport that has replaced it; after a checkout, issue one for a new mission.';

const over = (reason: string): Fault =>
  new Fault('PASSPORT_EXPIRED', {
    detail: reason,
    metadata: { reason: `It cannot be refreshed: ${reason}.` },
    next: 'Issue a passport for a new mission with stack_issue_passport.',
  });
