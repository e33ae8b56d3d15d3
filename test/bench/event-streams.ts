// Many open event streams: how long after it was sent does an event arrive? Every event carries the moment it was sent, by
// the monotonic clock that all processes of one machine share.
import { connect, type Socket } from 'node:net';
import { type Latencies, latenciesOf } from './closed-loop.ts';
import type { Target } from './wire.ts';

export type Listening = { readonly streams: number; readonly warmS: number; readonly seconds: number };
export type Heard = Latencies & { readonly calls: number; readonly events: number };

const EVENT = /data: (\d+)\n\n/g;
const MS_PER_S = 1000;
const NS_PER_US = 1000n;
const US_PER_MS = 1000;
/** Fewer of the events that should have come than this, and they are lost or held back, not late. */
const EVENTS_SHARE_MIN = 0.5;
const EVENTS_PER_S = 50;

export const monotonicUs = (): number => Number(process.hrtime.bigint() / NS_PER_US);

type Ear = { counted: boolean; readonly delaysMs: number[]; readonly wrong: string[] };

/** An event may come in two pieces; what is left of it waits for its rest. */
function listen(target: Target, connection: number, ear: Ear): Socket {
  const socket = connect({ host: '127.0.0.1', port: target.port, noDelay: true });
  let text = '';
  socket.setEncoding('latin1').on('data', (part: string) => {
    const now = monotonicUs();
    text += part;
    if (text.startsWith('HTTP/1.1') && !text.startsWith('HTTP/1.1 200')) ear.wrong.push(text.slice(0, 300));
    let end = 0;
    for (const event of text.matchAll(EVENT)) {
      if (ear.counted) ear.delaysMs.push((now - Number(event[1])) / US_PER_MS);
      end = event.index + event[0].length;
    }
    text = text.slice(end);
  });
  socket.on('error', (error) => ear.wrong.push(error.message));
  socket.write(target.request(connection));
  return socket;
}

export async function listenToStreams(
  target: Target,
  { streams, warmS, seconds }: Listening,
): Promise<Heard> {
  const ear: Ear = { counted: false, delaysMs: [], wrong: [] };
  const after = (s: number): Promise<void> => new Promise((done) => setTimeout(done, s * MS_PER_S));
  const sockets = Array.from({ length: streams }, (_, at) => listen(target, at, ear));
  await after(warmS);
  ear.counted = true;
  await after(seconds);
  ear.counted = false;
  for (const socket of sockets) socket.destroy();
  const [wrong] = ear.wrong;
  if (wrong !== undefined) throw new Error(`a stream went wrong: ${wrong}`);
  const events = ear.delaysMs.length;
  const expected = streams * EVENTS_PER_S * seconds;
  if (events < expected * EVENTS_SHARE_MIN) throw new Error(`${events} events of about ${expected} came`);
  return { ...latenciesOf(ear.delaysMs), calls: streams, events };
}
