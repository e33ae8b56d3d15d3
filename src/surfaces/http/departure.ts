// Answers that came together leave together, at the end of this turn of the event loop: a receiver that sleeps has to be
// woken for the first one only, which costs more than the answer itself.

let departing: Promise<void> | undefined;

export function departure(): Promise<void> {
  departing ??= new Promise((depart) => {
    setImmediate(() => {
      departing = undefined;
      depart();
    });
  });
  return departing;
}
