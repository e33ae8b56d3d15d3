// The service: where calls may go, what they may do there, and how its credential is put in.
import type { Action, ApprovalRule } from '#features/policy/model.ts';

/** Which addresses the name may resolve to (corpus, address rule). */
export type Network =
  | { readonly kind: 'public' }
  | { readonly kind: 'private'; readonly ranges: readonly string[] }
  | { readonly kind: 'loopback' };

export type Base = {
  readonly scheme: 'https' | 'http';
  readonly host: string;
  readonly port: number;
  /** Raw path prefix without a trailing slash: `` or `/v1`. */
  readonly path: string;
};

/** Where the credential goes; a template holds `{secret}` once. Header names are lower-case. */
export type Inject =
  | { readonly kind: 'header'; readonly name: string; readonly template: string }
  /** `user:{secret}`, sent as RFC 7617 has it; `{secret}` alone where the credential is the pair. */
  | { readonly kind: 'basic'; readonly template: string }
  | { readonly kind: 'query'; readonly name: string; readonly template: string }
  | { readonly kind: 'cookie'; readonly name: string; readonly template: string };
export type SecretReference =
  | { readonly kind: 'env'; readonly name: string }
  | { readonly kind: 'file'; readonly path: string }
  /** Text that `stack seal` printed. */
  | { readonly kind: 'sealed'; readonly text: string }
  | { readonly kind: 'vault'; readonly name: string };

export type Verification = {
  readonly method: string;
  /** Below the base, without wildcards. */
  readonly path: string;
  /** Top-level members of the JSON answer that must be so; none where the status tells. */
  readonly expect: Readonly<Record<string, string | number | boolean | null>>;
};

export type Service = {
  readonly name: string;
  readonly title: string;
  readonly base: Base;
  /** Further host patterns; `*.` covers one label. The base's host is always bound. */
  readonly hosts: readonly string[];
  readonly network: Network;
  /** PEM text of extra authorities, trusted for this service only. */
  readonly caPem: string | undefined;
  readonly inject: Inject | undefined;
  readonly secret: SecretReference | undefined;
  /** Lower-case names that a caller may send. */
  readonly headersAllow: readonly string[];
  /** Sent with every call, in place of what the caller gives under these names. */
  readonly headersFixed: readonly (readonly [name: string, value: string])[];
  /** Lower-case names that an approval is not bound to: request ids and the like, new with every try. */
  readonly headersVolatile: readonly string[];
  /** A call that changes nothing and shows whether the credential is accepted. */
  readonly verify: Verification | undefined;
  readonly actions: readonly Action[];
  readonly approval: readonly ApprovalRule[];
};

/** What one credential adds to a call. */
export type Placed = {
  readonly header: readonly [name: string, value: string] | undefined;
  /** `name=value`, percent-encoded. */
  readonly query: string | undefined;
};

/** RFC 6265 4.1.1, cookie-octet. */
const COOKIE_VALUE = /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*$/;

/** `undefined`: this value cannot stand in that place. */
export function place(inject: Inject, secret: string): Placed | undefined {
  // A replacer function, since `$&` in a secret must not be read as a pattern.
  const value = inject.template.replace('{secret}', () => secret);
  if (inject.kind === 'header') return { header: [inject.name, value], query: undefined };
  if (inject.kind === 'basic') {
    if (!value.includes(':')) return undefined;
    return { header: ['authorization', `Basic ${basicToken(value)}`], query: undefined };
  }
  if (inject.kind === 'query')
    return { header: undefined, query: `${percent(inject.name)}=${percent(value)}` };
  if (!COOKIE_VALUE.test(value)) return undefined;
  return { header: ['cookie', `${inject.name}=${value}`], query: undefined };
}

const basicToken = (pair: string): string => Buffer.from(pair).toString('base64');

/** RFC 3986 percent-encoding of everything but unreserved characters. */
export function percent(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
