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

/** Template with one `{secret}`; `bearer` is `Authorization: Bearer {secret}`. */
export type Inject = { readonly header: string; readonly template: string };
export type SecretReference =
  | { readonly kind: 'env'; readonly name: string }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'vault'; readonly name: string };

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
  readonly actions: readonly Action[];
  readonly approval: readonly ApprovalRule[];
};
