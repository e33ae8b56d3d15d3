// Bodies and answers on the path form while they pass: both ways at once, under limits, and broken off wherever one side
// breaks off. An answer that is not whole never looks whole, and the outcome in the log is the truth.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { head, outcome, type PathForm, rawClient, SECRET, startPathForm } from '#test/support/path-form.ts';
import { ask, askLocally, type Json } from '#test/support/requests.ts';

const LIMIT = 200_000;
const MEGABYTE = 1_000_000;
let form: PathForm;

before(async () => {
  form = await startPathForm('request_body: 200kB, response_body: 20MB, call_timeout: 2s');
});
after(async () => {
  await form?.dispose();
});

const chunk = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
const CHUNKED = ['Transfer-Encoding: chunked'];

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of request.setEncoding('latin1')) text += String(part);
  return text;
}

const echo = (request: IncomingMessage, response: ServerResponse): void => {
  bodyOf(request).then(
    (text) => response.end(JSON.stringify({ length: text.length, framing: framingOf(request) })),
    () => undefined,
  );
};

const framingOf = ({ headers }: IncomingMessage): string =>
  headers['transfer-encoding'] ?? `length ${headers['content-length']}`;

/** All connections of the service are closed, soon. */
async function cut(): Promise<void> {
  const end = performance.now() + 1_500;
  while ([...form.sockets].some((socket) => !socket.destroyed)) {
    assert.ok(performance.now() < end, 'the connection to the service stayed open');
    await new Promise((done) => setTimeout(done, 10));
  }
}

describe('a body that nobody looks at', () => {
  it('goes on while it comes, in the framing it came in, and its hash stands in the outcome', async () => {
    const parts: string[] = [];
    form.script((request, response) => {
      request.setEncoding('latin1').on('data', (part: string) => {
        parts.push(part);
        response.write(`got ${part};`);
      });
      request.on('end', () => response.end(framingOf(request)));
    });
    const client = rawClient(form.appliance);
    client.write(head(form.appliance, 'POST /proxy/shop/upload/a', CHUNKED));
    client.write(chunk('one'));
    // The answer to the first part is here before the second is sent.
    await client.until('got one;');
    client.write(`${chunk('two')}0\r\n\r\n`);
    const text = await client.until('\r\n0\r\n');
    assert.ok(text.includes('got two;') && text.includes('chunked'), text);
    assert.deepEqual(parts, ['one', 'two']);
    client.socket.destroy();
    const { outcome: last, intent } = await outcome(form.appliance);
    assert.deepEqual([last['outcome'], last['bytes_out'], intent['bytes_out']], ['success', 6, null]);
    assert.match(String(last['request_hash']), /^[0-9a-f]{64}$/);
    assert.notEqual(last['request_hash'], createHash('sha256').update('onetwo').digest('hex'), 'salted');
  });

  it('keeps the length that was declared', async () => {
    form.script(echo);
    const client = rawClient(form.appliance);
    client.write(head(form.appliance, 'POST /proxy/shop/upload/a', ['Content-Length: 5']));
    client.write('abcde');
    assert.ok((await client.until('}')).includes('{"length":5,"framing":"length 5"}'));
    client.socket.destroy();
  });

  it('invariant 1: leaves when its intent entry is durable, and not a byte before', async () => {
    let known: Json[] = [];
    form.script((request, response) => {
      const look = askLocally(form.appliance, '/v1/audit?limit=1');
      look.then(({ body }) => {
        known = body['entries'] as Json[];
        request.resume().on('end', () => response.end('ok'));
      }, assert.fail);
    });
    const client = rawClient(form.appliance);
    client.write(head(form.appliance, 'POST /proxy/shop/upload/intent', ['Content-Length: 2']));
    client.write('ab');
    await client.until('ok');
    client.socket.destroy();
    assert.deepEqual([known[0]?.['outcome'], known[0]?.['path']], ['pending', '/v1/upload/intent']);
  });

  it('is refused by its declared length before anything leaves, and cut at the limit where it has none', async () => {
    const before = form.reached.length;
    const declared = rawClient(form.appliance);
    declared.write(head(form.appliance, 'POST /proxy/shop/upload/a', [`Content-Length: ${LIMIT + 1}`]));
    assert.match(await declared.until('}}'), /^HTTP\/1\.1 413 /);
    declared.socket.destroy();
    assert.equal(form.reached.length, before);

    form.script((request) => void request.resume());
    const endless = rawClient(form.appliance);
    endless.write(head(form.appliance, 'POST /proxy/shop/upload/b', CHUNKED));
    for (let sent = 0; sent <= LIMIT; sent += 50_000) endless.write(chunk('x'.repeat(50_000)));
    await endless.until('PAYLOAD_TOO_LARGE');
    endless.socket.destroy();
    await cut();
    const { outcome: last } = await outcome(form.appliance);
    assert.deepEqual(
      [last['outcome'], last['error_code'], last['request_hash']],
      ['unknown', 'PAYLOAD_TOO_LARGE', null],
    );
  });

  it('is not kept in memory where the service does not take it', async () => {
    form.script(() => undefined);
    const client = rawClient(form.appliance);
    client.write(head(form.appliance, 'POST /proxy/shop/upload/slow', CHUNKED));
    client.write(chunk('x'));
    const answer = await client.until('}}');
    // The service never answered: the time of the call ends it.
    assert.ok(answer.includes('UPSTREAM_TIMEOUT') && answer.includes('x-should-retry: false'), answer);
    client.socket.destroy();
    await cut();
  });
});

