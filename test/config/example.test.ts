// config.example.yaml and the schema say the same: every field is in both, every value shown is the default, and
// every field has its sentence.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { z } from 'zod';
import { configSchema, readConfig } from '../../src/config.ts';

const example = readFileSync(new URL('../../config.example.yaml', import.meta.url), 'utf8');
const nothing = (): undefined => undefined;
const around = {
  path: '/etc/stack/config.yaml',
  environment: nothing,
  readFile: () => '-----BEGIN CERTIFICATE-----',
  folderProblem: nothing,
  keyFileProblem: nothing,
};

type Node = z.core.JSONSchema._JSONSchema;
type Field = { readonly path: string; readonly description: string | undefined };

/** Every key that may stand somewhere in the file, through lists, names and alternatives. */
function fieldsOf(schema: Node | undefined, path: string): Field[] {
  if (schema === undefined || typeof schema === 'boolean') return [];
  const inside = (name: string, inner: Node): Field[] => [
    { path: `${path}.${name}`, description: typeof inner === 'object' ? inner.description : undefined },
    ...fieldsOf(inner, `${path}.${name}`),
  ];
  const items = Array.isArray(schema.items) ? schema.items : [schema.items];
  return [
    ...Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => inside(name, inner)),
    ...fieldsOf(schema.additionalProperties, path),
    ...items.flatMap((item) => fieldsOf(item, path)),
    ...(schema.anyOf ?? []).flatMap((inner) => fieldsOf(inner, path)),
  ];
}
const fields = fieldsOf(z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' }), '');

function config(text: string): unknown {
  const read = readConfig(text, around);
  assert.ok('config' in read, JSON.stringify(read));
  return read.config;
}

/** The commented services and agents, as a reader would uncomment them. */
const uncommented = example
  .replace(/^(?:services|agents|notifications): \{\}\n/gm, '')
  .replace(/^# (?=(?:services|agents|notifications):| {2})/gm, '');

test('the fields of the schema are found at all', () => {
  const paths = fields.map(({ path }) => path);
  for (const path of ['.server.listen', '.services.inject.bearer', '.services.actions.where.op'])
    assert.ok(paths.includes(path), `${path} is not among ${paths.join(' ')}`);
});

test('every field of the schema stands in the example', () => {
  const missing = fields.filter(({ path }) => {
    const name = path.split('.').at(-1) ?? '';
    return !new RegExp(`(?:^|[\\s{#])${name}:(?:\\s|$)`, 'm').test(example);
  });
  assert.deepEqual(missing, []);
});

test('every field of the schema has its sentence', () => {
  assert.deepEqual(
    fields.filter(({ description }) => description === undefined),
    [],
  );
});

test('a value that the example shows is the default', () => {
  assert.deepEqual(config(example), config('version: 1'));
});

test('the services and agents of the example are valid when uncommented', () => {
  assert.notEqual(uncommented, example);
  const { services, agents } = config(uncommented) as {
    services: Map<string, unknown>;
    agents: Map<string, unknown>;
  };
  assert.deepEqual([[...services.keys()], [...agents.keys()]], [['slack', 'billing'], ['support-bot']]);
});
