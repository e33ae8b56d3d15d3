// The invariants of the design as data. A due one must be named by a test: `invariant 3: …`; the gate is requirements.test.ts.
// `due` is what this version has to keep; `part` says which part, where it is not the whole.

export type Requirement = {
  readonly id: number;
  readonly text: string;
  readonly due: boolean;
  readonly part?: string;
};

export const requirements: readonly Requirement[] = [
  {
    id: 1,
    text: 'Nothing leaves before its intent entry is durable; no state changes without its audit entry in the same transaction.',
    due: true,
  },
  {
    id: 2,
    text: "A credential's plaintext is opened in two places only: inject, for the one call, and the scrubber's compiler, when the set of live secrets changes. Both hold it in Sensitive; the compiled matcher counts as a secret. It appears in no answer, log, audit entry, error, metric, backup in clear, or crash dump.",
    due: true,
  },
  {
    id: 3,
    text: 'A stored secret carries its own leash: name, service, allowed hosts and version are bound in its encryption; a swapped or edited row does not open. A sealed value binds the same inside the box; env and file values are bound when loaded; a reload that moves a service holding a stored secret to other hosts is refused until a person rebinds it.',
    due: true,
    part: 'what is bound inside the box, and that a swapped or edited row does not open',
  },
  {
    id: 4,
    text: 'Delegation only narrows, in services, actions, constraints, lifetime and mode.',
    due: true,
  },
  {
    id: 5,
    text: 'What was approved is what runs, byte for byte, at most once, also across kill -9 and 50 parallel tries. No agent credential can approve.',
    due: true,
  },
  {
    id: 6,
    text: 'Revocation bites at the next check and cuts open streams, held calls and every descendant.',
    due: true,
    part: 'all but held approvals, which come with the gate',
  },
  {
    id: 7,
    text: 'Any change, deletion, reordering or truncation of the log is found by an offline tool.',
    due: true,
    part: 'found by verify-chain of the running appliance',
  },
  {
    id: 8,
    text: 'A bad config never changes a running system, and says every mistake at once with line and suggestion.',
    due: true,
  },
  {
    id: 9,
    text: 'Every queue, body, wait, window and cache has a bound in kernel/limits.ts.',
    due: true,
  },
  {
    id: 10,
    text: 'Every refusal has a code in kernel/errors.ts; unknown errors show nothing and are logged whole.',
    due: true,
  },
  {
    id: 11,
    text: 'Only platform/host knows time and chance; only platform/net dials; only main.ts knows the process.',
    due: true,
  },
  {
    id: 12,
    text: 'No request avoids authenticate; every error on an auth path is a deny; what is chained in the log is the list of contract 7, no less.',
    due: true,
  },
];
