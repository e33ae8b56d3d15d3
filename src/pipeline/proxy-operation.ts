// The verb that reaches the world: an ordinary operation whose run hands over to the traffic line.
import { type Operation, operation } from '#kernel/operation.ts';
import { ok } from '#kernel/result.ts';
import { CALL_EXAMPLE, callAnswer, callInput, callOf } from './call.ts';
import { collected } from './deliver.ts';
import type { Traffic } from './traffic.ts';

export function proxyOperation(traffic: Traffic): Operation {
  return operation({
    name: 'stack_proxy_request',
    action: 'credential.proxy',
    summary:
      'Make one HTTP call to a connected service. The appliance puts the credential in; never send one yourself. ' +
      'Give service, method and url (or path). Answers with the status, headers and body of the service.',
    effect: 'destroy',
    callers: ['key', 'passport', 'agent_key', 'person'],
    scope: 'proxy:use',
    input: callInput,
    output: callAnswer,
    example: CALL_EXAMPLE,
    errors: [],
    route: { method: 'POST', path: '/v1/proxy' },
    toolset: 'default',
    line: 'traffic',
    run: async ({ caller, input, trace, signal, tool }) => {
      const to = collected(input.max_body_chars);
      const answer = await traffic.send({ caller, call: callOf(input), trace, signal, to, tool });
      return answer.ok ? ok({ output: answer.value, changes: [] }) : answer;
    },
  });
}
