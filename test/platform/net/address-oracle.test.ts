// The address rule against another implementation of ranges, Node's own BlockList, at every edge of every special block,
// in every spelling; and what one bad answer among good ones does to a call.
import assert from 'node:assert/strict';
import { BlockList } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { isAllowedAddress, type NetworkRule } from '#platform/net/address.ts';
import { checkedAddresses } from '#platform/net/resolve.ts';

/** IANA's special-purpose registry, multicast and what was never given out. */
const SPECIAL4 = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.31.196.0', 24],
  ['192.52.193.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['192.175.48.0', 24],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const;
const SPECIAL6 = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const;
const PRIVATE = [
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['fc00::', 7],
] as const;

type Block = readonly [base: string, bits: number];
const familyOf = (text: string): 'ipv4' | 'ipv6' => (text.includes(':') ? 'ipv6' : 'ipv4');

function listOf(blocks: readonly Block[]): BlockList {
  const list = new BlockList();
  for (const [base, bits] of blocks) list.addSubnet(base, bits, familyOf(base));
  return list;
}

const special4 = listOf(SPECIAL4);
const special6 = listOf(SPECIAL6);
const open6 = listOf([['2000::', 3]]);
const privates = listOf(PRIVATE);

function isPublic(text: string): boolean {
  if (familyOf(text) === 'ipv4') return !special4.check(text, 'ipv4');
  return open6.check(text, 'ipv6') && !special6.check(text, 'ipv6');
}
const isPrivate = (text: string): boolean => !/^::ffff:/i.test(text) && privates.check(text, familyOf(text));

const dotted = (value: bigint): string =>
  [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join('.');
const groups = (value: bigint): string =>
  Array.from({ length: 8 }, (_, at) => ((value >> BigInt(16 * (7 - at))) & 0xffffn).toString(16)).join(':');
const valueOf4 = (text: string): bigint =>
  text.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n);
function valueOf6(text: string): bigint {
  const [head = '', tail = ''] = text.split('::');
  const [left, right] = [head, tail].map((part) => (part === '' ? [] : part.split(':'))) as [
    string[],
    string[],
  ];
  const all = [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right];
  return all.reduce((sum, group) => sum * 65_536n + BigInt(`0x${group}`), 0n);
}

/** The first and last of a block and their neighbours outside it. */
function edges([base, bits]: Block): string[] {
  const width = familyOf(base) === 'ipv4' ? 32n : 128n;
  const first = width === 32n ? valueOf4(base) : valueOf6(base);
  const last = first + (1n << (width - BigInt(bits))) - 1n;
  const inside = (value: bigint): boolean => value >= 0n && value < 1n << width;
  return [first - 1n, first, first + 1n, last - 1n, last, last + 1n]
    .filter(inside)
    .map((value) => (width === 32n ? dotted(value) : groups(value)));
}

const PUBLIC: NetworkRule = { kind: 'public' };
const OPENED: NetworkRule = { kind: 'private', ranges: [] };
const RULES: readonly NetworkRule[] = [PUBLIC, OPENED, { kind: 'loopback' }];

function agrees(text: string): void {
  assert.equal(isAllowedAddress(text, PUBLIC), isPublic(text), text);
  assert.equal(isAllowedAddress(text, OPENED), isPublic(text) || isPrivate(text), `private: ${text}`);
}

test('every edge of every special block is judged as another implementation does', () => {
  for (const block of [...SPECIAL4, ...SPECIAL6, ...PRIVATE, ['2000::', 3] as const])
    for (const text of edges(block)) agrees(text);
});

test('addresses at random are judged as another implementation does, in each spelling', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: (1n << 32n) - 1n }), (value) => agrees(dotted(value))),
    { numRuns: 2_000 },
  );
  const high = fc.constantFrom(
    '2001',
    '2002',
    '2000',
    '3fff',
    '3ffe',
    '2606',
    '2001:db8',
    'fe80',
    'fc00',
    'ff02',
    '64:ff9b',
    '1',
  );
  const low = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
  fc.assert(
    fc.property(high, low, (head, value) => {
      const text = groups(valueOf6(`${head}::`) + value);
      agrees(text);
      agrees(text.toUpperCase());
      agrees(new URL(`http://[${text}]/`).hostname.slice(1, -1));
    }),
    { numRuns: 2_000 },
  );
});

test('an IPv4 address inside an IPv6 one is never allowed, whatever it is and however it is written', () => {
  const inner = fc.oneof(
    fc.ipV4(),
    fc.constantFrom('127.0.0.1', '169.254.169.254', '10.0.0.1', '140.82.112.6'),
  );
  fc.assert(
    fc.property(inner, (address) => {
      const hex = valueOf4(address).toString(16).padStart(8, '0');
      const [high, low] = [hex.slice(0, 4), hex.slice(4)];
      for (const text of [
        `::ffff:${address}`,
        `::FFFF:${high}:${low}`,
        `0:0:0:0:0:ffff:${high}:${low}`,
        `::ffff:0:${address}`,
        `::${address}`,
        `::${high}:${low}`,
        `64:ff9b::${address}`,
        `64:ff9b::${high}:${low}`,
        `64:ff9b:1::${high}:${low}`,
        `2002:${high}:${low}::`,
        `2002:${high}:${low}::1`,
        `2001:0:${high}:${low}::1`,
        `fe80::5efe:${address}`,
      ])
        for (const rule of RULES) assert.equal(isAllowedAddress(text, rule), false, text);
    }),
    { numRuns: 500 },
  );
});

test('what is no address of a dial is never allowed', () => {
  for (const text of [
    '',
    ' ',
    'localhost',
    '127.1',
    '2130706433',
    '0x7f000001',
    '017700000001',
    '0177.0.0.1',
    '127.0.0.1 ',
    ' 8.8.8.8',
    '8.8.8.8.',
    '8.8.8',
    '8.8.8.8.8',
    '256.1.1.1',
    '08.8.8.8',
    '8.8.8.8/32',
    '[2606:4700::1]',
    '2606:4700::1%eth0',
    '2606:4700::1::',
    '2606:4700',
    ':::',
    '2606:4700::g',
    '::ffff:8.8.8.8%1',
    '８.8.8.8',
    '8。8。8。8',
    '8.8.8.8\0',
  ])
    for (const rule of RULES) assert.equal(isAllowedAddress(text, rule), false, JSON.stringify(text));
});

test('one bad answer among good ones refuses the call, wherever it stands, and nothing is asked twice', async () => {
  const good = ['140.82.112.6', '2606:4700::1111', '1.1.1.1'];
  const special: readonly string[] = [...SPECIAL4, ...SPECIAL6].map(([base]) => base);
  const bad = [...special, '::1', '::', 'fe80::1', '::ffff:1.1.1.1', 'x'];
  for (const one of bad) {
    for (let at = 0; at <= good.length; at += 1) {
      let asked = 0;
      const resolver = async (): Promise<readonly string[]> => {
        asked += 1;
        return good.toSpliced(at, 0, one);
      };
      const question = { host: 'api.github.com', port: 443, network: PUBLIC };
      const checked = await checkedAddresses(question, { resolver, closed: () => false });
      assert.ok(!checked.ok && checked.fault.code === 'ADDRESS_DENIED', `${one} at ${at}`);
      assert.equal(asked, 1);
    }
  }
});
