// What a mission reports, and what is noticed in it. Pure: the live passport and now are arguments.
import type { Agent } from '#features/agents/model.ts';
import { Fault } from '#kernel/errors.ts';
import { INTENT_NOTED_CHARS_MAX, NOTED_NAMES_MAX } from '#kernel/limits.ts';
import type { Caller } from '#kernel/operation.ts';
import type { LivePassport } from './model.ts';
import { intentOf, type PassportRow, servicesOf } from './store.ts';

export type Report = {
  readonly services_used: readonly string[];
  readonly actions_count: number;
  readonly delegated_to?: readonly string[] | undefined;
  readonly summary?: string | undefined;
};

/** Product-facts 8.1: critical under enforced, a warning under logged. */
export type Severity = 'warning' | 'critical';
export type Noticed = {
  readonly type: 'credential_outside_scope';
  readonly severity: Severity;
  readonly services: readonly string[];
};

/** Services that were used and never declared; where nothing was declared, that the passport does not hold. */
export function undeclared(row: PassportRow, used: readonly string[]): readonly string[] {
  const known = intentOf(row)?.services ?? servicesOf(row).map(({ service }) => service);
  return [...new Set(used.filter((name) => !known.includes(name)))];
}

export function noticed(
  row: PassportRow,
  { mode, used }: { readonly mode: LivePassport['mode']; readonly used: readonly string[] },
): readonly Noticed[] {
  const services = undeclared(row, used);
  const severity = mode === 'enforced' ? 'critical' : 'warning';
  return services.length === 0 ? [] : [{ type: 'credential_outside_scope', severity, services }];
}

/** `on_warning` and `on_critical` of the agent. */
export const blocks = (agent: Pick<Agent, 'onWarning' | 'onCritical'>, events: readonly Noticed[]): boolean =>
  events.some(({ severity }) => (severity === 'critical' ? agent.onCritical : agent.onWarning) === 'block');

type Said = { readonly caller: Caller; readonly row: PassportRow; readonly isHandedOn: boolean };

/**
 * Whether a report may have the agent of the passport blocked. Whoever delegates to another agent has the token of the child,
 * too: what it says, or what is said by that token alone, is noticed, and blocks nobody.
 */
export function countsAgainst({ caller: { kind, acting }, row, isHandedOn }: Said): boolean {
  if (acting !== undefined && acting.agentId !== row.agent_id) return false;
  return kind !== 'passport' || !isHandedOn;
}

/** What of a report stands in the log. The agent chose the words: no more of them than fit. */
export function reported({ services_used, actions_count, delegated_to, summary }: Report) {
  return {
    services_used: few(services_used),
    actions_count,
    delegated_to: few(delegated_to ?? []),
    summary: summary?.slice(0, INTENT_NOTED_CHARS_MAX) ?? null,
  };
}

const few = (names: readonly string[]): readonly string[] => names.slice(0, NOTED_NAMES_MAX);

/** Contract 2: a person any, a key what it minted, an agent's own key its own, a passport itself and what descends from it. */
export function missionProblem(
  caller: Caller,
  { row, isBelow }: { readonly row: PassportRow; readonly isBelow: boolean },
): Fault | undefined {
  if (caller.kind === 'person') return undefined;
  const { acting } = caller;
  if (acting !== undefined && acting.agentId !== row.agent_id && !isBelow)
    return new Fault('FORBIDDEN', { detail: 'the transport names another agent' });
  const own = caller.kind === 'agent_key' || row.minted_by === caller.id;
  return own || isBelow
    ? undefined
    : new Fault('NOT_FOUND', { detail: 'the passport is not of this caller' });
}