describe('a body that a rule looks at', () => {
  const order = (text: string) => [`Content-Length: ${text.length}`, 'Content-Type: application/json'];

  it('is read whole before it is judged', async () => {
    form.script(echo);
    const good = rawClient(form.appliance);
    good.write(head(form.appliance, 'POST /proxy/shop/orders', order('{"total":100}')));
    good.write('{"total":');
    const before = form.reached.length;
    await new Promise((done) => setTimeout(done, 100));
    assert.equal(form.reached.length, before, 'it left before it was whole');
    good.write('100}');
    assert.ok((await good.until('}')).includes('{"length":13,"framing":"length 13"}'));
    good.socket.destroy();
  });

  for (const text of ['{"total":101}', '{"total":1,"total":101}', '{"total":1']) {
    it(`is refused: ${text}`, async () => {
      const before = form.reached.length;
      const client = rawClient(form.appliance);
      client.write(head(form.appliance, 'POST /proxy/shop/orders', order(text)) + text);
      assert.ok((await client.until('}}')).includes('CONSTRAINT_FAILED'));
      client.socket.destroy();
      assert.equal(form.reached.length, before);
    });
  }

  it('is not sent when the passport was revoked while it came', async () => {
    const { appliance } = form;
    const issue = { agent: 'clerk', intent: { summary: 'a test', services: ['shop'] } };
    const { body } = await ask(appliance, '/v1/passports/issue', { body: issue });
    const client = rawClient(appliance);
    const by = `Authorization: Bearer ${String(body['token'])}`;
    const text = '{"total":1}';
    const lines = [
      'POST /proxy/shop/orders HTTP/1.1',
      `Host: localhost:${appliance.port}`,
      by,
      ...order(text),
    ];
    client.write(`${lines.join('\r\n')}\r\n\r\n${text.slice(0, 4)}`);
    await new Promise((done) => setTimeout(done, 100));
    const revoked = await ask(appliance, `/v1/passports/${String(body['jti'])}/revoke`, { body: {} });
    assert.equal(revoked.status, 200, revoked.text);
    const before = form.reached.length;
    client.write(text.slice(4));
    assert.ok((await client.until('}}')).includes('PASSPORT_REVOKED'));
    client.socket.destroy();
    assert.equal(form.reached.length, before);
  });

  it('of a GET is refused, since servers disagree about it', async () => {
    const client = rawClient(form.appliance);
    client.write(`${head(form.appliance, 'GET /proxy/shop/x', ['Content-Length: 1'])}a`);
    assert.ok((await client.until('}}')).includes('GET takes no body'));
    client.socket.destroy();
  });
});

