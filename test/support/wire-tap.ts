// A TCP relay on loopback that keeps every byte of both directions: what a client saw, below any library it uses.
import { connect, createServer, type Socket } from 'node:net';

export type WireTap = {
  /** All bytes so far, as Latin-1. */
  readonly bytes: () => string;
  readonly stop: () => Promise<void>;
};

export async function tapWire({ from, to }: { from: number; to: number }): Promise<WireTap> {
  const kept: Buffer[] = [];
  const open = new Set<Socket>();
  const pass = (source: Socket, sink: Socket): void => {
    open.add(source);
    source.on('data', (part: Buffer) => kept.push(part));
    source.on('error', () => sink.destroy());
    source.on('close', () => open.delete(source));
    source.pipe(sink);
  };
  const server = createServer((client) => {
    const upstream = connect(to, '127.0.0.1');
    pass(client, upstream);
    pass(upstream, client);
  });
  await new Promise<void>((done) => server.listen(from, '127.0.0.1', done));
  return {
    bytes: () => Buffer.concat(kept).toString('latin1'),
    stop: () =>
      new Promise<void>((done) => {
        server.close(() => done());
        for (const socket of open) socket.destroy();
      }),
  };
}
