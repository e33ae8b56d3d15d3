// Step 1: whose passport, key or socket is this, and is it live? The transport decides, the model may only narrow.
// Invariant 12: no request avoids this step, and every error in it is a deny.
import type { LiveAgentKey } from '#features/agent-keys/model.ts';
import type { AgentKeyVerifier } from '#features/agent-keys/verify.ts';
import type { AgentDirectory } from '#features/agents/directory.ts';
import type { Agent } from '#features/agents/model.ts';
import type { KeyVerifier, LiveKey } from '#features/keys/verify.ts';
import { type LivePassport, within } from '#features/passports/model.ts';
import type { Standing } from '#features/passports/standing.ts';
import type { PassportVerifier } from '#features/passports/verify.ts';
import { Fault } from '#kernel/errors.ts';
import type { Caller, Trace } from '#kernel/operation.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';

/** What the transport carried. The local socket presents `local` and nothing else. */
export type Presented = {
  readonly local: boolean;
  /** An Authorization header that is no bearer token, or one beside another credential that differs. */
  readonly unreadable: boolean;
  readonly bearer: string | undefined;
  readonly passport: string | undefined;
  readonly agent: string | undefined;
  readonly intent: string | undefined;
};

declare const authenticated: unique symbol;
/** What a call may do, and in whose name. */
export type Authority = Pick<LivePassport, 'services'> &
  Partial<Pick<LivePassport, 'missionEndsAtMs' | 'above'>> & {
    readonly agentId: string | null;
    readonly agentName: string | null;
    readonly sessionId: string | null;
    readonly jti: string | null;
  };
/** A caller on the traffic line whose agent and passport are known and live; or a person who checks one service. */
export type Authenticated = {
  readonly [authenticated]: true;
  readonly caller: Caller;
  readonly passport: Authority;
};

export type Authenticator = {
  readonly caller: (presented: Presented) => Result<Caller>;
  /** Waits only where a standing passport has to be issued first. */
  readonly agent: (
    caller: Caller,
    argument: string | undefined,
    trace: Trace,
  ) => MaybeLater<Result<Authenticated>>;
};

type MaybeLater<T> = T | Promise<T>;

/** Step 1 of a check: a person needs no passport for the one call that the config names. */
export function authenticateCheck(caller: Caller, services: Authority['services']): Result<Authenticated> {
  if (caller.kind !== 'person')
    return refuse(new Fault('FORBIDDEN', { detail: 'only persons check services' }));
  const passport: Authority = { agentId: null, agentName: null, sessionId: null, jti: null, services };
  return ok({ caller, passport } as Authenticated);
}

type Deps = {
  readonly keys: KeyVerifier;
  readonly passports: PassportVerifier;
  readonly agentKeys: Pick<AgentKeyVerifier, 'verify'>;
  readonly directory: AgentDirectory;
  readonly standing: Standing;
};

const KEY_PREFIX = 'sk_live_';
/** Contract 2: the local socket is the person `local`. */
const LOCAL: Caller = { kind: 'person', id: 'local' };
const ANONYMOUS: Caller = { kind: 'anonymous', id: 'anonymous' };

const passportCaller = (passport: LivePassport): Caller => ({
  kind: 'passport',
  id: passport.jti,
  acting: acting(passport),
});

const acting = (passport: LivePassport): NonNullable<Caller['acting']> => ({
  agentId: passport.agentId,
  agentName: passport.agentName,
  sessionId: passport.sessionId,
  passportJti: passport.jti,
  declaredIntent: undefined,
});

const pass = (caller: Caller, passport: Authority): Result<Authenticated> =>
  ok({ caller, passport } as Authenticated);

export function createAuthenticator(deps: Deps): Authenticator {
  return {
    caller: (presented) => identifyCaller(deps, presented),
    agent: (caller, argument, trace) => identifyAgent(deps, caller, { argument, trace }),
  };
}

function identifyCaller(deps: Deps, presented: Presented): Result<Caller> {
  if (presented.local) return ok(LOCAL);
  if (presented.unreadable)
    return refuse(
      new Fault('UNAUTHORIZED', { detail: 'Authorization is not Bearer, or another header differs' }),
    );
  if (presented.bearer === undefined && presented.passport === undefined) return ok(ANONYMOUS);
  if (presented.bearer === undefined) return callerOfPassport(deps, presented.passport ?? '');
  if (!presented.bearer.startsWith(KEY_PREFIX)) return callerOfBearer(deps, presented);
  const key = deps.keys.verify(presented.bearer);
  if (!key.ok) return key;
  return callerOfKey(deps, key.value, presented);
}

