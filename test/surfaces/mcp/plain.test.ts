// What is answered without the SDK, held against what the SDK makes of the same message: the same call for a tool and the
// same answer. An update of the SDK that changes either is seen here.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { SUPPORTED_PROTOCOL_VERSIONS } from '@modelcontextprotocol/server';
import fc from 'fast-check';
import { createMcpAdapter } from '#surfaces/mcp/adapter.ts';
import { LEGACY_VERSIONS, MODERN_VERSION, plainAnswers, plainCall } from '#surfaces/mcp/plain.ts';
import type { ToolCall, ToolCaller, ToolResult } from '#surfaces/mcp/tools.ts';

const VERSION = '1.2.3';
const RUNS = Number(process.env['STACK_PROPERTY_RUNS'] ?? 1_000);
const NAME = 'stack_proxy_request';
const META = 'io.modelcontextprotocol/';

type Members = { readonly [name: string]: unknown };
type Said = { readonly headers: Readonly<Record<string, string>>; readonly body: Members };

const legacy = (body: Members = {}, headers: Said['headers'] = {}): Said => ({
  headers,
  body: { jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: NAME, arguments: {} }, ...body },
});
const envelope = {
  [`${META}protocolVersion`]: MODERN_VERSION,
  [`${META}clientInfo`]: { name: 'test', version: '1' },
  [`${META}clientCapabilities`]: {},
};
const modernHeaders = {
  'mcp-protocol-version': MODERN_VERSION,
  'mcp-method': 'tools/call',
  'mcp-name': NAME,
};
const modern = (params: Members = {}, meta: Members = {}): Said =>
  legacy(
    { params: { name: NAME, arguments: {}, ...params, _meta: { ...envelope, ...meta } } },
    modernHeaders,
  );

const ANSWERS: readonly ToolResult[] = [
  { a: 1 },
  { text: 'é "quoted" \u2028 \\', deep: { list: [null, 1.5] } },
  {},
]
  .map((output) => ({
    content: [{ type: 'text', text: JSON.stringify(output) }] as const,
    structuredContent: output,
  }))
  .flatMap((result) => [result, { ...result, isError: true }]);

let sdk: Server;
let calls: ToolCall[] = [];
let answer: ToolResult = ANSWERS[0] as ToolResult;

before(async () => {
  const handle = createMcpAdapter({
    version: VERSION,
    instructions: 'none',
    tools: [],
    call: async (call) => {
      calls.push(call);
      return answer;
    },
    onError: () => undefined,
  });
  sdk = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const from = { signal: new AbortController().signal } as ToolCaller;
    await handle(request, response, JSON.parse(Buffer.concat(parts).toString('utf8')), from);
  });
  sdk.listen(0, '127.0.0.1');
  await once(sdk, 'listening');
});

after(() => {
  sdk.closeAllConnections();
  sdk.close();
});

async function askSdk({ headers, body }: Said) {
  calls = [];
  const { port } = sdk.address() as AddressInfo;
  const response = await fetch(`http://127.0.0.1:${port}/mcp`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...headers,
    },
    body: JSON.stringify(body),
  });
  const type = response.headers.get('content-type');
  return { status: response.status, type, text: await response.text(), calls };
}

const answerTo = plainAnswers(VERSION);
const asPlain = ({ headers, body }: Said) => plainCall(headers as IncomingHttpHeaders, body);

async function assertAgreed(said: Said): Promise<void> {
  const plain = asPlain(said);
  assert.ok(plain !== undefined, `not plain: ${JSON.stringify(said)}`);
  const heard = await askSdk(said);
  const text = answerTo(plain, answer);
  const expected = { status: 200, type: 'application/json', text, calls: [plain.call] };
  assert.deepEqual(heard, expected, JSON.stringify(said));
}

const capabilities = (said: Members): Said => modern({}, { [`${META}clientCapabilities`]: said });

const PLAIN: Readonly<Record<string, Said>> = {
  'a call of 2026': modern(),
  'one without client info': modern({}, { [`${META}clientInfo`]: undefined }),
  'one with a title and a progress token': modern(
    {},
    { [`${META}clientInfo`]: { name: 'a', version: 'b', title: 'c' }, progressToken: 'p' },
  ),
  'one of a client that can do all we know of': capabilities({
    elicitation: { form: {}, url: {} },
    roots: { listChanged: true },
    sampling: { context: {}, tools: {} },
  }),
  'one without arguments': modern({ arguments: undefined }),
  'a call of 2025 without a version': legacy(),
  'one with an id that is text': legacy({ id: 'é "id"' }),
  'one with a progress token': legacy({ params: { name: NAME, _meta: { progressToken: 3 } } }),
  'one with words of the client': legacy({ params: { name: NAME, _meta: { traceparent: 1, 'a.b/c': {} } } }),
  'one with such words in 2026': modern({}, { traceparent: 1, 'a.b/c': {} }),
  'one with headers of the other era': legacy({}, { 'mcp-method': 'tools/list', 'mcp-name': 'x' }),
};

