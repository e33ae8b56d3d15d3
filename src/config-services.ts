// From the `services` section to services: what the schema cannot say about one is checked here.
import { resolve } from 'node:path';
import { compileConstraint } from '#features/policy/constraint.ts';
import type { Action, ApprovalRule, Constraint } from '#features/policy/model.ts';
import { parsePattern } from '#features/policy/pattern.ts';
import type { Inject, Network, Service } from '#features/services/model.ts';
import type { ServiceSettings, WhereSettings } from '#features/services/settings.ts';
import { readSealed } from '#features/vault/sealed.ts';
import { isAllowedAddress } from '#platform/net/address.ts';
import { isAlwaysAllowed, isForbiddenHeader } from '#platform/net/request-headers.ts';
import { readUrl } from '#platform/net/url.ts';
import { nearest } from '#platform/yaml/mistakes.ts';

const ACTION_NAME = /^[a-z0-9][a-z0-9_.-]*:[a-z0-9][a-z0-9_.-]*:[a-z0-9][a-z0-9_.-]*$/;
const SERVICE_NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;
const HEADER_VALUE = /^[\t\x20-\x7e]*$/;
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

type Section = ServiceSettings;

type Problem = { readonly path: readonly (string | number)[]; readonly message: string };
type Built = { readonly service: Service | undefined; readonly mistakes: readonly Problem[] };
type Around = { readonly folder: string; readonly readFile: (path: string) => string | undefined };

export function buildService(name: string, section: Section, around: Around): Built {
  const mistakes: Problem[] = [];
  const report = (path: Problem['path'], message: string): void => void mistakes.push({ path, message });
  if (!SERVICE_NAME.test(name))
    report([], `service name ${name} must be lower-case letters, digits, - and _`);
  const network = networkOf(section.network);
  const base = baseOf(section, network, report);
  const inject = injectOf(section, report);
  const fixed = fixedOf(section, report);
  for (const [index, header] of section.headers.allow.entries()) {
    if (isForbiddenHeader(header))
      report(
        ['headers', 'allow', index],
        `headers.allow cannot hold ${header}: it carries credential, routing or framing`,
      );
    else if (!HEADER_NAME.test(header)) report(['headers', 'allow', index], `${header} is no header name`);
  }
  const allow = section.headers.allow.map((header) => header.toLowerCase());
  for (const [index, header] of section.headers.volatile.entries()) {
    if (!allow.includes(header.toLowerCase()) && !isAlwaysAllowed(header))
      report(
        ['headers', 'volatile', index],
        `headers.volatile names ${header}, which headers.allow does not`,
      );
  }
  if (section.inject !== undefined && section.secret === undefined) report(['inject'], 'inject needs secret');
  if (section.secret !== undefined && section.inject === undefined)
    report(['secret'], 'secret needs inject, which says where it goes');
  if (
    section.secret !== undefined &&
    'sealed' in section.secret &&
    readSealed(section.secret.sealed) === undefined
  )
    report(
      ['secret', 'sealed'],
      'sealed is not a whole value of `stack seal`: copy all of the line it printed',
    );
  const actions = Object.entries(section.actions).map(([action, calls]) =>
    actionOf(name, { action, calls }, report),
  );
  const approval = approvalOf(section, actions, report);
  const verify = verifyOf(section, report);
  const caPem = caOf(section, around, report);
  if (base === undefined || mistakes.length > 0) return { service: undefined, mistakes };
  const secret = secretOf(section, around.folder);
  const service: Service = {
    name,
    title: section.title ?? name,
    base,
    hosts: section.hosts.map((host) => host.toLowerCase()),
    network,
    caPem,
    inject,
    secret,
    headersFixed: fixed,
    headersAllow: allow,
    headersVolatile: section.headers.volatile.map((header) => header.toLowerCase()),
    verify,
    actions,
    approval,
  };
  return { service, mistakes };
}

type Report = (path: Problem['path'], message: string) => void;

function networkOf(network: Section['network']): Network {
  if (network === 'private') return { kind: 'private', ranges: [] };
  return typeof network === 'string' ? { kind: network } : { kind: 'private', ranges: network.private };
}

function baseOf(section: Section, network: Network, report: Report): Service['base'] | undefined {
  const text = section.base_url.endsWith('/') ? section.base_url : `${section.base_url}/`;
  const url = readUrl(text);
  if (!url.ok) {
    report(
      ['base_url'],
      `base_url must be a plain URL like https://api.example.com/v1 (${url.fault.detail})`,
    );
    return undefined;
  }
  const { scheme, host, port, path, query, ipLiteral } = url.value;
  if (query !== undefined) report(['base_url'], 'base_url takes no query');
  if (ipLiteral && !isAllowedAddress(host, network))
    report(['base_url'], `address ${host} is not in network ${network.kind}`);
  const plain = network.kind === 'loopback' || (network.kind === 'private' && section.plaintext);
  if (scheme === 'http' && !plain)
    report(
      ['base_url'],
      'http:// would show the credential; use https, network: loopback, or network: private with plaintext: true',
    );
  return { scheme, host, port, path: path.slice(0, -1) };
}

