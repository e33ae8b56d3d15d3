// Unmodified SDKs (openai, octokit, @anthropic-ai/sdk) work through the path form by base URL alone, with the services of the
// catalogue, against local servers that let only the injected credential in. No key of ours arrives there, and no credential of theirs here.
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { Octokit } from 'octokit';
import OpenAI from 'openai';
import { type Appliance, startAppliance } from '#test/support/appliance.ts';
import { assertAbsent, searchFiles } from '#test/support/canary.ts';
import { askLocally, type Json } from '#test/support/requests.ts';

const SECRETS = {
  openai: 'canary-openai-5d1c77a90be24f6e',
  github: 'canary-github-2b9e01c4aa7d4835',
  anthropic: 'canary-anthropic-90f4e6b2d7c1835a',
};
const EVENTS = 300;
const DELAY_MS_MAX = 5;
/** The machine may be busy with other things; the best of a few runs counts. */
const ATTEMPTS_MAX = 4;

type Seen = { readonly method: string; readonly url: string; readonly headers: IncomingMessage['headers'] };
let appliance: Appliance;
let upstream: Server;
let base = '';
const seen: Seen[] = [];
const bodies: string[] = [];
/** When each event of the measured stream was written, in ms. */
const written: number[] = [];
/** Lets the upstream write the next event. */
let nextEvent: () => void = () => undefined;

const services = (url: string) => `
  openai: { use: openai, base_url: "${url}/openai/v1", network: loopback, secret: { env: OPENAI_KEY } }
  github: { use: github, base_url: "${url}/github", network: loopback, secret: { env: GITHUB_KEY } }
  anthropic: { use: anthropic, base_url: "${url}/anthropic", network: loopback, secret: { env: ANTHROPIC_KEY } }`;

const agents = `
  writer:
    services: { openai: [ "openai:chat:*", "openai:models:read" ], github: [ "github:*" ], anthropic: [ "anthropic:*" ] }`;

const json = (response: ServerResponse, status: number, body: unknown): void => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
};

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of request.setEncoding('utf8')) text += String(part);
  return text;
}

const admitted = ({ url = '', headers }: IncomingMessage): boolean => {
  if (url.startsWith('/openai/')) return headers.authorization === `Bearer ${SECRETS.openai}`;
  if (url.startsWith('/github/')) return headers.authorization === `Bearer ${SECRETS.github}`;
  return headers['x-api-key'] === SECRETS.anthropic && headers['anthropic-version'] !== undefined;
};