function callerOfPassport(deps: Deps, token: string): Result<Caller> {
  const passport = deps.passports.verify(token);
  return passport.ok ? ok(passportCaller(passport.value)) : passport;
}

function callerOfBearer(deps: Deps, presented: Presented): Result<Caller> {
  const passport = deps.passports.verify(presented.bearer ?? '');
  if (!passport.ok) {
    const own = deps.agentKeys.verify(presented.bearer ?? '');
    if (own !== undefined) return own.ok ? callerOfAgentKey(deps, own.value, presented) : own;
  }
  // Two passports that disagree would leave the choice to whoever reads first.
  if (presented.passport !== undefined && presented.passport !== presented.bearer) {
    return refuse(new Fault('UNAUTHORIZED', { detail: 'bearer and X-Passport-Token differ' }));
  }
  return passport.ok ? ok(passportCaller(passport.value)) : passport;
}

/** The agent itself, by its own key; a passport or a name beside it may only agree. */
function callerOfAgentKey(deps: Deps, own: LiveAgentKey, presented: Presented): Result<Caller> {
  const key: Caller = { kind: 'agent_key', id: own.id, bound: true };
  const { passport: token, agent: header } = presented;
  if (header !== undefined && header !== own.agentId && header !== own.agentName) return anotherThan(own);
  if (token === undefined) {
    const acting = { agentId: own.agentId, agentName: own.agentName, ...UNKNOWN };
    return ok({ ...key, acting: { ...acting, implied: true } });
  }
  return actingBy(deps, key, { token, agentId: own.agentId, another: () => anotherThan(own) });
}

type Beside = {
  readonly token: string;
  readonly agentId: string;
  readonly another: () => Result<never>;
};

/** A passport beside a key of one agent, which it must be of. */
function actingBy(deps: Deps, key: Caller, { token, agentId, another }: Beside): Result<Caller> {
  const passport = deps.passports.verify(token);
  if (!passport.ok) return passport;
  return passport.value.agentId === agentId ? ok({ ...key, acting: acting(passport.value) }) : another();
}

const UNKNOWN = { sessionId: undefined, passportJti: undefined, declaredIntent: undefined } as const;

const anotherThan = ({ id, agentName }: LiveAgentKey): Result<never> =>
  refuse(
    new Fault('FORBIDDEN', {
      detail: `agent key ${id} is of ${agentName}; another agent was named`,
      next: `This key is of ${agentName} and acts for no other agent.`,
    }),
  );

function callerOfKey(deps: Deps, live: LiveKey, presented: Presented): Result<Caller> {
  const key: Caller = { kind: 'key', id: live.id, ...(live.readOnly ? { readOnly: true } : {}) };
  if (live.agentId !== undefined) return callerOfBoundKey(deps, { ...key, bound: true }, { live, presented });
  if (presented.passport !== undefined) {
    const passport = deps.passports.verify(presented.passport);
    if (!passport.ok) return passport;
    if (presented.agent !== undefined && !names(passport.value, presented.agent)) {
      return refuse(
        new Fault('FORBIDDEN', { detail: 'X-Stack-Agent names another agent than the passport' }),
      );
    }
    return ok({ ...key, acting: acting(passport.value) });
  }
  if (presented.agent === undefined) return ok(key);
  const agent = deps.directory.find(presented.agent);
  if (agent === undefined) {
    return refuse(
      new Fault('NOT_FOUND', {
        detail: 'X-Stack-Agent names no agent',
        metadata: { header: 'x-stack-agent' },
        next: 'Name an agent that there is: one of the config under agents, or one that was registered.',
      }),
    );
  }
  return ok({ ...key, acting: namedAgent(agent, presented) });
}

const namedAgent = (agent: Agent, { intent }: Presented): NonNullable<Caller['acting']> => ({
  agentId: agent.id,
  agentName: agent.name,
  sessionId: undefined,
  passportJti: undefined,
  declaredIntent: intent,
});

type Bound = { readonly live: LiveKey; readonly presented: Presented };

