// Every operator on every kind of place, and the bodies that two readers would read differently: what is not clear
// counts against the caller, as a grant that does not hold and as an approval rule that does.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readBody } from '#features/policy/body.ts';
import { compileConstraint, type Verdict } from '#features/policy/constraint.ts';
import type { CallView, Constraint } from '#features/policy/model.ts';
import { utf8 } from '#kernel/bytes.ts';
import { REGEX_CHARS_MAX } from '#kernel/limits.ts';

const view = (over: Partial<CallView> = {}): CallView => ({
  method: 'POST',
  host: 'api.test',
  origin: 'https://api.test',
  relativePath: '/refunds',
  pathname: '/v1/refunds',
  query: new Map(),
  headers: new Map(),
  body: { kind: 'none' },
  ...over,
});
const json = (text: string): CallView => view({ body: readBody('application/json', utf8(text)) });
const form = (text: string): CallView =>
  view({ body: readBody('application/x-www-form-urlencoded', utf8(text)) });
const query = (text: string): CallView => {
  const values = new Map<string, string[]>();
  for (const [name, value] of new URLSearchParams(text))
    values.set(name, [...(values.get(name) ?? []), value]);
  return view({ query: values });
};

function judge(constraint: Constraint, call: CallView): Verdict {
  const compiled = compileConstraint(constraint);
  assert.ok('judge' in compiled, JSON.stringify(compiled));
  return compiled.judge(call);
}

const amount = (op: Constraint['op'], value?: Constraint['value']): Constraint =>
  value === undefined ? { path: 'body.amount', op } : { path: 'body.amount', op, value };

describe('operators', () => {
  const cases: readonly (readonly [Constraint, CallView, Verdict])[] = [
    [amount('lte', 100), json('{"amount":100}'), 'holds'],
    [amount('lt', 100), json('{"amount":100}'), 'fails'],
    [amount('gt', 100), json('{"amount":100.5}'), 'holds'],
    [amount('gte', 100), json('{"amount":99}'), 'fails'],
    [amount('lte', 100), form('amount=100'), 'holds'],
    [amount('eq', 5), json('{"amount":5}'), 'holds'],
    [amount('eq', 5), json('{"amount":"5"}'), 'fails'],
    [amount('eq', 5), form('amount=5'), 'holds'],
    [amount('not_eq', 5), json('{"amount":5}'), 'fails'],
    [amount('in', [1, 5]), json('{"amount":5}'), 'holds'],
    [amount('not_in', [1, 5]), json('{"amount":6}'), 'holds'],
    [amount('exists'), json('{"amount":null}'), 'holds'],
    [amount('absent'), json('{"amount":null}'), 'fails'],
    [amount('starts_with', 'a'), json('{"amount":"abc"}'), 'holds'],
    [amount('matches', '^a.c$'), json('{"amount":"abc"}'), 'holds'],
    [amount('matches', '^a$'), json('{"amount":1}'), 'fails'],
    [amount('lt', 100), json('{"amount":99}'), 'holds'],
    [amount('gt', 100), json('{"amount":100}'), 'fails'],
    [amount('gte', 100), json('{"amount":100}'), 'holds'],
    [amount('gte', 100), json('{"amount":101}'), 'holds'],
    [amount('lte', 100), json('{"amount":101}'), 'fails'],
    [amount('lte', 100), form('amount=101'), 'fails'],
    [amount('lte', 1.25), form('amount=1.25'), 'holds'],
    [amount('eq', 1.25), form('amount=1.250'), 'holds'],
    [amount('eq', -5), form('amount=-5'), 'holds'],
    [amount('eq', 0), form('amount=0'), 'holds'],
    [amount('eq', 5), form('amount=05'), 'fails'],
    [amount('eq', 5), form('amount=6'), 'fails'],
    [amount('eq', 5), form('amount=x'), 'fails'],
    [amount('eq', 5), form('amount[]=5'), 'fails'],
    [amount('eq', true), form('amount=true'), 'holds'],
    [amount('eq', true), form('amount=false'), 'fails'],
    [amount('eq', 'true'), form('amount=true'), 'holds'],
    [amount('eq', true), json('{"amount":"true"}'), 'fails'],
    [amount('eq', null), form('amount=null'), 'fails'],
    [amount('eq', null), json('{"amount":null}'), 'holds'],
    [amount('eq', 'a'), form('amount[]=a'), 'fails'],
    [amount('not_eq', 5), json('{"amount":6}'), 'holds'],
    [amount('not_in', [1, 5]), json('{"amount":5}'), 'fails'],
    [amount('in', [1, 5]), json('{"amount":6}'), 'fails'],
    [amount('in', []), json('{"amount":6}'), 'fails'],
    [amount('starts_with', 'a'), json('{"amount":"ba"}'), 'fails'],
    [amount('starts_with', '1'), json('{"amount":12}'), 'fails'],
    [amount('matches', 'b'), json('{"amount":"abc"}'), 'holds'],
    [amount('eq', 5), json('{"a":1,"amount":5,"z":2}'), 'holds'],
    [amount('absent'), json('{"a":1}'), 'holds'],
    [amount('exists'), view(), 'fails'],
    [amount('absent'), view(), 'holds'],
    [amount('exists'), json('[1]'), 'fails'],
    [amount('exists'), json('"text"'), 'fails'],
    [amount('exists'), json('null'), 'fails'],
    [{ path: 'body.a.b', op: 'exists' }, json('{"a":5}'), 'fails'],
    [{ path: 'body.a.b', op: 'absent' }, json('{"a":null}'), 'holds'],
    [{ path: 'body.a.b.c', op: 'absent' }, json('{"a":{}}'), 'holds'],
    [{ path: 'body.a.1', op: 'eq', value: 'y' }, json('{"a":["x","y"]}'), 'holds'],
    [{ path: 'body.a_b', op: 'eq', value: 1 }, json('{"a_b":1,"a.b":2}'), 'holds'],
    [{ path: 'body.0', op: 'eq', value: 'x' }, form('0=x'), 'holds'],
    [{ path: 'headers.x-a', op: 'absent' }, view(), 'holds'],
    [{ path: 'headers.x-a', op: 'exists' }, view({ headers: new Map([['x-a', '']]) }), 'holds'],
    [{ path: 'url.origin', op: 'eq', value: 'https://api.test' }, view(), 'holds'],
    [{ path: 'query.a', op: 'absent' }, query('b=1'), 'holds'],
    [{ path: 'query.a', op: 'eq', value: 'x' }, query('a=x&b=1'), 'holds'],
    [{ path: 'query.a.b', op: 'eq', value: 1 }, query('a.b=1'), 'holds'],
    [{ path: 'body.a.b', op: 'eq', value: true }, json('{"a":{"b":true}}'), 'holds'],
    [{ path: 'body.a.b', op: 'eq', value: 'x' }, form('a[b]=x'), 'holds'],
    [{ path: 'method', op: 'eq', value: 'POST' }, view(), 'holds'],
    [{ path: 'url.pathname', op: 'starts_with', value: '/v1/' }, view(), 'holds'],
    [{ path: 'url.host', op: 'eq', value: 'api.test' }, view(), 'holds'],
    [{ path: 'headers.x-a', op: 'eq', value: '1' }, view({ headers: new Map([['x-a', '1']]) }), 'holds'],
    [{ path: 'query.page', op: 'lte', value: 3 }, query('page=3'), 'holds'],
  ];
  for (const [constraint, call, wanted] of cases)
    it(`${JSON.stringify(constraint)} ${wanted} on ${JSON.stringify(call.body)}`, () =>
      assert.equal(judge(constraint, call), wanted));

  it('fails on an absent path, but for absent, not_eq and not_in (contract 6)', () => {
    for (const [op, value] of [
      ['eq', 1],
      ['in', [1]],
      ['matches', 'a'],
      ['starts_with', 'a'],
      ['lt', 1],
      ['lte', 1],
      ['gt', 1],
      ['gte', 1],
      ['exists', undefined],
    ] as const)
      assert.equal(judge(amount(op, value), json('{}')), 'fails', op);
    assert.equal(judge(amount('absent'), json('{}')), 'holds');
    assert.equal(judge(amount('not_eq', 1), json('{}')), 'holds');
    assert.equal(judge(amount('not_in', [1]), json('{}')), 'holds');
  });
});

