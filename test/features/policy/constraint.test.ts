// Every operator on every kind of place, and the bodies that two readers would read differently: what is not clear
// counts against the caller, as a grant that does not hold and as an approval rule that does.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readBody } from '#features/policy/body.ts';
import { compileConstraint, type Verdict } from '#features/policy/constraint.ts';
import type { CallView, Constraint } from '#features/policy/model.ts';
import { utf8 } from '#kernel/bytes.ts';

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
    'another charset': view({ body: readBody('application/json; charset=utf-16', utf8('{"amount":1}')) }),
  };
  for (const [name, call] of Object.entries(bodies))
    it(name, () => assert.equal(judge(amount('lte', 5000), call), 'undecided'));
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

describe('a constraint that cannot be judged is refused when it is read', () => {
  for (const constraint of [
    { path: 'cookie.a', op: 'eq', value: 1 },
    { path: 'body.', op: 'exists' },
    { path: 'body.a', op: 'lt', value: '5' },
    { path: 'body.a', op: 'in', value: 5 },
    { path: 'body.a', op: 'eq' },
    { path: 'body.a', op: 'exists', value: 1 },
    { path: 'body.a', op: 'matches', value: '(' },
    { path: 'body.a', op: 'matches', value: '(?=a)' },
    { path: 'body.a', op: 'matches', value: 'a'.repeat(257) },
  ] as const)
    it(JSON.stringify(constraint).slice(0, 60), () =>
      assert.ok('problem' in compileConstraint(constraint as Constraint)),
    );
});