async function chat(response: ServerResponse, body: Json): Promise<void> {
  const chunk = (content: string) => ({
    id: 'c1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'gpt-test',
    choices: [{ index: 0, delta: { content }, finish_reason: null }],
  });
  if (body['stream'] !== true) {
    const message = { role: 'assistant', content: `your key is ${SECRETS.openai}` };
    return json(response, 200, {
      id: 'c1',
      object: 'chat.completion',
      created: 1,
      model: 'gpt-test',
      choices: [{ index: 0, message, finish_reason: 'stop' }],
    });
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (let at = 0; at < EVENTS; at += 1) {
    written.push(performance.now());
    response.write(`data: ${JSON.stringify(chunk(`${at} `))}\n\n`);
    // The next one only when this one has arrived: what is held back until more comes would stop everything.
    await new Promise<void>((done) => {
      nextEvent = done;
    });
  }
  response.end('data: [DONE]\n\n');
}

function issues(request: IncomingMessage, response: ServerResponse, text: string): void {
  const url = new URL(request.url ?? '', base);
  if (request.method === 'POST') {
    json(response, 201, { number: 7, ...(JSON.parse(text) as Json) });
    return;
  }
  const page = Number(url.searchParams.get('page') ?? '1');
  const next = `<${base}/github/repositories/9/issues?page=${page + 1}>; rel="next"`;
  const last = `<${base}/github/repositories/9/issues?page=3>; rel="last"`;
  if (page < 3) response.setHeader('link', `${next}, ${last}`);
  json(response, 200, [{ number: page * 2 }, { number: page * 2 + 1 }]);
}

function messages(response: ServerResponse, body: Json): void {
  const message = { id: 'm1', type: 'message', role: 'assistant', model: 'claude-test', stop_reason: null };
  const usage = { input_tokens: 1, output_tokens: 1 };
  if (body['stream'] !== true) {
    json(response, 200, { ...message, content: [{ type: 'text', text: 'hello' }], usage });
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const event = (type: string, fields: Json): void =>
    void response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`);
  event('message_start', { message: { ...message, content: [], usage } });
  event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } });
  for (const text of ['hel', 'lo'])
    event('content_block_delta', { index: 0, delta: { type: 'text_delta', text } });
  event('content_block_stop', { index: 0 });
  event('message_delta', { delta: { stop_reason: 'end_turn' }, usage });
  event('message_stop', {});
  response.end();
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const text = await textOf(request);
  bodies.push(text);
  seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers });
  if (!admitted(request)) return json(response, 401, { error: { message: 'who are you?' } });
  const url = request.url ?? '';
  if (url.startsWith('/openai/v1/chat/')) await chat(response, JSON.parse(text) as Json);
  else if (url.includes('/issues')) issues(request, response, text);
  else if (url === '/anthropic/v1/messages') messages(response, JSON.parse(text) as Json);
  else json(response, 404, { error: { message: 'no such model', code: 'model_not_found' } });
}

before(async () => {
  upstream = createServer((request, response) => void serve(request, response));
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
  base = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
  appliance = await startAppliance({
    services: services(base),
    agents,
    env: { OPENAI_KEY: SECRETS.openai, GITHUB_KEY: SECRETS.github, ANTHROPIC_KEY: SECRETS.anthropic },
  });
});

after(async () => {
  await appliance?.dispose();
  upstream?.close();
});

const defaultHeaders = { 'x-stack-agent': 'writer' };

describe('an unmodified OpenAI SDK', () => {
  const client = () =>
    new OpenAI({ baseURL: `${appliance.url}/proxy/openai`, apiKey: appliance.apiKey, defaultHeaders });
  const ask = { model: 'gpt-test', messages: [{ role: 'user' as const, content: 'hello' }] };

  it('completes a chat, and gets the answer without the credential in it', async () => {
    const done = await client().chat.completions.create(ask);
    assert.equal(done.choices[0]?.message.content, 'your key is [redacted:openai]');
  });

  /** Delay of each event from the server's write to the SDK's loop; a later event is written only when one has come. */
  async function delays(
    from: OpenAI,
  ): Promise<{ readonly text: string; readonly median: number; readonly p99: number }> {
    const all: number[] = [];
    const text: string[] = [];
    for await (const chunk of await from.chat.completions.create({ ...ask, stream: true })) {
      all.push(performance.now() - (written.at(-1) ?? 0));
      text.push(chunk.choices[0]?.delta.content ?? '');
      nextEvent();
    }
    all.sort((one, other) => one - other);
    const at = (share: number): number => all[Math.floor(all.length * share)] ?? Number.NaN;
    return { text: text.join(''), median: at(0.5), p99: at(0.99) };
  }

  it('streams; no event waits for the next one, and it passes within 5 ms', async (t) => {
    const whole = Array.from({ length: EVENTS }, (_, at) => `${at} `).join('');
    let median = Number.POSITIVE_INFINITY;
    for (let attempt = 0; attempt < ATTEMPTS_MAX && median > DELAY_MS_MAX; attempt += 1) {
      const direct = await delays(new OpenAI({ baseURL: `${base}/openai/v1`, apiKey: SECRETS.openai }));
      // Not a request of the appliance.
      seen.pop();
      const through = await delays(client());
      assert.equal(through.text, whole);
      median = through.median - direct.median;
      const shown = [direct.median, direct.p99, through.median, through.p99].map((ms) => ms.toFixed(2));
      t.diagnostic(
        `${EVENTS} events, median and p99 in ms: direct ${shown.slice(0, 2)}, through us ${shown.slice(2)}`,
      );
    }
    assert.ok(median <= DELAY_MS_MAX, `median added delay ${median} ms`);
  });

  it('sees an error of the service as the error of the service', async () => {
    const failed = client().models.retrieve('none');
    await assert.rejects(failed, (error: InstanceType<typeof OpenAI.APIError>) => {
      assert.deepEqual(
        [error.status, error.code, error.headers?.get('x-stack-error')],
        [404, 'model_not_found', null],
      );
      return true;
    });
  });

  it('sees a refusal of ours with its code, and does not try again', async () => {
    const before = seen.length;
    await assert.rejects(client().files.list(), (error: InstanceType<typeof OpenAI.APIError>) => {
      assert.deepEqual([error.status, error.code], [403, 'ACTION_DENIED']);
      assert.equal(error.headers?.get('x-stack-error'), 'ACTION_DENIED');
      return true;
    });
    assert.equal(seen.length, before, 'the service was reached');
  });
});

describe('an unmodified Octokit', () => {
  const client = () => {
    const kit = new Octokit({ auth: appliance.apiKey, baseUrl: `${appliance.url}/proxy/github` });
    kit.hook.before('request', (options) => {
      options.headers['x-stack-agent'] = 'writer';
    });
    return kit;
  };
  const repo = { owner: 'acme', repo: 'shop' };

  it('lists issues over several pages, whose links lead through the appliance', async () => {
    const kit = client();
    const all = await kit.paginate(kit.rest.issues.listForRepo, repo);
    assert.deepEqual(
      all.map(({ number }) => number),
      [2, 3, 4, 5, 6, 7],
    );
    assert.equal(seen.at(-1)?.url, '/github/repositories/9/issues?page=3');
  });

  it('creates an issue', async () => {
    const made = await client().rest.issues.create({ ...repo, title: 'Broken', body: 'It is.' });
    assert.deepEqual([made.status, made.data.title], [201, 'Broken']);
  });
});

describe('an unmodified Anthropic SDK', () => {
  const client = () =>
    new Anthropic({ baseURL: `${appliance.url}/proxy/anthropic`, apiKey: appliance.apiKey, defaultHeaders });
  const ask = {
    model: 'claude-test',
    max_tokens: 10,
    messages: [{ role: 'user' as const, content: 'hello' }],
  };

  it('creates a message, with our key where it puts its own', async () => {
    const message = await client().messages.create(ask);
    assert.deepEqual(message.content, [{ type: 'text', text: 'hello' }]);
  });

  it('streams a message', async () => {
    const message = await client().messages.stream(ask).finalMessage();
    assert.deepEqual(message.content, [{ type: 'text', text: 'hello' }]);
  });
});

describe('after all of this', () => {
  it('no key of ours reached a service, nor a header that was meant for us or for a browser', () => {
    assertAbsent({ requests: JSON.stringify(seen), bodies: bodies.join('\n') }, appliance.apiKey);
    const names = new Set(seen.flatMap(({ headers }) => Object.keys(headers)));
    for (const name of names) assert.ok(!/^(?:x-stack-|sec-|x-passport-)/.test(name), name);
    assert.ok(seen.every(({ headers }) => headers['accept-encoding'] === 'identity'));
  });

  it('no credential stands in a file or the log, and what was dropped is noted by name', async () => {
    const log = await askLocally(appliance, '/v1/audit?limit=100');
    for (const secret of [...Object.values(SECRETS), appliance.apiKey]) {
      assertAbsent({ log: log.text, process: appliance.logs() }, secret);
      assert.deepEqual((await searchFiles(appliance.dir, secret)).found, []);
    }
    const intents = (log.body['entries'] as Json[]).filter(({ outcome }) => outcome === 'pending');
    const dropped = intents.flatMap(({ detail }) => ((detail as Json)['headers_dropped'] as string[]) ?? []);
    assert.ok(dropped.includes('sec-fetch-mode'), dropped.join());
  });
});
