// Every transport and redirect entry of the corpus, against real servers. TLS in depth is in upstream-tls.test.ts.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { callInput } from '#pipeline/call.ts';
import { createAuthority, type ServerCertificate, selfSigned } from '#test/support/certificates.ts';
import type { Dialled, Dialling } from '#test/support/dial-once.ts';
import { answering, openLine, rawUpstream } from '#test/support/raw-upstream.ts';

type Entry = {
  readonly id: string;
  readonly kind: string;
  readonly input: string;
  readonly expect: string;
  readonly setup?: {
    readonly cert?: string;
    readonly protocol?: string;
    readonly env?: string;
    readonly agent_option?: Readonly<Record<string, unknown>>;
  };
  readonly status?: number;
  readonly location?: string;
};
const corpus = JSON.parse(readFileSync(new URL('../../corpus/ssrf-urls.json', import.meta.url), 'utf8')) as {
  readonly entries: readonly Entry[];
};
const of = (kind: string): readonly Entry[] => corpus.entries.filter((entry) => entry.kind === kind);

/** Where the contract wins: it follows no redirect, so there is no mode in which one is followed or blocked. */
const NOT_FOLLOWED = 'contract: a redirect is handed back and never followed, whatever it names';
const DISAGREEMENTS: Readonly<Record<string, string>> = {
  U332: NOT_FOLLOWED,
  U334: NOT_FOLLOWED,
  U335: NOT_FOLLOWED,
  U336: NOT_FOLLOWED,
  U337: NOT_FOLLOWED,
  U338: NOT_FOLLOWED,
  U339: NOT_FOLLOWED,
  U342: NOT_FOLLOWED,
  U344: NOT_FOLLOWED,
  U345: NOT_FOLLOWED,
};

const HOST = 'api.service.test';
const SECRET = 'canary-7f3a9c51d2e84b06';
const OK_ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok';
const PROXY_ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nproxy';
const authority = createAuthority('Authority of one service');
const run = promisify(execFile);
const PROGRAM = fileURLToPath(new URL('../../support/dial-once.ts', import.meta.url));

async function dialOnce(dialling: Dialling, env: Readonly<Record<string, string>>): Promise<Dialled> {
  const args = ['--no-warnings', PROGRAM, JSON.stringify(dialling)];
  const { stdout } = await run(process.execPath, args, { env, timeout: 10_000 });
  return JSON.parse(stdout) as Dialled;
}

async function underTls(t: TestContext, certificate: ServerCertificate, entry: Entry): Promise<void> {
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
  const server = await rawUpstream(t, answering(OK_ANSWER), {
    ...certificate,
    ...(entry.setup?.protocol === undefined ? {} : old),
  });
  const caPem = entry.setup?.cert === 'self-signed' ? undefined : authority.certPem;
  const origin = { scheme: 'https' as const, host: HOST, port: 0 };
  const seen = await openLine(t).call({ port: server.port, origin, caPem });
  assert.equal(seen.code === 'OK', entry.expect === 'allow', seen.detail);
  if (entry.expect !== 'allow') assert.equal(seen.metadata['reason'], 'tls');
  assert.equal(server.requests.length, entry.expect === 'allow' ? 1 : 0);
}

async function underVerificationOff(t: TestContext, env: string): Promise<void> {
  const server = await rawUpstream(t, answering(OK_ANSWER), selfSigned([HOST]));
  const plain = await rawUpstream(t, answering(OK_ANSWER));
  const [name = '', value = ''] = env.split('=');
  const seen = await dialOnce({ tlsPort: server.port, plainPort: plain.port }, { [name]: value });
  assert.equal(seen.nodeAccepts, true, 'the variable was in force');
  assert.equal(seen.tls, 'UPSTREAM_UNREACHABLE tls');
  assert.deepEqual(server.requests, []);
}

