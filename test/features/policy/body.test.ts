// Bodies as rules read them and as they are sent: each kind by its type, and whatever two parsers would read differently
// by the reason why it is broken.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { encodeBody, encodeForm, readBody } from '#features/policy/body.ts';
import type { BodyView } from '#features/policy/model.ts';
import { decodeUtf8, utf8 } from '#kernel/bytes.ts';
import { FORM_FIELDS_MAX, JSON_DEPTH_MAX } from '#kernel/limits.ts';

const FORM = 'application/x-www-form-urlencoded';
const read = (type: string | undefined, text: string): BodyView => readBody(type, utf8(text));
const broken = (reason: string): BodyView => ({ kind: 'broken', reason });

function form(text: string): unknown {
  const view = read(FORM, text);
  assert.equal(view.kind, 'form', JSON.stringify(view));
  // Members without a prototype, as plain data.
  return 'value' in view ? JSON.parse(JSON.stringify(view.value)) : undefined;
}

describe('the kind of a body', () => {
  it('is none where nothing is in it, whatever its type', () => {
    for (const type of [undefined, 'application/json', FORM, 'text/plain']) {
      assert.deepEqual(readBody(type, undefined), { kind: 'none' });
      assert.deepEqual(readBody(type, new Uint8Array()), { kind: 'none' });
    }
  });

  it('is JSON by every type that ends so', () => {
    for (const type of [
      'application/json',
      'Application/JSON',
      'application/vnd.api-v1+json',
      'application/a+b+json',
      'application/json; charset=utf-8',
      'application/json;charset="UTF-8"',
      'application/json ; charset=utf-8 ; charset=utf-8',
    ])
      assert.deepEqual(read(type, '{"a":1}').kind, 'json', type);
    assert.deepEqual(read('application/json', '[1,"a"]'), { kind: 'json', value: [1, 'a'] });
  });

  it('is opaque by any other type and without one, also where it looks like JSON', () => {
    for (const type of [
      undefined,
      '',
      'text/plain',
      'text/json',
      'application/jsonp',
      'application/xjson',
      'application/+json',
      'x-application/json',
      'application/a b+json',
      'multipart',
      `${FORM}x`,
    ])
      assert.deepEqual(read(type, '{"a":1}'), { kind: 'opaque' }, type);
  });

  it('is opaque with fields by the types of several parts', () => {
    for (const type of ['multipart/form-data; boundary=x', 'Multipart/Mixed'])
      assert.deepEqual(read(type, 'a'), { kind: 'opaque', holdsFields: true });
  });

  it('is broken where it is not what it says', () => {
    for (const type of ['application/json', FORM]) {
      for (const parameter of ['charset=utf-16', 'charset=utf-8; a=b', 'charset', 'charset="utf-8', ''])
        assert.deepEqual(read(`${type};${parameter}`, '1'), broken('charset is not utf-8'), parameter);
      assert.deepEqual(readBody(type, Uint8Array.of(0x61, 0xff)), broken('not plain UTF-8'));
      assert.deepEqual(read(type, '\ufeff1'), broken('not plain UTF-8'));
    }
    assert.deepEqual(form('a=1\ufeff'), { a: '1\ufeff' });
    assert.equal(read('application/json', '{"a":1,"a":2}').kind, 'broken');
    assert.equal(read('application/json', '{a:1}').kind, 'broken');
  });
});

