// Patterns over method and path, scopes over actions, and which calls come under approval.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readBody } from '#features/policy/body.ts';
import {
  approvalRule,
  type CompiledService,
  checkConstraints,
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
  serviceOf,
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
    for (const bad of [
      '*',
      '*:b:c',
      'a:b',
      'a',
      'a:b*:c',
      'a:b:c:d',
      'a:b:c:*',
      'a:*:*:*',
      'A:b:c',
      'a::c',
      'a:b:-c',
      'a b:c:d',
      '',
    ])
      assert.ok(!isScope(bad), bad);
  });
  it('narrow and never widen', () => {
    assert.ok(narrower('a:b:c', 'a:*') && narrower('a:b:*', 'a:*') && !narrower('a:*', 'a:b:*'));
    assert.ok(!narrower('b:b:c', 'a:*'));
    assert.ok(narrower('a:*', 'a:*:*') && narrower('a:*:*', 'a:*') && !narrower('a:*', 'a:*:c'));
    assert.ok(narrower('a:b:c', 'a:b:c') && !narrower('a:b:c', 'a:b:d') && !narrower('a:b:c', 'a:x:c'));
    assert.ok(!narrower('a:b:c:d', 'a:b:c'), 'no scope, and so narrower than none');
    assert.equal(intersect('a:*:read', 'a:b:*'), 'a:b:read');
    assert.equal(intersect('a:b:read', 'a:b:write'), undefined);
    assert.equal(intersect('a:b:*', 'a:*'), 'a:b:*');
    assert.equal(intersect('a:*', 'a:b:read'), 'a:b:read');
    assert.equal(intersect('a:b:read', 'a:*'), 'a:b:read');
    assert.equal(intersect('a:b:c', 'b:b:c'), undefined);
  });
  it('name their service in the first part', () => {
    assert.equal(serviceOf('pay:refunds:read'), 'pay');
    assert.equal(serviceOf('pay:*'), 'pay');
    assert.equal(serviceOf('pay'), 'pay');
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

  const several = compileService({
    ...service,
    actions: [
      {
        name: 'pay:a:write',
        calls: [
          { pattern: at('PUT /b'), where: [{ path: 'body.never', op: 'exists' }] },
          { pattern: at('PUT /a'), where: [{ path: 'body.x', op: 'lte', value: 1 }] },
          { pattern: at('PUT /*'), where: [{ path: 'body.x', op: 'lte', value: 2 }] },
        ],
      },
      { name: 'pay:c:write', calls: [{ pattern: at('PUT /c'), where: [], arguments: 'body' }] },
      {
        name: 'pay:all:write',
        calls: [{ pattern: at('PUT /**'), where: [{ path: 'body.y', op: 'exists' }] }],
      },
    ],
  });

  it('takes one call of the action that covers and holds, and asks nothing of those that do not cover', () => {
    const grant = (body: string, scopes = ['pay:*']) =>
      grantingAction(several, scopes, call('PUT', '/a', body));
    assert.deepEqual(grant('{"x":1}'), { kind: 'granted', action: 'pay:a:write' });
    assert.deepEqual(grant('{"x":2}'), { kind: 'granted', action: 'pay:a:write' });
    assert.deepEqual(grant('{"x":3,"y":1}'), { kind: 'granted', action: 'pay:all:write' });
  });

  it('names the first condition that is broken, of the first action that was granted', () => {
    const grant = (body: string, scopes: string[]) =>
      grantingAction(several, scopes, call('PUT', '/a', body));
    assert.deepEqual(grant('{"x":3}', ['pay:*']), {
      kind: 'constraint',
      action: 'pay:a:write',
      constraint: { path: 'body.x', op: 'lte', value: 1 },
    });
    assert.deepEqual(grant('{"x":3}', ['pay:all:*']), {
      kind: 'constraint',
      action: 'pay:all:write',
      constraint: { path: 'body.y', op: 'exists' },
    });
    const query = new Map([['a', ['1']]]);
    assert.deepEqual(grantingAction(several, ['pay:c:*'], { ...call('PUT', '/c', '{}'), query }), {
      kind: 'constraint',
      action: 'pay:c:write',
      constraint: { path: 'query.a', op: 'absent' },
    });
  });

  it('is denied with the names of the actions that would cover the call, and of no others', () => {
    assert.deepEqual(grantingAction(several, ['pay:x:*'], call('PUT', '/a')), {
      kind: 'denied',
      known: ['pay:a:write', 'pay:all:write'],
    });
    assert.deepEqual(grantingAction(several, ['pay:*'], call('GET', '/a')), { kind: 'denied', known: [] });
  });
});

