// The invariants of a crash (security plan 5.2), held against what was acknowledged and what reached the upstream. Answers
// every violation as a line that begins with its number; none is what is wanted.
import { chainFaults } from './chain.ts';
import { type Acknowledged, effects, type Journal, type Received } from './journal.ts';
import { CANARY, SERVICES } from './stage.ts';
import type { Entry, State } from './state.ts';

export type Expected = {
  readonly acknowledged: readonly Acknowledged[];
  readonly received: readonly Received[];
  readonly begun: Journal['begun'];
  /** Digest of each version of the config by its number; a version that was never written has none. */
  readonly digests: ReadonlyMap<number, string>;
};

export function judge(state: State, expected: Expected): readonly string[] {
  const log = readLog(state.entries);
  return [
    ...acknowledgedCalls(log, expected),
    ...acknowledgedRows(state, log, expected),
    ...sentCalls(log, expected),
    ...chainFaults(state),
    ...secrets(state, expected),
    ...(state.integrity === 'ok' ? [] : [`I9 ${state.integrity.slice(0, 300)}`]),
    ...config(state, log, expected),
  ];
}

type Log = {
  /** Ids of intents by the path of their call. */
  readonly intents: ReadonlyMap<string, readonly string[]>;
  /** Outcomes by the id of their intent. */
  readonly outcomes: ReadonlyMap<string, readonly string[]>;
  /** Whether an entry of this action names this id anywhere. */
  readonly names: (action: string, id: string) => boolean;
  /** Digests of configs, in the order in which they came into force. */
  readonly configs: readonly string[];
};

function readLog(entries: readonly Entry[]): Log {
  const intents = new Map<string, string[]>();
  const outcomes = new Map<string, string[]>();
  const configs: string[] = [];
  const named = new Map<string, Set<string>>();
  for (const { action, outcome, entry_id: id, refers_to: intent, bytes } of entries) {
    if (intent !== null) outcomes.set(intent, [...(outcomes.get(intent) ?? []), outcome]);
    else if (outcome === 'pending') {
      const path = String((JSON.parse(bytes) as { path: unknown }).path);
      intents.set(path, [...(intents.get(path) ?? []), id]);
    }
    const digest = /^config\.(?:load|reload)$/.test(action)
      ? /"digest":"([0-9a-f]+)"/.exec(bytes)?.[1]
      : undefined;
    if (digest !== undefined) configs.push(digest);
    const ids = named.get(action) ?? new Set();
    named.set(action, ids);
    for (const [found] of bytes.matchAll(/"(?:pp|agt|sec|key|apr)_[\w-]+"|"[\w-]{43}"/g))
      ids.add(found.slice(1, -1));
  }
  return { intents, outcomes, configs, names: (action, id) => named.get(action)?.has(id) === true };
}

const ENDED = /^(?:success|failure|unknown)$/;

function acknowledgedCalls({ intents, outcomes }: Log, { acknowledged }: Expected): readonly string[] {
  const settled = (id: string): boolean => outcomes.get(id)?.some((outcome) => ENDED.test(outcome)) === true;
  return effects(acknowledged, 'call')
    .filter(({ path }) => intents.get(path)?.some(settled) !== true)
    .map(({ path }) => `I1 the acknowledged call ${path} has no entries`);
}

