// The passport as text: one algorithm, one header, strict encodings (contract 9, security.md 3.3). Pure: now is an argument.
import type { KeyObject } from 'node:crypto';
import { MODES } from '#features/agents/model.ts';
import { fromBase64url, utf8 } from '#kernel/bytes.ts';
import { canonicalize, type Json } from '#kernel/canonical.ts';
import { Fault } from '#kernel/errors.ts';
import { DELEGATION_HOPS_MAX, PASSPORT_TOKEN_BYTES_MAX, PASSPORT_TTL_SECONDS_MAX } from '#kernel/limits.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import { ALGORITHM, type Members, readJwsPart, signJws } from '#platform/crypto/jws.ts';
import { type SigningKey, verifyBytes } from '#platform/crypto/signing.ts';
import type { PassportService } from './model.ts';

export type Claims = {
  readonly iss: string;
  readonly aud: string;
  readonly sub: string;
  readonly iat: number;
  readonly nbf: number;
  readonly exp: number;
  readonly jti: string;
  /** Where an offline verifier sees whether it is over before its time. */
  readonly status?: { readonly status_list: { readonly idx: number; readonly uri: string } };
  readonly stk: {
    readonly operator_id: string;
    readonly agent_id: string;
    readonly agent_name: string;
    readonly services: readonly {
      readonly service_id: string;
      readonly service_name: string;
      readonly scopes: readonly string[];
      readonly credential_ref: string;
      readonly constraints: PassportService['constraints'];
    }[];
    readonly identity_claims: readonly never[];
    readonly delegation_depth: number;
    readonly session_id: string;
    readonly accountability: string;
    readonly intent_summary: string | null;
    readonly intent_services: readonly string[];
    readonly checkpoint_interval: number | null;
    readonly parent_jti: string | null;
    readonly chain: readonly string[];
  };
};

export type TokenRules = {
  readonly keys: ReadonlyMap<string, KeyObject>;
  /** `iss` and `aud`: the public URL. */
  readonly issuer: string;
  readonly nowMs: number;
};

const TYPE = 'passport+jwt';
const JTI = /^pp_[0-9a-f]{32}$/;
const AGENT_ID = /^agt_[0-9a-f]{32}$/;
const SESSION_ID = /^ses_[0-9a-f]{32}$/;
const MS = 1000;

export const signToken = (claims: Claims, key: SigningKey): string =>
  signJws(canonicalize(claims as unknown as Json), { type: TYPE, key });

const invalid = (reason: string): Result<never> => refuse(new Fault('PASSPORT_INVALID', { detail: reason }));

/** Signature and shape; time is judged apart, since a verified token may be kept and judged again. */
export function openToken(token: string, rules: Pick<TokenRules, 'keys' | 'issuer'>): Result<Claims> {
  // Before any signature work: a real passport is about 2 kB.
  if (Buffer.byteLength(token) > PASSPORT_TOKEN_BYTES_MAX) return invalid('too_long');
  const parts = token.split('.');
  const [head = '', body = '', mark = ''] = parts;
  if (parts.length !== 3) return invalid('shape');
  const signature = fromBase64url(mark);
  const header = readJwsPart(head);
  const payload = readJwsPart(body);
  if (signature === undefined || header === undefined || payload === undefined) return invalid('encoding');
  const key = keyFor(header, rules.keys);
  if (!key.ok) return key;
  if (!verifyBytes(utf8(`${head}.${body}`), signature, key.value)) return invalid('signature');
  const problem = claimsProblem(payload, rules.issuer);
  return problem === undefined ? ok(payload as unknown as Claims) : invalid(problem);
}

/** No leeway: `exp` equal to now is over. */
export function judgeTime(claims: Pick<Claims, 'iat' | 'nbf' | 'exp'>, nowMs: number): Result<void> {
  if (claims.nbf * MS > nowMs || claims.iat * MS > nowMs) return invalid('not_yet');
  if (claims.exp * MS <= nowMs) return refuse(new Fault('PASSPORT_EXPIRED', { detail: 'exp is past' }));
  return ok(undefined);
}

