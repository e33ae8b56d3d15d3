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
import { readWhole } from './upload.ts';

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
export type Authorize = (
  from: Authenticated,
  call: Call,
) => Promise<{ readonly ok: true; readonly value: Authorized } | RefusedCall>;

export function createAuthorize(deps: Deps): Authorize {
  return async (from, call) => {
    const entry = from.passport.services.find((held) => held.service === call.service);
    const service = deps.services.find(call.service);
    if (entry === undefined || service === undefined)
      return { ...refuse(outOfScope(from, call, service !== undefined)), asked: {} };
    const target = readTarget(call, service.service);
    if (!target.ok) return { ...target, asked: {} };
    const asked = { host: target.value.url.host, path: target.value.url.path };
    const given = readPayload(call, service.service, deps.bodyBytesMax());
    if (!given.ok) return { ...given, asked };
    const glance = viewOf(call, target.value, given.value);
    const watched = deps.bodiesWatched() || call.approval_id !== undefined;
    const judged = watched || looksAtBody(service, { constraints: entry.constraints, view: glance });
    const payload = judged ? await readWith(given.value) : given;
    if (!payload.ok) return { ...payload, asked };
    const view = payload.value === given.value ? glance : viewOf(call, target.value, payload.value);
    const action = decide(service, entry, view);
    if (!action.ok) return { ...action, asked };
    const covered = deps.credentials.covers(service.service, view.host, call.method);
    if (!covered.ok) return { ...covered, asked: { ...asked, service_action: action.value } };
    const parts = { from, call, service, action: action.value, target: target.value };
    return ok({ ...parts, payload: payload.value, view } as Authorized);
  };
}

/** The same of a call that a later step refuses. */
export const askedOf = ({ action, target }: Authorized): Asked => ({
  service_action: action,
  host: target.url.host,
  path: target.url.path,
});

/** A body that somebody must judge is read whole, and is from here on like one that came in an envelope. */
async function readWith(payload: Payload): Promise<Result<Payload>> {
  if (payload.upload === undefined) return ok(payload);
  const body = await readWhole(payload.upload);
  return body.ok ? ok({ ...payload, body: body.value, upload: undefined }) : body;
}

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
    return refuse(new Fault('ACTION_DENIED', { metadata: { granted: entry.scopes, needed: verdict.known } }));
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
