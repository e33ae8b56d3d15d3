// An idempotency key: a caller's name for one call, so that a second try is no second call (contract 5). It belongs to the
// agent, or where none acts to the key or person; another's key of the same name is another key.
import { IDEMPOTENCY_KEY_CHARS_MAX } from '#kernel/limits.ts';

/** Running: its intent is durable, its outcome is not. Unknown: it left, and no whole answer came. */
export type KeptState = 'running' | 'done' | 'unknown';

export const IDEMPOTENCY_KEY = new RegExp(`^[\\x21-\\x7e]{1,${IDEMPOTENCY_KEY_CHARS_MAX}}$`);

/** Whose key it is, for which verb. */
export type KeyName = { readonly owner: string; readonly verb: string; readonly key: string };

/** What a kept answer is bound to in its encryption: a swapped or edited row does not open. */
export type AnswerBinding = {
  readonly id: string;
  readonly owner: string;
  /** Entry of the intent. */
  readonly intent: string;
  readonly state: KeptState;
  readonly status: number | null;
};

/** An answer that was kept, and the audit entry of its intent. */
export type Kept = { readonly answer: Uint8Array; readonly entryId: string };