export function readToken(token: string, rules: TokenRules): Result<Claims> {
  const claims = openToken(token, rules);
  if (!claims.ok) return claims;
  const time = judgeTime(claims.value, rules.nowMs);
  return time.ok ? claims : time;
}

/** Exactly three members: no embedded keys, no crit, no negotiation. */
function keyFor(header: Members, keys: TokenRules['keys']): Result<KeyObject> {
  if (Object.keys(header).length !== 3) return invalid('header');
  if (header['alg'] !== ALGORITHM) return invalid('alg');
  if (header['typ'] !== TYPE) return invalid('typ');
  const { kid } = header as { kid?: unknown };
  const key = typeof kid === 'string' ? keys.get(kid) : undefined;
  return key === undefined ? invalid('kid') : ok(key);
}

const isTime = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0;
const isText = (value: unknown): value is string => typeof value === 'string';
const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every(isText);
const matches = (value: unknown, pattern: RegExp): boolean => isText(value) && pattern.test(value);

function claimsProblem(claims: Members, issuer: string): string | undefined {
  const { iss, aud, sub, iat, nbf, exp, jti, stk } = claims;
  if (iss !== issuer) return 'iss';
  const audience = Array.isArray(aud) && aud.length === 1 ? aud[0] : aud;
  if (audience !== issuer) return 'aud';
  if (!matches(sub, AGENT_ID)) return 'sub';
  if (!isTime(iat)) return 'iat';
  if (!isTime(nbf)) return 'nbf';
  // A life longer than any we mint is not ours.
  if (!isTime(exp) || exp - iat > PASSPORT_TTL_SECONDS_MAX) return 'exp';
  if (!matches(jti, JTI)) return 'jti';
  if (typeof stk !== 'object' || stk === null) return 'stk';
  return stkProblem(stk as Members, sub);
}

function stkProblem(stk: Members, sub: unknown): string | undefined {
  if (stk['agent_id'] !== sub || !isText(stk['agent_name'])) return 'sub';
  if (!matches(stk['session_id'], SESSION_ID)) return 'session';
  if (!MODES.some((mode) => mode === stk['accountability'])) return 'accountability';
  const depth = stk['delegation_depth'];
  if (!Number.isSafeInteger(depth) || (depth as number) < 0 || (depth as number) > DELEGATION_HOPS_MAX)
    return 'depth';
  const problem = missionProblem(stk);
  if (problem !== undefined) return problem;
  const { services } = stk;
  return Array.isArray(services) && services.every(isServiceClaim) ? undefined : 'scope';
}

function missionProblem(stk: Members): string | undefined {
  const { operator_id, identity_claims, intent_summary, intent_services } = stk;
  if (!isText(operator_id)) return 'operator';
  if (!Array.isArray(identity_claims)) return 'identity';
  if (!(intent_summary === null || isText(intent_summary)) || !isTexts(intent_services)) return 'intent';
  const { checkpoint_interval, parent_jti, chain } = stk;
  if (!(checkpoint_interval === null || isTime(checkpoint_interval))) return 'checkpoint';
  const isJti = (value: unknown): boolean => matches(value, JTI);
  if (!Array.isArray(chain) || !chain.every(isJti)) return 'chain';
  // The chain is whole: as long as the depth says, each passport once, the parent last.
  const whole = chain.length === stk['delegation_depth'] && new Set(chain).size === chain.length;
  return whole && parent_jti === (chain.at(-1) ?? null) ? undefined : 'chain';
}

function isServiceClaim(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { service_id: id, service_name: name, credential_ref: ref, scopes, constraints } = value as Members;
  return isText(id) && isText(name) && isText(ref) && isTexts(scopes) && Array.isArray(constraints);
}
