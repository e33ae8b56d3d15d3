// The `passports` section of the config. Descriptions are the manual.
import { z } from 'zod';
import { PASSPORT_TTL_SECONDS, PASSPORT_TTL_SECONDS_MAX, PASSPORT_TTL_SECONDS_MIN } from '#kernel/limits.ts';
import { duration } from '#platform/yaml/units.ts';

const MS_PER_SECOND = 1000;

const ttl = duration({
  min: PASSPORT_TTL_SECONDS_MIN * MS_PER_SECOND,
  max: PASSPORT_TTL_SECONDS_MAX * MS_PER_SECOND,
  text: `between ${PASSPORT_TTL_SECONDS_MIN}s and ${PASSPORT_TTL_SECONDS_MAX}s`,
});

/** Parses to milliseconds. */
export const passportSettings = z.strictObject({
  ttl: ttl
    .default(PASSPORT_TTL_SECONDS * MS_PER_SECOND)
    .describe('Lifetime where the caller names none, 60s to 1h.'),
  ttl_max: ttl
    .default(PASSPORT_TTL_SECONDS_MAX * MS_PER_SECOND)
    .describe('Longest lifetime a caller may ask for.'),
});
