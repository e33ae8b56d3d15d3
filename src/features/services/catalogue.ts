// The catalogue: services that many people use, one YAML file each in catalogue/. An entry is a service without its
// credential; the second document of its file holds the calls that prove it, for the tests. What is used is read.
import { z } from 'zod';
import { ARGUMENT_PLACES, type ArgumentPlace } from '#features/policy/model.ts';
import type { CatalogueTexts } from '#platform/host/assets.ts';
import { readYaml } from '#platform/yaml/read.ts';
import { actionCall, serviceSettings } from './settings.ts';

const { title, hosts, inject, headers, verify } = serviceSettings.shape;
/** `resource:verb`; the name of the service comes before it where the entry is used. */
const ACTION = /^[a-z0-9][a-z0-9_.-]*:[a-z0-9][a-z0-9_.-]*$/;
const action = z.string().regex(ACTION, 'must be resource:verb, without the name of the service');

export const catalogueEntry = z
  .strictObject({
    title: title.unwrap(),
    docs: z.url().describe("The vendor's reference, from which the entry was made."),
    credential: z.string().describe('What the secret is, and which rights it needs.'),
    credential_url: z.url().describe('Where a person gets it.'),
    base_url: z.string().optional().describe('Every call goes below this URL.'),
    base_url_needed: z
      .string()
      .optional()
      .describe('In place of base_url, where every customer has another one: what to write.'),
    hosts,
    inject: inject.unwrap(),
    headers,
    verify,
    actions: z.record(action, z.array(actionCall).min(1)).describe('resource:verb to calls.'),
    approval: z.array(action).describe('What a person must approve, unless the service says otherwise.'),
  })
  .refine(
    (entry) => (entry.base_url === undefined) !== (entry.base_url_needed === undefined),
    'say either base_url or base_url_needed',
  );
export type CatalogueEntry = z.infer<typeof catalogueEntry>;

export type Catalogue = {
  readonly names: () => readonly string[];
  readonly find: (name: string) => CatalogueEntry | undefined;
};

export function createCatalogue({ names, text }: CatalogueTexts): Catalogue {
  const read = new Map<string, CatalogueEntry>();
  return {
    names,
    find: (name) => {
      const source = read.has(name) ? undefined : text(name);
      if (source !== undefined) read.set(name, readEntry(name, source));
      return read.get(name);
    },
  };
}

/** Of a file: the entry, and its examples. */
export const documentsOf = (text: string): readonly string[] => text.split(/^---$/m);

/** Throws on a file that its test should have refused. */
export function readEntry(name: string, text: string): CatalogueEntry {
  const yaml = readYaml(documentsOf(text)[0] ?? '');
  const parsed = 'file' in yaml ? catalogueEntry.safeParse(yaml.file.value) : undefined;
  if (parsed?.success === true) return parsed.data;
  const why = 'mistakes' in yaml ? yaml.mistakes.map(({ message }) => message) : [parsed?.error.message];
  throw new Error(`catalogue entry ${name}: ${why.join('; ')}`);
}

/** The entry as the config would write it, under the name that the service has there. */
export function settingsOf(service: string, entry: CatalogueEntry) {
  const named = (action: string): string => `${service}:${action}`;
  return {
    title: entry.title,
    ...(entry.base_url === undefined ? {} : { base_url: entry.base_url }),
    hosts: entry.hosts,
    inject: entry.inject,
    headers: entry.headers,
    ...(entry.verify === undefined ? {} : { verify: entry.verify }),
    actions: Object.fromEntries(
      Object.entries(entry.actions).map(([action, calls]) => [named(action), calls.map(placed)]),
    ),
    approval: entry.approval.map(named),
  };
}

type Call = z.infer<typeof actionCall>;

/** Every call of the catalogue states where its arguments stand: as its method has them, unless it says otherwise. */
function placed(given: Call): Exclude<Call, string> {
  const call = typeof given === 'string' ? { call: given, where: [] } : given;
  return { arguments: usualPlace(call.call), ...call };
}

const IN_QUERY = /^(?:GET|HEAD|DELETE|OPTIONS) /;
const usualPlace = (call: string): ArgumentPlace => ARGUMENT_PLACES[IN_QUERY.test(call) ? 0 : 1];
