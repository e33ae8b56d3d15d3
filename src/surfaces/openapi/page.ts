// The reference as one page from the same contents as the OpenAPI document. It needs nothing but itself: no script, no
// image, no other host; its policy allows one style, by hash.
import { createHash } from 'node:crypto';
import { type FaultCode, REFUSALS } from '#kernel/errors.ts';
import { type Contents, ROUTES } from './document.ts';
import { faultExample } from './fault-examples.ts';
import { Html, html } from './html.ts';
import { STYLE } from './page-style.ts';
import { besideSection, methodsMark, verbSection } from './page-verb.ts';
import { pretty } from './samples.ts';
import { areasOf, byStatus, type Verb } from './verbs.ts';

const HASH = createHash('sha256').update(STYLE).digest('base64');
export const PAGE_POLICY = `default-src 'none'; style-src 'sha256-${HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

export function pageOf(contents: Contents): string {
  const { verbs, beside, version, listed } = contents;
  const areas = areasOf(verbs).map((area) => ({ area, of: verbs.filter((verb) => verb.area === area) }));
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>STACK reference</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><style>${new Html(STYLE)}</style></head>
<body><a class="skip" href="#main">To the contents</a><div class="frame">
<nav aria-label="Contents"><p class="brand">STACK reference</p><ul>
<li><a href="#callers">Who calls</a></li>
${areas.map(
  ({ area, of }) =>
    html`<li><a href="#${anchor(area)}">${area}</a><ul>${of.map(
      ({ operation }) => html`<li><a href="#${operation.name}">${operation.name}</a></li>`,
    )}</ul></li>`,
)}
<li><a href="#routes">${ROUTES}</a><ul>${beside.map(({ id, path }) => html`<li><a href="#${id}">${path}</a></li>`)}</ul></li>
<li><a href="#errors">Errors</a></li></ul></nav>
<main id="main">
<h1>STACK reference</h1>
<p>Every verb of this appliance: its route, its MCP tool, every field, every error, with an example each. Made from the
definitions that the appliance runs on, version ${version}. For programs, the same as <a href="/openapi.json">OpenAPI 3.1</a>.</p>
${CONVENTIONS}
${areas.map(
  ({ area, of }) => html`<h2 id="${anchor(area)}">${area}</h2>${of.length > 1 ? indexOf(of) : ''}
${of.map((verb) => verbSection(verb, listed))}`,
)}
<h2 id="routes">${ROUTES}</h2>
${beside.map(besideSection)}
${errors()}
<footer>Nothing on this page is of this installation: names, ids and values are examples.</footer>
</main></div></body></html>
`;
  return page.toString();
}

const anchor = (area: string): string => area.toLowerCase().replaceAll(' ', '-');

const indexOf = (verbs: readonly Verb[]): Html =>
  html`<table class="index"><tbody>${verbs.map(
    ({ operation: { name, route }, title }) =>
      html`<tr><td>${methodsMark([route.method])}<span class="path">${route.path.replaceAll(/:([a-z_]+)/g, '{$1}')}</span></td><td><a href="#${name}">${title}</a></td></tr>
`,
  )}</tbody></table>`;

const CONVENTIONS = html`<h2 id="callers">Who calls</h2>
<table class="callers"><thead><tr><th>Caller</th><th>How it shows itself</th><th>Is</th></tr></thead><tbody>
<tr><td>API key</td><td><code>Authorization: Bearer sk_live_&hellip;</code></td><td>A program of the operator. <code>X-Stack-Agent: NAME</code> beside it says which agent acts, <code>X-Stack-Intent</code> what for.</td></tr>
<tr><td>passport</td><td><code>X-Passport-Token: &hellip;</code> or <code>Authorization: Bearer &hellip;</code></td><td>One agent on one mission. Beside a key it says which agent acts.</td></tr>
<tr><td>person</td><td>the local socket <code>data/stack.sock</code>, no header</td><td>Whoever may open the socket: the owner of the appliance.</td></tr>
<tr><td>anyone</td><td>nothing</td><td>Public. A credential that is sent all the same is checked.</td></tr>
</tbody></table>
<p>A token never stands in a URL. Times are RFC 3339 UTC, except in the audit log (unix ms). Lists take <code>limit</code>
and <code>cursor</code> and answer <code>next_cursor</code>. Unknown fields are refused, not ignored. An MCP tool takes and
answers the same object as its route; a refusal is a result with <code>isError</code> and the error object below.</p>`;

function errors(): Html {
  const codes = Object.keys(REFUSALS) as readonly FaultCode[];
  return html`<h2 id="errors">Errors</h2>
<p>Every refusal has one shape, on every route and in every tool. Branch on <code>code</code>; <code>next</code> names a
step that works; <code>metadata</code> stands at both places. Where <code>metadata.sent</code> is true, something reached the
service: check there before you repeat a call. A 401 carries <code>WWW-Authenticate</code>, a 429 <code>Retry-After</code>.</p>
<table class="faults"><thead><tr><th>Code</th><th>Says and next step</th></tr></thead><tbody>
${byStatus(codes).flatMap(([status, of]) => of.map((code) => errorRow(code, status)))}</tbody></table>`;
}

/** An error stands across the page, not in the column of examples. */
const PAGE_CHARS = 96;

function errorRow(code: FaultCode, status: number): Html {
  const { message, next } = REFUSALS[code];
  return html`<tr id="${code}"><td class="field"><span class="name">${code}</span> <small>HTTP ${status}</small></td>
<td>${message}<br>${next}<pre><code>${pretty(faultExample(code), PAGE_CHARS)}</code></pre></td></tr>
`;
}
