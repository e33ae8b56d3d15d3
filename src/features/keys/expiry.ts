// When a key ends: a duration from now, or a moment. A mistake in the unit must not make a key for a lifetime.
import { KEY_LIFETIME_MS_MAX } from '#kernel/limits.ts';

const MS_PER: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const DURATION = /^(\d{1,6})([smhd])$/;
/** RFC 3339; a moment without its offset would be another one on another machine. */
const MOMENT = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})$/;

export function readExpiry(
  text: string,
  nowMs: number,
): { readonly atMs: number } | { readonly problem: string } {
  const [, count, unit = ''] = DURATION.exec(text) ?? [];
  const span = MS_PER[unit];
  const atMs =
    span === undefined ? (MOMENT.test(text) ? Date.parse(text) : Number.NaN) : nowMs + Number(count) * span;
  if (Number.isNaN(atMs))
    return { problem: 'must be a duration like 90d or 24h, or a time like 2027-01-31T00:00:00Z' };
  if (atMs <= nowMs) return { problem: 'must lie in the future' };
  return atMs - nowMs > KEY_LIFETIME_MS_MAX ? { problem: 'must be within ten years' } : { atMs };
}
