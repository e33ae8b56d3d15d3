// approval-binding.json, both columns, from outside: each change is applied to the approved call and sent with its approval.
// The host is a name that nobody has, so what the gate lets pass ends as a name that does not resolve, and the use is given back.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { APPROVAL_SHAPES } from '#test/corpus/tables.ts';
import { type Appliance, startAppliance } from '#test/support/appliance.ts';
import { type Answer, ask, askLocally, type Json } from '#test/support/requests.ts';

type Header = readonly [name: string, value: string];
type Change = {
  readonly method?: string;
  readonly url?: string;
  readonly header?: Header;
  readonly remove_header?: string;
  readonly body?: string;
  readonly base_body?: string;
  readonly content_type?: string;
};
type Verdict = 'same' | 'different' | 'reject';
type Entry = {
  readonly id: string;
  readonly class: string;
  readonly change: Change;
  readonly expect_structured: Verdict;
  readonly expect_raw: Verdict;
  readonly note?: string;
};
type Base = { readonly url: string; readonly headers: readonly Header[]; readonly body: string };

const FILE = fileURLToPath(new URL('../corpus/approval-binding.json', import.meta.url));
const corpus = JSON.parse(readFileSync(FILE, 'utf8')) as { base: Base; entries: readonly Entry[] };
const { base } = corpus;
/** The rest is about more than one call; see below. */
const NOT_A_SHAPE = new Set(['A057']);
/** Where we are stricter; see test/README.md. */
const STRICTER = new Map<string, Verdict>([['A031', 'reject']]);
const HOST = 'api.github.test';

let appliance: Appliance;

before(async () => {
  const grants = 'services: { github: [ "github:*" ] }';
  appliance = await startAppliance({
    services: `
  github:
    base_url: https://${HOST}/repos
    hosts: [ "*.github.test" ]
    headers:
      allow: [ idempotency-key, if-match, x-request-id ]
      volatile: [ x-request-id ]
    inject: { bearer: "{secret}" }
    secret: { env: GITHUB_TOKEN }
    actions:
      github:everything:do:
        [ "GET /**", "HEAD /**", "POST /**", "PUT /**", "PATCH /**", "DELETE /**" ]
    approval: writes`,
    agents: `
  agent-a: { ${grants} }
  agent-b: { ${grants} }`,
    env: { GITHUB_TOKEN: 'ghp_91d0c4e7a6b25f38c1d0', OTHER_TOKEN: 'ghp_77aa12cd34ef56ab78cd' },
  });
});
after(() => appliance?.dispose());

const ours = (url: string): string => url.replace(/github\.com/i, 'github.test');
const AS_A = { 'x-stack-agent': 'agent-a' };

type Column = 'structured' | 'raw';

/** The text of a request to /v1/proxy: what JSON cannot hold as a value has to stand in it as it is written. */
function requestText(change: Change, column: Column, body: string, more: Json): string {
  const removed = change.remove_header?.toLowerCase();
  const headers = new Map(base.headers.filter(([name]) => name.toLowerCase() !== removed));
  if (change.content_type !== undefined) headers.set('Content-Type', change.content_type);
  if (change.header !== undefined) headers.set(change.header[0], change.header[1]);
  const call = {
    ...{ service: 'github', method: change.method ?? 'POST', url: ours(change.url ?? base.url) },
    headers: Object.fromEntries(headers),
    ...more,
  };
  const isValue = column === 'structured' && change.content_type === undefined;
  const written = isValue ? body : JSON.stringify(body);
  return `${JSON.stringify(call).slice(0, -1)},"body":${written}}`;
}

async function sendText(path: string, text: string, headers: Json = AS_A): Promise<Answer> {
  const response = await fetch(`${appliance.url}${path}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${appliance.apiKey}`,
      'content-type': 'application/json',
      ...(headers as Record<string, string>),
    },
    body: text,
  });
  const answered = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text: answered,
    body: JSON.parse(answered) as Json,
  };
}

