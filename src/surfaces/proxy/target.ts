// The request target of the path form, read raw: nothing is decoded or encoded again, so that the URL gate judges what
// the caller wrote. The name of the service is plain letters; anything else names no service.
import { holdsOwnToken } from '#platform/net/own-token.ts';

const PREFIX = '/proxy/';
const TARGET = /^\/proxy\/([a-z0-9][a-z0-9_-]{0,63})(\/.*)$/s;

export type Target = {
  readonly service: string;
  /** Path below the base of the service, with its query, as it was written. */
  readonly path: string;
};

export const isProxyTarget = (target: string | undefined): boolean => target?.startsWith(PREFIX) === true;

export function readTarget(target: string): Target | undefined {
  const [, service, path] = TARGET.exec(target) ?? [];
  return service === undefined || path === undefined ? undefined : { service, path };
}

/**
 * A service may have parameters named `key` or `token`, so under /proxy the value decides, not the name. The parameter that
 * carries the service's own credential is refused by the URL gate.
 */
export function carriesToken(target: string): boolean {
  if (!target.includes('%')) return holdsOwnToken(target);
  const plain = target.replace(/%([0-9A-Fa-f]{2})/g, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return holdsOwnToken(plain);
}
