// Deliveries of webhooks, for the operator: what was sent, what waits for its next try, and what was given up.
import { z } from 'zod';
import { Fault } from '#kernel/errors.ts';
import { ID_CHARS_MAX, LIST_PAGE, LIST_PAGE_MAX } from '#kernel/limits.ts';
import { type Operation, operation } from '#kernel/operation.ts';
import { ok, refuse } from '#kernel/result.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import { type DeliveryRow, deliveries } from './store.ts';

const STATES = ['waiting', 'delivered', 'dead'] as const;
const text = (says: string) => z.string().describe(says);

const delivery = z.strictObject({
  id: text('Id of the message, msg_…; the receiver sees it as webhook-id.'),
  destination: text('Name of the webhook in the config.'),
  event: text('What it tells of, such as approval.pending.'),
  approval_id: text('Approval that it is about.'),
  state: z.enum(STATES).describe('dead: given up after the last try, or refused for good.'),
  attempts: z.number().int().min(0).describe('How often it was tried.'),
  created_at: text('When it happened, RFC 3339 UTC.'),
  next_try_at: text('When it is tried again, where it waits.').optional(),
  last_error: text('Why the last try failed.').optional(),
});

const show = (row: DeliveryRow): z.output<typeof delivery> => ({
  id: row.id,
  destination: row.destination,
  event: row.event,
  approval_id: row.approval_id,
  state: row.state,
  attempts: row.attempts,
  created_at: new Date(row.created_at).toISOString(),
  ...(row.state === 'waiting' ? { next_try_at: new Date(row.next_at).toISOString() } : {}),
  ...(row.last_error === null ? {} : { last_error: row.last_error }),
});

const CURSOR = /^(\d{1,16})\.(msg_[0-9a-f]{32})$/;

export function notificationOperations({ reader }: { readonly reader: Reader }): readonly Operation[] {
  return [
    operation({
      name: 'stack_list_deliveries',
      action: 'notification.list',
      summary:
        'List what was sent to webhooks, the newest first: delivered, waiting for another try, or dead.',
      effect: 'read',
      callers: ['person'],
      scope: 'audit:read',
      input: z.strictObject({
        state: z.enum(STATES).optional().describe('Only those in this state.'),
        limit: z.number().int().min(1).max(LIST_PAGE_MAX).default(LIST_PAGE).describe('Deliveries per page.'),
        cursor: z.string().max(ID_CHARS_MAX).optional().describe('next_cursor of the page before.'),
      }),
      output: z.strictObject({
        deliveries: z.array(delivery).describe('Deliveries of this page.'),
        next_cursor: z.string().nullable().describe('Give it as cursor for the next page; null at the end.'),
      }),
      example: {
        input: { state: 'dead' },
        output: {
          deliveries: [
            {
              id: 'msg_7f3a1c5e9b2d4860a1b2c3d4e5f60718',
              destination: 'on-call',
              event: 'approval.pending',
              approval_id: 'apr_5d2c7e9a1b3f48608192a3b4c5d6e7f8',
              state: 'dead',
              attempts: 8,
              created_at: '2026-11-23T09:30:00.000Z',
              last_error: 'answered 500',
            },
          ],
          next_cursor: null,
        },
      },
      errors: [],
      route: { method: 'GET', path: '/v1/notifications/deliveries' },
      toolset: null,
      line: 'operations',
      run: async ({ input }) => {
        const place = CURSOR.exec(input.cursor ?? '');
        if (input.cursor !== undefined && place === null)
          return refuse(
            new Fault('INVALID_REQUEST', {
              metadata: { issues: [{ path: 'cursor', message: 'is no next_cursor of this list' }] },
            }),
          );
        const before = place === null ? undefined : { createdAt: Number(place[1]), id: place[2] ?? '' };
        const rows = await deliveries(reader, { state: input.state, before, limit: input.limit });
        const last = rows.length === input.limit ? rows.at(-1) : undefined;
        const next_cursor = last === undefined ? null : `${last.created_at}.${last.id}`;
        return ok({ output: { deliveries: rows.map(show), next_cursor }, changes: [] });
      },
    }),
  ];
}
