// `METHOD /path` as it is written, and which paths it covers: what a pattern may say, and with which words it is refused.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CallPattern } from '#features/policy/model.ts';
import { covers, METHODS, parsePattern } from '#features/policy/pattern.ts';

function parsed(text: string): CallPattern {
  const pattern = parsePattern(text);
  assert.ok(!('problem' in pattern), JSON.stringify(pattern));
  return pattern;
}

describe('a pattern', () => {
  it('is a method, one blank and a path, kept segment by segment', () => {
    assert.deepEqual(parsed('GET /a/*/b.c/**'), {
      method: 'GET',
      segments: ['a', '*', 'b.c', '**'],
      text: 'GET /a/*/b.c/**',
    });
    assert.deepEqual(parsed('POST /').segments, ['']);
    assert.deepEqual(parsed('PUT /a/').segments, ['a', '']);
    assert.deepEqual(parsed('PUT /*').segments, ['*']);
    for (const method of METHODS) assert.equal(parsed(`${method} /a`).method, method);
  });

  it('may hold every character that a canonical path may', () => {
    for (const segment of ["A-Za-z0-9._~!$&'()+,=:@-", '%2F', '%C3%A4', 'a%20b', '...', '.a'])
      assert.deepEqual(parsed(`GET /${segment}`).segments, [segment]);
  });

  for (const [text, problem] of [
    ['GET', 'GET: write METHOD /path'],
    ['/a', '/a: write METHOD /path'],
    ['GET a', 'GET a: write METHOD /path'],
    ['GET  /a', 'GET  /a: write METHOD /path'],
    [' GET /a', ' GET /a: write METHOD /path'],
    ['GET /a b', 'GET /a b: write METHOD /path'],
    ['GET /a ', 'GET /a : write METHOD /path'],
    ['GET1 /a', 'GET1 /a: write METHOD /path'],
    ['get /a', 'method get must be written GET'],
    ['Patch /a', 'method Patch must be written PATCH'],
    ['TRACE /a', 'unknown method TRACE'],
    ['* /a', '* /a: write METHOD /path'],
    ['GET /**/a', 'GET /**/a: ** may only stand last'],
    ['GET /**/**', 'GET /**/**: ** may only stand last'],
    ['GET //a', 'GET //a: empty segment'],
    ['GET /a//b', 'GET /a//b: empty segment'],
    ['GET /a/./b', 'GET /a/./b: dot segment'],
    ['GET /a/..', 'GET /a/..: dot segment'],
    ['GET /.', 'GET /.: dot segment'],
    ['GET /a/b*', 'GET /a/b*: * fills a whole segment, not a part of b*'],
    ['GET /***/a', 'GET /***/a: * fills a whole segment, not a part of ***'],
    ['GET /a;b', 'GET /a;b: segment a;b has characters that no canonical path has'],
    ['GET /a/b?c', 'GET /a/b?c: segment b?c has characters that no canonical path has'],
    ['GET /ä', 'GET /ä: segment ä has characters that no canonical path has'],
    ['GET /{id}', 'GET /{id}: segment {id} has characters that no canonical path has'],
    ['GET /%2', 'GET /%2: segment %2 has characters that no canonical path has'],
    ['GET /%2f', 'GET /%2f: segment %2f has characters that no canonical path has'],
    ['GET /%zz', 'GET /%zz: segment %zz has characters that no canonical path has'],
    ['GET /a/b"', 'GET /a/b": segment b" has characters that no canonical path has'],
  ] as const)
    it(`is not ${text}`, () => assert.deepEqual(parsePattern(text), { problem }));
});

describe('a pattern covers', () => {
  for (const [pattern, method, path, wanted] of [
    ['GET /', 'GET', '/', true],
    ['GET /', 'GET', '/a', false],
    ['GET /**', 'GET', '/', true],
    ['GET /**', 'GET', '/a/b/c/d', true],
    ['GET /a/b/c/**', 'GET', '/a/b/c/', true],
    ['GET /a/b/c/**', 'GET', '/a/b/c/d', true],
    ['GET /a/b/c/**', 'GET', '/a/b/c', false],
    ['GET /a/b/c/**', 'GET', '/a/b/x/d', false],
    ['GET /a/b/c/**', 'GET', '/a/x/c/d', false],
    ['GET /a/*/c/**', 'GET', '/a/x/c/d/e', true],
    ['GET /a/*/c/**', 'GET', '/a//c/d', false],
    ['GET /a/', 'GET', '/a', false],
    ['GET /a/', 'GET', '/a/', true],
    ['GET /a', 'GET', '/a/', false],
    ['GET /a', 'GET', '/b', false],
    ['GET /a', 'GET', '/ab', false],
    ['POST /a', 'GET', '/a', false],
  ] as const)
    it(`${pattern} ${wanted ? '' : 'not '}${method} ${path}`, () =>
      assert.equal(covers(parsed(pattern), method, path), wanted));
});
