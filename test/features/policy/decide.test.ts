// Patterns over method and path, scopes over actions, and which calls come under approval.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readBody } from '#features/policy/body.ts';
import {
  approvalRule,
  type CompiledService,
  compileService,
  grantingAction,
  looksAtBody,
} from '#features/policy/decide.ts';
import {
  type ArgumentPlace,
  type CallView,
  type Constraint,
  intersect,
  isScope,
  narrower,
} from '#features/policy/model.ts';
import { covers, parsePattern } from '#features/policy/pattern.ts';
import type { Service } from '#features/services/model.ts';
import { utf8 } from '#kernel/bytes.ts';

function covering(pattern: string, method: string, path: string): boolean {
  const parsed = parsePattern(pattern);
  assert.ok(!('problem' in parsed), JSON.stringify(parsed));
  return covers(parsed, method, path);
}

describe('patterns', () => {
  for (const [pattern, method, path, wanted] of [
    ['GET /repos/**', 'GET', '/repos/', true],
    ['GET /repos/**', 'GET', '/repos', false],
    ['GET /repos/**', 'GET', '/repos/a/b', true],
    ['GET /repos/*', 'GET', '/repos/a', true],
    ['GET /repos/*', 'GET', '/repos/a/b', false],
    ['GET /repos/*', 'GET', '/repos/', false],
    ['GET /repos/*', 'GET', '/Repos/a', false],
    ['GET /repos/*', 'HEAD', '/repos/a', false],
    ['GET /repos/*/issues', 'GET', '/repos/a/issues', true],
    ['GET /repos/*/issues', 'GET', '/repos/a%2Fb/issues', true],
  ] as const)
    it(`${pattern} ${wanted ? 'covers' : 'does not cover'} ${method} ${path}`, () =>
      assert.equal(covering(pattern, method, path), wanted));
});

describe('scopes', () => {
  it('have three parts, where a star fills a whole one and a trailing star the rest', () => {
    for (const good of ['a:b:c', 'a:*', 'a:*:read', 'a:b:*']) assert.ok(isScope(good), good);
    for (const bad of ['*', '*:b:c', 'a:b', 'a', 'a:b*:c', 'a:b:c:d', 'A:b:c', 'a::c', ''])
      assert.ok(!isScope(bad), bad);
  });
  it('narrow and never widen', () => {
    assert.ok(narrower('a:b:c', 'a:*') && narrower('a:b:*', 'a:*') && !narrower('a:*', 'a:b:*'));
    assert.ok(!narrower('b:b:c', 'a:*'));
    assert.equal(intersect('a:*:read', 'a:b:*'), 'a:b:read');
    assert.equal(intersect('a:b:read', 'a:b:write'), undefined);
  });
});

const at = (text: string) => {
  const parsed = parsePattern(text);
  assert.ok(!('problem' in parsed));
  return parsed;
};
const service: Service = {
  name: 'pay',
  title: 'Pay',
  base: { scheme: 'https', host: 'pay.test', port: 443, path: '' },
  hosts: [],
  network: { kind: 'public' },
  caPem: undefined,
  inject: undefined,
  secret: undefined,
  headersAllow: [],
  headersFixed: [],
  headersVolatile: [],
  verify: undefined,
  actions: [
    { name: 'pay:refunds:read', calls: [{ pattern: at('GET /refunds/**'), where: [] }] },
    {
      name: 'pay:refunds:create',
      calls: [{ pattern: at('POST /refunds'), where: [{ path: 'body.amount', op: 'lte', value: 5000 }] }],
    },
    { name: 'pay:all:write', calls: [{ pattern: at('POST /**'), where: [] }] },
  ],
  approval: [{ action: 'pay:refunds:create', where: [{ path: 'body.amount', op: 'gt', value: 100 }] }],
};
const compiled = compileService(service);
const call = (method: string, path: string, body?: string): CallView => ({
  method,
  host: 'pay.test',
  origin: 'https://pay.test',
  relativePath: path,
  pathname: path,
  query: new Map(),
  headers: new Map(),
  body: readBody('application/json', body === undefined ? undefined : utf8(body)),
});

