// An event becomes a row for each webhook that wants it, in the unit of what happened.
import type { Statement } from '#kernel/unit.ts';
import type { Host } from '#platform/host/host.ts';
import { bodyOf, type Event, type Subject, type Webhook } from './model.ts';
import { insertDelivery } from './store.ts';

export type Announce = (event: Event, subject: Subject) => readonly Statement[];

type Deps = {
  readonly webhooks: () => readonly Webhook[];
  readonly host: Pick<Host, 'id' | 'nowMs'>;
};

export const createAnnounce =
  ({ webhooks, host }: Deps): Announce =>
  (event, subject) =>
    webhooks()
      .filter(({ events }) => events.includes(event))
      .map(({ name }) => {
        const nowMs = host.nowMs();
        return insertDelivery({
          id: host.id('msg'),
          ...{ destination: name, event, approval_id: subject.id, body: bodyOf({ event, subject, nowMs }) },
          ...{ state: 'waiting', attempts: 0, created_at: nowMs, next_at: nowMs },
          ...{ ended_at: null, last_error: null },
        });
      });
