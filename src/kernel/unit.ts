// What the committer takes: compiled statements with the row counts they must touch, and drafts of audit entries.

export type SqlValue = string | number | bigint | Uint8Array | null;

export type Statement = {
  readonly sql: string;
  readonly parameters: readonly SqlValue[];
  /** Rows that must be touched; another count rolls the unit back as CONFLICT. Absent: any. */
  readonly rows?: number;
};

export type AuditOutcome = 'pending' | 'success' | 'failure' | 'blocked' | 'unknown';
export type AuditLayer = 'vault' | 'proxy' | 'dropoff' | 'skills' | 'system';

/** Contract 7 without what the committer assigns (v, seq, entry_id, prev_entry_hash). Hashes are hex. */
export type EntryDraft = {
  readonly entry_id: string;
  readonly timestamp: number;
  readonly trace_id: string | null;
  readonly span_id: string | null;
  readonly parent_span_id: string | null;
  readonly layer: AuditLayer;
  readonly action: string;
  readonly outcome: AuditOutcome;
  readonly actor: { readonly kind: string; readonly id: string };
  readonly agent_id: string | null;
  readonly session_id: string | null;
  readonly passport_jti: string | null;
  readonly service: string | null;
  readonly service_action: string | null;
  readonly method: string | null;
  readonly host: string | null;
  readonly path: string | null;
  readonly status: number | null;
  readonly request_hash: string | null;
  readonly response_hash: string | null;
  readonly approval_id: string | null;
  readonly duration_ms: number | null;
  readonly bytes_in: number | null;
  readonly bytes_out: number | null;
  readonly error_code: string | null;
  /** An outcome names its intent. */
  readonly refers_to: string | null;
  readonly detail: Readonly<Record<string, string | number | boolean | null | readonly string[]>>;
  /** Salt of request_hash and response_hash, kept beside the entry so that it can be pruned (hex). */
  readonly salt: string | null;
};

export type Unit = { readonly statements: readonly Statement[]; readonly entries: readonly EntryDraft[] };

export type Cell = string | number | null;

/** What the committer answers: the number of the unit's last entry in the log. */
export type Committed = { readonly lastSeq: number };