describe('a grant', () => {
  it('covers what its actions cover and nothing else', () => {
    const kind = (scopes: string[], view: CallView): string => grantingAction(compiled, scopes, view).kind;
    assert.equal(kind(['pay:refunds:*'], call('GET', '/refunds/1')), 'granted');
    assert.equal(kind(['pay:refunds:read'], call('POST', '/refunds', '{"amount":1}')), 'denied');
    assert.equal(kind(['pay:refunds:*'], call('POST', '/refunds', '{"amount":5001}')), 'constraint');
    assert.equal(
      kind(['pay:refunds:*'], call('POST', '/refunds', '{"amount":1,"Amount":5001}')),
      'constraint',
    );
    assert.equal(kind([], call('GET', '/refunds/1')), 'denied');
    assert.equal(kind(['pay:*'], call('DELETE', '/refunds/1')), 'denied');
  });
});

describe('approval', () => {
  const due = (view: CallView): boolean => approvalRule(compiled, view) !== undefined;
  it('is due by any action that covers the call, granted or not, and where the body is not clear', () => {
    assert.ok(due(call('POST', '/refunds', '{"amount":101}')));
    assert.ok(!due(call('POST', '/refunds', '{"amount":100}')));
    assert.ok(due(call('POST', '/refunds', '{"amount":1,"AMOUNT":101}')));
    assert.ok(due(call('POST', '/refunds', '{"amount":"101"}')));
    assert.ok(!due(call('GET', '/refunds/1')));
  });
  it('covers every method but GET and HEAD where it says writes', () => {
    const writes = compileService({ ...service, approval: [{ action: 'writes', where: [] }] });
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
      assert.ok(approvalRule(writes, call(method, '/x')) !== undefined, method);
    for (const method of ['GET', 'HEAD']) assert.equal(approvalRule(writes, call(method, '/x')), undefined);
  });
});

describe('whether a body must be read before the call is judged', () => {
  const unread = (method: string, path: string): CallView => ({
    ...call(method, path),
    body: { kind: 'opaque' },
  });
  const action = (where: Constraint[], place?: ArgumentPlace) => {
    const one = { pattern: at('PUT /a'), where, ...(place === undefined ? {} : { arguments: place }) };
    return compileService({ ...service, actions: [{ name: 'pay:a:b', calls: [one] }], approval: [] });
  };
  const looks = (compiledService: CompiledService, constraints: Constraint[] = []): boolean =>
    looksAtBody(compiledService, { constraints, view: unread('PUT', '/a') });
  const onBody: Constraint = { path: 'body.amount', op: 'exists' };

  it('is said by conditions of the action, constraints of the passport, argument places and approvals', () => {
    assert.ok(looks(action([onBody])));
    assert.ok(looks(action([]), [onBody]));
    assert.ok(looks(action([], 'query')) && looks(action([], 'either')));
    assert.ok(looksAtBody(compiled, { constraints: [], view: unread('POST', '/refunds') }));
    assert.ok(!looks(action([], 'body')));
    assert.ok(!looks(action([{ path: 'headers.x', op: 'exists' }]), [{ path: 'method', op: 'exists' }]));
    assert.ok(!looksAtBody(action([onBody]), { constraints: [], view: unread('PUT', '/b') }));
  });

  it('decides nothing by a body that is not read', () => {
    const bodies = ['{"amount":1}', '{"amount":6000}', '{"amount":1,"Amount":2}', 'no json', ''];
    for (const method of ['GET', 'POST', 'DELETE'])
      for (const path of ['/refunds', '/refunds/1', '/other']) {
        const view = unread(method, path);
        if (looksAtBody(compiled, { constraints: [], view })) continue;
        for (const body of bodies) {
          const known = call(method, path, body);
          const scopes = ['pay:*'];
          assert.deepEqual(grantingAction(compiled, scopes, view), grantingAction(compiled, scopes, known));
          assert.deepEqual(approvalRule(compiled, view), approvalRule(compiled, known));
        }
      }
  });
});
