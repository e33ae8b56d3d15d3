// What the outside knows: effects that the appliance has acknowledged, each durable in a file before the client goes on,
// and requests that reached the upstream. Nothing of it comes from the appliance's own state.
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';

export type Effect =
  /** A call that was answered with the upstream's 200; its marker is its path. */
  | { readonly kind: 'call'; readonly path: string }
  | { readonly kind: 'passport'; readonly jti: string }
  /** A call that waits for a person; that a person agreed; and that its one use is spent. */
  | { readonly kind: 'approval' | 'decision' | 'use'; readonly id: string }
  | { readonly kind: 'revocation'; readonly jti: string; readonly token: string }
  | { readonly kind: 'delegation'; readonly jti: string }
  | { readonly kind: 'lease'; readonly jti: string; readonly untilMs: number }
  | { readonly kind: 'mission-end'; readonly jti: string; readonly token: string; readonly by: string }
  | { readonly kind: 'agent'; readonly id: string; readonly name: string }
  | { readonly kind: 'secret'; readonly service: string; readonly number: number }
  | { readonly kind: 'ring'; readonly id: string }
  | { readonly kind: 'signing'; readonly kid: string }
  | { readonly kind: 'config'; readonly version: number }
  | { readonly kind: 'key'; readonly id: string; readonly apiKey: string }
  | { readonly kind: 'key-end'; readonly id: string; readonly apiKey: string };

export type Acknowledged = { readonly atMs: number; readonly effect: Effect };
export type Received = {
  readonly atMs: number;
  readonly path: string;
  readonly credential: string | undefined;
};

export type Journal = {
  readonly acknowledged: Acknowledged[];
  readonly received: Received[];
  /** Highest number that was sent, acknowledged or not: of each service's secret, and of the config. */
  readonly begun: Map<string, number>;
  /** Answers that are neither what was asked for nor the broken connection of a process that was killed. */
  readonly surprises: string[];
  readonly acknowledge: (effect: Effect) => void;
  readonly receive: (path: string, credential: string | undefined) => void;
  readonly close: () => void;
};

export function openJournal(file: string): Journal {
  const fd = openSync(file, 'a', 0o600);
  const acknowledged: Acknowledged[] = [];
  const received: Received[] = [];
  const write = (line: unknown): void => {
    writeSync(fd, `${JSON.stringify(line)}\n`);
    fdatasyncSync(fd);
  };
  return {
    acknowledged,
    received,
    begun: new Map(),
    surprises: [],
    acknowledge: (effect) => {
      const line = { atMs: Date.now(), effect };
      acknowledged.push(line);
      write(line);
    },
    receive: (path, credential) => {
      const line = { atMs: Date.now(), path, credential };
      received.push(line);
      write(line);
    },
    close: () => closeSync(fd),
  };
}

/** What was known at a moment, unix ms: what came in the same millisecond is not yet. */
export function knownAt(journal: Journal, atMs: number): Pick<Journal, 'acknowledged' | 'received'> {
  const before = ({ atMs: then }: { readonly atMs: number }): boolean => then + 1 <= atMs;
  return { acknowledged: journal.acknowledged.filter(before), received: journal.received.filter(before) };
}

export const effects = <Kind extends Effect['kind']>(
  acknowledged: readonly Acknowledged[],
  kind: Kind,
): readonly Extract<Effect, { readonly kind: Kind }>[] =>
  acknowledged.flatMap(({ effect }) =>
    effect.kind === kind ? [effect as Extract<Effect, { readonly kind: Kind }>] : [],
  );