describe('a form', () => {
  it('has fields of text, decoded', () => {
    assert.deepEqual(form('a=1&b=x+y%26%C3%A4&c&d='), { a: '1', b: 'x y&ä', c: '', d: '' });
    assert.deepEqual(form('a%5Bb%5D=1&e=f=g'), { a: { b: '1' }, e: 'f=g' });
  });

  it('nests by brackets, and lists what is counted from nought', () => {
    assert.deepEqual(form('a[b][c]=1&a[b][d]=2&a[e]=3'), { a: { b: { c: '1', d: '2' }, e: '3' } });
    assert.deepEqual(form('a[]=1&a[]=2&a[]=3'), { a: ['1', '2', '3'] });
    assert.deepEqual(form('a[0]=1&a[]=2'), { a: ['1', '2'] });
    assert.deepEqual(form('a[0][b]=1&a[1][b]=2'), { a: [{ b: '1' }, { b: '2' }] });
    assert.deepEqual(form('a[1]=1'), { a: { 1: '1' } });
    assert.deepEqual(form('a[0]=1&a[x]=2'), { a: { 0: '1', x: '2' } });
  });

  it('has names at its top even where these are numbers, and __proto__ is one of them', () => {
    assert.deepEqual(form('0=a&1=b'), { 0: 'a', 1: 'b' });
    const view = read(FORM, '__proto__=a&x=1');
    assert.deepEqual('value' in view ? Object.keys(view.value as object) : [], ['__proto__', 'x']);
  });

  it('is broken where parsers would read it differently', () => {
    for (const text of ['a=1&a=2', 'a[b]=1&a[b]=2', 'a[]=1&a[0]=2', 'a[b]=1&a=2', 'a=1&%61=2'])
      assert.deepEqual(read(FORM, text), broken('repeats a field'), text);
    for (const text of ['a=1&a[b]=2', 'a=1&a[]=2', 'a[b]=1&a[b][c]=2'])
      assert.deepEqual(read(FORM, text), broken('gives a field two shapes'), text);
    for (const text of [
      '=1',
      '&',
      'a=1&',
      '[a]=1',
      'a[=1',
      'a]=1',
      'a[b=1',
      'a[b]c=1',
      'x[a]]=1',
      '[]=1',
      'a[[b]]=1',
    ])
      assert.deepEqual(read(FORM, text), broken('has a field name that parsers read differently'), text);
    for (const text of ['%=1', 'a=%zz', 'a=%ff', '%C3=1'])
      assert.deepEqual(read(FORM, text), broken('has a bad percent-encoding'), text);
  });

  it('has bounds in its number of fields and in its depth', () => {
    const many = (count: number): string => Array.from({ length: count }, (_, at) => `f${at}=`).join('&');
    assert.equal(read(FORM, many(FORM_FIELDS_MAX)).kind, 'form');
    assert.deepEqual(read(FORM, many(FORM_FIELDS_MAX + 1)), broken('has too many fields'));
    const deep = (depth: number): string => `a${'[b]'.repeat(depth - 1)}=1`;
    assert.equal(read(FORM, deep(JSON_DEPTH_MAX)).kind, 'form');
    assert.deepEqual(read(FORM, deep(JSON_DEPTH_MAX + 1)), broken('is nested too deep'));
  });
});

describe('a body that an envelope gives', () => {
  const sent = (type: string | undefined, body: unknown): unknown => {
    const encoded = encodeBody(type, body);
    return 'problem' in encoded ? encoded : [encoded.contentType, decodeUtf8(encoded.bytes)];
  };

  it('goes as it is where it is text, under its type or as plain text', () => {
    assert.deepEqual(sent(undefined, 'ä'), ['text/plain; charset=utf-8', 'ä']);
    assert.deepEqual(sent('application/json', '{"a": 1}'), ['application/json', '{"a": 1}']);
    assert.deepEqual(sent('text/csv', ''), ['text/csv', '']);
  });

  it('goes as JSON where it is an object or a list and no type says otherwise', () => {
    assert.deepEqual(sent(undefined, { a: [1, null] }), ['application/json', '{"a":[1,null]}']);
    assert.deepEqual(sent('application/vnd.x+json; charset=utf-8', [1]), [
      'application/vnd.x+json; charset=utf-8',
      '[1]',
    ]);
  });

  it('goes as a form where its type is that of a form', () => {
    assert.deepEqual(sent(FORM, { a: 1 }), [FORM, 'a=1']);
    assert.deepEqual(sent(`${FORM}; charset=utf-8`, { a: 'b c' }), [`${FORM}; charset=utf-8`, 'a=b+c']);
  });

  it('is refused where it cannot be sent as what it is called', () => {
    assert.deepEqual(sent('text/plain', { a: 1 }), { problem: 'an object cannot be sent as text/plain' });
    assert.deepEqual(sent('Text/CSV; a=b', []), { problem: 'an object cannot be sent as text/csv' });
    for (const body of [5, true, null, undefined])
      assert.deepEqual(sent(undefined, body), { problem: 'must be an object, an array or text' });
  });
});

describe('a form that is sent', () => {
  it('nests by brackets in the order given, and reads back as what it was', () => {
    const value = { a: { b: ['x', 'y'], c: 'd e' }, f: '1&2=3', g: 'ä' };
    assert.equal(encodeForm(value), 'a%5Bb%5D%5B0%5D=x&a%5Bb%5D%5B1%5D=y&a%5Bc%5D=d+e&f=1%262%3D3&g=%C3%A4');
    assert.deepEqual(form(encodeForm(value)), value);
  });

  it('writes numbers and truth values as text and what is missing as nothing', () => {
    assert.equal(encodeForm({ a: 5, b: false, c: null, d: undefined, e: '' }), 'a=5&b=false&c=&d=&e=');
    assert.equal(encodeForm({ a: [], b: {} }), '');
  });

  it('has well-formed text whatever it is given', () => {
    assert.equal(encodeForm({ '\ud800': 'a\udc00' }), '%EF%BF%BD=a%EF%BF%BD');
  });
});
