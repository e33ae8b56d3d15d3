// Where arguments stand: a rule on the one place is no use while the service takes them from the other.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { misplaced } from '#features/policy/arguments.ts';
import { readBody } from '#features/policy/body.ts';
import { approvalRule, compileService, grantingAction } from '#features/policy/decide.ts';
import type { ArgumentPlace, CallView, Constraint } from '#features/policy/model.ts';
import { parsePattern } from '#features/policy/pattern.ts';
import type { Service } from '#features/services/model.ts';
import { utf8 } from '#kernel/bytes.ts';

const JSON_TYPE = 'application/json';
const FORM_TYPE = 'application/x-www-form-urlencoded';
type Given = { readonly query?: string; readonly body?: string; readonly type?: string };

function view({ query = '', body, type = JSON_TYPE }: Given): CallView {
  const parameters = new Map<string, string[]>();
  for (const [name, value] of new URLSearchParams(query))
    parameters.set(name, [...(parameters.get(name) ?? []), value]);
  return {
    method: 'POST',
    host: 'pay.test',
    origin: 'https://pay.test',
    relativePath: '/refunds',
    pathname: '/refunds',
    query: parameters,
    headers: new Map(),
    body: readBody(type, body === undefined ? undefined : utf8(body)),
  };
}

describe('the arguments of a call', () => {
  const AMOUNT = '{"amount":1}';
  const breaks = (place: ArgumentPlace, given: Given): string | undefined =>
    misplaced(place, view(given))?.path;

  it('stand in the body alone, where the action says body', () => {
    assert.equal(breaks('body', { body: AMOUNT }), undefined);
    assert.equal(breaks('body', {}), undefined);
    assert.equal(breaks('body', { body: AMOUNT, query: 'amount=5000' }), 'query.amount');
    assert.equal(breaks('body', { query: 'other=1' }), 'query.other');
  });

  it('break a condition that says which argument may not be there', () => {
    assert.deepEqual(misplaced('query', view({ body: AMOUNT })), { path: 'body', op: 'absent' });
    const query = 'a=1&amount=2';
    assert.deepEqual(misplaced('body', view({ query })), { path: 'query.a', op: 'absent' });
    assert.deepEqual(misplaced('either', view({ body: AMOUNT, query })), {
      path: 'query.amount',
      op: 'absent',
    });
    assert.equal(misplaced(undefined, view({ body: AMOUNT, query })), undefined);
  });

  it('stand in the query alone, where it says query', () => {
    assert.equal(breaks('query', { query: 'amount=1' }), undefined);
    assert.equal(breaks('query', { query: 'amount=1', body: '{}' }), 'body');
    assert.equal(breaks('query', { body: 'bytes', type: 'application/octet-stream' }), 'body');
  });

  it('stand in one of the two, where it says either', () => {
    assert.equal(breaks('either', { body: AMOUNT, query: 'expand=x' }), undefined);
    assert.equal(breaks('either', { body: AMOUNT }), undefined);
    assert.equal(breaks('either', { query: 'amount=1' }), undefined);
    assert.equal(breaks('either', { body: AMOUNT, query: 'expand=x&amount=5000' }), 'query.amount');
  });

  it('are the same for every spelling that some service reads as one', () => {
    for (const name of ['Amount', 'AMOUNT', 'amount[]', 'amount%5B0%5D', '%EF%BD%81mount'])
      assert.ok(breaks('either', { body: AMOUNT, query: `${name}=5000` }) !== undefined, name);
    assert.ok(breaks('either', { type: FORM_TYPE, body: 'a.b=1', query: 'a_b=2' }) !== undefined);
    assert.ok(breaks('either', { type: FORM_TYPE, body: 'amount[]=1', query: 'amount=2' }) !== undefined);
  });

  it('are not known to stand once where the body cannot be read', () => {
    assert.equal(breaks('either', { body: '{"a":', query: 'b=1' }), 'query.b');
    assert.equal(
      breaks('either', { body: 'x', type: 'multipart/form-data; boundary=x', query: 'b=1' }),
      'query.b',
    );
    assert.equal(breaks('either', { body: 'x', type: 'multipart/form-data; boundary=x' }), undefined);
  });
});

