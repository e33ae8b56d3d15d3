// The SQL of agent keys and their challenges.
import type { Statement } from '#kernel/unit.ts';
import { compiler, lookup, type Reader, statement } from '#platform/storage/compiler.ts';

export type AgentKeyRow = {
  agent_id: string;
  id: string;
  /** JWK thumbprint (RFC 7638). */
  kid: string;
  /** The public key (RFC 8037), base64url. */
  x: string;
  enrolled_at: number;
  /** Who made the challenge. */
  enrolled_by: string;
};
export type ChallengeRow = {
  agent_id: string;
  /** SHA-256 of the challenge's id, hex. */
  hash: string;
  created_by: string;
  expires_at: number;
};

const db = compiler<{ agent_keys: AgentKeyRow; agent_challenges: ChallengeRow }>();

const byAgent = lookup(1, (id) => db.selectFrom('agent_keys').selectAll().where('agent_id', '=', id));
export const agentKeyOf = (reader: Reader, agentId: string): AgentKeyRow | undefined =>
  reader.recall(byAgent, agentId);

const byId = lookup(1, (id) => db.selectFrom('agent_keys').selectAll().where('id', '=', id));
export const agentKeyBy = (reader: Reader, id: string): AgentKeyRow | undefined => reader.recall(byId, id);

const byKid = lookup(1, (kid) => db.selectFrom('agent_keys').selectAll().where('kid', '=', kid));
export const agentKeyByKid = (reader: Reader, kid: string): AgentKeyRow | undefined =>
  reader.recall(byKid, kid);

const challenge = lookup(1, (id) => db.selectFrom('agent_challenges').selectAll().where('agent_id', '=', id));
export const challengeOf = (reader: Reader, agentId: string): ChallengeRow | undefined =>
  reader.recall(challenge, agentId);

/** The newest is the only one. */
export const putChallenge = (row: ChallengeRow): Statement =>
  statement(
    db
      .insertInto('agent_challenges')
      .values(row)
      .onConflict((on) => on.column('agent_id').doUpdateSet(row)),
    1,
  );
/** Of several that answer one challenge together, one has its key enrolled. */
export const spendChallenge = (hash: string): Statement =>
  statement(db.deleteFrom('agent_challenges').where('hash', '=', hash), 1);
export const putAgentKey = (row: AgentKeyRow): Statement =>
  statement(
    db
      .insertInto('agent_keys')
      .values(row)
      .onConflict((on) => on.column('agent_id').doUpdateSet(row)),
    1,
  );
export const deleteAgentKey = (id: string): Statement =>
  statement(db.deleteFrom('agent_keys').where('id', '=', id), 1);
/** With the agent: its key and a challenge that nobody has answered. */
export const forgetAgentKeys = (agentId: string): readonly Statement[] => [
  statement(db.deleteFrom('agent_keys').where('agent_id', '=', agentId)),
  statement(db.deleteFrom('agent_challenges').where('agent_id', '=', agentId)),
];
