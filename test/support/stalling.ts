// A service that takes connections and never says a word: a handshake with it does not end.
import { createServer, type Socket } from 'node:net';

export type Stalling = {
  /** Its place in the config of services. */
  readonly place: string;
  /** Every connection it was given. */
  readonly sockets: ReadonlySet<Socket>;
  readonly close: () => void;
};

export async function startStalling(): Promise<Stalling> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => void sockets.add(socket.on('error', () => undefined)));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    place: `base_url: https://127.0.0.1:${port}\n    network: loopback`,
    sockets,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
