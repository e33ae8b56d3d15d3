// Forwarded headers count from a listed proxy and about the hop before it; from anybody else they mean nothing.
import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { describe, it } from 'node:test';
import { createPeers } from '#surfaces/http/peers.ts';

const proxies = ['10.0.0.5', '10.1.0.0/16', 'fd00::5'];
const peersOf = (loopbackOnly: boolean, publicUrl = 'https://stack.corp.example') =>
  createPeers({ loopbackOnly, proxies: () => proxies, publicUrl: () => publicUrl });
const peers = peersOf(false);

const from = (remoteAddress: string | undefined, headers: Readonly<Record<string, string>> = {}) =>
  ({ socket: { remoteAddress }, headers }) as unknown as IncomingMessage;
const sourceOf = (peer: string, chain: string) => peers.sourceOf(from(peer, { 'x-forwarded-for': chain }));

describe('who is served', () => {
  it('beyond loopback: listed proxies in every spelling, and this machine; nobody else', () => {
    for (const peer of [
      '10.0.0.5',
      '10.1.255.1',
      '::ffff:10.0.0.5',
      'fd00::5',
      '127.0.0.1',
      '::1',
      '::ffff:127.0.0.1',
    ])
      assert.ok(peers.admits(peer), peer);
    for (const peer of [
      '10.0.0.6',
      '10.2.0.1',
      'fd00::6',
      '203.0.113.9',
      '::ffff:10.0.0.6',
      'fe80::5%eth0',
      undefined,
    ])
      assert.ok(!peers.admits(peer), peer);
  });

  it('on loopback: everybody who can connect', () => {
    assert.ok(peersOf(true).admits('127.0.0.1'));
  });

  it('a list that changes holds from the next connection on', () => {
    let list: readonly string[] = proxies;
    const changing = createPeers({ loopbackOnly: false, proxies: () => list, publicUrl: () => '' });
    assert.ok(changing.admits('10.0.0.5'));
    list = [];
    assert.ok(!changing.admits('10.0.0.5'));
  });
});

describe('where a request came from', () => {
  it('is the peer itself, whatever it says, unless it is a listed proxy', () => {
    for (const peer of ['127.0.0.1', '203.0.113.9', '10.0.0.6'])
      assert.equal(sourceOf(peer, '198.51.100.7'), peer);
    assert.equal(sourceOf('::ffff:127.0.0.1', '198.51.100.7'), '127.0.0.1');
  });

  it('is the hop that a listed proxy saw, and nothing that stood there before', () => {
    assert.equal(sourceOf('10.0.0.5', '198.51.100.7'), '198.51.100.7');
    assert.equal(sourceOf('10.0.0.5', '1.1.1.1, 127.0.0.1, 198.51.100.7'), '198.51.100.7');
    assert.equal(sourceOf('::ffff:10.0.0.5', '10.0.0.5, 198.51.100.7'), '198.51.100.7');
  });

  it('goes through further listed proxies to the first stranger', () => {
    assert.equal(sourceOf('10.0.0.5', '1.1.1.1, 198.51.100.7, 10.1.2.3, fd00::5'), '198.51.100.7');
    assert.equal(sourceOf('10.0.0.5', '10.1.2.3'), '10.1.2.3', 'a proxy itself asks');
  });

  it('is read with the port that some proxies add, in one spelling', () => {
    assert.equal(sourceOf('10.0.0.5', '198.51.100.7:49152'), '198.51.100.7');
    assert.equal(sourceOf('10.0.0.5', '[2001:DB8::7]:49152'), '2001:db8::7');
    assert.equal(sourceOf('10.0.0.5', '::ffff:198.51.100.7'), '198.51.100.7');
  });

  it('stays with the proxy where the chain cannot be read', () => {
    for (const chain of ['', 'unknown', '_hidden', 'evil.test', '198.51.100.7, <script>', '999.1.1.1'])
      assert.equal(sourceOf('10.0.0.5', chain), '10.0.0.5', chain);
    assert.equal(peers.sourceOf(from('10.0.0.5')), '10.0.0.5');
    assert.equal(sourceOf('10.0.0.5', 'unknown, 10.1.2.3'), '10.1.2.3');
  });

  it('invariant 9: a long chain is followed for so many hops and no further', () => {
    const chain = ['198.51.100.7', ...Array<string>(100).fill('10.1.2.3')].join(', ');
    assert.equal(sourceOf('10.0.0.5', chain), '10.1.2.3');
  });

  it('never comes from Forwarded or X-Real-IP', () => {
    const headers = {
      forwarded: 'for=198.51.100.7',
      'x-real-ip': '198.51.100.7',
      'x-client-ip': '198.51.100.7',
    };
    assert.equal(peers.sourceOf(from('10.0.0.5', headers)), '10.0.0.5');
  });
});

describe('a request that reached the proxy without TLS', () => {
  const clear = (peer: string, proto: string, url?: string) =>
    peersOf(false, url).cameInClear(from(peer, { 'x-forwarded-proto': proto }));

  it('is known by the word of a listed proxy, the nearest', () => {
    assert.ok(clear('10.0.0.5', 'http'));
    assert.ok(clear('10.0.0.5', 'HTTP'));
    assert.ok(clear('10.0.0.5', 'https, http'));
    assert.ok(!clear('10.0.0.5', 'http, https'));
    assert.ok(!clear('10.0.0.5', 'https'));
    assert.ok(!peersOf(false).cameInClear(from('10.0.0.5')));
  });

  it('is nobody else’s to say, and no matter where the public URL is http', () => {
    assert.ok(!clear('127.0.0.1', 'http'));
    assert.ok(!clear('10.0.0.5', 'http', 'http://localhost:7822'));
  });
});
