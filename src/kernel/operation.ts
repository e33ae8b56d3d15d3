// One verb, defined once: from this value come the MCP tool, the REST route and the audit entry (design 2).
import type { z } from 'zod';
import type { FaultCode } from './errors.ts';
import type { Result } from './result.ts';
import type { EntryDraft, Statement } from './unit.ts';

export type Effect = 'read' | 'write' | 'destroy';
/** `anonymous` reaches public verbs only (verify, JWKS); it is a result of authenticate, never the lack of one. */
export type CallerKind = 'key' | 'passport' | 'agent_key' | 'person' | 'anonymous';
export type Toolset = 'default' | 'agents' | 'services' | 'passports' | 'audit' | 'keys';

/** An agent as the transport has shown it: by a passport, or by X-Stack-Agent beside a key. */
export type ActingAgent = {
  readonly agentId: string;
  readonly agentName: string;
  /** Session and passport are unknown until needed where the agent is named by X-Stack-Agent. */
  readonly sessionId: string | undefined;
  readonly passportJti: string | undefined;
  /** X-Stack-Intent, for the standing passport. */
  readonly declaredIntent: string | undefined;
  /** Known by the key alone, which is bound to it: a passport argument may be any passport of this agent. */
  readonly implied?: true;
};

/** Who calls, after authenticate. `id` is key_…, the passport's jti, agk_…, or the person's id. */
export type Caller = {
  readonly kind: CallerKind;
  readonly id: string;
  /** Set when the transport has said which agent acts; the model may then only narrow. */
  readonly acting?: ActingAgent;
  /** A key of one agent, made for it or its own: `acting` is always that agent, and nothing of another may be seen or done. */
  readonly bound?: true;
  /** A key that may run verbs of effect `read` and make GET and HEAD calls. */
  readonly readOnly?: true;
};

export type Trace = { readonly traceId: string; readonly spanId: string; readonly parentSpanId?: string };

export type Invocation<Input> = {
  readonly caller: Caller;
  readonly input: Input;
  readonly nowMs: number;
  readonly trace: Trace;
  /** Fires when the client has gone away. */
  readonly signal: AbortSignal;
  /** An agent called it as a tool. */
  readonly tool?: true | undefined;
};

/** What a verb decides: its answer, the changes it wants, and what the log shall say of it. */
export type Outcome<Output> = {
  readonly output: Output;
  /** HTTP status where it is not 200, such as 201 for a creation. */
  readonly status?: number;
  readonly changes: readonly Statement[];
  /** The verb has committed its changes and their entry itself, since they take effect together with what is no row. */
  readonly committed?: true;
  /** Passports that end with the change, in its unit, with all that descends from them. */
  readonly ends?: { readonly of: 'agent' | 'key'; readonly id: string; readonly reason: string } | undefined;
  /** Fields of the audit entry that only the verb knows. Reads leave it out. */
  readonly entry?: Partial<EntryDraft>;
  /** What was noticed: entries of their own, in the same unit. */
  readonly events?: readonly (Partial<EntryDraft> & { readonly action: string })[];
};

export type Route = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path with :parameters, which are fields of the input. */
  readonly path: string;
};

/** What a verb shows is only read from then on, so it may hand out what it does not own. */
export type Shown<T> = T extends readonly (infer Member)[]
  ? readonly Shown<Member>[]
  : T extends object
    ? { readonly [Name in keyof T]: Shown<T[Name]> }
    : T;

export type Operation<I extends z.ZodObject = z.ZodObject, O extends z.ZodType = z.ZodType> = {
  /** MCP tool name, at most 40 characters of [a-z0-9_]. */
  readonly name: string;
  /** Action in the audit log, such as `passport.issue`. */
  readonly action: string;
  readonly summary: string;
  readonly effect: Effect;
  readonly callers: readonly CallerKind[] | 'anyone';
  /** OAuth scope that covers this verb (contract 8). */
  readonly scope: string;
  readonly input: I;
  readonly output: O;
  /** One call and its answer for the reference and OpenAPI. Held against both schemas; what looks secret says EXAMPLE. */
  readonly example: { readonly input: Shown<z.input<I>>; readonly output: Shown<z.output<O>> };
  /** Refusals of this verb alone; what its line and its callers bring is in `pipeline/refusals.ts`. */
  readonly errors: readonly FaultCode[];
  /** HTTP statuses of success, the usual one first, where it is not 200 alone. */
  readonly statuses?: readonly [number, ...number[]];
  readonly route: Route;
  /** Where the tool is listed; `null` for verbs that no agent may call. */
  readonly toolset: Toolset | null;
  /** A verb that reaches the world writes its own entries on the traffic line. */
  readonly line: 'operations' | 'traffic';
  /** Saying it twice changes nothing more. Reads are; of a write or destroy the verb must say so. */
  readonly idempotent?: boolean;
  readonly run: (invocation: Invocation<z.infer<I>>) => Promise<Result<Outcome<Shown<z.infer<O>>>>>;
};

/** Keeps the input and output types of a definition while the registry holds plain operations. */
export function operation<I extends z.ZodObject, O extends z.ZodType>(
  definition: Operation<I, O>,
): Operation {
  return definition as unknown as Operation;
}