describe('a client that waits for 100 Continue', () => {
  it('is told to go on only when the call is allowed', async () => {
    form.script(echo);
    const allowed = rawClient(form.appliance);
    const waits = ['Content-Length: 3', 'Expect: 100-continue'];
    allowed.write(head(form.appliance, 'POST /proxy/shop/upload/a', waits));
    assert.match(await allowed.until('\r\n\r\n'), /^HTTP\/1\.1 100 Continue\r\n\r\n$/);
    allowed.write('abc');
    assert.ok((await allowed.until('}')).includes('{"length":3'));
    assert.equal(form.reached.at(-1)?.headers.expect, undefined);
    allowed.socket.destroy();

    const denied = rawClient(form.appliance);
    denied.write(head(form.appliance, 'POST /proxy/shop/nothing', waits));
    // Nothing of the body is sent, so the connection cannot be used again.
    assert.match(await denied.until(), /^HTTP\/1\.1 403 [\s\S]*connection: close/i);
  });

  it('is told to go on by every other route, too', async () => {
    const client = rawClient(form.appliance);
    const waits = ['Content-Type: application/json', 'Content-Length: 2', 'Expect: 100-continue'];
    client.write(head(form.appliance, 'POST /v1/proxy', waits));
    await client.until('100 Continue');
    client.write('{}');
    assert.ok((await client.until('}}')).includes('INVALID_REQUEST'));
    client.socket.destroy();
  });
});