/** State that a caller was told of, and its entry in the same unit. */
function acknowledgedRows(state: State, log: Log, { acknowledged }: Expected): readonly string[] {
  const missing = (what: string, id: string, there: boolean): string[] =>
    there ? [] : [`I1 ${what} ${id} was acknowledged and is not there`];
  const dead = (what: string, id: string, since: number | null | undefined): string[] =>
    typeof since === 'number' ? [] : [`I6 ${what} ${id} was revoked and is not`];
  const { passports, leases, keys, agents, rings, signing } = state;
  return acknowledged.flatMap(({ effect }) => {
    switch (effect.kind) {
      case 'passport':
        return missing(
          'passport',
          effect.jti,
          passports.has(effect.jti) && log.names('passport.issue', effect.jti),
        );
      case 'revocation':
        return [
          ...dead('passport', effect.jti, passports.get(effect.jti)),
          ...missing('revocation', effect.jti, log.names('passport.revoke', effect.jti)),
        ];
      case 'delegation':
        return missing(
          'delegated passport',
          effect.jti,
          passports.has(effect.jti) && log.names('passport.delegate', effect.jti),
        );
      case 'lease': {
        const extended = (leases.get(effect.jti) ?? 0) >= effect.untilMs;
        return missing('lease of', effect.jti, extended && log.names('passport.checkpoint', effect.jti));
      }
      case 'mission-end':
        return [
          ...dead('passport', effect.jti, passports.get(effect.jti)),
          ...missing(effect.by, effect.jti, log.names(effect.by, effect.jti)),
        ];
      case 'agent':
        return missing(
          'agent',
          effect.id,
          agents.get(effect.name) === effect.id && log.names('agent.register', effect.id),
        );
      case 'approval': {
        const there = state.approvals.has(effect.id) && log.names('approval.submit', effect.id);
        return missing('approval', effect.id, there);
      }
      case 'decision': {
        const there = state.approvals.get(effect.id)?.startsWith('approved ') === true;
        return missing('decision', effect.id, there && log.names('approval.approve', effect.id));
      }
      case 'use':
        return missing('use', effect.id, state.approvals.get(effect.id) === 'approved 0 1');
      case 'ring':
        return missing('ring key', effect.id, rings.has(effect.id) && log.names('vault.rotate', effect.id));
      case 'signing': {
        const there = signing.has(effect.kid) && log.names('vault.rotate_signing_key', effect.kid);
        return missing('signing key', effect.kid, there);
      }
      case 'key':
        return missing('key', effect.id, keys.has(effect.id) && log.names('key.create', effect.id));
      case 'key-end':
        return [
          ...dead('key', effect.id, keys.get(effect.id)),
          ...missing('end of key', effect.id, log.names('key.revoke', effect.id)),
        ];
      default:
        return [];
    }
  });
}

/** Nothing left without an intent, nothing left twice, and every intent has exactly one end. */
function sentCalls({ intents, outcomes }: Log, { received }: Expected): readonly string[] {
  const times = Map.groupBy(received, ({ path }) => path);
  return [
    ...[...times.keys()]
      .filter((path) => !intents.has(path))
      .map((path) => `I2 ${path} left without an intent entry`),
    ...[...times].filter(([, { length }]) => length > 1).map(([path]) => `I2 ${path} left twice`),
    ...received
      .filter(({ credential }) => credential?.startsWith(CANARY) !== true)
      .map(({ path }) => `I8 ${path} left without its credential`),
    ...[...intents].flatMap(([path, ids]) =>
      ids
        .filter((id) => outcomes.get(id)?.length !== 1)
        .map((id) => `I2 the intent of ${path} has ${outcomes.get(id)?.length ?? 0} outcomes`),
    ),
  ];
}

/** The newest number that was acknowledged, and the newest that was begun: what lies between may be or not. */
export function secretRange(
  service: string,
  { acknowledged, begun }: Pick<Expected, 'acknowledged' | 'begun'>,
): { readonly least: number; readonly most: number } {
  const numbers = effects(acknowledged, 'secret').flatMap((one) =>
    one.service === service ? [one.number] : [],
  );
  return { least: Math.max(0, ...numbers), most: begun.get(service) ?? 0 };
}

function secrets(state: State, expected: Expected): readonly string[] {
  return SERVICES.flatMap((service) => {
    const { least, most } = secretRange(service, expected);
    const stored = state.secrets.get(service) ?? 0;
    const fits = stored <= most && (least === 0 || stored > 0);
    return fits ? [] : [`I8 ${service} has version ${stored}, acknowledged ${least}, begun ${most}`];
  });
}

function config(state: State, { configs }: Log, { acknowledged, digests }: Expected): readonly string[] {
  const whole = new Set(digests.values());
  const torn = configs.filter((digest) => !whole.has(digest));
  const lost = effects(acknowledged, 'config').filter(
    ({ version }) => !configs.includes(digests.get(version) ?? '') || !state.agents.has(`crew-${version}`),
  );
  return [
    ...torn.map((digest) => `I10 a config was in force that is no whole version: ${digest}`),
    ...lost.map(
      ({ version }) => `I1 version ${version} of the config was acknowledged and is not in the log`,
    ),
  ];
}
