// One call of the agent on the screen: what it sent, what the service saw, what came back.
import type { Json } from '#test/support/requests.ts';
import type { Screen } from './screen.ts';
import type { Call } from './stage.ts';

export const PROXY = 'stack_proxy_request';

/** Every claim on the screen is checked before it is made; a demo that sees something else ends as failed. */
export function check(isSo: boolean, claim: string): void {
  if (!isSo) throw new Error(`the demo did not see what it was going to show: ${claim}`);
}

export const errorOf = (call: Call): Json => (call.answer['error'] ?? {}) as Json;

export function showCall(screen: Screen, call: Call, members = Object.keys(call.answer)): void {
  screen.block('THE AGENT SENDS', { aside: call.tool, of: call.sent });
  if (call.tool === PROXY) showReached(screen, call.reached);
  const shown = Object.fromEntries(members.map((name) => [name, call.answer[name]]));
  const isWhole = members.length === Object.keys(call.answer).length;
  screen.block('THE AGENT SEES', { ...(isWhole ? {} : { aside: 'in part' }), of: shown });
}

function showReached(screen: Screen, reached: Call['reached']): void {
  if (reached.length === 0) screen.block('THE SERVICE SAW', { of: 'nothing' });
  for (const { service, seen } of reached) {
    const headers = seen.headers.map(([name, value]) => `${name}: ${value}`);
    const body = seen.body === '' ? [] : ['', seen.body];
    const of = [`${seen.method} ${seen.url}`, ...headers, ...body].join('\n');
    screen.block('THE SERVICE SAW', { aside: service, of, mark: 'put in by STACK' });
  }
}

export function showRefusal(screen: Screen, { call, code }: { call: Call; code: string }): void {
  const got = errorOf(call)['code'];
  check(got === code, `${JSON.stringify(call.sent)} is refused with ${code}, not ${got}`);
  check(call.reached.length === 0, 'a refused call reaches no service');
  // The answer carries its metadata twice; once is enough to read.
  showCall(screen, call, ['error']);
}
