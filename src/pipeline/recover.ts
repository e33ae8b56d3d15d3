// After a crash: every intent without an outcome gets an entry "unknown", and so does the idempotency key it was made under.
// Nothing is ever sent again.

import { loseUses } from '#features/approvals/store.ts';
import { selectOrphans } from '#features/audit/store.ts';
import { loseKeys } from '#features/idempotency/store.ts';
import { RECOVERY_CALLS_PER_UNIT } from '#kernel/limits.ts';
import type { EntryDraft } from '#kernel/unit.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import type { Committer } from './commit.ts';
import type { DraftEntry } from './record.ts';

type Deps = { readonly reader: Reader; readonly committer: Committer; readonly draft: DraftEntry };

/** Answers how many were found. Runs before calls are accepted; throws if the log cannot take the entries. */
export async function recover({ reader, committer, draft }: Deps): Promise<number> {
  let found = 0;
  for (;;) {
    const orphans = await reader.all(selectOrphans(RECOVERY_CALLS_PER_UNIT));
    if (orphans.length === 0) return found;
    const entries = orphans.map((row) => {
      const intent = JSON.parse(row.bytes) as EntryDraft;
      const detail = { reason: 'the process ended during the call' };
      return draft({ ...sameCall(intent), outcome: 'unknown', detail });
    });
    const intents = orphans.map(({ entry_id }) => entry_id);
    const statements = [loseKeys(intents), loseUses(intents)];
    const committed = await committer.commit({ statements, entries });
    if (!committed.ok) throw committed.fault;
    found += orphans.length;
  }
}

/** What an outcome that nobody is left to write repeats of its intent. */
export function sameCall(intent: EntryDraft): Partial<EntryDraft> {
  const { layer, action, agent_id, session_id, passport_jti, service, service_action, method, host, path } =
    intent;
  const { approval_id } = intent;
  return {
    layer,
    action,
    agent_id,
    session_id,
    passport_jti,
    service,
    service_action,
    method,
    host,
    path,
    approval_id,
    refers_to: intent.entry_id,
  };
}