function injectOf({ inject }: Section, report: Report): Inject | undefined {
  if (inject === undefined) return undefined;
  if ('bearer' in inject) return { kind: 'header', name: 'authorization', template: 'Bearer {secret}' };
  if ('basic' in inject) return { kind: 'basic', template: inject.basic };
  if ('query' in inject) return { kind: 'query', name: inject.query, template: inject.value };
  if ('cookie' in inject) return { kind: 'cookie', name: inject.cookie, template: inject.value };
  if (inject.header.includes(':'))
    report(['inject', 'header'], 'header is a name without a colon; its value goes into value');
  else if (!HEADER_NAME.test(inject.header)) report(['inject', 'header'], 'header is no header name');
  return { kind: 'header', name: inject.header.toLowerCase(), template: inject.value };
}

function fixedOf({ headers, inject }: Section, report: Report): Service['headersFixed'] {
  return Object.entries(headers.fixed).map(([name, value]) => {
    const key = name.toLowerCase();
    const credential = inject !== undefined && 'header' in inject && inject.header.toLowerCase() === key;
    if (isForbiddenHeader(key) || credential)
      report(
        ['headers', 'fixed', name],
        `headers.fixed cannot hold ${name}: it carries credential, routing or framing`,
      );
    else if (!HEADER_NAME.test(name) || !HEADER_VALUE.test(value))
      report(['headers', 'fixed', name], `${name} is no header name, or its value is not one line of ASCII`);
    return [key, value];
  });
}

function secretOf({ secret }: Section, folder: string): Service['secret'] {
  if (secret === undefined) return undefined;
  if ('env' in secret) return { kind: 'env', name: secret.env };
  if ('sealed' in secret) return { kind: 'sealed', text: secret.sealed };
  return 'file' in secret
    ? { kind: 'file', path: resolve(folder, secret.file) }
    : { kind: 'vault', name: secret.vault };
}

function caOf({ tls }: Section, { folder, readFile }: Around, report: Report): string | undefined {
  if (tls === undefined) return undefined;
  const text = readFile(resolve(folder, tls.ca_file));
  if (text?.includes('-----BEGIN CERTIFICATE-----') !== true)
    report(['tls', 'ca_file'], `ca_file ${tls.ca_file} cannot be read or holds no certificate`);
  return text;
}

function verifyOf({ verify }: Section, report: Report): Service['verify'] {
  if (verify === undefined) return undefined;
  const { call, expect } = typeof verify === 'string' ? { call: verify, expect: {} } : verify;
  const pattern = parsePattern(call);
  if ('problem' in pattern) report(['verify'], pattern.problem);
  else if (pattern.segments.some((segment) => segment.includes('*')))
    report(['verify'], 'verify is one call, without * in its path');
  else return { method: pattern.method, path: `/${pattern.segments.join('/')}`, expect };
  return undefined;
}

type RawAction = { readonly action: string; readonly calls: Section['actions'][string] };

function actionOf(service: string, { action, calls }: RawAction, report: Report): Action {
  const path = ['actions', action];
  if (!ACTION_NAME.test(action)) report(path, `action ${action} must be service:resource:verb`);
  else if (action.split(':')[0] !== service) report(path, `action ${action} must begin with ${service}:`);
  const built = calls.flatMap((call, index) => {
    const pattern = parsePattern(typeof call === 'string' ? call : call.call);
    const conditions = constraintsOf(
      typeof call === 'string' ? [] : call.where,
      [...path, index, 'where'],
      report,
    );
    if ('problem' in pattern) {
      report([...path, index], pattern.problem);
      return [];
    }
    const place = typeof call === 'string' ? undefined : call.arguments;
    return [{ pattern, where: conditions, ...(place === undefined ? {} : { arguments: place }) }];
  });
  return { name: action, calls: built };
}

function constraintsOf(list: WhereSettings, path: Problem['path'], report: Report): readonly Constraint[] {
  return list.map((given, index) => {
    const one: Constraint =
      given.value === undefined
        ? { path: given.path, op: given.op }
        : { path: given.path, op: given.op, value: given.value };
    const compiled = compileConstraint(one);
    if ('problem' in compiled) report([...path, index], compiled.problem);
    return one;
  });
}

function unknownAction(action: string, actions: readonly Action[]): string {
  const near = nearest(
    action,
    actions.map(({ name }) => name),
  );
  const hint = near === undefined ? '' : `, did you mean ${near}?`;
  return `approval names ${action}, which is no action of this service${hint}`;
}

function approvalOf(
  { approval }: Section,
  actions: readonly Action[],
  report: Report,
): readonly ApprovalRule[] {
  if (approval === 'writes') return [{ action: 'writes', where: [] }];
  return approval.map((rule, index) => {
    const action = typeof rule === 'string' ? rule : rule.action;
    const known = action === 'writes' || actions.some(({ name }) => name === action);
    if (!known) report(['approval', index], unknownAction(action, actions));
    const deny = typeof rule !== 'string' && rule.on_reject === 'deny';
    const submit = typeof rule !== 'string' && rule.on_call === 'submit';
    return {
      action,
      where: constraintsOf(typeof rule === 'string' ? [] : rule.where, ['approval', index, 'where'], report),
      ...(deny ? { onReject: 'deny' as const } : {}),
      ...(submit ? { onCall: 'submit' as const } : {}),
    };
  });
}
