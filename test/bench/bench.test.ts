// What the bench computes and shows, without measuring anything: a figure that is wrong here would be believed everywhere.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Sample } from './measure.ts';
import { type CpuProfile, threadProfile } from './profile-parts.ts';
import { reportText, shown, table } from './report.ts';
import type { Results } from './results.ts';
import { settingsOf } from './settings.ts';
import { median, pairwise, percentile, spreadOf } from './statistics.ts';
import { requestBytes } from './systems.ts';
import { type Figure, figuresOf, isMet } from './targets.ts';
import { ITEM, MARK } from './upstream.ts';
import { isWhole } from './wire.ts';

const sample = (requestsPerS: number, more: Partial<Sample> = {}): Sample => ({
  requestsPerS,
  p50Us: 100,
  p99Us: 1000,
  cpuUs: 30,
  systemBusy: 0.99,
  generatorBusy: 0.5,
  othersBusy: 0,
  ...more,
});

const results = (more: Partial<Results>): Results => ({
  date: '2026-01-01T00:00:00.000Z',
  machine: {
    cpu: 'a CPU',
    cores: 2,
    memoryGib: 8,
    kernel: 'Linux 6',
    filesystem: 'ext4',
    node: '24.0.0',
    load: 0.1,
  },
  seconds: 2,
  repeats: 2,
  isPinned: true,
  upstream: 'nginx',
  ...more,
});

const named = (figures: readonly Figure[], part: string): Figure => {
  const found = figures.find(({ name }) => name.includes(part));
  assert.ok(found, part);
  return found;
};

describe('statistics of the bench', () => {
  it('takes percentiles by nearest rank, and says that nothing has none', () => {
    const hundred = Array.from({ length: 100 }, (_, at) => at + 1);
    assert.equal(percentile(hundred, 0.5), 50);
    assert.equal(percentile(hundred, 0.99), 99);
    assert.equal(percentile([1, 2, 3], 0.5), 2);
    assert.equal(percentile([7], 0.99), 7);
    assert.ok(Number.isNaN(percentile([], 0.5)));
  });

  it('takes the median of odd and even numbers of values, whatever their order', () => {
    assert.equal(median([3, 1, 2]), 2);
    assert.equal(median([10, 1, 2, 9]), 5.5);
    assert.deepEqual(spreadOf([3, 1, 2]), { median: 2, min: 1, max: 3 });
  });

  it('makes ratios within a repeat, so that a machine that slows down does not show in them', () => {
    const mine = [50, 25, 10];
    const other = [100, 50, 20];
    assert.deepEqual(
      pairwise([mine, other], (a, b) => a / b),
      { median: 0.5, min: 0.5, max: 0.5 },
    );
  });
});

describe('figures and their targets', () => {
  it('meets a least and a most at the target itself, and judges nothing that was not measured', () => {
    const figure = (value: number, bound: 'least' | 'most'): Figure => ({
      name: 'x',
      unit: '',
      value: spreadOf([value]),
      target: { bound, value: 2 },
    });
    assert.equal(isMet(figure(2, 'least')), true);
    assert.equal(isMet(figure(1.9, 'least')), false);
    assert.equal(isMet(figure(2, 'most')), true);
    assert.equal(isMet(figure(2.1, 'most')), false);
    assert.equal(isMet({ ...figure(2, 'most'), value: undefined }), undefined);
  });

  it('takes what an fsync costs off what a call adds', () => {
    const times = { p50Us: 200, p99Us: 900 };
    const figures = figuresOf({
      systems: [
        { id: 'undici', title: 'bare', samples: { 1: [sample(5000, { p50Us: 150 })] } },
        { id: 'path', title: 'ours', samples: { 1: [sample(1000, { p50Us: 600 })] } },
      ],
      disk: [{ sync: times, commit: times }],
    });
    const added = named(figures, 'one fdatasync');
    assert.equal(added.value?.median, 250);
    assert.equal(isMet(added), true);
  });

  it('holds MCP against the better gateway of each repeat', () => {
    const system = (id: string, rates: readonly number[]) => ({
      id,
      title: id,
      samples: { 16: rates.map((rate) => sample(rate)) },
    });
    const figures = figuresOf({
      systems: [
        system('mcp-mcp', [300, 300]),
        system('mcp-proxy', [100, 200]),
        system('supergateway', [150, 100]),
      ],
    });
    assert.deepEqual(named(figures, 'best npm gateway').value, { median: 1.75, min: 1.5, max: 2 });
  });
});

