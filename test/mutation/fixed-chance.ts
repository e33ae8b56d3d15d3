// Loaded before each test file of a mutation run: the same examples every time, so that the same mutants die, and of those
// no more than fit into a moment; a mutant that lives has to pass all of them.
import fc from 'fast-check';

const PROPERTY_MS_MAX = 500;

fc.configureGlobal({ seed: 1, interruptAfterTimeLimit: PROPERTY_MS_MAX });
