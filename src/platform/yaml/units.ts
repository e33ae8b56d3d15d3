// Durations and sizes as the config writes them: a number and its unit, never a bare number.
import { z } from 'zod';

const MS_PER: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 };
const BYTES_PER: Readonly<Record<string, number>> = { kB: 1000, MB: 1_000_000, KiB: 1024, MiB: 1_048_576 };

type Range = { readonly min: number; readonly max: number; readonly text: string };

/** Parses to milliseconds. */
export function duration({ min, max, text }: Range) {
  return measured(/^(\d{1,9})(s|m|h)$/, MS_PER, {
    min,
    max,
    text,
    hint: 'a number with its unit, like 90s, 15m or 12h30m written as 750m',
  });
}

/** Parses to bytes. */
export function size({ min, max, text }: Range) {
  return measured(/^(\d{1,9})(kB|MB|KiB|MiB)$/, BYTES_PER, {
    min,
    max,
    text,
    hint: 'a number with its unit, like 10MB',
  });
}

function measured(
  shape: RegExp,
  per: Readonly<Record<string, number>>,
  range: Range & { readonly hint: string },
) {
  return z.union([z.string(), z.number()]).transform((given, context) => {
    const [, count, unit] = shape.exec(String(given)) ?? [];
    const value = Number(count) * (per[unit ?? ''] ?? Number.NaN);
    if (Number.isNaN(value)) context.addIssue({ code: 'custom', message: `must be ${range.hint}` });
    else if (value < range.min || value > range.max)
      context.addIssue({ code: 'custom', message: `must be ${range.text}` });
    return value;
  });
}
