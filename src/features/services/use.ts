// `use:` in a service of the config: the catalogue's keys and those beside `use` become one service. What the operator
// wrote wins; what is wrong in it is found at the operator's line, since only the operator's lists keep their places.
import { at, nearest } from '#platform/yaml/mistakes.ts';
import type { Mistake, YamlFile } from '#platform/yaml/read.ts';
import { type Catalogue, type CatalogueEntry, settingsOf } from './catalogue.ts';

type Mapping = Readonly<Record<string, unknown>>;
export type Used = { readonly file: YamlFile; readonly mistakes: readonly Mistake[] };

/** Keeps a service whose entry is not known readable, so that its other mistakes are found, too. */
const NO_URL = { base_url: 'https://catalogue.invalid' };

export function useCatalogue(file: YamlFile, catalogue: Catalogue): Used {
  const { services } = file.value;
  if (!isMapping(services)) return { file, mistakes: [] };
  const mistakes: Mistake[] = [];
  const whole = Object.entries(services).map(([name, given]) => {
    if (!isMapping(given) || typeof given['use'] !== 'string') return [name, given];
    const entry = catalogue.find(given['use']);
    const problem = entry === undefined ? unknown(given['use'], catalogue) : lacking(given, entry);
    if (problem !== undefined) mistakes.push(at(file, ['services', name, 'use'], problem));
    return [name, { ...NO_URL, ...(entry === undefined ? given : merged(name, given, entry)) }];
  });
  return { file: { ...file, value: { ...file.value, services: Object.fromEntries(whole) } }, mistakes };
}

const isMapping = (value: unknown): value is Mapping =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function unknown(use: string, catalogue: Catalogue): string {
  const near = nearest(use, catalogue.names());
  const hint = near === undefined ? `it has ${catalogue.names().join(', ')}` : `did you mean \`${near}\`?`;
  return `the catalogue has no \`${use}\`, ${hint}`;
}

function lacking(given: Mapping, entry: CatalogueEntry): string | undefined {
  const needed = entry.base_url_needed;
  const needs = [
    ...(given['base_url'] === undefined && needed !== undefined ? [`base_url, ${needed}`] : []),
    ...(given['secret'] === undefined ? [`secret, where to find ${entry.credential}`] : []),
  ];
  return needs.length === 0 ? undefined : `${entry.title} needs beside use: ${needs.join('; and ')}`;
}

/**
 * A key beside `use` takes the place of the catalogue's. Actions and headers are added to it; one of the same name wins.
 * With another base_url the catalogue's hosts go: the credential is then for somebody else.
 */
function merged(name: string, given: Mapping, entry: CatalogueEntry): Mapping {
  const own = settingsOf(name, entry);
  return {
    ...own,
    ...(given['base_url'] === undefined ? {} : { hosts: [] }),
    ...given,
    actions: both(own.actions, given['actions']),
    headers: headersOf(own.headers, given['headers']),
  };
}

/** What has not the right shape is left to the schema. */
const both = (own: Mapping, given: unknown): unknown =>
  isMapping(given) ? { ...own, ...given } : (given ?? own);

function headersOf(own: CatalogueEntry['headers'], given: unknown): unknown {
  if (!isMapping(given)) return given ?? own;
  const { allow = [], fixed = {} } = given;
  return {
    ...given,
    allow: Array.isArray(allow) ? [...allow, ...own.allow] : allow,
    fixed: isMapping(fixed) ? { ...unnamed(own.fixed, fixed), ...fixed } : fixed,
  };
}

/** Header names have no case: what `given` names in another one is replaced as well. */
function unnamed(own: Mapping, given: Mapping): Mapping {
  const names = new Set(Object.keys(given).map((name) => name.toLowerCase()));
  return Object.fromEntries(Object.entries(own).filter(([name]) => !names.has(name.toLowerCase())));
}
