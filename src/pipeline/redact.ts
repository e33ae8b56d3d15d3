// The redactor of live secrets. It counts as a secret itself: never serialised, rebuilt when the set changes. README states
// in which forms a secret is found, and the limits; `redaction` has the search.
import type { Credentials, LiveSecret } from '#features/vault/credentials.ts';
import { utf8 } from '#kernel/bytes.ts';
import { SECRET_CHARS_MIN } from '#kernel/limits.ts';
import { patternsOf } from '#pipeline/redaction/patterns.ts';
import { openStream, type RedactionStream, Scanner } from '#pipeline/redaction/stream.ts';
import { Windows } from '#pipeline/redaction/windows.ts';

/** What stands in place of a secret; names the service that it belongs to. */
export const markerOf = (service: string): string => `[redacted:${service}]`;

export type Redactor = {
  /** For a body that passes in pieces. */
  readonly open: () => RedactionStream;
  /** Nothing in these header lines, names included, holds a secret; cheaper than to clean each. */
  readonly clean: (lines: readonly (readonly [name: string, value: string])[]) => boolean;
  /** A text whose letters are bytes, as header values are. */
  readonly value: (text: string) => string;
  readonly text: (text: string) => string;
  /** Every string and member name of a parsed JSON value. */
  readonly json: (value: unknown) => unknown;
  /** A body shorter than this holds no secret and passes as it is. */
  readonly shortestBytes: number;
};

type Named = { readonly service: string; readonly text: string };

/** The second place where plaintext is opened (invariant 2); runs only when the set of live secrets changed. */
export function createRedactors(credentials: Pick<Credentials, 'liveSecrets' | 'version'>): () => Redactor {
  let built: { readonly version: number; readonly redactor: Redactor } | undefined;
  return () => {
    const version = credentials.version();
    if (built === undefined || built.version !== version)
      built = { version, redactor: compileRedactor(credentials.liveSecrets().map(opened)) };
    return built.redactor;
  };
}

const opened = ({ service, text }: LiveSecret): Named => ({ service, text: text.reveal() });

export function compileRedactor(secrets: readonly Named[]): Redactor {
  // What is shorter is refused at import: it could not be told from ordinary text.
  const known = secrets.filter(({ text }) => text.length >= SECRET_CHARS_MIN);
  const services = [...new Set(known.map(({ service }) => service))];
  const windows = new Windows(
    known.flatMap(({ service, text }) => patternsOf(text, services.indexOf(service))),
  );
  const scanner = new Scanner(
    windows,
    services.map((service) => utf8(markerOf(service))),
  );
  const open = (): RedactionStream => openStream(scanner);
  const text = (value: string): string => redactText(open(), { value, as: 'utf8' });
  return {
    open,
    clean: (lines) => scanner.scan(linesOf(lines)).spans.length === 0,
    value: (value) => redactText(open(), { value, as: 'latin1' }),
    text,
    json: (value) => redactJson(text, value),
    shortestBytes: windows.shortest,
  };
}

/** Parted by an empty line, across which nothing is searched. Header values are bytes, a letter each. */
const linesOf = (lines: readonly (readonly [string, string])[]): Uint8Array =>
  Buffer.from(lines.map(([name, value]) => `${name}\n\n${value}`).join('\n\n'), 'latin1');

type Text = { readonly value: string; readonly as: 'utf8' | 'latin1' };

function redactText(stream: RedactionStream, { value, as }: Text): string {
  const clean = Buffer.concat([stream.push(Buffer.from(value, as)), stream.end()]);
  return stream.markers() === 0 ? value : clean.toString(as);
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