const parsed = parsePattern('POST /refunds');
assert.ok(!('problem' in parsed));
const pattern = parsed;
function service(
  where: readonly Constraint[],
  approval: readonly Constraint[],
  place?: ArgumentPlace,
): Service {
  return {
    name: 'pay',
    title: 'Pay',
    base: { scheme: 'https', host: 'pay.test', port: 443, path: '' },
    hosts: [],
    network: { kind: 'public' },
    caPem: undefined,
    inject: undefined,
    secret: undefined,
    verify: undefined,
    headersAllow: [],
    headersFixed: [],
    headersVolatile: [],
    actions: [
      {
        name: 'pay:refunds:create',
        calls: [{ pattern, where, ...(place === undefined ? {} : { arguments: place }) }],
      },
    ],
    approval: [{ action: 'pay:refunds:create', where: approval }],
  };
}
const SMALL: Constraint = { path: 'body.amount', op: 'lte', value: 100 };
const LARGE: Constraint = { path: 'body.amount', op: 'gt', value: 100 };

describe('a condition on body.amount', () => {
  const compiled = compileService(service([SMALL], [LARGE]));
  const kind = (given: Given): string => grantingAction(compiled, ['pay:*'], view(given)).kind;

  it('does not hold while the query has an amount, too, whatever the action says of places', () => {
    assert.equal(kind({ body: '{"amount":1}' }), 'granted');
    assert.equal(kind({ body: '{"amount":1}', query: 'page=2' }), 'granted');
    for (const name of ['amount', 'AMOUNT', 'amount[]'])
      assert.equal(kind({ body: '{"amount":1}', query: `${name}=5000` }), 'constraint', name);
    assert.equal(kind({ type: FORM_TYPE, body: 'amount=1', query: 'amount=5000' }), 'constraint');
    assert.equal(kind({ query: 'amount=1' }), 'constraint');
  });

  it('puts a call under approval whose amount stands in the query', () => {
    const due = (given: Given): boolean => approvalRule(compiled, view(given)) !== undefined;
    assert.ok(!due({ body: '{"amount":1}' }));
    assert.ok(due({ body: '{"amount":1}', query: 'amount=5000' }));
    const free = compileService(service([], [LARGE]));
    assert.ok(approvalRule(free, view({ query: 'amount=5000' })) !== undefined);
    assert.ok(approvalRule(free, view({ query: 'amount=5000', body: '{}' })) !== undefined);
  });

  it('and one on query.amount does not hold while the body has an amount', () => {
    const inQuery = compileService(service([{ ...SMALL, path: 'query.amount' }], []));
    const held = (given: Given): string => grantingAction(inQuery, ['pay:*'], view(given)).kind;
    assert.equal(held({ query: 'amount=1' }), 'granted');
    assert.equal(held({ query: 'amount=1', body: '{"Amount":5000}' }), 'constraint');
    const form = '--x\r\nContent-Disposition: form-data; name="amount"\r\n\r\n5000\r\n--x--';
    assert.equal(
      held({ query: 'amount=1', body: form, type: 'multipart/form-data; boundary=x' }),
      'constraint',
    );
    assert.equal(held({ query: 'amount=1', body: '{"amount":1,"amount":5000}' }), 'constraint');
    assert.equal(held({ query: 'amount=1', body: 'bytes', type: 'application/octet-stream' }), 'granted');
  });
});

describe('an action whose arguments stand in the body', () => {
  const compiled = compileService(service([], [], 'body'));
  it('names the argument to leave out, in the form of a constraint', () => {
    const verdict = grantingAction(compiled, ['pay:*'], view({ body: '{"amount":1}', query: 'amount=5000' }));
    assert.deepEqual(verdict, {
      kind: 'constraint',
      action: 'pay:refunds:create',
      constraint: { path: 'query.amount', op: 'absent' },
    });
  });
  it('stays under approval by its path, however the arguments stand', () => {
    assert.ok(approvalRule(compiled, view({ query: 'amount=5000' })) !== undefined);
  });
});
