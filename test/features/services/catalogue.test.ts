// Every entry of the catalogue against its own examples, through the config and the rules that a real call meets.
// To add an entry is to add a file: nothing here names one, but for what the contract fixes.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { z } from 'zod';
import {
  approvalRule,
  type CompiledService,
  compileService,
  grantingAction,
} from '#features/policy/decide.ts';
import type { CallView } from '#features/policy/model.ts';
import { type CatalogueEntry, documentsOf, readEntry } from '#features/services/catalogue.ts';
import { REQUEST_BODY_BYTES_MAX } from '#kernel/limits.ts';
import { type CallInput, callOf } from '#pipeline/call.ts';
import { readPayload, readTarget, viewOf } from '#pipeline/request.ts';
import { readYaml } from '#platform/yaml/read.ts';
import { catalogue, readConfig } from '../../../src/config.ts';

const folder = new URL('../../../src/features/services/catalogue/', import.meta.url);
const files = readdirSync(folder);
const nothing = (): undefined => undefined;
const around = {
  path: '/etc/stack/config.yaml',
  environment: () => 'a-credential',
  readFile: nothing,
  folderProblem: nothing,
  keyFileProblem: nothing,
};

const exampleShape = z
  .strictObject({
    call: z.string().describe('METHOD /path, with its query.'),
    json: z.unknown().optional().describe('Its body, sent as JSON.'),
    form: z.record(z.string(), z.unknown()).optional().describe('Its body, sent as a form.'),
    action: z.string().optional().describe('The one action that covers it.'),
    approval: z.boolean().default(false).describe('A person must approve it.'),
    denied: z.string().optional().describe('Why nothing grants it.'),
  })
  .refine((one) => (one.action === undefined) !== (one.denied === undefined), 'say either action or denied');
type Example = z.infer<typeof exampleShape>;

function examplesOf(text: string): readonly Example[] {
  const yaml = readYaml(documentsOf(text)[1] ?? '');
  assert.ok('file' in yaml, JSON.stringify(yaml));
  return z.strictObject({ examples: z.array(exampleShape) }).parse(yaml.file.value).examples;
}

/** The service as a config makes it from nothing but `use` and `secret`. */
function used(name: string, entry: CatalogueEntry): CompiledService {
  const site = entry.base_url === undefined ? 'base_url: "https://example.test", ' : '';
  const text = `services: { ${name}: { use: ${name}, ${site}secret: { env: KEY } } }`;
  const read = readConfig(text, around);
  assert.ok('config' in read, JSON.stringify(read));
  assert.deepEqual(read.warnings, []);
  const service = read.config.services.get(name);
  assert.ok(service !== undefined);
  return compileService(service);
}

function viewFor({ service }: CompiledService, example: Example): CallView {
  const [method, path] = example.call.split(' ');
  const type = example.form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' };
  const body = example.form ?? example.json;
  const call = callOf({ service: service.name, method, path, headers: type, body } as CallInput);
  const target = readTarget(call, service);
  const payload = readPayload(call, service, REQUEST_BODY_BYTES_MAX);
  assert.ok(target.ok && payload.ok, `${example.call} is no call: ${JSON.stringify([target, payload])}`);
  return viewOf(call, target.value, payload.value);
}

for (const file of files) {
  const name = file.replace(/\.yaml$/, '');
  const text = readFileSync(new URL(file, folder), 'utf8');
  const entry = readEntry(name, text);
  const examples = examplesOf(text);

  describe(`the catalogue's ${name}`, () => {
    const compiled = used(name, entry);

    for (const example of examples) {
      const body = JSON.stringify(example.form ?? example.json) ?? '';
      it(`${example.action ?? `denies (${example.denied})`}: ${example.call} ${body}`, () => {
        const view = viewFor(compiled, example);
        const granting = compiled.actions
          .map((action) => action.name)
          .filter((action) => grantingAction(compiled, [action], view).kind === 'granted');
        assert.deepEqual(granting, example.action === undefined ? [] : [`${name}:${example.action}`]);
        if (example.action !== undefined || example.approval)
          assert.equal(approvalRule(compiled, view) !== undefined, example.approval, 'approval');
      });
    }

    it('has an example for every action, one under approval for every action that is, and two that are denied', () => {
      const shown = (approval: boolean): unknown[] =>
        examples.filter((one) => one.approval === approval).map(({ action }) => action);
      const all = Object.keys(entry.actions);
      const free = all.filter((action) => !entry.approval.includes(action));
      assert.deepEqual(
        free.filter((action) => !shown(false).includes(action)),
        [],
      );
      assert.deepEqual(
        entry.approval.filter((action) => !shown(true).includes(action)),
        [],
      );
      assert.ok(examples.filter(({ denied }) => denied !== undefined).length >= 2);
    });

    it('puts every call that deletes under approval, and grants no path whole', () => {
      for (const { name: action, calls } of compiled.service.actions)
        for (const { pattern } of calls) {
          assert.notEqual(pattern.segments[0], '**', pattern.text);
          // A label is put back as easily as it is taken.
          const free = pattern.method !== 'DELETE' || pattern.segments.includes('labels');
          const under = compiled.service.approval.some((rule) => rule.action === action);
          assert.ok(free || under, `${pattern.text} is not under approval`);
        }
    });

    it('states where the arguments of every call stand', () => {
      const silent = compiled.service.actions.flatMap(({ calls }) =>
        calls.filter((call) => call.arguments === undefined),
      );
      assert.deepEqual(silent, []);
    });

    it('goes over https and says where its credential comes from', () => {
      assert.equal(compiled.service.base.scheme, 'https');
      assert.match(entry.credential_url, /^https:/);
      assert.match(entry.docs, /^https:/);
    });
  });
}

describe('the catalogue', () => {
  it('holds the twelve of the first version, and is made of its files', () => {
    assert.deepEqual(catalogue.names(), files.map((file) => file.replace(/\.yaml$/, '')).sort());
    const first =
      'airtable anthropic github gitlab jira linear notion openai pagerduty sendgrid slack stripe';
    for (const name of first.split(' ')) assert.ok(catalogue.find(name) !== undefined, name);
  });

  it('has the names that others build upon', () => {
    const named = (name: string): string[] =>
      Object.keys(catalogue.find(name)?.actions ?? {}).map((action) => `${name}:${action}`);
    for (const action of ['slack:chat:write', 'slack:channels:archive', 'stripe:refunds:create'])
      assert.ok(named(action.split(':')[0] ?? '').includes(action), action);
  });

  it('stands in README as it is: every entry with what is under approval', () => {
    const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
    for (const name of catalogue.names()) {
      const row = readme.split('\n').find((line) => line.startsWith(`| \`${name}\` |`)) ?? '';
      const shown = [...row.matchAll(/`([a-z_.]+:[a-z_]+)`/g)].map(([, action]) => action);
      assert.deepEqual(shown, catalogue.find(name)?.approval, name);
    }
  });

  it('refuses an entry that is wrong, by name and reason', () => {
    const wrong = (text: string, words: RegExp): void => assert.throws(() => readEntry('x', text), words);
    wrong('title: X', /entry x/);
    wrong('a: [', /entry x/);
    const slack = readFileSync(new URL('slack.yaml', folder), 'utf8');
    wrong(`whatever: 1\n${slack}`, /whatever/);
    wrong(slack.replace('base_url: ', 'base: '), /base/);
    wrong(slack.replace('  chat:write:', '  slack:chat:write:'), /resource:verb/);
  });
});
