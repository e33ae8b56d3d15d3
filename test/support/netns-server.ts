// Runs inside a network namespace: a name server that may change its answer, and TLS on every address there is. Prints one
// JSON line for each question and each request.
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';

/** Answers of each name, one set per question about IPv4; the last one stays. */
export type Zone = Readonly<Record<string, readonly (readonly string[])[]>>;
export type Line =
  | { readonly asked: string }
  | { readonly reached: string; readonly url: string }
  | { readonly ready: true };

const TYPE = { A: 1, AAAA: 28 } as const;
const TTL_S = 0;
const { zone, keyFile, certFile, port } = JSON.parse(process.argv[2] ?? '') as {
  readonly zone: Zone;
  readonly keyFile: string;
  readonly certFile: string;
  readonly port: number;
};
const say = (line: Line): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

function readName(message: Buffer): { readonly name: string; readonly end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += length + 1;
  }
  return { name: labels.join('.').toLowerCase(), end: at + 1 };
}

function bytesOf(address: string): Buffer {
  if (!address.includes(':')) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail = ''] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split('::');
  const [left, right] = [head, tail].map((text) => text.split(':').filter(Boolean)) as [string[], string[]];
  const all = [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right];
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex');
}

const asked = new Map<string, number>();
function answersTo(name: string, type: number): readonly string[] {
  const sets = zone[name] ?? [];
  const nth = asked.get(name) ?? 0;
  // A resolver asks for both families; the answer changes between resolutions and not within one.
  if (type === TYPE.A) asked.set(name, nth + 1);
  const set = sets[Math.min(type === TYPE.A ? nth : Math.max(0, nth - 1), sets.length - 1)] ?? [];
  return set.filter((address) => address.includes(':') === (type === TYPE.AAAA));
}

const names = createSocket('udp4');
names.on('message', (message, from) => {
  const { name, end } = readName(message);
  const type = message.readUInt16BE(end);
  say({ asked: name });
  const answers = answersTo(name, type);
  const head = Buffer.from(message.subarray(0, 12));
  // A response, without error or of a name that does not exist.
  head.writeUInt16BE(zone[name] === undefined ? 0x8183 : 0x8180, 2);
  head.writeUInt16BE(answers.length, 6);
  head.writeUInt32BE(0, 8);
  const records = answers.map((address) => {
    const data = bytesOf(address);
    const record = Buffer.alloc(12);
    record.writeUInt16BE(0xc00c, 0);
    record.writeUInt16BE(type, 2);
    record.writeUInt16BE(1, 4);
    record.writeUInt32BE(TTL_S, 6);
    record.writeUInt16BE(data.length, 10);
    return Buffer.concat([record, data]);
  });
  names.send(Buffer.concat([head, message.subarray(12, end + 4), ...records]), from.port, from.address);
});

const files = { key: readFileSync(keyFile), cert: readFileSync(certFile) };
const server = createServer(files, (request, response) => {
  say({ reached: request.socket.localAddress ?? '', url: request.url ?? '' });
  response.writeHead(200, { connection: 'close' }).end('{}');
});
names.bind(53, '127.0.0.1', () => server.listen(port, '::', () => say({ ready: true })));
