// One keep-alive connection that sends bytes made beforehand and reads answers as cheaply as Node can: one buffer for all
// connections, no stream, no parser. The generator must never be what is measured.
import { connect } from 'node:net';

const READ_BYTES = 65_536;
const HEAD_END = Buffer.from('\r\n\r\n');
const LAST_CHUNK = Buffer.from('0\r\n\r\n');
/** Of an answer that is wrong, this much is told. */
const SHOWN_CHARS = 600;

/** Where one sends to, and what. */
export type Target = {
  readonly port: number;
  /** The request of one connection, as bytes; connections count from 0. */
  readonly request: (connection: number) => Buffer;
  /** Stands in every right answer. */
  readonly mark: string;
};
export type Wire = { readonly send: () => void; readonly close: () => void };
type Listeners = {
  /** A whole and right answer is there. */
  readonly onAnswer: (wire: Wire) => void;
  /** A wrong answer, or the connection is gone. */
  readonly onFault: (fault: Error) => void;
};

/** Callbacks are synchronous, and nobody keeps what stands in here. */
const reading = Buffer.alloc(READ_BYTES);

/** Whether the bytes are one whole answer. Throws when they are more. */
export function isWhole(bytes: Buffer): boolean {
  const headEnd = bytes.indexOf(HEAD_END);
  if (headEnd < 0) return false;
  const length = /\r\ncontent-length: *(\d+)/i.exec(bytes.toString('latin1', 0, headEnd))?.[1];
  if (length === undefined) return bytes.subarray(-LAST_CHUNK.length).equals(LAST_CHUNK);
  const end = headEnd + HEAD_END.length + Number(length);
  if (bytes.length > end) throw new Error('more bytes came than the answer has');
  return bytes.length === end;
}

function assertRight(bytes: Buffer, mark: string): void {
  const isRight = bytes.toString('latin1', 0, 12) === 'HTTP/1.1 200' && bytes.includes(mark);
  if (!isRight) throw new Error(`a wrong answer:\n${bytes.toString('latin1', 0, SHOWN_CHARS)}`);
}

export function openWire(
  { port, request, mark }: Target,
  { connection, onAnswer, onFault }: Listeners & { readonly connection: number },
): Promise<Wire> {
  const bytesOut = request(connection);
  let pending: Buffer | undefined;
  let isClosing = false;
  const take = (length: number): void => {
    const part = reading.subarray(0, length);
    const bytes = pending === undefined ? part : Buffer.concat([pending, part]);
    pending = undefined;
    if (!isWhole(bytes)) {
      pending = Buffer.from(bytes);
      return;
    }
    assertRight(bytes, mark);
    onAnswer(wire);
  };
  const onread = {
    buffer: reading,
    callback: (length: number): boolean => {
      try {
        take(length);
      } catch (thrown) {
        onFault(thrown as Error);
      }
      return true;
    },
  };
  const socket = connect({ host: '127.0.0.1', port, noDelay: true, onread });
  const wire: Wire = {
    send: () => void socket.write(bytesOut),
    close: () => {
      isClosing = true;
      socket.destroy();
    },
  };
  return new Promise((resolve, reject) => {
    socket.once('connect', () => resolve(wire));
    socket.on('error', (error) => {
      reject(error);
      onFault(error);
    });
    socket.on('close', () => {
      if (!isClosing) onFault(new Error('the connection was closed'));
    });
  });
}
