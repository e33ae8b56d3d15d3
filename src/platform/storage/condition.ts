// Whether the writer can take units, and why not. Each trouble has its own end: a death has none, a stall ends with the answer
// of the disk, a refusal with the next batch that commits, a bar when whoever set it takes it away.
import type { Trouble } from './trouble.ts';

export type Condition = {
  /** Why no unit is taken now; a disk that refused the last ones is tried again. */
  readonly obstacle: () => Trouble | undefined;
  readonly failure: () => string | undefined;
  readonly isDead: () => boolean;
  /** `untold`: it stopped with nothing left to do, which is no trouble. */
  readonly die: (trouble: Trouble, untold: boolean) => void;
  readonly stall: (trouble: Trouble) => void;
  /** The disk has answered; `refusal`: it took nothing. */
  readonly answered: (refusal: Trouble | undefined) => void;
  readonly bar: (trouble: Trouble | undefined) => void;
};

/** `tell` hears when the disk begins to refuse, with its reason, and when it takes units again. */
export function createCondition(tell: (reason: string | undefined) => void): Condition {
  let death: Trouble | undefined;
  let barred: Trouble | undefined;
  let stall: Trouble | undefined;
  let refusal: Trouble | undefined;
  return {
    obstacle: () => death ?? barred ?? stall,
    failure: () => (death ?? barred ?? stall ?? refusal)?.text,
    isDead: () => death !== undefined,
    die: (trouble, untold) => {
      if (death === undefined && !untold) tell(trouble.text);
      death ??= trouble;
    },
    stall: (trouble) => {
      stall = trouble;
      tell(trouble.text);
    },
    answered: (now) => {
      const before = stall ?? refusal;
      if ((now === undefined) !== (before === undefined)) tell(now?.text);
      refusal = now;
      stall = undefined;
    },
    bar: (trouble) => {
      barred = trouble;
    },
  };
}
