// The agent's own JWT (contract 2): EdDSA, `sub` its id, `aud` stack:agent, fresh. Pure: now is an argument.
import { fromBase64url, utf8 } from '#kernel/bytes.ts';
import { Fault } from '#kernel/errors.ts';
import {
  AGENT_TOKEN_AGE_SECONDS_MAX,
  AGENT_TOKEN_AHEAD_SECONDS_MAX,
  AGENT_TOKEN_BYTES_MAX,
} from '#kernel/limits.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import { ALGORITHM, type Members, readJwsPart } from '#platform/crypto/jws.ts';
import { publicKeyOf, verifyBytes } from '#platform/crypto/signing.ts';

export const AGENT_AUDIENCE = 'stack:agent';
/** No embedded keys, no `crit`, no negotiation: nothing else may stand in the header. */
const HEADER_MEMBERS = new Set(['alg', 'typ', 'kid']);
const MS = 1000;

export type AgentToken = {
  readonly agentId: string;
  /** The thumbprint it names, if it names one. */
  readonly kid: string | undefined;
  readonly claims: Members;
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
};

const invalid = (detail: string): Result<never> =>
  refuse(
    new Fault('UNAUTHORIZED', {
      detail: `agent JWT: ${detail}`,
      next: `Sign a fresh JWT (EdDSA) with the agent's enrolled key: sub is the agent's id, aud ${AGENT_AUDIENCE}, iat now.`,
    }),
  );

/** `undefined`: no JWT for this audience, whatever else it is. Nothing of it is believed yet. */
export function readAgentToken(token: string): AgentToken | undefined {
  if (Buffer.byteLength(token) > AGENT_TOKEN_BYTES_MAX) return undefined;
  const [head = '', body = '', mark = '', ...rest] = token.split('.');
  const [header, claims, signature] = [readJwsPart(head), readJwsPart(body), fromBase64url(mark)];
  if (rest.length > 0 || header === undefined || claims === undefined || signature === undefined)
    return undefined;
  const { aud, sub } = claims;
  const audience = Array.isArray(aud) && aud.length === 1 ? aud[0] : aud;
  if (audience !== AGENT_AUDIENCE || typeof sub !== 'string' || !isHeader(header)) return undefined;
  const { kid } = header;
  const named = typeof kid === 'string' ? kid : undefined;
  return { agentId: sub, kid: named, claims, signed: utf8(`${head}.${body}`), signature };
}

function isHeader(header: Members): boolean {
  const { alg, typ, kid } = header;
  if (alg !== ALGORITHM || Object.keys(header).some((name) => !HEADER_MEMBERS.has(name))) return false;
  return (typ === undefined || typ === 'JWT') && (kid === undefined || typeof kid === 'string');
}

/** Signature first, then time: who cannot sign learns nothing about the clock. `x` is the enrolled public key. */
export function judgeAgentToken(
  { claims, signed, signature }: AgentToken,
  { x, nowMs }: { readonly x: string; readonly nowMs: number },
): Result<void> {
  if (!verifyBytes(signed, signature, publicKeyOf(x))) return invalid('signature');
  const now = nowMs / MS;
  const { iat, nbf, exp } = claims;
  if (!isTime(iat) || iat > now + AGENT_TOKEN_AHEAD_SECONDS_MAX) return invalid('iat');
  if (now - iat > AGENT_TOKEN_AGE_SECONDS_MAX) return invalid(`older than ${AGENT_TOKEN_AGE_SECONDS_MAX} s`);
  if (nbf !== undefined && (!isTime(nbf) || nbf > now + AGENT_TOKEN_AHEAD_SECONDS_MAX)) return invalid('nbf');
  if (exp !== undefined && (!isTime(exp) || exp <= now)) return invalid('exp');
  return ok(undefined);
}

export const refuseAgentToken = invalid;

const isTime = (value: unknown): value is number =>
  typeof value === 'number' && Number.isFinite(value) && value > 0;
