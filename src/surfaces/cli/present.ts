// An answer or a refusal as a person reads it: lists as tables, objects as `key: value`, refusals with their next step.

import { cell, isList, isMembers, isPlainList, type Members } from './cells.ts';
import type { Command, Parameter } from './command.ts';
import { printable } from './printable.ts';
import { type Rows, table } from './table.ts';
import { spoken } from './values.ts';

const INDENT = '  ';

export type Presented = {
  /** For standard output. */
  readonly lines: readonly string[];
  /** For standard error: what to do next. */
  readonly hints: readonly string[];
};

export function present(output: unknown, width: number | undefined): Presented {
  if (!isMembers(output)) return { lines: [cell(output, '')], hints: [] };
  const list = listOf(output);
  if (list === undefined) return { lines: members(output, ''), hints: [] };
  const { next_cursor: cursor } = output;
  const hints = typeof cursor === 'string' ? [`more: --cursor ${printable(cursor)}`] : [];
  if (list.rows.length === 0) return { lines: [], hints: [`no ${list.kind}`, ...hints] };
  const { lines, left } = table(list, width);
  const unseen = left.length === 0 ? [] : [`no room for: ${left.map(printable).join(', ')}; --json has all`];
  return { lines, hints: [...unseen, ...hints] };
}

/** `{<plural>: [...], next_cursor}`: one list of objects, beside it only what belongs to paging (contract 4). */
const PAGING = new Set(['next_cursor', 'max_timestamp']);

function listOf(output: Members): Rows | undefined {
  const [first, ...others] = Object.entries(output).filter(([name]) => !PAGING.has(name));
  if (first === undefined || others.length > 0) return undefined;
  const [name, rows] = first;
  return Array.isArray(rows) && rows.every(isMembers) ? { kind: name, rows } : undefined;
}

function members(value: Members, indent: string): readonly string[] {
  const entries = Object.entries(value);
  const width = Math.max(0, ...entries.map(([name]) => printable(name).length)) + 2;
  return entries.flatMap(([name, member]) => {
    const label = `${indent}${`${printable(name)}:`.padEnd(width)}`;
    const nested = nestedLines(member, indent + INDENT);
    return nested === undefined ? [`${label}${cell(member, name)}`] : [label.trimEnd(), ...nested];
  });
}

/** Undefined where the value stands beside its name. */
function nestedLines(value: unknown, indent: string): readonly string[] | undefined {
  if (isMembers(value)) return Object.keys(value).length === 0 ? undefined : members(value, indent);
  if (typeof value === 'string' && value.includes('\n'))
    return value.split(/\r?\n/).map((line) => indent + printable(line));
  if (!isList(value) || isPlainList(value)) return undefined;
  return value.flatMap((one: unknown) => {
    const [first = '', ...rest] = nestedLines(one, indent + INDENT) ?? [`${indent}${INDENT}${cell(one, '')}`];
    return [`${indent}- ${first.trimStart()}`, ...rest];
  });
}

/** Code, message, what was wrong with which option, and the next step. */
export function presentRefusal(
  envelope: unknown,
  { command, asCommands }: { readonly command: Command; readonly asCommands: (text: string) => string },
): readonly string[] {
  const error = isMembers(envelope) && isMembers(envelope['error']) ? envelope['error'] : {};
  const { code, message, next, metadata } = error;
  const { issues, ...others } = isMembers(metadata) ? metadata : {};
  const wrong = Array.isArray(issues) ? issues.filter(isMembers) : [];
  return [
    `stack: ${cell(code, '')}: ${cell(message, '')}`,
    ...wrong.map(({ path, message: problem }) => `${INDENT}${wordOf(command, path)}: ${cell(problem, '')}`),
    ...members(others, INDENT),
    // Of an input, the next step speaks of metadata.issues, which stand above.
    `${INDENT}next: ${wrong.length > 0 ? `stack ${command.name} --help` : asCommands(cell(next, ''))}`,
  ];
}

/** The field of an issue by the name under which it was typed. */
function wordOf(command: Command, path: unknown): string {
  const [field = '', ...rest] = String(path ?? '').split('.');
  const parameter = [...command.positionals, ...command.options].find(
    ({ name }: Parameter) => name === field,
  );
  if (parameter === undefined) return printable(String(path));
  return printable([spoken(command, parameter), ...rest].join('.'));
}
