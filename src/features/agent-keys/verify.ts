// Is this the JWT of an agent, by the key that is enrolled for it right now?
import type { Agent } from '#features/agents/model.ts';
import { Fault } from '#kernel/errors.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { Host } from '#platform/host/host.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import type { LiveAgentKey } from './model.ts';
import { agentKeyBy, agentKeyOf } from './store.ts';
import { judgeAgentToken, readAgentToken, refuseAgentToken } from './token.ts';

export type AgentKeyVerifier = {
  /** `undefined`: no agent's JWT at all. */
  readonly verify: (token: string) => Result<LiveAgentKey> | undefined;
  /** Whether this id is of an agent key that is gone or replaced. What is no agent key's id never ends here. */
  readonly ended: (id: string) => boolean;
};

type Deps = {
  readonly reader: Reader;
  readonly findAgent: (id: string) => Agent | undefined;
  readonly host: Pick<Host, 'nowMs'>;
};

const KEY_ID = /^agk_/;

export function createAgentKeyVerifier({ reader, findAgent, host }: Deps): AgentKeyVerifier {
  return {
    verify: (token) => {
      const read = readAgentToken(token);
      if (read === undefined) return undefined;
      const row = agentKeyOf(reader, read.agentId);
      const agent = findAgent(read.agentId);
      if (row === undefined || agent?.id !== row.agent_id)
        return refuseAgentToken('no key is enrolled for this agent');
      if (read.kid !== undefined && read.kid !== row.kid) return refuseAgentToken('kid is of another key');
      const judged = judgeAgentToken(read, { x: row.x, nowMs: host.nowMs() });
      if (!judged.ok) return judged;
      if (agent.status === 'blocked')
        return refuse(new Fault('PASSPORT_BLOCKED', { detail: 'the agent is blocked' }));
      return ok({ id: row.id, agentId: agent.id, agentName: agent.name });
    },
    ended: (id) => KEY_ID.test(id) && agentKeyBy(reader, id) === undefined,
  };
}
