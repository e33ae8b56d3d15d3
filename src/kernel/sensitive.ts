// A value that must not be printed. Every usual way of turning it into text yields the marker (invariant 2).
import { inspect } from 'node:util';

const MARKER = '[sensitive]';

export class Sensitive<T> {
  readonly #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  /** The value itself. Callers are few on purpose: inject, the scrubber's compiler, the vault. */
  reveal(): T {
    return this.#value;
  }

  toString(): string {
    return MARKER;
  }

  toJSON(): string {
    return MARKER;
  }

  [inspect.custom](): string {
    return MARKER;
  }
}