describe('an answer', () => {
  const get = (path = '/proxy/shop/a', method = 'GET') => {
    const client = rawClient(form.appliance);
    client.write(head(form.appliance, `${method} ${path}`));
    return client;
  };

  it('carries what a caller may see, is a page without rights, and is kept by no cache', async () => {
    form.script((_request, response) => {
      response.setHeader('set-cookie', 'session=1');
      response.setHeader('x-stack-error', 'FAKE');
      response.setHeader('cache-control', 'public, max-age=9');
      response.setHeader('etag', '"1"');
      response.setHeader('x-echo', `a ${SECRET}`);
      response.writeHead(418).end('ok');
    });
    const answer = await fetch(`${form.appliance.url}/proxy/shop/a`, {
      headers: { authorization: `Bearer ${form.appliance.apiKey}`, 'x-stack-agent': 'clerk' },
    });
    const shown = ['content-security-policy', 'x-content-type-options', 'cache-control', 'etag', 'x-echo'];
    assert.deepEqual(
      shown.map((name) => answer.headers.get(name)),
      ['sandbox', 'nosniff', 'no-store', '"1"', 'a [redacted:shop]'],
    );
    const hidden = ['set-cookie', 'x-stack-error'].map((name) => answer.headers.get(name));
    assert.deepEqual([answer.status, ...hidden], [418, null, null]);
    assert.match(answer.headers.get('x-stack-entry') ?? '', /^aud_/);
  });

  it('passes in pieces, without the secret in any of them, wherever the pieces end', async () => {
    form.script((_request, response) => {
      const text = `before ${SECRET} between ${SECRET}${SECRET} after ${SECRET.slice(0, 11)}`;
      let at = 0;
      const more = (): unknown => {
        if (at >= text.length) return response.end();
        at += 3;
        return response.write(text.slice(at - 3, at), () => setImmediate(more));
      };
      more();
    });
    const answer = await fetch(`${form.appliance.url}/proxy/shop/a`, {
      headers: { authorization: `Bearer ${form.appliance.apiKey}`, 'x-stack-agent': 'clerk' },
    });
    const marker = '[redacted:shop]';
    assert.equal(
      await answer.text(),
      `before ${marker} between ${marker}${marker} after ${SECRET.slice(0, 11)}`,
    );
  });

  it('gives each event before the next one is sent, also one whose text ends like the beginning of a secret', async () => {
    const begun = SECRET.slice(0, 11);
    const events = [
      `data: ${begun}\n\n`,
      `data: {"t":"${begun}"}\n\n`,
      'data: a=\r\n\r\n',
      ': 63 61\n\n',
      `data: ${SECRET}\n\n`,
    ];
    const shown = [...events.slice(0, -1), 'data: [redacted:shop]\n\n'];
    let send = (): void => undefined;
    let finish = (): void => undefined;
    form.script((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
      let at = 0;
      finish = () => void response.end();
      send = () => void response.write(events[at++] ?? '');
    });
    const answer = await fetch(`${form.appliance.url}/proxy/shop/a`, {
      headers: { authorization: `Bearer ${form.appliance.apiKey}`, 'x-stack-agent': 'clerk' },
    });
    const reader = answer.body?.getReader();
    assert.ok(reader !== undefined);
    const came: string[] = [];
    const took: number[] = [];
    while (came.length < events.length) {
      const began = performance.now();
      send();
      const { value } = await reader.read();
      took.push(performance.now() - began);
      came.push(Buffer.from(value ?? []).toString());
    }
    assert.deepEqual(came, shown);
    // The best of them, since the machine may be busy; an event that was held back would not come at all.
    assert.ok(Math.min(...took) < 5, took.join());
    finish();
    assert.equal((await reader.read()).done, true);
  });

  /** With what an answer of that length ends. */
  const ENDS: Readonly<Record<string, string>> = {
    'content-length: 2': 'ok',
    'transfer-encoding: chunked': '0\r\n\r\n',
  };

  it('has a length where it came whole or the scrub cannot change it, and none else', async () => {
    form.script((request, response) => {
      const text = request.url === '/v1/short' ? 'ok' : 'x'.repeat(500);
      if (request.url !== '/v1/plain') response.setHeader('content-length', text.length);
      if (request.url === '/v1/slow') {
        response.write(text.slice(1));
        setTimeout(() => response.end('x'), 50);
      } else response.end(text);
    });
    for (const [path, method, length] of [
      ['/proxy/shop/short', 'GET', 'content-length: 2'],
      ['/proxy/shop/long', 'GET', 'content-length: 500'],
      ['/proxy/shop/plain', 'GET', 'content-length: 500'],
      ['/proxy/shop/slow', 'GET', 'transfer-encoding: chunked'],
      ['/proxy/shop/short', 'HEAD', 'content-length: 2'],
    ] as const) {
      const client = get(path, method);
      const text = await client.until(method === 'HEAD' ? '\r\n\r\n' : (ENDS[length] ?? 'x'.repeat(500)));
      assert.ok(text.toLowerCase().includes(length), text);
      client.socket.destroy();
    }
  });

  it('to HEAD, and one without a body, ends with its head', async () => {
    for (const [status, method] of [
      [200, 'HEAD'],
      [204, 'DELETE'],
      [304, 'GET'],
    ] as const) {
      form.script((_request, response) => response.writeHead(status).end());
      const client = get('/proxy/shop/a', method);
      const text = await client.until('\r\n\r\n');
      assert.ok(text.startsWith(`HTTP/1.1 ${status} `) && text.endsWith('\r\n\r\n'), text);
      // The connection is in step: the next call is answered.
      form.script((_request, response) => response.end('second'));
      client.write(head(form.appliance, 'GET /proxy/shop/b'));
      assert.ok((await client.until('second')).includes('second'));
      client.socket.destroy();
    }
  });

  it('that comes before the body is whole is passed on, and the connection stays in step', async () => {
    form.script((_request, response) => response.writeHead(409).end('no'));
    const client = rawClient(form.appliance);
    client.write(head(form.appliance, 'POST /proxy/shop/upload/a', CHUNKED) + chunk('one'));
    assert.match(await client.until('no'), /^HTTP\/1\.1 409 /);
    form.script((_request, response) => response.end('second'));
    client.write(`${chunk('two')}0\r\n\r\n${head(form.appliance, 'GET /proxy/shop/b')}`);
    await client.until('second');
    client.socket.destroy();
  });

  it('that breaks off breaks the connection, whatever its framing', async () => {
    for (const length of [undefined, 5]) {
      form.script((_request, response) => {
        if (length !== undefined) response.setHeader('content-length', length);
        response.write('par!');
        setTimeout(() => response.destroy(), 30);
      });
      const client = get();
      const text = await client.until();
      assert.ok(text.includes('par!') && !text.includes('\r\n0\r\n'), text);
      const { outcome: last } = await outcome(form.appliance);
      assert.deepEqual(
        [last['outcome'], last['status'], last['error_code']],
        ['unknown', 200, 'UPSTREAM_UNREACHABLE'],
      );
    }
  });

  it('that breaks off is reset for a client of HTTP/1.0, to which an end would look whole', async () => {
    form.script((_request, response) => {
      response.write('par!');
      setTimeout(() => response.destroy(), 30);
    });
    const client = rawClient(form.appliance);
    const ended = new Promise<string>((done) => {
      client.socket.once('error', ({ message }) => done(message)).once('end', () => done('a whole answer'));
    });
    client.write(head(form.appliance, 'GET /proxy/shop/x').replace('HTTP/1.1', 'HTTP/1.0'));
    assert.match(await ended, /ECONNRESET/);
  });

  it('that stops in the middle ends with the time of the call', async () => {
    form.script((_request, response) => void response.write('par!'));
    assert.ok(!(await get().until()).includes('\r\n0\r\n'));
    assert.equal((await outcome(form.appliance)).outcome['error_code'], 'UPSTREAM_TIMEOUT');
  });

  it('may last longer than its head may take, as long as something comes', async () => {
    form.script((_request, response) => {
      let count = 0;
      const timer = setInterval(() => {
        count += 1;
        response.write(`${count};`);
        if (count === 8) {
          clearInterval(timer);
          response.end('whole!');
        }
      }, 400);
    });
    const client = get();
    assert.ok((await client.until('0\r\n\r\n')).includes('whole!'));
    client.socket.destroy();
  });

  it('over the limit closes the stream, or is withheld where its length says so before', async () => {
    form.script((_request, response) => {
      const more = (): void => {
        if (!response.destroyed) response.write('x'.repeat(MEGABYTE), () => setImmediate(more));
      };
      more();
    });
    const text = await get().until();
    assert.ok(text.length < 21 * MEGABYTE && !text.endsWith('0\r\n\r\n'), `${text.length}`);
    const { outcome: last } = await outcome(form.appliance);
    assert.deepEqual([last['outcome'], last['error_code']], ['unknown', 'RESPONSE_WITHHELD']);
    assert.match(JSON.stringify(last['detail']), /past 20000000 bytes/);
    form.script((_request, response) => {
      response.setHeader('content-length', 21 * MEGABYTE);
      response.write('x');
    });
    const client = get();
    assert.match(await client.until('}}'), /^HTTP\/1\.1 502 [\s\S]*RESPONSE_WITHHELD/);
    client.socket.destroy();
  });

  it('waits for a client that does not read', async () => {
    let written = 0;
    form.script((_request, response) => {
      const more = (): void => {
        if (response.destroyed) return;
        written += MEGABYTE;
        response.write('x'.repeat(MEGABYTE), () => setImmediate(more));
      };
      more();
    });
    const client = get();
    client.socket.pause();
    await new Promise((done) => setTimeout(done, 700));
    // Socket buffers on both sides of us, and little more.
    assert.ok(written < 15 * MEGABYTE, `${written} bytes were taken from the service`);
    client.socket.destroy();
    await cut();
  });
});

describe('a client that goes away', () => {
  it('ends the call to the service at once, while it sends and while it reads', async () => {
    for (const [line, headers] of [
      ['POST /proxy/shop/upload/a', ['Content-Length: 100']],
      ['GET /proxy/shop/a', []],
    ] as const) {
      let arrived: () => void = () => undefined;
      const here = new Promise<void>((done) => {
        arrived = done;
      });
      form.script((request, response) => {
        if (request.method === 'GET') response.write('first!');
        request.once('data', arrived).once('end', arrived);
      });
      const client = rawClient(form.appliance);
      client.write(head(form.appliance, line, headers) + (headers.length > 0 ? 'abc' : ''));
      await here;
      if (headers.length === 0) await client.until('first!');
      client.socket.destroy();
      await once(client.socket, 'close');
      await cut();
      const { outcome: last } = await outcome(form.appliance);
      assert.deepEqual([last['outcome'], last['error_code']], ['unknown', 'UPSTREAM_UNREACHABLE']);
    }
  });
});
