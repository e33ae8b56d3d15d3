// Fairness between callers: how many requests each may have under way. What a caller may hold shrinks with what is free
// (Choudhury and Hahne, "Dynamic queue length thresholds", 1998), so that no number of floods takes the last place.
import { Fault } from '#kernel/errors.ts';
import { PLACES_SHARE, RETRY_AFTER_SECONDS } from '#kernel/limits.ts';

export type Places = {
  /** Whether `holder` has a place from here on. It must leave it. */
  readonly enter: (holder: string) => boolean;
  readonly leave: (holder: string) => void;
  /** Places taken, by all. */
  readonly taken: () => number;
};

/** `all`: how many there are. Alone, a holder gets a quarter of them; see PLACES_SHARE. */
export function createPlaces(all: number): Places {
  const held = new Map<string, number>();
  let taken = 0;
  return {
    enter: (holder) => {
      const own = held.get(holder) ?? 0;
      if (own * PLACES_SHARE >= all - taken) return false;
      held.set(holder, own + 1);
      taken += 1;
      return true;
    },
    leave: (holder) => {
      const own = held.get(holder) ?? 0;
      if (own > 1) held.set(holder, own - 1);
      else held.delete(holder);
      taken -= 1;
    },
    taken: () => taken,
  };
}

export const noPlace = (): Fault =>
  new Fault('RATE_LIMITED', {
    detail: 'the caller holds its share of the requests under way',
    metadata: { limit: 'in_flight', retry_after_seconds: RETRY_AFTER_SECONDS },
    next: 'Too many requests of this caller are under way. Wait for some of them to end, then send this one again.',
  });
