// The example of a verb as a reader would send it: by curl, and as an MCP tool call.
import { callersOf, type Json, type Verb } from './verbs.ts';

const NETWORK = 'http://localhost:7822';
const BREAK = ' \\\n  ';

/** A person's verb goes over the local socket, which needs no credential. */
export function curlOf(verb: Verb): string {
  const { operation } = verb;
  const callers = callersOf(operation);
  const body = verb.exampleAt('body');
  const program = callers.includes('key') || callers.includes('anonymous');
  const parts = [
    program
      ? `curl ${quoted(`${NETWORK}${targetOf(verb)}`)}`
      : `curl --unix-socket data/stack.sock ${quoted(`http://localhost${targetOf(verb)}`)}`,
    ...(callers.includes('key') ? ['-H "Authorization: Bearer $STACK_API_KEY"'] : []),
    ...(operation.line === 'traffic' ? ["-H 'X-Stack-Agent: support-bot'"] : []),
    ...methodOf(verb, Object.keys(body).length > 0),
    ...(Object.keys(body).length > 0 ? bodyOf(body) : []),
  ];
  return parts.join(BREAK);
}

function methodOf({ operation }: Verb, hasBody: boolean): readonly string[] {
  const { method } = operation.route;
  return method === (hasBody ? 'POST' : 'GET') ? [] : [`-X ${method}`];
}

const bodyOf = (body: Json): readonly string[] => [
  "-H 'content-type: application/json'",
  `-d '${pretty(body).replaceAll("'", `'\\''`)}'`,
];

/** Bare where a shell would not look at it. */
const quoted = (url: string): string => (/[?&]/.test(url) ? `'${url}'` : url);

function targetOf(verb: Verb): string {
  const inPath = verb.exampleAt('path');
  const path = verb.operation.route.path.replaceAll(/:([a-z_]+)/g, (_, field: string) =>
    encodeURIComponent(String(inPath[field] ?? field)),
  );
  const query = new URLSearchParams(
    Object.entries(verb.exampleAt('query')).map(([name, value]): [string, string] => [name, String(value)]),
  ).toString();
  return query === '' ? path : `${path}?${query}`;
}

export const toolCallOf = ({ operation }: Verb): string =>
  pretty({
    method: 'tools/call',
    params: { name: operation.name, arguments: operation.example.input },
  });

/** What the column of examples shows without scrolling. */
const COLUMN_CHARS = 50;

/** Short values on one line, as a person would write them. */
export const pretty = (value: unknown, width = COLUMN_CHARS): string => laidOut(value, { indent: '', width });

type Space = { readonly indent: string; readonly width: number };

function laidOut(value: unknown, { indent, width }: Space): string {
  const line = oneLine(value);
  if (typeof value !== 'object' || value === null || line.length <= width) return line;
  const deeper = `${indent}  `;
  const within = width - INDENT;
  if (Array.isArray(value)) {
    return `[\n${value.map((member) => `${deeper}${laidOut(member, { indent: deeper, width: within })}`).join(',\n')}\n${indent}]`;
  }
  const members = Object.entries(value).map(([name, member]) => {
    const label = `${JSON.stringify(name)}: `;
    return `${deeper}${label}${laidOut(member, { indent: deeper, width: within - label.length })}`;
  });
  return `{\n${members.join(',\n')}\n${indent}}`;
}
const INDENT = 2;

function oneLine(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(oneLine).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(
    ([name, member]) => `${JSON.stringify(name)}: ${oneLine(member)}`,
  );
  return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`;
}
