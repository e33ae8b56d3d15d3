// Work that time drives, as a value: a feature says what is due (`jobs.ts`), the composition root starts it (design 3).

export type Job = {
  /** For the process log. */
  readonly name: string;
  /** From the end of one run to the start of the next. */
  readonly everyMs: number;
  /** Rejects when it could not do its work; the next run tries again. */
  readonly run: () => Promise<void>;
};
