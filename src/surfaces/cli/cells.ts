// One value of an answer as short text for a person: times in the clock of this machine, lists joined, hostile characters escaped.
import { printable } from './printable.ts';

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/;
/** Fields of an answer that are unix milliseconds (contract 4). */
const UNIX_MS = new Set(['timestamp', 'max_timestamp']);

export type Members = Readonly<Record<string, unknown>>;

export const isMembers = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isPlain = (value: unknown): boolean => typeof value !== 'object' || value === null;
export const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value);
/** Of texts, numbers and the like: it fits on one line. */
export const isPlainList = (value: unknown): boolean => isList(value) && value.every(isPlain);

/** Text of one value; `name` is its field, which says whether a number is a time. */
export function cell(value: unknown, name: string): string {
  if (value === null || value === undefined) return '-';
  if (typeof value === 'string') return ISO.test(value) ? localTime(new Date(value)) : printable(value);
  if (typeof value === 'number' && UNIX_MS.has(name)) return localTime(new Date(value));
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (isList(value)) return value.length === 0 ? '-' : value.map(named).join(', ');
  return isMembers(value) ? named(value) : String(value);
}

/** An actor is `key:key_…`, a granted service its name; what has no short form is JSON. */
function named(value: unknown): string {
  if (!isMembers(value)) return cell(value, '');
  const { kind, id, service, name } = value;
  if (typeof kind === 'string' && typeof id === 'string') return printable(`${kind}:${id}`);
  const short = service ?? name;
  return printable(typeof short === 'string' ? short : JSON.stringify(value));
}

const two = (part: number): string => String(part).padStart(2, '0');

/** `2026-11-25 10:22:07`: local, sortable, and the same width for every time. */
export function localTime(time: Date): string {
  const day = [time.getFullYear(), two(time.getMonth() + 1), two(time.getDate())].join('-');
  return `${day} ${[time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(':')}`;
}
