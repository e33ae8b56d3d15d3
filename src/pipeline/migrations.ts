// The schema's history in the order of its numbers, gathered from the features.
import { migrations as agentKeys } from '#features/agent-keys/migrations.ts';
import { migrations as agents } from '#features/agents/migrations.ts';
import { migrations as approvals } from '#features/approvals/migrations.ts';
import { migrations as audit } from '#features/audit/migrations.ts';
import { migrations as idempotency } from '#features/idempotency/migrations.ts';
import { migrations as keys } from '#features/keys/migrations.ts';
import { migrations as notifications } from '#features/notifications/migrations.ts';
import { migrations as passports } from '#features/passports/migrations.ts';
import { migrations as vault } from '#features/vault/migrations.ts';
import type { Migration } from '#platform/storage/migration.ts';

export const MIGRATIONS: readonly Migration[] = [
  ...audit,
  ...vault,
  ...keys,
  ...agents,
  ...passports,
  ...idempotency,
  ...agentKeys,
  ...approvals,
  ...notifications,
];
