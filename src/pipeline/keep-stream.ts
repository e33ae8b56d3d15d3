// A streamed answer under an idempotency key: recorded while it passes, and held up by nothing. A client that goes away does
// not end the call: what comes is still recorded, so that its second try has the answer. At most KEPT_ANSWER_BYTES_MAX.
import type { Kept } from '#features/idempotency/model.ts';
import { utf8 } from '#kernel/bytes.ts';
import { KEPT_ANSWER_BYTES_MAX } from '#kernel/limits.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import { type Delivery, gone, type Head, type Sink, streamed } from './deliver.ts';

type KeptHead = Pick<Head, 'status' | 'headers' | 'lengthBytes'>;
/** Length of the head, big-endian, before head and body. */
const LENGTH_BYTES = 4;

export function streamedAndKept(sink: Sink): Delivery<void> {
  const record = createRecord();
  const to = streamed(recorded(sink, record));
  return {
    streams: true,
    passing: sink,
    deliver: async (from, entryId) => {
      const delivered = await to.deliver(from, entryId);
      return delivered.ok ? ok({ ...delivered.value, kept: record.bytes }) : delivered;
    },
    replay: (kept) => replay(sink, kept),
  };
}

type Record = ReturnType<typeof createRecord>;

function createRecord() {
  let head: Uint8Array = new Uint8Array();
  let parts: Uint8Array[] = [];
  let size = 0;
  return {
    start: ({ status, headers, lengthBytes }: Head): void => {
      head = utf8(JSON.stringify({ status, headers, lengthBytes }));
      size = LENGTH_BYTES + head.length;
    },
    add: (bytes: Uint8Array): void => {
      size += bytes.length;
      if (size <= KEPT_ANSWER_BYTES_MAX) parts.push(bytes);
      else parts = [];
    },
    full: (): boolean => size > KEPT_ANSWER_BYTES_MAX,
    bytes: (): Uint8Array | undefined => {
      if (size > KEPT_ANSWER_BYTES_MAX) return undefined;
      const length = Buffer.alloc(LENGTH_BYTES);
      length.writeUInt32BE(head.length);
      return Buffer.concat([length, head, ...parts], size);
    },
  };
}

/** Once the client has gone, only the record goes on, and only while there is room in it. */
function recorded(sink: Sink, record: Record): Sink {
  let gone = false;
  const leave = (thrown: unknown): void => {
    gone = true;
    if (record.full()) throw thrown;
  };
  const passed = async (step: () => Promise<void> | undefined): Promise<void> => {
    try {
      await step();
    } catch (thrown) {
      leave(thrown);
    }
  };
  return {
    whole: (head, body) => {
      record.start(head);
      record.add(body);
      return passed(() => sink.whole(head, body));
    },
    start: (head) => {
      record.start(head);
      try {
        sink.start(head);
      } catch (thrown) {
        leave(thrown);
      }
    },
    write: async (bytes) => {
      record.add(bytes);
      if (gone && record.full()) throw new Error('the client has gone, and the answer is too long to keep');
      if (!gone) await passed(() => sink.write(bytes));
    },
    end: async () => {
      if (!gone) await passed(() => sink.end());
    },
    cut: sink.cut,
  };
}

async function replay(sink: Sink, { answer, entryId }: Kept): Promise<Result<void>> {
  const bytes = Buffer.from(answer);
  const bodyAt = LENGTH_BYTES + bytes.readUInt32BE(0);
  const head = JSON.parse(bytes.subarray(LENGTH_BYTES, bodyAt).toString('utf8')) as KeptHead;
  const body = bytes.subarray(bodyAt);
  // The answer to HEAD says a length and has none.
  const lengthBytes = body.length > 0 ? body.length : head.lengthBytes;
  try {
    sink.start({ status: head.status, headers: head.headers, lengthBytes, entryId, replayed: true });
    if (body.length > 0) await sink.write(body);
    await sink.end();
  } catch (thrown) {
    return refuse(gone(head.status, thrown));
  }
  return ok(undefined);
}
