// One resolution per dial: every answer is checked, and one bad answer refuses the call (security.md 0.6).
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { Fault } from '#kernel/errors.ts';
import { RESOLVE_TIMEOUT_MS } from '#kernel/limits.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import { isAllowedAddress, type NetworkRule } from './address.ts';

export type Resolver = (host: string) => Promise<readonly string[]>;
/** The appliance's own listening places, which no call may reach. */
export type ClosedPlaces = (address: string, port: number) => boolean;

/** A trailing dot keeps search domains out of names with a dot. */
export const systemResolver: Resolver = async (host) => {
  const name = host.includes('.') && !host.endsWith('.') ? `${host}.` : host;
  const answers = await lookup(name, { all: true, verbatim: true });
  return answers.map(({ address }) => address);
};

export type Question = {
  readonly host: string;
  readonly port: number;
  readonly network: NetworkRule;
};

export async function checkedAddresses(
  question: Question,
  { resolver, closed }: { readonly resolver: Resolver; readonly closed: ClosedPlaces },
): Promise<Result<readonly string[]>> {
  const { host, port, network } = question;
  const answers = isIP(host) === 0 ? await answersOf(host, resolver) : ok([host]);
  if (!answers.ok) return answers;
  const bad = answers.value.find((address) => !isAllowedAddress(address, network) || closed(address, port));
  if (bad === undefined) return answers;
  const detail = `${host} resolves to ${bad}, which network ${network.kind} does not allow`;
  return refuse(
    new Fault('ADDRESS_DENIED', { detail, metadata: { sent: false, reason: 'address_not_public' } }),
  );
}

async function answersOf(host: string, resolver: Resolver): Promise<Result<readonly string[]>> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), RESOLVE_TIMEOUT_MS);
  });
  try {
    const answers = await Promise.race([resolver(host), late]);
    if (answers === 'late') return failed(host, 'resolve_timeout');
    return answers.length === 0 ? failed(host, 'resolve_failed') : ok(answers);
  } catch {
    return failed(host, 'resolve_failed');
  } finally {
    clearTimeout(timer);
  }
}

const failed = (host: string, reason: string): Result<never> =>
  refuse(
    new Fault('UPSTREAM_UNREACHABLE', { detail: `${host}: ${reason}`, metadata: { sent: false, reason } }),
  );
