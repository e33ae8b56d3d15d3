// Mutants that no test can kill, because the mutated program does the same. Each with its reason; keep this list short:
// most survivors show a missing sentence or a line that is not needed.

export type Equivalent = {
  readonly file: string;
  /** The whole line without its indent, and what takes the place of a part of it. */
  readonly line: string;
  readonly replacement: string;
  readonly because: string;
};

export const EQUIVALENTS: readonly Equivalent[] = [];
