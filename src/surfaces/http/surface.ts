// What every way in is given by the composition root, and nothing more.
import type { Operation } from '#kernel/operation.ts';
import type { Meter } from '#pipeline/measure.ts';
import type { OperationLine } from '#pipeline/operations.ts';
import type { Registry } from '#pipeline/registry.ts';
import type { Traffic } from '#pipeline/traffic.ts';
import type { Host } from '#platform/host/host.ts';
import type { Log } from '#platform/log/log.ts';
import type { Peers } from './peers.ts';

export type Surface = {
  readonly registry: Registry;
  readonly line: OperationLine;
  readonly host: Host;
  readonly log: Log;
  /** Why the appliance cannot take calls, or undefined when it can. */
  readonly unready: () => string | undefined;
  readonly version: string;
  /** The verb of `GET /metrics`. */
  readonly metrics: Operation;
  readonly measure: Pick<Meter, 'refusal' | 'request' | 'connectionRefused'>;
  readonly peers: Peers;
  /** The line to the world, for calls whose answer is passed on as it comes. */
  readonly traffic: Traffic;
  /** Of a service in the live config. */
  readonly place: (service: string) => ServicePlace | undefined;
  readonly publicUrl: () => string;
  /** A signed JWT: which passports are over before their time. */
  readonly statusList: () => Promise<string>;
};

export type ServicePlace = {
  readonly baseUrl: string;
  /** Header into which its credential goes, and in which its SDKs therefore send a key; lower-case. */
  readonly keyHeader: string | undefined;
};
