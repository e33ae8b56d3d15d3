// One verb, or one route that is no verb, as a section of the reference.
import type { FaultCode } from '#kernel/errors.ts';
import type { CallerKind } from '#kernel/operation.ts';
import type { Beside } from './beside.ts';
import { type Row, rowsOf } from './fields.ts';
import { type Html, html } from './html.ts';
import { curlOf, pretty, toolCallOf } from './samples.ts';
import type { Schema } from './schema.ts';
import { CALLERS, callersOf, type Verb } from './verbs.ts';

const EFFECTS = { read: 'reads', write: 'changes something', destroy: 'may destroy something' } as const;

export function verbSection(verb: Verb, listed: readonly string[]): Html {
  const { operation, title, output, statuses } = verb;
  const { name, route, summary, effect, toolset } = operation;
  const tool = toolset === null ? undefined : name;
  return html`<section class="verb" id="${name}">
${heading({ id: name, title, name })}
${callLine([route.method], route.path.replaceAll(/:([a-z_]+)/g, '{$1}'))}
<p>${summary}</p>
<ul class="facts"><li><b>Who may call</b> ${callersText(callersOf(operation))}</li>
<li><b>Effect</b> ${EFFECTS[effect]}</li><li><b>MCP tool</b> ${toolText(tool, listed)}</li></ul>
<div class="halves"><div>
<h4>Input</h4>
${fieldTable(rowsOf(verb.input), 'Takes no fields.', (field) => verb.placeOf(field))}
<h4>Answer</h4>
${fieldTable(answered(rowsOf(output)), 'Has no fields.')}
<h4>Errors</h4>
${codeList(verb)}
</div><div class="samples">
<h4>Request</h4><pre><code>${curlOf(verb)}</code></pre>
${tool === undefined ? '' : html`<h4>The same as an MCP tool call</h4><pre><code>${toolCallOf(verb)}</code></pre>`}
<h4>Answer, ${statuses.join(' or ')}</h4><pre><code>${pretty(operation.example.output)}</code></pre>
</div></div></section>`;
}

const callersText = (kinds: readonly CallerKind[]): string => kinds.map((kind) => CALLERS[kind]).join(', ');

function toolText(tool: string | undefined, listed: readonly string[]): string {
  if (tool === undefined) return 'none';
  return listed.includes(tool) ? 'in tools/list' : 'by name, not in tools/list';
}

type Heading = { readonly id: string; readonly title: string; readonly name: string };
const heading = ({ id, title, name }: Heading): Html =>
  html`<h3><a class="self" href="#${id}">${title}</a><span class="name">${name}</span></h3>`;

export const methodsMark = (methods: readonly string[]): Html =>
  html`${methods.map((method) => html`<span class="method ${method}">${method}</span>`)}`;

const callLine = (methods: readonly string[], path: string): Html =>
  html`<p class="call">${methodsMark(methods)}<span class="path">${path}</span></p>`;

function fieldTable(rows: readonly Row[], none: string, placeOf?: (field: string) => string): Html {
  if (rows.length === 0) return html`<p class="none">${none}</p>`;
  return html`<table><thead><tr><th>Field</th><th>Type</th><th>Meaning</th></tr></thead><tbody>
${rows.map((row) => fieldRow(row, row.name.includes('.') ? undefined : placeOf?.(row.name)))}</tbody></table>`;
}

/** In an answer most fields are always there; what is worth a word is the one that is not. */
const answered = (rows: readonly Row[]): readonly Row[] =>
  rows.map((row) => ({
    ...row,
    required: false,
    limits: row.required ? row.limits : ['may be absent', ...row.limits],
  }));

/** A long name breaks where a reader would break it. */
const breakable = (name: string): Html => html`${name.split(/(?<=[_.])/).map((part) => html`${part}<wbr>`)}`;

function fieldRow({ name, type, required, limits, says }: Row, place: string | undefined): Html {
  const marks = [...(required ? ['required'] : []), ...(place === undefined ? [] : [`in the ${place}`])];
  return html`<tr><td class="field"><span class="name">${breakable(name)}</span> <small>${marks.join(', ')}</small></td>
<td class="type"><code>${type}</code> ${limits.map((limit) => html`<span class="limits">${limit}</span> `)}</td>
<td>${says}</td></tr>
`;
}

export const codeLink = (code: FaultCode): Html => html`<a href="#${code}"><code>${code}</code></a> `;

function codeList({ refusals }: Verb): Html {
  const { own, line, authenticate, transport } = refusals;
  const groups: readonly (readonly [string, readonly FaultCode[]])[] = [
    ['This verb', own],
    ['Any call of its kind', line],
    ['The caller', authenticate],
    ['The request', transport],
  ];
  return html`<dl class="codes">${groups
    .filter(([, codes]) => codes.length > 0)
    .map(([says, codes]) => html`<dt>${says}</dt><dd>${codes.map(codeLink)}</dd>`)}</dl>`;
}

export function besideSection(route: Beside): Html {
  const { id, title, methods, path, summary, points = [], callers, fields, body, answers, errors } = route;
  return html`<section class="verb" id="${id}">
${heading({ id, title, name: '' })}
${callLine(methods, path)}
<p>${summary}</p>${points.length === 0 ? '' : html`<ul class="points">${points.map((point) => html`<li>${point}</li>`)}</ul>`}
<ul class="facts"><li><b>Who may call</b> ${callersText(callers)}</li></ul>
<div class="halves"><div>
<h4>Input</h4>
${fieldTable([...fields.map(fieldRowOf), ...bodyRows(body?.schema)], 'Takes no fields.', placeIn(fields))}
${answers.map(
  ({ status, says, type, schema }) => html`<h4>Answer, ${status}${type === '' ? '' : `, ${type}`}</h4>
<p>${says}</p>${schema?.properties === undefined ? '' : fieldTable(answered(rowsOf(schema)), '')}`,
)}
<h4>Errors</h4><dl class="codes"><dt>This route</dt><dd>${errors.map(codeLink)}</dd></dl>
</div><div class="samples">
<h4>Request</h4><pre><code>${besideCurl(route)}</code></pre>
${answers
  .filter(({ example }) => example !== undefined)
  .map(({ status, example }) => html`<h4>Answer, ${status}</h4><pre><code>${pretty(example)}</code></pre>`)}
</div></div></section>`;
}

const fieldRowOf = ({ name, place, says }: Beside['fields'][number]): Row => ({
  name,
  type: 'string',
  required: place === 'path',
  limits: [],
  says,
});
const placeIn =
  (fields: Beside['fields']) =>
  (name: string): string =>
    fields.find((field) => field.name === name)?.place ?? 'body';
const bodyRows = (schema: Schema | undefined): readonly Row[] => (schema === undefined ? [] : rowsOf(schema));

function besideCurl({ path, fields, callers, body }: Beside): string {
  const target = fields.reduce((url, { name, example }) => url.replace(`{${name}}`, example), path);
  return [
    `curl http://localhost:7822${target}`,
    ...(callers.includes('key') ? ['-H "Authorization: Bearer $STACK_API_KEY"'] : []),
    ...(path.startsWith('/proxy/') ? ["-H 'X-Stack-Agent: support-bot'"] : []),
    ...(body?.example === undefined
      ? []
      : ["-H 'content-type: application/json'", `-d '${pretty(body.example)}'`]),
  ].join(' \\\n  ');
}