describe('the report of the bench', () => {
  it('shows three digits that count', () => {
    assert.deepEqual([0.4567, 12.34, 123.4, 30_512, Number.NaN].map(shown), [
      '0.46',
      '12.3',
      '123',
      '30,512',
      '–',
    ]);
  });

  it('aligns a table by its widest cells', () => {
    assert.equal(
      table(['a', 'b'], [['long one', '1']]),
      ['| a        | b   |', '| -------- | --- |', '| long one | 1   |'].join('\n'),
    );
  });

  it('says which target is missed, what was not there, and whether the log is complete', () => {
    const systems = [
      { id: 'undici', title: 'bare', samples: { 64: [sample(1000), sample(1000)] } },
      { id: 'path', title: 'ours', samples: { 64: [sample(400), sample(300)] } },
    ];
    const text = reportText(
      results({
        systems,
        absent: [{ title: 'nginx', reason: 'not installed' }],
        logs: [{ valid: true, calls: 10, entries: 20, expected: 20 }],
      }),
    );
    assert.match(
      text,
      /bare undici, 64 connections +\| 0\.35 +\| 0\.30 – 0\.40 +\| at least 0\.45 +\| MISSED/,
    );
    assert.match(text, /nginx: not installed/);
    assert.match(text, /^Not measured: .*req\/s ÷ mitmproxy, 64;/m);
    assert.match(text, /10 calls, 20 entries, 20 expected; the chain verifies/);
    assert.match(text, /99 %, 50 %, 0 % +\| system/);
  });

  it('warns where something else ran on the core under test', () => {
    const of = (othersBusy: number) => [
      { id: 'path', title: 'ours', samples: { 64: [sample(1, { othersBusy })] } },
    ];
    assert.match(reportText(results({ systems: of(0.4) })), /40 % of the core under test/);
    assert.doesNotMatch(reportText(results({ systems: of(0.02) })), /worth less/);
  });
});

describe('the sender of the bench', () => {
  it('knows a whole answer by its length or its last chunk', () => {
    const whole = (text: string): boolean => isWhole(Buffer.from(text));
    assert.equal(whole('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab'), true);
    assert.equal(whole('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na'), false);
    assert.equal(whole('HTTP/1.1 200 OK\r\nContent-Le'), false);
    assert.equal(whole('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n'), true);
    assert.equal(whole('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n'), false);
    assert.throws(() => whole('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab'), /more bytes/);
  });

  it('sends the length of a body in bytes, not in characters', () => {
    const text = requestBytes(1, { method: 'POST', path: '/', body: 'é' }).toString('utf8');
    assert.match(text, /^POST \/ HTTP\/1\.1\r\nhost: localhost:1\r\n/);
    assert.match(text, /content-length: 4\r\n\r\n"é"$/);
  });

  it('fetches about 1 kB that ends with its mark', () => {
    assert.ok(ITEM.length > 950 && ITEM.length <= 1024, String(ITEM.length));
    assert.ok(ITEM.includes(MARK));
  });
});

describe('the profile of the bench', () => {
  const frame = (functionName: string, url: string) => ({ functionName, url, lineNumber: 0 });
  const profile: CpuProfile = {
    startTime: 1000,
    nodes: [
      { id: 1, callFrame: frame('(root)', ''), children: [2, 3, 6] },
      { id: 2, callFrame: frame('(idle)', '') },
      { id: 3, callFrame: frame('constructor', 'file:///x/src/platform/storage/reader.ts'), children: [4] },
      { id: 4, callFrame: frame('all', '') },
      { id: 6, callFrame: frame('dispatch', 'file:///x/node_modules/undici/lib/a.js'), children: [5] },
      { id: 5, callFrame: frame('writev', '') },
    ],
    samples: [2, 3, 4, 5, 6, 2],
    timeDeltas: [100, 100, 200, 100, 100, 500],
  };

  it('counts only what happened in the period, and native code as its caller’s', () => {
    const { parts } = threadProfile('main', profile, { fromUs: 1000, toUs: 1600, calls: 2 });
    const percents = Object.fromEntries(parts.map(({ name, percent }) => [name, Math.round(percent)]));
    assert.deepEqual(percents, { idle: 17, 'ours: platform/storage': 17, sqlite: 33, undici: 33 });
    assert.equal(parts.find(({ name }) => name === 'sqlite')?.usPerCall, 100);
  });
});

describe('the command line of the bench', () => {
  it('compares only what is named, profiles only, or does every part', () => {
    assert.deepEqual(settingsOf(['--only', 'path,undici'])?.parts, ['compare']);
    assert.deepEqual(settingsOf(['--profile'])?.parts, ['profile']);
    assert.equal(settingsOf([])?.parts.includes('slow-disk'), true);
    assert.equal(settingsOf(['--help']), undefined);
  });

  it('refuses parts that are none and numbers that are none', () => {
    assert.throws(() => settingsOf(['--parts', 'speed']), /--parts takes .*, not speed/);
    assert.throws(() => settingsOf(['--repeats', 'many']), /--repeats takes a number above 0, not many/);
  });
});
