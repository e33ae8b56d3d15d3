// The compiled matcher of live secrets. It counts as a secret itself: never serialised, rebuilt when the set changes.
// It knows the bytes of each secret as it is and as it was sent, also after JSON unescaping; README states the limits.
import type { Credentials } from '#features/vault/credentials.ts';
import { utf8 } from '#kernel/bytes.ts';
import { compileMatcher, type MatchStream } from './matcher.ts';

export const REDACTED = '[redacted]';
const MARKER = utf8(REDACTED);

export type Redactor = {
  /** For a body that passes in pieces. */
  readonly open: () => MatchStream;
  readonly text: (text: string) => string;
  /** Header names have no case, so a secret may stand in one in small letters. */
  readonly inName: (name: string) => boolean;
  /** Every string and member name of a parsed JSON value. */
  readonly json: (value: unknown) => unknown;
  /** A body shorter than this holds no secret and passes as it is. */
  readonly shortestBytes: number;
};

/** The second place where plaintext is opened (invariant 2); runs only when the set of live secrets changed. */
export function createRedactors(credentials: Pick<Credentials, 'liveSecrets' | 'version'>): () => Redactor {
  let built: { readonly version: number; readonly redactor: Redactor } | undefined;
  return () => {
    const version = credentials.version();
    if (built === undefined || built.version !== version) {
      const secrets = credentials.liveSecrets().map((secret) => secret.reveal());
      built = { version, redactor: compileRedactor(secrets) };
    }
    return built.redactor;
  };
}

export function compileRedactor(secrets: readonly string[]): Redactor {
  const literals = [...new Set(secrets)].filter((secret) => secret.length > 0);
  const matcher = compileMatcher(literals.map(utf8));
  const open = (): MatchStream => matcher.open(MARKER);
  const text = (value: string): string =>
    literals.some((literal) => value.includes(literal)) ? redactText(open(), value) : value;
  const names = literals.map((literal) => literal.toLowerCase());
  return {
    open,
    text,
    inName: (name) => names.some((literal) => name.toLowerCase().includes(literal)),
    json: (value) => redactJson(text, value),
    shortestBytes: matcher.shortestBytes,
  };
}

const redactText = (stream: MatchStream, value: string): string =>
  Buffer.concat([stream.push(utf8(value)), stream.end()]).toString('utf8');

function redactJson(text: (value: string) => string, value: unknown): unknown {
  if (typeof value === 'string') return text(value);
  if (Array.isArray(value)) return value.map((item) => redactJson(text, item));
  if (value === null || typeof value !== 'object') return value;
  const pairs = Object.entries(value).map(
    ([name, member]) => [text(name), redactJson(text, member)] as const,
  );
  return Object.fromEntries(pairs);
}
