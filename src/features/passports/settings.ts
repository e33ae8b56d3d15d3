// The `passports` section of the config. Descriptions are the manual.
import { z } from 'zod';
import {
  CHECKPOINT_INTERVAL_SECONDS,
  MISSION_SECONDS_MAX,
  PASSPORT_TTL_SECONDS,
  PASSPORT_TTL_SECONDS_MAX,
  PASSPORT_TTL_SECONDS_MIN,
} from '#kernel/limits.ts';
import { duration } from '#platform/yaml/units.ts';

const MS_PER_SECOND = 1000;
const SECONDS_PER_HOUR = 3600;

const ttl = duration({
  min: PASSPORT_TTL_SECONDS_MIN * MS_PER_SECOND,
  max: PASSPORT_TTL_SECONDS_MAX * MS_PER_SECOND,
  text: `between ${PASSPORT_TTL_SECONDS_MIN}s and ${PASSPORT_TTL_SECONDS_MAX}s`,
});

/** Parses to milliseconds. */
const mission = duration({
  min: PASSPORT_TTL_SECONDS_MIN * MS_PER_SECOND,
  max: MISSION_SECONDS_MAX * MS_PER_SECOND,
  text: `between ${PASSPORT_TTL_SECONDS_MIN}s and ${MISSION_SECONDS_MAX / SECONDS_PER_HOUR}h`,
});

export const passportSettings = z.strictObject({
  ttl: ttl
    .default(PASSPORT_TTL_SECONDS * MS_PER_SECOND)
    .describe('Lifetime where the caller names none, 60s to 1h.'),
  ttl_max: ttl
    .default(PASSPORT_TTL_SECONDS_MAX * MS_PER_SECOND)
    .describe('Longest lifetime a caller may ask for.'),
  mission_max: mission
    .default(MISSION_SECONDS_MAX * MS_PER_SECOND)
    .describe('Longest life of a mission, with all its checkpoints and refreshes, 60s to 24h.'),
  checkpoint_interval: ttl
    .default(CHECKPOINT_INTERVAL_SECONDS * MS_PER_SECOND)
    .describe('How often an agent in enforced mode must report where the caller says nothing, 60s to 1h.'),
});