/** The key has said which agent acts; a header or a passport beside it may only agree. */
function callerOfBoundKey(deps: Deps, key: Caller, { live, presented }: Bound): Result<Caller> {
  // By id: an agent that comes back under the name of a deleted one is another agent.
  const agent = deps.directory.find(live.agentId ?? '');
  if (agent === undefined) {
    const detail = `key ${live.id} is bound to agent ${live.agentId}, which is gone`;
    const next = 'The agent of this key is gone. Ask the operator for a key of an agent that is there.';
    return refuse(new Fault('INVALID_API_KEY', { detail, next }));
  }
  const { passport: token, agent: header } = presented;
  if (header !== undefined && header !== agent.id && header !== agent.name) return another(live, agent);
  if (token === undefined) {
    const acting = namedAgent(agent, presented);
    return ok({ ...key, acting: header === undefined ? { ...acting, implied: true } : acting });
  }
  return actingBy(deps, key, { token, agentId: agent.id, another: () => another(live, agent) });
}

const another = (live: LiveKey, agent: Agent): Result<never> =>
  refuse(
    new Fault('FORBIDDEN', {
      detail: `key ${live.id} is bound to agent ${agent.name}; another one was named`,
      next: `This key acts for ${agent.name} alone. Leave X-Stack-Agent out, or use a key of the other agent.`,
    }),
  );

const names = (passport: LivePassport, idOrName: string): boolean =>
  passport.agentId === idOrName || passport.agentName === idOrName;

type Claim = { readonly argument: string | undefined; readonly trace: Trace };

function identifyAgent(deps: Deps, caller: Caller, claim: Claim): MaybeLater<Result<Authenticated>> {
  const implied = caller.acting === undefined || caller.acting.implied === true;
  if (caller.acting === undefined || (implied && claim.argument !== undefined))
    return agentOfArgument(deps, caller, claim.argument);
  const transport = passportOfTransport(deps, caller, claim.trace);
  const narrow = (held: Result<LivePassport>) => narrowed(deps, caller, { held, argument: claim.argument });
  return transport instanceof Promise ? transport.then(narrow) : narrow(transport);
}

type Held = { readonly held: Result<LivePassport>; readonly argument: string | undefined };

function narrowed(deps: Deps, caller: Caller, { held, argument }: Held): Result<Authenticated> {
  if (!held.ok) return held;
  if (argument === undefined) return pass(caller, held.value);
  const named = passportOfText(deps, argument);
  if (!named.ok) return named;
  if (within(held.value, named.value)) return pass(caller, named.value);
  const detail = 'the passport argument is neither that of the transport nor delegated from it';
  return refuse(new Fault('FORBIDDEN', { detail }));
}

function passportOfTransport(deps: Deps, caller: Caller, trace: Trace): MaybeLater<Result<LivePassport>> {
  const agent = caller.acting;
  if (agent?.passportJti !== undefined) return deps.passports.byJti(agent.passportJti);
  // Contract 2: only a key of the operator's keeps a standing passport. An agent asks for one and says what for.
  if (caller.kind === 'agent_key') return refuse(new Fault('AGENT_UNIDENTIFIED', { next: ISSUE_FIRST }));
  return deps.standing.ensure({
    key: caller.id,
    agentName: agent?.agentName ?? '',
    readOnly: caller.readOnly === true,
    intent: agent?.declaredIntent,
    trace,
  });
}

const ISSUE_FIRST =
  'Issue a passport with this key (POST /v1/passports/issue), then send its token as X-Passport-Token beside the key, or alone as Bearer.';

const passportOfText = (deps: Deps, text: string): Result<LivePassport> =>
  text.startsWith('pp_') ? deps.passports.byJti(text) : deps.passports.verify(text);

function agentOfArgument(deps: Deps, caller: Caller, argument: string | undefined): Result<Authenticated> {
  if (argument === undefined) return refuse(new Fault('AGENT_UNIDENTIFIED'));
  const passport = passportOfText(deps, argument);
  if (!passport.ok) return passport;
  // A jti is no secret: only the key that minted it may name it. A person at the socket may name any.
  const minted = caller.kind === 'person' || passport.value.mintedBy === caller.id;
  if (argument.startsWith('pp_') && !minted) {
    return refuse(new Fault('PASSPORT_INVALID', { detail: 'jti was minted by another caller' }));
  }
  if (caller.acting !== undefined && caller.acting.agentId !== passport.value.agentId)
    return refuse(
      new Fault('FORBIDDEN', { detail: 'the passport argument is of another agent than the key' }),
    );
  return pass(caller, passport.value);
}