/** The entry's proxy names stand for a proxy of ours, in every spelling that a client may read. */
async function underProxy(t: TestContext, env: string): Promise<void> {
  const proxy = await rawUpstream(t, answering(PROXY_ANSWER));
  const server = await rawUpstream(t, answering(OK_ANSWER), authority.issue({ names: [HOST] }));
  const plain = await rawUpstream(t, answering(OK_ANSWER));
  const names = [...env.matchAll(/(\w+_PROXY)=(\S+)/g)].map(([, name = '']) => name);
  assert.ok(names.length > 0);
  const url = `http://127.0.0.1:${proxy.port}`;
  const all = Object.fromEntries(
    [...names, 'HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY']
      .filter((name) => name !== 'NO_PROXY')
      .flatMap((name) => [
        [name, url],
        [name.toLowerCase(), url],
      ]),
  ) as Record<string, string>;
  const dialling = { tlsPort: server.port, plainPort: plain.port, caPem: authority.certPem };
  const seen = await dialOnce(dialling, { ...all, NODE_USE_ENV_PROXY: '1' });
  assert.equal(seen.fetched, 'proxy', 'the variables were in force');
  assert.equal(seen.tls, 'OK');
  assert.equal(seen.plain, 'OK');
  assert.equal(proxy.connections(), 1, 'the one of the other client');
  assert.equal(plain.requests.length, 1);
}

function withOption(entry: Entry): void {
  const call = { service: 'github', method: 'GET', url: entry.input };
  assert.equal(callInput.safeParse(call).success, true);
  const parsed = callInput.safeParse({ ...call, ...entry.setup?.agent_option });
  assert.equal(parsed.success, false);
  assert.equal(parsed.error?.issues[0]?.code, 'unrecognized_keys');
}

for (const entry of of('transport')) {
  test(`corpus ${entry.id}: ${JSON.stringify(entry.setup)} is ${entry.expect}`, async (t) => {
    const { cert, protocol, env, agent_option } = entry.setup ?? {};
    if (agent_option !== undefined) return withOption(entry);
    if (env?.startsWith('NODE_TLS')) return underVerificationOff(t, env);
    if (env !== undefined) return underProxy(t, env);
    assert.ok(cert !== undefined || protocol !== undefined, 'an entry that this file does not know');
    const certificate = cert === 'self-signed' ? selfSigned([HOST]) : authority.issue({ names: [HOST] });
    return underTls(t, certificate, entry);
  });
}

for (const entry of of('redirect')) {
  const { id, status = 0, location = '' } = entry;
  test(`corpus ${id}: ${status} to ${location} is handed back and not followed`, async (t) => {
    assert.ok(entry.expect === 'relay' || id in DISAGREEMENTS, 'relayed, or a written disagreement');
    const asked: string[] = [];
    const resolver = async (host: string) => {
      asked.push(host);
      return ['127.0.0.1'];
    };
    const line = openLine(t, { resolver, secrets: [SECRET] });
    const target = location.replace('<credential>', SECRET);
    const server = await rawUpstream(
      t,
      answering(
        `HTTP/1.1 ${status} Elsewhere\r\nLocation: ${target}\r\nLink: <https://evil.test/>\r\nContent-Length: 0\r\n\r\n`,
      ),
    );
    const seen = await line.call({
      port: server.port,
      origin: { scheme: 'http', host: 'api.github.com', port: 0 },
    });
    assert.equal(seen.status, status);
    const shown = seen.headers.find(([name]) => name === 'location')?.[1];
    assert.equal(shown, location.replace('<credential>', '[redacted:shop]'));
    assert.equal(server.requests.length, 1);
    assert.deepEqual(asked, ['api.github.com']);
  });
}

test('every written disagreement is about an entry that is still there', () => {
  const known = new Set(
    of('redirect')
      .filter(({ expect }) => expect !== 'relay')
      .map(({ id }) => id),
  );
  assert.deepEqual(Object.keys(DISAGREEMENTS), [...known]);
});
