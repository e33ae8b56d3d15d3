// The `approvals` section of the config. Descriptions are the manual.
import { z } from 'zod';
import { APPROVAL_MS_MAX, APPROVAL_MS_MIN, APPROVAL_PENDING_MS, APPROVAL_USE_MS } from '#kernel/limits.ts';
import { duration } from '#platform/yaml/units.ts';

const time = () => duration({ min: APPROVAL_MS_MIN, max: APPROVAL_MS_MAX, text: 'between 10s and 24h' });

export const approvalSettings = z.strictObject({
  local_socket: z
    .enum(['on', 'off'])
    .default('on')
    .describe(
      'Whether decisions are taken over the local socket (stack approvals approve); off refuses them.',
    ),
  pending: time().default(APPROVAL_PENDING_MS).describe('How long a call waits for a decision.'),
  approved: time()
    .default(APPROVAL_USE_MS)
    .describe('How long an approved call may be made, where the approver says nothing else.'),
});
