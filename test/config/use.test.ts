// `use:` in the config: what comes from the catalogue, what wins beside it, and mistakes at the operator's own line.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Service } from '#features/services/model.ts';
import { readConfig } from '../../src/config.ts';

const nothing = (): undefined => undefined;
const around = {
  path: '/etc/stack/config.yaml',
  environment: () => 'a-credential',
  readFile: nothing,
  folderProblem: nothing,
  keyFileProblem: nothing,
};

function service(name: string, ...lines: readonly string[]): Service {
  const read = readConfig(
    ['services:', `  ${name}:`, ...lines.map((line) => `    ${line}`)].join('\n'),
    around,
  );
  assert.ok('config' in read, JSON.stringify(read));
  const built = read.config.services.get(name);
  assert.ok(built !== undefined);
  return built;
}

type Found = {
  readonly line: number;
  readonly column: number;
  readonly path: string;
  readonly message: string;
};
function mistakes(...lines: readonly string[]): readonly Found[] {
  const read = readConfig(lines.join('\n'), around);
  assert.ok('mistakes' in read, 'nothing was found');
  return read.mistakes.map(({ line, column, path, message }) => ({ line, column, path, message }));
}

const SECRET = 'secret: { vault: mine }';
const names = ({ actions }: Service): readonly string[] => actions.map(({ name }) => name);
const calls = (of: Service, action: string): readonly string[] =>
  of.actions.find(({ name }) => name === action)?.calls.map(({ pattern }) => pattern.text) ?? [];
const approval = (of: Service): readonly string[] => of.approval.map(({ action }) => action);

describe('a service from the catalogue', () => {
  it('is whole with its name and a secret', () => {
    const slack = service('slack', 'use: slack', SECRET);
    assert.equal(slack.title, 'Slack');
    assert.deepEqual(slack.base, { scheme: 'https', host: 'slack.com', port: 443, path: '/api' });
    assert.ok(names(slack).includes('slack:chat:write'));
    assert.ok(approval(slack).includes('slack:channels:archive'));
  });

  it('may have another name, which its actions and rules then carry', () => {
    const eu = service('slack-eu', 'use: slack', SECRET);
    assert.ok(names(eu).every((name) => name.startsWith('slack-eu:')));
    assert.ok(approval(eu).includes('slack-eu:channels:archive'));
  });

  it('may stand there twice, each with its own credential', () => {
    const read = readConfig(
      'services: { a: { use: github, secret: { vault: a } }, b: { use: github, secret: { vault: b } } }',
      around,
    );
    assert.ok('config' in read);
    const held = [...read.config.services.values()].map(({ secret }) => secret);
    assert.deepEqual(held, [
      { kind: 'vault', name: 'a' },
      { kind: 'vault', name: 'b' },
    ]);
  });
});

describe('a key beside use', () => {
  it("takes the place of the catalogue's: title, base_url, inject, network", () => {
    const github = service(
      'github',
      'use: github',
      'title: Our GitHub',
      'base_url: https://ghe.internal/api/v3',
      'network: private',
      'inject: { header: X-Token, value: "t {secret}" }',
      SECRET,
    );
    assert.equal(github.title, 'Our GitHub');
    assert.deepEqual(github.base, { scheme: 'https', host: 'ghe.internal', port: 443, path: '/api/v3' });
    assert.deepEqual(github.inject, { kind: 'header', name: 'x-token', template: 't {secret}' });
    assert.deepEqual(github.network, { kind: 'private', ranges: [] });
    assert.deepEqual(github.hosts, []);
  });

  it('takes the place of its approval as a whole, also when it is empty', () => {
    assert.deepEqual(approval(service('stripe', 'use: stripe', 'approval: []', SECRET)), []);
    assert.deepEqual(approval(service('stripe', 'use: stripe', 'approval: writes', SECRET)), ['writes']);
    const own = service('stripe', 'use: stripe', 'approval: [ stripe:charges:create ]', SECRET);
    assert.deepEqual(approval(own), ['stripe:charges:create']);
  });

  it('adds actions, and replaces the one of the same name', () => {
    const slack = service(
      'slack',
      'use: slack',
      SECRET,
      'actions:',
      '  slack:chat:write: [ "POST /chat.postMessage" ]',
      '  slack:views:open: [ "POST /views.open" ]',
    );
    assert.deepEqual(calls(slack, 'slack:chat:write'), ['POST /chat.postMessage']);
    assert.deepEqual(calls(slack, 'slack:views:open'), ['POST /views.open']);
    assert.deepEqual(calls(slack, 'slack:channels:archive'), ['POST /conversations.archive']);
  });

  it('adds headers to allow, and replaces a fixed one of the same name in any case', () => {
    const notion = service(
      'notion',
      'use: notion',
      SECRET,
      'headers: { allow: [ X-Trace ], fixed: { Notion-Version: "2026-03-11" } }',
    );
    assert.deepEqual(notion.headersAllow, ['x-trace', 'notion-version']);
    assert.deepEqual(notion.headersFixed, [['notion-version', '2026-03-11']]);
  });
});

describe('a mistake', () => {
  it('in the name of the entry has line, column and the name that was meant', () => {
    const [only, ...rest] = mistakes('services:', '  chat:', '    use: slak', `    ${SECRET}`);
    assert.deepEqual(rest, []);
    assert.deepEqual([only?.line, only?.column, only?.path], [3, 10, 'services.chat.use']);
    assert.match(only?.message ?? '', /slak.*did you mean `slack`/);
    const [far] = mistakes('services: { x: { use: nothing-like-it, secret: { vault: x } } }');
    assert.match(far?.message ?? '', /it has airtable, .*stripe/);
  });

  it('says what the entry needs: a secret, and where it has no address of its own, a base_url', () => {
    const [only, ...rest] = mistakes('services:', '  jira: { use: jira }');
    assert.deepEqual(rest, []);
    assert.equal(only?.line, 2);
    assert.match(only?.message ?? '', /base_url, the address of your site.*secret, .*EMAIL:TOKEN/);
  });

  it('of the operator is found at its own line, in keys, lists and names', () => {
    const found = mistakes(
      'services:',
      '  slack:',
      '    use: slack',
      `    ${SECRET}`,
      '    headers:',
      '      allow: [ x-ok, Authorization ]',
      '    actions:',
      '      slack:x:y: [ "post /x" ]',
      '      other:x:y: [ "GET /x" ]',
      '    approval: [ slack:channels:archive, slack:nothing:there ]',
    );
    assert.deepEqual(
      found.map(({ line, path }) => [line, path]),
      [
        [6, 'services.slack.headers.allow.1'],
        [8, 'services.slack.actions.slack:x:y.0'],
        [9, 'services.slack.actions.other:x:y'],
        [10, 'services.slack.approval.1'],
      ],
    );
  });

  it('of shape is told together with the unknown name, and with names that point nowhere', () => {
    const found = mistakes(
      'services:',
      '  a: { use: slak, secret: { vault: a }, hots: [] }',
      '  b: { use: slack, secret: { vault: b }, headers: 7, actions: [] }',
      '  c: { use: 7, base_url: "https://c.test" }',
      'agents:',
      '  bot: { services: { d: [] } }',
    );
    const lines = found.map(({ line }) => line);
    assert.deepEqual(lines, [2, 2, 3, 3, 4, 6]);
    assert.match(found.map(({ message }) => message).join('\n'), /did you mean `hosts`/);
  });
});
