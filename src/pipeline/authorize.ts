// Step 2: is the service in the passport, the URL bound, the action granted, every constraint held, a credential there?
// Refuses before anything is opened or sent.

import type { PassportService } from '#features/passports/model.ts';
import {
  type CompiledService,
  checkConstraints,
  grantingAction,
  looksAtBody,
} from '#features/policy/decide.ts';
import type { CallView } from '#features/policy/model.ts';
import type { Credentials } from '#features/vault/credentials.ts';
import { Fault } from '#kernel/errors.ts';
import { ok, type Refused, type Result, refuse } from '#kernel/result.ts';
import type { EntryDraft } from '#kernel/unit.ts';
import type { Authenticated } from './authenticate.ts';
import type { Call } from './call.ts';
import { type Payload, readPayload, readTarget, type Target, viewOf } from './request.ts';

declare const authorized: unique symbol;
/** The call is inside its passport; nothing has been opened yet. */
export type Authorized = {
  readonly [authorized]: true;
  readonly from: Authenticated;
  readonly call: Call;
  readonly service: CompiledService;
  readonly action: string;
  readonly target: Target;
  readonly payload: Payload;
  readonly view: CallView;
};

/** The live config's services, compiled once per load. */
export type ServiceBook = { readonly find: (name: string) => CompiledService | undefined };

type Deps = {
  readonly services: ServiceBook;
  readonly credentials: Pick<Credentials, 'covers'>;
  readonly bodyBytesMax: () => number;
  /** Whether a detector looks at bodies; then every one is read whole. */
  readonly bodiesWatched: () => boolean;
};

/** A refusal with what the call was about, as far as it could be read; for its entry. */
type RefusedCall = Refused & { readonly asked: Asked };
export type Asked = Pick<Partial<EntryDraft>, 'service_action' | 'host' | 'path'>;
/** Somebody must judge the body: it is to be read whole, and the call to be sent in anew with it. */
type Unread = { readonly ok: true; readonly unread: NonNullable<Payload['upload']> };
export type Authorize = (
  from: Authenticated,
  call: Call,
) => { readonly ok: true; readonly value: Authorized } | Unread | RefusedCall;

export function createAuthorize(deps: Deps): Authorize {
  return (from, call) => {
    if (from.caller.readOnly === true && !READING_METHODS.has(call.method))
      return { ...refuse(readOnly(from, call)), asked: {} };
    const entry = from.passport.services.find((held) => held.service === call.service);
    const service = deps.services.find(call.service);
    if (entry === undefined || service === undefined)
      return { ...refuse(outOfScope(from, call, service !== undefined)), asked: {} };
    const target = readTarget(call, service.service);
    if (!target.ok) return { ...target, asked: {} };
    const asked = { host: target.value.url.host, path: target.value.url.path };
    const payload = readPayload(call, service.service, deps.bodyBytesMax());
    if (!payload.ok) return { ...payload, asked };
    const view = viewOf(call, target.value, payload.value);
    const { upload } = payload.value;
    const compared = call.approval_id !== undefined || call.idempotency_key !== undefined;
    const watched = deps.bodiesWatched() || compared;
    if (upload !== undefined && (watched || looksAtBody(service, { constraints: entry.constraints, view })))
      return { ok: true, unread: upload };
    const action = decide(service, entry, view);
    if (!action.ok) return { ...action, asked };
    const covered = deps.credentials.covers(service.service, view.host, call.method);
    if (!covered.ok) return { ...covered, asked: { ...asked, service_action: action.value } };
    const parts = { from, call, service, action: action.value, target: target.value };
    return ok({ ...parts, payload: payload.value, view } as Authorized);
  };
}

/** Before anything else: no grant and no passport beside a read-only key widens it. */
const READING_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD']);

function readOnly({ caller }: Authenticated, { method }: Call): Fault {
  return new Fault('FORBIDDEN', {
    detail: `key ${caller.id} is read-only, the method is ${method}`,
    metadata: { methods: [...READING_METHODS] },
    next: 'This key may only make GET and HEAD calls. Ask the operator for a key that may change something.',
  });
}

/** The same of a call that a later step refuses. */
export const askedOf = ({ action, target }: Authorized): Asked => ({
  service_action: action,
  host: target.url.host,
  path: target.url.path,
});

function outOfScope(from: Authenticated, call: Call, known: boolean): Fault {
  return new Fault('FORBIDDEN', {
    detail: known ? `service ${call.service} is not in the passport` : `no service ${call.service}`,
    metadata: {
      service: call.service,
      passport_services: from.passport.services.map((held) => held.service),
    },
    next: 'Use a service of your passport; stack_list_services shows which there are.',
  });
}

function decide(service: CompiledService, entry: PassportService, view: CallView): Result<string> {
  const verdict = grantingAction(service, entry.scopes, view);
  if (verdict.kind === 'denied') {
    const metadata = { granted: entry.scopes, needed: verdict.known };
    if (verdict.known.length > 0) return refuse(new Fault('ACTION_DENIED', { metadata }));
    const next =
      'No action of this service covers the call. The operator can add one under actions; stack_list_services shows those there are.';
    return refuse(new Fault('ACTION_DENIED', { metadata, next }));
  }
  if (verdict.kind === 'constraint') {
    const { action, constraint } = verdict;
    return refuse(new Fault('CONSTRAINT_FAILED', { metadata: { action, constraint } }));
  }
  const broken = checkConstraints(entry.constraints, view);
  if (broken !== undefined)
    return refuse(new Fault('CONSTRAINT_FAILED', { metadata: { constraint: broken } }));
  return ok(verdict.action);
}