describe('a plain call', () => {
  it('is one of the revisions that the SDK speaks', () => {
    assert.deepEqual(LEGACY_VERSIONS, SUPPORTED_PROTOCOL_VERSIONS);
  });

  for (const [what, said] of Object.entries(PLAIN)) {
    it(`gets the answer of the SDK: ${what}`, async () => {
      for (answer of ANSWERS) await assertAgreed(said);
    });
  }

  for (const version of LEGACY_VERSIONS) {
    it(`gets the answer of the SDK in ${version}`, () =>
      assertAgreed(legacy({}, { 'mcp-protocol-version': version })));
  }
});

const REST: Readonly<Record<string, Said>> = {
  'another method': legacy({ method: 'tools/list' }),
  'no id': legacy({ id: undefined }),
  'an id that is no id': legacy({ id: 1.5 }),
  'another JSON-RPC': legacy({ jsonrpc: '1.0' }),
  'a further member': legacy({ more: 1 }),
  'a further parameter': legacy({ params: { name: NAME, task: {} } }),
  'a further word of the protocol': legacy({
    params: { name: NAME, _meta: { [`${META}related-task`]: {} } },
  }),
  'one more, in 2026': modern({}, { [`${META}logLevel`]: 'debug' }),
  'arguments that are a list': legacy({ params: { name: NAME, arguments: [] } }),
  'a name that headers would encode': legacy({ params: { name: 'é' } }),
  'an unknown revision': legacy({}, { 'mcp-protocol-version': '2031-01-01' }),
  'the new revision in the header alone': legacy({}, modernHeaders),
  'the new revision in the body alone': { ...modern(), headers: {} },
  'another method in the header': {
    ...modern(),
    headers: { ...modernHeaders, 'mcp-method': 'tools/list' },
  },
  'another name in the header': { ...modern(), headers: { ...modernHeaders, 'mcp-name': 'other' } },
  'client info without a version': modern({}, { [`${META}clientInfo`]: { name: 'a' } }),
  'no capabilities': modern({}, { [`${META}clientCapabilities`]: undefined }),
  'a capability that we do not know': capabilities({ tasks: {} }),
  'an answer to a question': modern({ inputResponses: {} }),
};

describe('the SDK', () => {
  for (const [what, said] of Object.entries(REST)) {
    it(`answers ${what}`, () => {
      assert.equal(asPlain(said), undefined);
    });
  }
});

const CAPABILITIES = `params._meta.${META}clientCapabilities`;
const PLACES = [
  ...['', 'params', 'params._meta', 'params.arguments', `params._meta.${META}clientInfo`, CAPABILITIES],
  ...['elicitation', 'elicitation.form', 'roots', 'sampling'].map((name) => `${CAPABILITIES}.${name}`),
];
const NAMES = [
  ...['jsonrpc', 'id', 'method', 'params', 'name', 'arguments', '_meta', 'progressToken', 'version'],
  ...['title', 'task', 'requestState', 'constructor', ...Object.keys(envelope)],
  ...['elicitation', 'roots', 'sampling', 'form', 'listChanged', 'tools', 'traceparent', 'a.b/c'],
  ...['related-task', 'logLevel', 'subscriptionId', ''].map((name) => `${META}${name}`),
];
const VALUES = [
  ...[undefined, null, {}, [], '', 'x', 0, -0, 1, 1.5, 2 ** 53, true, '2.0', 'tools/call', NAME],
  ...[MODERN_VERSION, '2025-06-18', { name: 'a', version: 'b' }, { form: {} }, { listChanged: 1 }],
];
/** A few places of a message with something else in them, or one more member. */
const odd = fc.array(
  fc.record({
    at: fc.constantFrom(...PLACES),
    name: fc.constantFrom(...NAMES),
    value: fc.constantFrom<unknown>(...VALUES),
  }),
  { minLength: 1, maxLength: 3 },
);

function changed(
  { headers, body }: Said,
  changes: readonly { at: string; name: string; value: unknown }[],
): Said {
  const copy = structuredClone(body) as Record<string, unknown>;
  for (const { at, name, value } of changes) {
    // The keys of the protocol have dots of their own.
    const path = at === '' ? [] : at.split(/\.(?!modelcontextprotocol)/);
    let place: unknown = copy;
    for (const step of path) place = (place as Record<string, unknown> | undefined)?.[step];
    if (typeof place === 'object' && place !== null)
      (place as Record<string, unknown>)[name] = structuredClone(value);
  }
  return { headers, body: JSON.parse(JSON.stringify(copy)) as Members };
}

describe('whatever is taken for plain', () => {
  it('gets the answer that the SDK gives', async () => {
    let plain = 0;
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...Object.values(PLAIN)), odd, async (said, changes) => {
        const one = changed(said, changes);
        if (asPlain(one) === undefined) return;
        plain += 1;
        await assertAgreed(one);
      }),
      { numRuns: RUNS },
    );
    assert.ok(plain > RUNS / 10, `only ${plain} were plain`);
  });
});
