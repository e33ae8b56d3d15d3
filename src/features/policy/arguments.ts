// Where the arguments of a call may stand. Many services read query and body alike: without this, a rule would judge
// the amount in the body while the service takes the one in the query.
import type { ArgumentPlace, CallView, Constraint } from './model.ts';
import { argumentNames, holdsAlike } from './names.ts';

/** The condition that a call breaks by an argument in the wrong place, in the form of a constraint. */
export function misplaced(place: ArgumentPlace | undefined, view: CallView): Constraint | undefined {
  if (place === undefined) return undefined;
  if (place === 'query') return view.body.kind === 'none' ? undefined : { path: 'body', op: 'absent' };
  const name = place === 'body' ? [...view.query.keys()][0] : givenTwice(view);
  return name === undefined ? undefined : { path: `query.${name}`, op: 'absent' };
}

/** What the body holds may be unknown; then no parameter of the query is known to stand there alone. */
function givenTwice({ query, body }: CallView): string | undefined {
  const names = argumentNames(body);
  return [...query.keys()].find((name) => names === undefined || holdsAlike(names, name));
}
