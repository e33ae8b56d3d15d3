// The agent key: an Ed25519 key that an agent's machine made for itself, enrolled once by an operator's challenge. The machine
// then holds no API key; with a JWT of its own key the agent asks for passports, and for nothing of another agent.
export type LiveAgentKey = {
  /** agk_…; what it minted ends with it. */
  readonly id: string;
  readonly agentId: string;
  readonly agentName: string;
};