describe('a compiled service', () => {
  it('has a fingerprint that changes with its definition and with nothing else', () => {
    assert.match(compiled.fingerprint, /^[0-9a-f]{64}$/);
    assert.equal(compileService({ ...service }).fingerprint, compiled.fingerprint);
    assert.notEqual(compileService({ ...service, title: 'Other' }).fingerprint, compiled.fingerprint);
  });

  it('is not made of a condition that the config check should have refused', () => {
    const where: Constraint[] = [{ path: 'body.a', op: 'lt', value: 'x' }];
    const actions = [{ name: 'pay:a:b', calls: [{ pattern: at('PUT /a'), where }] }];
    assert.throws(() => compileService({ ...service, actions }), /lt wants a number/);
    assert.throws(
      () => compileService({ ...service, approval: [{ action: 'writes', where }] }),
      /lt wants a number/,
    );
  });
});

describe('the constraints of a passport', () => {
  const small: Constraint = { path: 'body.amount', op: 'lte', value: 10 };
  const whole: Constraint = { path: 'body.amount', op: 'exists' };
  const first = (constraints: Constraint[], body?: string): Constraint | undefined =>
    checkConstraints(constraints, call('POST', '/refunds', body));

  it('hold together, or the first that does not is named; undecided does not hold', () => {
    assert.equal(first([]), undefined);
    assert.equal(first([whole, small], '{"amount":10}'), undefined);
    assert.deepEqual(first([whole, small], '{"amount":11}'), small);
    assert.deepEqual(first([whole, small]), whole);
    assert.deepEqual(first([small], '{"amount":1,"Amount":2}'), small);
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
  it('is said by the first rule that fits, whose conditions may hold', () => {
    const rules: Service['approval'] = [
      { action: 'pay:other:*', where: [] },
      { action: 'writes', where: [{ path: 'body.amount', op: 'gt', value: 100 }] },
      { action: 'pay:refunds:*', where: [{ path: 'body.amount', op: 'gt', value: 50 }] },
      { action: 'pay:*', where: [] },
    ];
    const ruled = compileService({ ...service, approval: rules });
    const rule = (method: string, path: string, body?: string) =>
      approvalRule(ruled, call(method, path, body));
    assert.deepEqual(rule('POST', '/refunds', '{"amount":101}'), rules[1]);
    assert.deepEqual(rule('POST', '/refunds', '{"amount":51}'), rules[2]);
    assert.deepEqual(rule('POST', '/refunds', '{"amount":50}'), rules[3]);
    assert.deepEqual(rule('GET', '/refunds/1'), rules[3]);
    assert.equal(rule('GET', '/other'), undefined);
    assert.equal(approvalRule(compileService({ ...service, approval: [] }), call('POST', '/x')), undefined);
  });
  it('counts an action by any of its calls that covers, and only while its conditions may hold', () => {
    const calls = [
      { pattern: at('PUT /b'), where: [] },
      { pattern: at('PUT /a'), where: [{ path: 'body.x', op: 'eq', value: 1 } as const] },
    ];
    const one = compileService({
      ...service,
      actions: [{ name: 'pay:a:b', calls }],
      approval: [{ action: 'pay:a:b', where: [] }],
    });
    const asks = (path: string, body: string): boolean =>
      approvalRule(one, call('PUT', path, body)) !== undefined;
    assert.ok(asks('/a', '{"x":1}') && asks('/b', '{"x":2}'));
    assert.ok(!asks('/a', '{"x":2}') && !asks('/c', '{"x":1}'));
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
    assert.ok(!looksAtBody(action([onBody]), { constraints: [onBody], view: unread('PUT', '/b') }));
    assert.ok(looks(action([{ path: 'query.a', op: 'exists' }])));
    assert.ok(looks(action([]), [{ path: 'method', op: 'exists' }, onBody]));
  });

  it('is said by one among several calls and actions, if it covers', () => {
    const plain = { pattern: at('PUT /a'), where: [] };
    const reads = { pattern: at('PUT /a'), where: [onBody] };
    const elsewhere = { pattern: at('PUT /b'), where: [onBody] };
    const several = (...calls: Service['actions'][number]['calls'][]) =>
      compileService({
        ...service,
        actions: calls.map((of, at) => ({ name: `pay:a:${at}`, calls: of })),
        approval: [],
      });
    assert.ok(looks(several([plain, reads])) && looks(several([plain], [reads])));
    assert.ok(!looks(several([plain, elsewhere])) && !looks(several([plain], [elsewhere])));
  });

  it('is said by an approval that a person would give, of every method that changes something', () => {
    const under = (approval: Service['approval'], method = 'PUT'): boolean => {
      const calls = [
        { pattern: at('PUT /a'), where: [] },
        { pattern: at('GET /a'), where: [] },
      ];
      const actions = ['pay:a:b', 'pay:c:d'].map((name) => ({ name, calls }));
      const of = compileService({ ...service, actions, approval });
      return looksAtBody(of, { constraints: [], view: unread(method, '/a') });
    };
    assert.ok(under([{ action: 'writes', where: [] }]) && !under([{ action: 'writes', where: [] }], 'GET'));
    assert.ok(
      under(
        [
          { action: 'pay:x:y', where: [] },
          { action: 'pay:a:*', where: [] },
        ],
        'GET',
      ),
    );
    assert.ok(!under([{ action: 'pay:x:y', where: [] }]) && !under([]));
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
