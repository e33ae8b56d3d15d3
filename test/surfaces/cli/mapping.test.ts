// From an operation to a command and from typed words to the request: what the schema says is what the command takes.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { type Operation, operation } from '#kernel/operation.ts';
import { ok } from '#kernel/result.ts';
import type { Command } from '#surfaces/cli/command.ts';
import { fieldsOf, shapeOf } from '#surfaces/cli/fields.ts';
import { commandName, toolsAsCommands } from '#surfaces/cli/naming.ts';
import { requestOf } from '#surfaces/cli/operation-command.ts';
import { readValues } from '#surfaces/cli/values.ts';
import { describedOperations } from '../../../src/operations.ts';

const made = (fields: Partial<Operation>): Operation => ({
  ...operation({
    name: 'stack_create_thing',
    action: 'thing.create',
    summary: 'Make a thing.',
    effect: 'write',
    callers: ['person'],
    scope: 'agents:write',
    input: z.strictObject({}),
    output: z.strictObject({}),
    example: { input: {}, output: {} },
    errors: [],
    route: { method: 'POST', path: '/v1/things' },
    toolset: null,
    line: 'operations',
    run: async () => ok({ output: {}, changes: [] }),
  }),
  ...fields,
});

const named = (name: string, method: Operation['route']['method'], path: string): string =>
  commandName({ name, route: { method, path } });

const INPUT = z.strictObject({
  name: z.string().describe('What it is called.'),
  agent: z.string().optional(),
  read_only: z.boolean().optional().describe('It may not change anything.'),
  ttl_seconds: z.number().int().min(60).max(3600).default(900),
  colours: z.array(z.enum(['red', 'green'])).optional(),
  intent: z.strictObject({ summary: z.string(), services: z.array(z.string()), note: z.string().optional() }),
  body: z.unknown().optional(),
  value: z.string().meta({ writeOnly: true }).optional(),
});

const thing = made({ input: INPUT });
const command = (of: Operation): Command => ({
  name: commandName(of),
  group: 'Change',
  summary: of.summary,
  ...fieldsOf(of),
  example: '',
  run: async () => 0,
});

describe('the name of a command', () => {
  it('has its noun from the route and its verb from the tool, which does not say the noun again', () => {
    assert.equal(named('stack_register_agent', 'POST', '/v1/agents/register'), 'agents register');
    assert.equal(
      named('stack_revoke_session', 'POST', '/v1/passports/revoke-session'),
      'passports revoke-session',
    );
    assert.equal(named('stack_approve_approval', 'POST', '/v1/approvals/:id/approve'), 'approvals approve');
    assert.equal(named('stack_rotate_keyring', 'POST', '/v1/vault/rotate'), 'vault rotate');
    assert.equal(
      named('stack_list_connected_services', 'GET', '/v1/services/connected'),
      'services list-connected',
    );
    assert.equal(named('stack_proxy_request', 'POST', '/v1/proxy'), 'proxy request');
  });

  it('is one for each operation and two plain words', () => {
    const names = describedOperations().map(commandName);
    assert.equal(new Set(names).size, names.length, names.join('\n'));
    for (const name of names) assert.match(name, /^[a-z-]+ [a-z-]+$/);
  });

  it('stands in the texts of the appliance in place of the name of the tool', () => {
    const said = toolsAsCommands([thing])('Call stack_create_thing, not stack_other.');
    assert.equal(said, 'Call `stack things create`, not stack_other.');
  });
});

