// The compiled matcher of live secrets. It counts as a secret itself: never serialised, rebuilt when the set changes.
// It knows the bytes of each secret as it is and as it was sent, also after JSON unescaping; README states the limits.
import type { Credentials } from '#features/vault/credentials.ts';

export const REDACTED = '[redacted]';
const MARKER = Buffer.from(REDACTED);

export type Redactor = {
  readonly bytes: (body: Uint8Array) => Uint8Array;
  readonly text: (text: string) => string;
  /** Header names have no case, so a secret may stand in one in small letters. */
  readonly inName: (name: string) => boolean;
  /** Every string and member name of a parsed JSON value. */
  readonly json: (value: unknown) => unknown;
  /** Longest pattern in bytes: how far past a cut one must read. */
  readonly reachBytes: number;
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
  // Longest first, so that a secret that contains another is taken whole.
  const literals = [...new Set(secrets)]
    .filter((secret) => secret.length > 0)
    .sort((a, b) => b.length - a.length);
  const needles = literals.map((literal) => Buffer.from(literal));
  const text = (value: string): string =>
    literals.reduce((left, literal) => left.replaceAll(literal, () => REDACTED), value);
  const names = literals.map((literal) => literal.toLowerCase());
  return {
    text,
    inName: (name) => names.some((literal) => name.toLowerCase().includes(literal)),
    json: (value) => redactJson(text, value),
    bytes: (body) => needles.reduce(replaceAll, Buffer.from(body.buffer, body.byteOffset, body.length)),
    reachBytes: Math.max(0, ...needles.map((needle) => needle.length)),
  };
}

function replaceAll(body: Buffer, needle: Buffer): Buffer {
  const parts: Buffer[] = [];
  let from = 0;
  for (let at = body.indexOf(needle); at >= 0; at = body.indexOf(needle, from)) {
    parts.push(body.subarray(from, at), MARKER);
    from = at + needle.length;
  }
  return parts.length === 0 ? body : Buffer.concat([...parts, body.subarray(from)]);
}

function redactJson(text: (value: string) => string, value: unknown): unknown {
  if (typeof value === 'string') return text(value);
  if (Array.isArray(value)) return value.map((item) => redactJson(text, item));
  if (value === null || typeof value !== 'object') return value;
  const pairs = Object.entries(value).map(
    ([name, member]) => [text(name), redactJson(text, member)] as const,
  );
  return Object.fromEntries(pairs);
}