describe('a body that readers read differently is undecided', () => {
  const bodies: Readonly<Record<string, CallView>> = {
    'a member twice': json('{"amount":1,"amount":6000}'),
    'a member twice, once escaped': json('{"amount":1,"\\u0061mount":6000}'),
    'a member in another case, as Go reads it': json('{"amount":1,"Amount":6000}'),
    'a member only in another case': json('{"AMOUNT":6000}'),
    'a member of compatibility letters': json('{"amount":1,"\uff41mount":6000}'),
    'a number as text': json('{"amount":"50"}'),
    'a number with a sign': form('amount=%2B50'),
    'a number in hex': form('amount=0x32'),
    'not JSON': json('{amount:1}'),
    'a byte order mark': json('\ufeff{"amount":1}'),
    'a field twice': form('amount=1&amount=6000'),
    'a field as text and list': form('amount=1&amount[]=6000'),
    'a field in another case': form('amount=1&Amount=6000'),
    'another type': view({ body: readBody('text/plain', utf8('{"amount":1}')) }),
    'a number in a list': form('amount[]=50'),
    'a number with an empty fraction': form('amount=50.'),
    'a number with an exponent': form('amount=5e1'),
    'another charset': view({ body: readBody('application/json; charset=utf-16', utf8('{"amount":1}')) }),
  };
  for (const [name, call] of Object.entries(bodies))
    it(name, () => assert.equal(judge(amount('lte', 5000), call), 'undecided'));

  it('also to the operators that ask only whether it is there', () => {
    for (const call of [
      json('{"AMOUNT":1}'),
      json('{"amount":1,"Amount":1}'),
      json('no'),
      form('amount[]=1&Amount=2'),
      form('a=1&a=2'),
      view({ body: { kind: 'opaque' } }),
      { ...json('{"amount":1}'), query: new Map([['Amount', ['1']]]) },
      { ...json('{}'), query: new Map([['amount[]', ['1']]]) },
    ])
      for (const op of ['exists', 'absent'] as const)
        assert.equal(judge(amount(op), call), 'undecided', JSON.stringify(call.body));
  });
});

