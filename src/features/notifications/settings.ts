// The `notifications` section of the config. Descriptions are the manual.
import { z } from 'zod';
import { SERVICE_NAME_CHARS_MAX, WEBHOOKS_MAX } from '#kernel/limits.ts';
import { EVENTS } from './model.ts';

const NAME = new RegExp(`^[a-z0-9][a-z0-9_-]{0,${SERVICE_NAME_CHARS_MAX - 1}}$`);

export const notificationSettings = z.strictObject({
  webhooks: z
    .record(
      z.string().regex(NAME, 'must be lower-case letters, digits, - and _'),
      z.strictObject({
        url: z.string().describe('Where events are posted; https, or http with network: loopback.'),
        secret: z
          .union([
            z.strictObject({ env: z.string().describe('Variable that holds it.') }),
            z.strictObject({ file: z.string().describe('File that holds it.') }),
          ])
          .describe('Signs what is sent: whsec_ and 24 to 64 random bytes in base64.'),
        network: z
          .enum(['public', 'private', 'loopback'])
          .default('public')
          .describe('Where the name may resolve to.'),
        events: z
          .array(z.enum(EVENTS))
          .min(1)
          .default([...EVENTS])
          .describe('Which events are sent; all if left out.'),
      }),
    )
    .default({})
    .refine((webhooks) => Object.keys(webhooks).length <= WEBHOOKS_MAX, `at most ${WEBHOOKS_MAX} webhooks`)
    .describe('Who is told of calls that wait for a person, by name.'),
});
export type NotificationSettings = z.infer<typeof notificationSettings>;
