// Addresses by their bytes: which may be dialled, to the first and last of each range, and which are one and the same.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  isAllowedAddress,
  isLoopbackAddress,
  isLoopbackPeer,
  isPeerWithin,
  isPrivateRange,
  isSameAddress,
  type NetworkRule,
  parseCidr,
  parseRange,
  placeOfPeer,
  plainPeer,
} from '#platform/net/address.ts';

const PUBLIC: NetworkRule = { kind: 'public' };
const LOOPBACK: NetworkRule = { kind: 'loopback' };
const privately = (...ranges: string[]): NetworkRule => ({ kind: 'private', ranges });

function allowed(rule: NetworkRule, ...addresses: readonly string[]): void {
  for (const address of addresses) assert.equal(isAllowedAddress(address, rule), true, address);
}
function closed(rule: NetworkRule, ...addresses: readonly string[]): void {
  for (const address of addresses) assert.equal(isAllowedAddress(address, rule), false, address);
}

describe('a public service', () => {
  /** First and last of each closed range; what lies right before and behind, where that is open. */
  const ranges: readonly (readonly [first: string, last: string, ...open: string[]])[] = [
    ['0.0.0.0', '0.255.255.255', '1.0.0.0'],
    ['10.0.0.0', '10.255.255.255', '9.255.255.255', '11.0.0.0'],
    ['100.64.0.0', '100.127.255.255', '100.63.255.255', '100.128.0.0'],
    ['127.0.0.0', '127.255.255.255', '126.255.255.255', '128.0.0.0'],
    ['169.254.0.0', '169.254.255.255', '169.253.255.255', '169.255.0.0'],
    ['172.16.0.0', '172.31.255.255', '172.15.255.255', '172.32.0.0'],
    ['192.0.0.0', '192.0.0.255', '191.255.255.255', '192.0.1.0'],
    ['192.0.2.0', '192.0.2.255', '192.0.1.255', '192.0.3.0'],
    ['192.31.196.0', '192.31.196.255', '192.31.195.255', '192.31.197.0'],
    ['192.52.193.0', '192.52.193.255', '192.52.192.255', '192.52.194.0'],
    ['192.88.99.0', '192.88.99.255', '192.88.98.255', '192.88.100.0'],
    ['192.168.0.0', '192.168.255.255', '192.167.255.255', '192.169.0.0'],
    ['192.175.48.0', '192.175.48.255', '192.175.47.255', '192.175.49.0'],
    ['198.18.0.0', '198.19.255.255', '198.17.255.255', '198.20.0.0'],
    ['198.51.100.0', '198.51.100.255', '198.51.99.255', '198.51.101.0'],
    ['203.0.113.0', '203.0.113.255', '203.0.112.255', '203.0.114.0'],
    ['224.0.0.0', '239.255.255.255', '223.255.255.255'],
    ['240.0.0.0', '255.255.255.255'],
    ['::', '1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '2000::'],
    ['4000::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
    ['2001::', '2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff', '2000:ffff::', '2001:200::'],
    ['2001:db8::', '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff', '2001:db7:ffff::', '2001:db9::'],
    ['2002::', '2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '2001:ffff::', '2003::'],
    ['3fff::', '3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff', '3ffe:ffff::', '3fff:1000::'],
  ];
  for (const [first, last, ...open] of ranges)
    it(`reaches nothing from ${first} to ${last}, and what lies beside it`, () => {
      closed(PUBLIC, first, last);
      allowed(PUBLIC, ...open);
    });

  it('is reached at the same address in every spelling, and not through an address inside another', () => {
    allowed(PUBLIC, '2606:4700::1111', '2606:4700:0:0:0:0:0:1111', '2606:4700::0.0.17.17');
    closed(PUBLIC, '::ffff:140.82.112.6', '::140.82.112.6', '64:ff9b::8c52:7006');
  });

  it('is at no text that is not an address, nor at one of a single link', () => {
    closed(
      PUBLIC,
      '',
      'a.test',
      '1.2.3',
      '1.2.3.4.5',
      '01.2.3.4',
      '2606:4700::1%eth0',
      '2606:4700',
      '[2606:4700::1]',
    );
  });
});

describe('a private service', () => {
  it('is reached in RFC 1918 and fc00::/7 and at public addresses, but nowhere else', () => {
    const any = privately();
    allowed(
      any,
      '10.0.0.0',
      '10.255.255.255',
      '172.16.0.1',
      '172.31.255.255',
      '192.168.0.1',
      '192.168.255.255',
    );
    allowed(any, 'fc00::', 'fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '140.82.112.6', '2606:4700::1111');
    closed(any, '127.0.0.1', '169.254.169.254', '100.64.0.1', '::1', 'fe80::1', 'fbff::1', 'fe00::1');
  });

  it('is reached in the listed ranges alone where some are listed', () => {
    const listed = privately('10.1.0.0/16', 'fd00:1::/32');
    allowed(listed, '10.1.0.0', '10.1.255.255', 'fd00:1::5', '140.82.112.6');
    closed(listed, '10.0.255.255', '10.2.0.0', '192.168.0.1', 'fd00:2::5', '127.0.0.1');
  });

  it('is not asked about with a list that the config check should have refused', () => {
    assert.throws(() => isAllowedAddress('10.0.0.1', privately('10.0.0.1/8')), /not a range: 10\.0\.0\.1\/8/);
  });
});

describe('a service on this machine', () => {
  it('is reached at loopback addresses and at no other', () => {
    allowed(LOOPBACK, '127.0.0.0', '127.0.0.1', '127.255.255.255', '::1', '0:0:0:0:0:0:0:1');
    closed(
      LOOPBACK,
      '126.255.255.255',
      '128.0.0.0',
      '::',
      '::2',
      '::ffff:127.0.0.1',
      '140.82.112.6',
      '10.0.0.1',
    );
    assert.equal(isLoopbackAddress('127.0.0.1'), true);
    assert.equal(isLoopbackAddress('140.82.112.6'), false);
  });
});

describe('a range', () => {
  it('is an address and a length without host bits', () => {
    assert.deepEqual(parseCidr('10.0.0.0/8'), { family: 4, base: 0x0a00_0000n, bits: 8 });
    assert.deepEqual(parseCidr('1.2.3.4/32'), { family: 4, base: 0x0102_0304n, bits: 32 });
    assert.deepEqual(parseCidr('0.0.0.0/0'), { family: 4, base: 0n, bits: 0 });
    assert.deepEqual(parseCidr('128.0.0.0/1'), { family: 4, base: 0x8000_0000n, bits: 1 });
    assert.deepEqual(parseCidr('::/0'), { family: 6, base: 0n, bits: 0 });
    assert.deepEqual(parseCidr('fd00:1::/32'), { family: 6, base: 0xfd00_0001n << 96n, bits: 32 });
    assert.deepEqual(parseCidr('::1:2/128'), { family: 6, base: 0x1_0002n, bits: 128 });
    assert.deepEqual(parseCidr('1:2:3:4:5:6:7:8/128'), {
      family: 6,
      base: 0x0001_0002_0003_0004_0005_0006_0007_0008n,
      bits: 128,
    });
    assert.deepEqual(parseCidr('ff::/16')?.base, 0xffn << 112n);
    assert.deepEqual(parseCidr('::ffff:1.2.3.4/128')?.base, 0xffff_0102_0304n);
    for (const text of [
      '',
      '10.0.0.0',
      '10.0.0.0/',
      '10.0.0.0/33',
      '::/129',
      '10.0.0.1/8',
      '10.0.0.0/8/8',
      '10.0.0.0/a',
      '10.0.0.0/8a',
      '10.0.0.0/a8',
      '10.0.0.0/0008',
      '10.0.0/8',
      '/8',
      'a.test/8',
      '10.0.0.0/-8',
      '10.0.0.128/24',
      'fd00::1/127',
      'fe80::%eth0/10',
    ])
      assert.equal(parseCidr(text), undefined, text);
  });

  it('may be a single address where it names peers', () => {
    assert.deepEqual(parseRange('10.0.0.5'), { family: 4, base: 0x0a00_0005n, bits: 32 });
    assert.deepEqual(parseRange('fd00::5'), { family: 6, base: (0xfd00n << 112n) + 5n, bits: 128 });
    assert.deepEqual(parseRange('10.0.0.0/8'), parseCidr('10.0.0.0/8'));
    for (const text of ['a.test', '10.0.0.1/8', '']) assert.equal(parseRange(text), undefined, text);
  });

  it('is private if it lies inside RFC 1918 or fc00::/7 as a whole', () => {
    for (const text of [
      '10.0.0.0/8',
      '10.1.0.0/16',
      '172.16.0.0/12',
      '192.168.255.0/24',
      '192.168.0.1/32',
      'fc00::/7',
      'fd00::/8',
    ])
      assert.equal(isPrivateRange(text), true, text);
    for (const text of [
      '10.0.0.0/7',
      '0.0.0.0/0',
      '172.16.0.0/11',
      '192.168.0.0/15',
      'fc00::/6',
      '127.0.0.0/8',
      '11.0.0.0/8',
      '::/0',
      '10.0.0.5',
      'a',
    ])
      assert.equal(isPrivateRange(text), false, text);
  });
});

describe('the peer of a connection', () => {
  const ranges = ['10.1.0.0/16', 'fd00::5', '::ffff:c000:201/128'].flatMap((text) => parseRange(text) ?? []);

  it('is one machine in the spelling of either family', () => {
    for (const peer of [
      '10.1.2.3',
      '::ffff:10.1.2.3',
      '::ffff:a01:203',
      '::FFFF:10.1.2.3',
      'fd00::5',
      'FD00:0::5',
    ])
      assert.equal(isPeerWithin(peer, ranges), true, peer);
    for (const peer of [
      '10.2.0.0',
      '::ffff:10.2.0.0',
      '::10.1.2.3',
      '::fffe:10.1.2.3',
      'fd00::6',
      '',
      'a.test',
    ])
      assert.equal(isPeerWithin(peer, ranges), false, peer);
    assert.equal(isPeerWithin('10.1.2.3', []), false);
  });

  it('is on this machine at a loopback address in either spelling', () => {
    for (const peer of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'])
      assert.ok(isLoopbackPeer(peer), peer);
    for (const peer of ['128.0.0.1', '::2', '::ffff:10.0.0.1', '::127.0.0.1', ''])
      assert.ok(!isLoopbackPeer(peer), peer);
  });

  it('is shown as IPv4 where it is one, else as IPv6 in small letters', () => {
    assert.equal(plainPeer('10.1.2.3'), '10.1.2.3');
    assert.equal(plainPeer('::ffff:10.1.2.3'), '10.1.2.3');
    assert.equal(plainPeer('::ffff:a01:203'), '10.1.2.3');
    assert.equal(plainPeer('::FFFF:cb00:71ff'), '203.0.113.255');
    assert.equal(plainPeer('FD00::5'), 'fd00::5');
    assert.equal(plainPeer('a.test'), undefined);
  });

  it('is folded with its neighbours: IPv4 by address, IPv6 by its /64', () => {
    assert.equal(placeOfPeer('10.1.2.3'), '10.1.2.3');
    assert.equal(placeOfPeer('2001:db8:1:2:3:4:5:6'), placeOfPeer('2001:db8:1:2::ffff'));
    assert.notEqual(placeOfPeer('2001:db8:1:2::1'), placeOfPeer('2001:db8:1:3::1'));
    assert.equal(placeOfPeer('2001:db8:1:2::1'), '20010db800010002::/64');
    assert.equal(placeOfPeer('cli'), 'cli');
  });

  it('is the same address in whichever spelling, and another one by family or value', () => {
    for (const [one, other] of [
      ['10.0.0.1', '10.0.0.1'],
      ['10.0.0.1', '::ffff:10.0.0.1'],
      ['::1', '0:0::1'],
      ['FD00::5', 'fd00:0:0::5'],
    ] as const)
      assert.equal(isSameAddress(one, other), true, `${one} ${other}`);
    for (const [one, other] of [
      ['10.0.0.1', '10.0.0.2'],
      ['0.0.0.0', '::'],
      ['0.0.0.1', '::1'],
      ['a.test', 'a.test'],
      ['10.0.0.1', 'a.test'],
      ['a.test', '10.0.0.1'],
    ] as const)
      assert.equal(isSameAddress(one, other), false, `${one} ${other}`);
  });
});
