// A service that shows what it got, as the entries of the corpus say: raw bytes on a socket, so that nothing mends them.
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { brotliCompressSync, deflateRawSync, gzipSync } from 'node:zlib';
import { TRANSFORMS } from './transforms.ts';

export type EchoEntry = {
  readonly id: string;
  readonly class: string;
  readonly expect: 'redact' | 'withhold' | 'strip' | 'no_leak' | 'documented_limit';
  readonly note?: string;
  readonly upstream: {
    readonly status?: number;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string;
    readonly encode?: string;
    readonly declare?: string;
    readonly truncate?: number;
    readonly chunk?: string;
    readonly repeat?: number;
    readonly fault?: string;
    readonly surface?: string;
  };
};
export type EchoUpstream = { readonly port: number; readonly requests: string[]; readonly stop: () => void };
type Values = { readonly canary: string; readonly others: Readonly<Record<string, string>> };

const BOMB_BYTES = 30_000_000;
const HEADER_OVERFLOW_BYTES = 70_000;

const ENCODERS: Readonly<Record<string, (body: Buffer) => Buffer>> = {
  gzip: (body) => gzipSync(body),
  'deflate-raw': (body) => deflateRawSync(body),
  br: (body) => brotliCompressSync(body),
  'gzip, gzip': (body) => gzipSync(gzipSync(body)),
};
const DECLARED: Readonly<Record<string, string>> = { 'deflate-raw': 'deflate' };

/** The text with every `{{name}}` filled in, as bytes. */
export function filled(text: string, { canary, others }: Values): Buffer {
  const parts = text.split(/\{\{(\w+)\}\}/).map((part, at) => {
    if (at % 2 === 0) return Buffer.from(part, 'utf8');
    const half = canary.length / 2;
    const halves: Record<string, string> = {
      first_half: canary.slice(0, half),
      second_half: canary.slice(half),
    };
    const value = others[part] ?? halves[part] ?? TRANSFORMS[part]?.(canary);
    if (value === undefined) throw new Error(`no transform ${part}`);
    return Buffer.from(value);
  });
  return Buffer.concat(parts);
}

function bodyOf({ upstream }: EchoEntry, values: Values): Buffer {
  const { body = '', repeat = 1, encode, truncate = 0 } = upstream;
  if (body === '(10 GB of zeros)') return gzipSync(Buffer.alloc(BOMB_BYTES));
  // As an archive has it: the name of a file, and its packed bytes.
  if (body.startsWith('(zip'))
    return Buffer.concat([Buffer.from('PK\x03\x04'), deflateRawSync(Buffer.from(values.canary))]);
  const plain = Buffer.concat(Array.from({ length: repeat }, () => filled(body, values)));
  const packed = encode === undefined ? plain : (ENCODERS[encode]?.(plain) ?? plain);
  return packed.subarray(0, packed.length - truncate);
}

function answer(
  socket: Socket,
  { entry, values }: { readonly entry: EchoEntry; readonly values: Values },
): void {
  const { status = 200, headers = {}, encode, declare, chunk, fault } = entry.upstream;
  if (fault?.includes('reset')) return void socket.resetAndDestroy();
  if (fault?.includes('invalid'))
    return void socket.end(`HTTP/1.1 ${values.canary}\r\n${values.canary}\r\n\r\n`);
  if (fault !== undefined)
    return void socket.end(
      `HTTP/1.1 200 OK\r\nX-Big: ${values.canary.repeat(HEADER_OVERFLOW_BYTES / values.canary.length)}\r\n\r\n`,
    );
  const coding = declare ?? (encode === undefined ? 'identity' : (DECLARED[encode] ?? encode));
  const lines = [
    ...Object.entries(headers),
    ...(coding === 'identity' ? [] : [['content-encoding', coding]]),
  ].map(([name = '', value = '']) => `${filled(name, values)}: ${filled(value, values)}`);
  const body = bodyOf(entry, values);
  const pieces = chunk === '1' ? Array.from(body, (byte) => Buffer.of(byte)) : [body];
  socket.write(`HTTP/1.1 ${status} OK\r\n${lines.join('\r\n')}\r\nTransfer-Encoding: chunked\r\n\r\n`);
  for (const piece of pieces.filter(({ length }) => length > 0))
    socket.write(
      Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]),
    );
  // A trailer with the secret in it, after every answer.
  socket.end(`0\r\nX-Trailer: ${values.canary}\r\n\r\n`);
}

/** `/…/S001` is answered as that entry says. */
export async function startEcho(entries: readonly EchoEntry[], values: Values): Promise<EchoUpstream> {
  const requests: string[] = [];
  const server: Server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (bytes: Buffer) => {
      const head = bytes.toString('latin1');
      requests.push(head);
      const entry = entries.find(({ id }) => /^\w+ \S*\/(S\d+)/.exec(head)?.[1] === id);
      if (entry === undefined) socket.destroy();
      else answer(socket, { entry, values });
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return { port: (server.address() as AddressInfo).port, requests, stop: () => void server.close() };
}
