// What an approval needs to know of passports: whether the mission it was asked for in is over, when it ends at the latest, and
// that its passport lives for as long as a person may decide and the call may be made.
import type { ApprovalRow } from '#features/approvals/store.ts';
import { extendLeaseTo, guardLive, type PassportRow, passportBy } from '#features/passports/store.ts';
import { REFRESHES_FOLLOWED_MAX } from '#kernel/limits.ts';
import type { Statement } from '#kernel/unit.ts';
import type { Reader } from '#platform/storage/compiler.ts';

type Of = Pick<ApprovalRow, 'passport_jti'>;

export type Missions = {
  /** Revoked or checked out; a refresh goes on, and so does the mission. */
  readonly over: (jti: string) => boolean;
  /** Undefined for a standing passport, which goes on as long as it is used. */
  readonly endMs: (of: Of) => number | undefined;
  /** Rolls the unit back where the passport has ended meanwhile. */
  readonly guard: (of: Of) => Statement;
  /** The lease reaches to the end of the approval, within the mission; it never becomes shorter. */
  readonly extend: (of: Of, untilMs: number) => readonly Statement[];
};

export function createMissions(reader: Reader): Missions {
  /** What the passport has become by its refreshes. */
  const newest = (jti: string): PassportRow | undefined => {
    let row = passportBy(reader, jti);
    for (let hops = 0; row !== undefined && row.successor_jti !== null; hops += 1) {
      if (hops === REFRESHES_FOLLOWED_MAX) return row;
      row = passportBy(reader, row.successor_jti);
    }
    return row;
  };
  const parentEndMs = ({ parent_jti }: PassportRow): number =>
    (parent_jti === null ? undefined : passportBy(reader, parent_jti)?.expires_at) ??
    Number.POSITIVE_INFINITY;
  return {
    over: (jti) => {
      const row = newest(jti);
      return row !== undefined && (row.revoked_at !== null || row.ended_by === 'checkout');
    },
    endMs: ({ passport_jti }) => {
      const row = newest(passport_jti);
      return row === undefined || row.standing === 1 ? undefined : row.mission_ends_at;
    },
    guard: ({ passport_jti }) => guardLive(newest(passport_jti)?.jti ?? passport_jti),
    extend: ({ passport_jti }, untilMs) => {
      const row = newest(passport_jti);
      if (row === undefined || row.standing === 1) return [];
      const ends = Math.min(untilMs, row.mission_ends_at, parentEndMs(row));
      return ends <= row.expires_at ? [] : [extendLeaseTo(row.jti, ends)];
    },
  };
}