describe('the parameters of a command', () => {
  const { positionals, options } = fieldsOf(thing);
  const option = (name: string) => options.find((one) => one.name === name);

  it('are positional where they stand in the path, and the name where the path has none', () => {
    assert.deepEqual(
      positionals.map(({ name }) => name),
      ['name'],
    );
    const inPath = fieldsOf(
      made({ input: INPUT, route: { method: 'POST', path: '/v1/things/:agent/:name' } }),
    );
    assert.deepEqual(
      inPath.positionals.map(({ name }) => name),
      ['agent', 'name'],
    );
  });

  it('are positional where they say whose passports a verb ends', () => {
    const placed = (name: string) => {
      const found = describedOperations().find((one) => one.name === name);
      assert.ok(found !== undefined, name);
      return fieldsOf(found).positionals.map((one) => one.name);
    };
    assert.deepEqual(placed('stack_revoke_agent_passports'), ['agent_id']);
    assert.deepEqual(placed('stack_revoke_session'), ['session_id']);
    assert.deepEqual(placed('stack_issue_passport'), []);
  });

  it('are typed by the schema', () => {
    const kinds = Object.fromEntries(options.map(({ name, kind }) => [name, kind]));
    assert.deepEqual(kinds, {
      agent: 'text',
      read_only: 'flag',
      ttl_seconds: 'number',
      colours: 'list',
      intent: 'json',
      body: 'value',
      value: 'secret',
    });
    assert.deepEqual(option('colours')?.choices, ['red', 'green']);
    assert.equal(option('agent')?.completes, 'agents');
    assert.equal(option('intent')?.required, true);
  });

  it('are described by the schema, with range, default and the shape of JSON', () => {
    assert.equal(option('ttl_seconds')?.description, '60 to 3600. 900 if left out.');
    assert.equal(option('intent')?.description, 'JSON: {summary, services[], note?}');
    assert.equal(shapeOf({ type: 'array', items: { type: 'object' } }), '[{"name": value, …}, …]');
  });

  it('of no operation take the name of an option that every command has', () => {
    for (const one of describedOperations())
      for (const { name } of fieldsOf(one).options)
        assert.ok(!['json', 'config', 'help', 'yes'].includes(name), `${one.name} ${name}`);
  });

  it('of no operation are a list or JSON in a query, which has only texts', () => {
    const asked = describedOperations().filter(({ route }) => route.method === 'GET');
    for (const one of asked)
      for (const { name, kind } of fieldsOf(one).options)
        assert.ok(['text', 'number', 'flag'].includes(kind), `${one.name} ${name} is ${kind}`);
  });

  it('hold what must not be seen as a secret: the value of a secret and a passport', () => {
    const secrets = describedOperations().flatMap((one) =>
      fieldsOf(one).options.flatMap(({ name, kind }) => (kind === 'secret' ? [`${one.name} ${name}`] : [])),
    );
    assert.deepEqual(secrets.sort(), [
      'stack_delegate_passport parent_token',
      'stack_refresh_passport token',
      'stack_set_secret value',
      'stack_verify_passport token',
    ]);
  });
});

describe('typed words', () => {
  const read = (typed: Record<string, unknown>) => readValues(command(thing), typed);

  it('become values of their types', () => {
    const { values, problems } = read({
      name: 'x',
      read_only: true,
      ttl_seconds: '90',
      colours: ['red', 'green'],
      intent: '{"summary":"s","services":[]}',
      body: '[1]',
    });
    assert.deepEqual(problems, []);
    assert.deepEqual(values, {
      name: 'x',
      read_only: true,
      ttl_seconds: 90,
      colours: ['red', 'green'],
      intent: { summary: 's', services: [] },
      body: [1],
    });
    assert.equal(read({ body: 'plain text' }).values['body'], 'plain text');
  });

  it('that are wrong are named all at once, by option, without the value', () => {
    const { problems } = read({ name: '', ttl_seconds: 'soon-canary', colours: ['gren'], intent: '{canary' });
    assert.equal(problems.length, 4, problems.join('\n'));
    const said = problems.join('\n');
    assert.match(said, /NAME: must not be empty/);
    assert.match(said, /--ttl-seconds: must be a number/);
    assert.match(said, /--colours: must be one of red, green \(did you mean green\?\)/);
    assert.match(said, /--intent: is not JSON/);
    assert.ok(!said.includes('canary'));
  });

  it('name at most one value that comes by standard input', () => {
    assert.equal(read({ body: '-' }).fromInput?.name, 'body');
    assert.match(read({ body: '-', intent: '-' }).problems[0] ?? '', /cannot both/);
  });
});

describe('the request of a command', () => {
  it('has parameters of the path encoded, and the rest in the query of a GET', () => {
    const get = { method: 'GET', path: '/v1/things/:id' } as const;
    assert.deepEqual(requestOf({ route: get }, { id: '../a b', limit: 3 }), {
      method: 'GET',
      route: '/v1/things/..%2Fa%20b?limit=3',
    });
  });

  it('has the rest in the body of every other method, and no body where there is none', () => {
    const put = { method: 'PUT', path: '/v1/things/:id' } as const;
    assert.deepEqual(requestOf({ route: put }, { id: 'a', size: 3 }), {
      method: 'PUT',
      route: '/v1/things/a',
      body: { size: 3 },
    });
    assert.deepEqual(requestOf({ route: put }, { id: 'a' }), { method: 'PUT', route: '/v1/things/a' });
  });
});