/** The base of each column and body is approved once and used for as many tries as there are. */
const ids = new Map<string, Promise<Answer>>();
function approvalFor(column: Column, { base_body: body, content_type: type }: Change): Promise<Answer> {
  const key = JSON.stringify([column, body, type]);
  const known = ids.get(key);
  if (known !== undefined) return known;
  const made = approve(column, { ...(body === undefined ? {} : { base_body: body }), ...typed(type) });
  ids.set(key, made);
  return made;
}
const typed = (type: string | undefined): Change => (type === undefined ? {} : { content_type: type });

async function approve(column: Column, change: Change): Promise<Answer> {
  const text = requestText(typed(change.content_type), column, change.base_body ?? base.body, {});
  const submitted = await sendText('/v1/intents', text);
  if (submitted.status !== 201) return submitted;
  const path = `/v1/approvals/${String(submitted.body['approval_id'])}/approve`;
  const decided = await askLocally(appliance, path, { method: 'POST', body: { uses: 500 } });
  assert.equal(decided.status, 200, decided.text);
  return submitted;
}

function verdictOf({ status, body }: Answer): Verdict {
  const code = (body['error'] as Json | undefined)?.['code'];
  if (code === 'APPROVAL_GATE_DENIED') return 'different';
  if (code === 'UPSTREAM_UNREACHABLE') return 'same';
  assert.ok(status >= 400, `${status}`);
  return 'reject';
}

describe('corpus approval-binding', () => {
  const shapes = corpus.entries.filter(
    ({ id, class: kind }) => APPROVAL_SHAPES.has(kind) && !NOT_A_SHAPE.has(id),
  );
  for (const { id, change, note, ...expected } of shapes)
    for (const column of ['structured', 'raw'] as const)
      it(`corpus ${id}, ${column}: ${note ?? JSON.stringify(change).slice(0, 60)}`, async () => {
        const said = column === 'structured' ? expected.expect_structured : expected.expect_raw;
        const wanted = STRICTER.get(id) ?? said;
        const approved = await approvalFor(column, change);
        // What cannot be submitted cannot be approved.
        if (approved.status !== 201) return assert.equal(verdictOf(approved), wanted, approved.text);
        const body = change.body ?? change.base_body ?? base.body;
        const more = { approval_id: approved.body['approval_id'] };
        const answer = await sendText('/v1/proxy', requestText(change, column, body, more));
        assert.equal(verdictOf(answer), wanted, answer.text);
      });

  it('corpus A001, corpus A004 and corpus A057: the very same call passes, and another agent’s does not', async () => {
    for (const column of ['structured', 'raw'] as const) {
      const { body } = await approvalFor(column, {});
      const text = requestText({}, column, base.body, { approval_id: body['approval_id'] });
      const own = await sendText('/v1/proxy', text);
      assert.equal(verdictOf(own), 'same', own.text);
      // The address is looked up when the call is made: here there is none.
      assert.equal((own.body['metadata'] as Json)['sent'], false);
      assert.equal(verdictOf(await sendText('/v1/proxy', text, { 'x-stack-agent': 'agent-b' })), 'different');
    }
  });

  it('corpus A013, corpus A014 and corpus A015: bound to rules and credential, not to its value', async () => {
    const { body } = await approvalFor('structured', {});
    const call = { approval_id: body['approval_id'] };
    const send = () => ask(appliance, '/v1/proxy', { headers: AS_A, body: call });
    const first = await readFile(appliance.configFile, 'utf8');
    const under = async (text: string): Promise<Verdict> => {
      await writeFile(appliance.configFile, text);
      await askLocally(appliance, '/v1/config/reload', { method: 'POST', body: {} });
      return verdictOf(await send());
    };
    assert.equal(
      await under(first.replace('approval: writes', 'approval: [ github:everything:do ]')),
      'different',
    );
    assert.equal(await under(first.replace('GITHUB_TOKEN', 'OTHER_TOKEN')), 'different');
    assert.equal(await under(first), 'same');
  });

  it('corpus A020: an agent approves by no way of its own', async () => {
    const { body } = await approvalFor('structured', {});
    const path = `/v1/approvals/${String(body['approval_id'])}/approve`;
    for (const headers of [{}, AS_A, { cookie: 'session=agent' }])
      assert.equal((await ask(appliance, path, { headers, body: {} })).status, 403);
  });
});
