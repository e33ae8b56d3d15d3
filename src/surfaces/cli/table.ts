// Rows as an aligned table. On a terminal it keeps to the width: columns that do not fit are left out from the right,
// and the last one is cut, so that a row is one line.
import { cell, type Members } from './cells.ts';

const GAP = '  ';
const CUT = '…';
/** Narrower, a column shows nothing worth reading. */
const COLUMN_CHARS_MIN = 8;

/** Columns of the lists people read most, those that matter first; others show every field. */
const COLUMNS: Readonly<Record<string, readonly string[]>> = {
  agents: ['name', 'status', 'accountability_mode', 'source', 'services', 'created_at', 'id'],
  passports: ['jti', 'expires_at', 'services', 'agent_id', 'session_id'],
  approvals: [
    ...['approval_id', 'status', 'agent_name', 'action', 'method', 'url', 'uses_left', 'outcome'],
    ...['expires_at', 'reason'],
  ],
  deliveries: ['id', 'state', 'attempts', 'destination', 'event', 'approval_id', 'last_error', 'next_try_at'],
  services: ['name', 'connected', 'base_url', 'title', 'reason', 'scopes', 'approval'],
  entries: ['timestamp', 'action', 'outcome', 'service', 'method', 'path', 'status', 'error_code', 'actor'],
};

export type Rows = { readonly kind: string; readonly rows: readonly Members[] };

export type Table = {
  readonly lines: readonly string[];
  /** Columns for which there was no room. */
  readonly left: readonly string[];
};

/** `width` is that of the terminal; undefined is as wide as it gets. */
export function table({ kind, rows }: Rows, width: number | undefined): Table {
  const names = columnsOf({ kind, rows });
  const cells = [
    names.map((name) => name.toUpperCase().replaceAll('_', ' ')),
    ...rows.map((row) => names.map((name) => cell(row[name], name))),
  ];
  const widths = fit(
    names.map((_, at) => Math.max(...cells.map((row) => chars(row[at] ?? '')))),
    width,
  );
  const line = (row: readonly string[]): string =>
    widths
      .map((size, at) => pad(row[at] ?? '', size))
      .join(GAP)
      .trimEnd();
  return { lines: cells.map(line), left: names.slice(widths.length) };
}

function columnsOf({ kind, rows }: Rows): readonly string[] {
  const present = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const chosen = COLUMNS[kind]?.filter((name) => present.includes(name));
  return chosen === undefined || chosen.length === 0 ? present : chosen;
}

/** Widths of the columns that are shown. */
function fit(wanted: readonly number[], width: number | undefined): readonly number[] {
  if (width === undefined) return wanted;
  const shown: number[] = [];
  let left = width;
  for (const size of wanted) {
    const room = left - (shown.length === 0 ? 0 : GAP.length);
    const given = Math.min(size, room);
    if (given < Math.min(size, COLUMN_CHARS_MIN)) break;
    shown.push(given);
    left = room - given;
  }
  return shown;
}

const chars = (text: string): number => [...text].length;

function pad(text: string, size: number): string {
  const points = [...text];
  if (points.length > size) return `${points.slice(0, size - 1).join('')}${CUT}`;
  return text + ' '.repeat(size - points.length);
}