describe('a query that servers read differently is undecided', () => {
  for (const text of [
    'user_id=1&user_id=2',
    'user_id=1&USER_ID=2',
    'user_id=1&user.id=2',
    'user_id=1&user_id[]=2',
  ])
    it(text, () =>
      assert.equal(judge({ path: 'query.user_id', op: 'eq', value: 1 }, query(text)), 'undecided'),
    );
});

describe('a parameter of the query is undecided while the body may have it, too', () => {
  const named = (over: Partial<CallView>): Verdict =>
    judge({ path: 'query.user_id', op: 'exists' }, { ...query('user_id=1'), ...over });

  it('by that name in any spelling', () => {
    for (const text of ['user_id=2', 'USER_ID=2', 'user.id=2', 'user_id[]=2', '0=1&user_id=2'])
      assert.equal(named({ body: form(text).body }), 'undecided', text);
    assert.equal(named({ body: json('{"user_id":1}').body }), 'undecided');
    for (const body of [form('other=2').body, json('{"a":{"user_id":1}}').body, json('[1]').body])
      assert.equal(named({ body }), 'holds');
  });

  it('a name that is a number is no place in a list', () => {
    const call = { ...query('0=1'), body: form('0=5').body };
    assert.equal(judge({ path: 'query.0', op: 'eq', value: 1 }, call), 'undecided');
  });

  it('because fields stand in the body that nobody here can read', () => {
    const unread = [{ kind: 'broken', reason: 'x' } as const, { kind: 'opaque', holdsFields: true } as const];
    for (const body of unread)
      for (const op of ['exists', 'absent'] as const)
        assert.equal(judge({ path: 'query.user_id', op }, { ...query('user_id=1'), body }), 'undecided');
    assert.equal(named({ body: { kind: 'opaque' } }), 'holds');
  });
});

describe('a constraint that cannot be judged is refused when it is read', () => {
  const problems: readonly (readonly [Constraint, string])[] = [
    [{ path: 'body.a', op: 'exists', value: 1 }, 'exists takes no value'],
    [{ path: 'body.a', op: 'absent', value: null }, 'absent takes no value'],
    [{ path: 'body.a', op: 'in', value: 1 }, 'in wants a list'],
    [{ path: 'body.a', op: 'not_in', value: 'a' }, 'not_in wants a list'],
    [{ path: 'body.a', op: 'not_in' }, 'not_in wants a list'],
    [{ path: 'body.a', op: 'eq' }, 'eq wants one value'],
    [{ path: 'body.a', op: 'not_eq', value: [1] }, 'not_eq wants one value'],
    [{ path: 'body.a', op: 'lt', value: '5' }, 'lt wants a number'],
    [{ path: 'body.a', op: 'gte', value: true }, 'gte wants a number'],
    [{ path: 'body.a', op: 'matches', value: 5 }, 'matches wants text'],
    [{ path: 'body.a', op: 'starts_with', value: 5 }, 'starts_with wants text'],
    [{ path: 'body.a', op: 'matches', value: '(' }, 'pattern is not an RE2 regular expression'],
    [
      { path: 'body.a', op: 'matches', value: 'a'.repeat(REGEX_CHARS_MAX + 1) },
      `pattern is longer than ${REGEX_CHARS_MAX} characters`,
    ],
  ];
  for (const [constraint, problem] of problems)
    it(`${problem}: ${JSON.stringify(constraint).slice(0, 60)}`, () =>
      assert.deepEqual(compileConstraint(constraint), { problem }));

  it('by a path that names no part of a call', () => {
    for (const path of [
      '',
      'methods',
      'xmethod',
      'url',
      'url.port',
      'url.hosts',
      'headers',
      'headers.',
      'headers.X-A',
      'headers.a b',
      'query',
      'query.',
      'body',
      'body.',
      'body.a.',
      'body..a',
      'cookie.a',
      'xbody.a',
    ])
      assert.deepEqual(compileConstraint({ path, op: 'exists' }), {
        problem: `path ${path} is none of method, url.pathname, url.host, url.origin, headers.x, query.x, body.x`,
      });
    for (const path of ['method', 'url.pathname', 'headers.x-1', 'query.a b[c]', 'body.a', 'body.a b.c'])
      assert.ok('judge' in compileConstraint({ path, op: 'exists' }), path);
  });

  it('but not for a pattern as long as the limit', () => {
    const value = 'a'.repeat(REGEX_CHARS_MAX);
    assert.ok('judge' in compileConstraint({ path: 'body.a', op: 'matches', value }));
  });

  it('by a look ahead, which takes no linear time', () => {
    assert.ok('problem' in compileConstraint({ path: 'body.a', op: 'matches', value: '(?=a)' }));
  });
});
