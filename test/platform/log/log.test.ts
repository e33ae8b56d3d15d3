// The process log: JSON for machines, a line for people, and in both nothing that a terminal would obey.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog, type Screen } from '#platform/log/log.ts';

const TERMINAL: Screen = { terminal: true, colours: false };

function recorded(screen?: Screen) {
  const lines: string[] = [];
  return { lines, log: createLog({ write: (line) => void lines.push(line) }, screen) };
}
const withoutTime = (line = ''): string => line.replace(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /, '');

test('away from a terminal a record is one JSON object per line, with the level as a word', () => {
  const { lines, log } = recorded();
  log.warn('calls will be refused', { service: 'billing', missing: 2 });
  const { time, ...rest } = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
  assert.deepEqual(rest, { level: 'warn', service: 'billing', missing: 2, msg: 'calls will be refused' });
  assert.match(String(time), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  assert.equal(lines[0]?.at(-1), '\n');
});

test('at a terminal a record is a line for people: time, level, message, fields', () => {
  const { lines, log } = recorded(TERMINAL);
  log.info('started', {
    listening: 'http://127.0.0.1:7822',
    text: 'two words',
    empty: '',
    list: ['a'],
    on: true,
  });
  assert.equal(
    withoutTime(lines[0]),
    'info  started listening=http://127.0.0.1:7822 text="two words" empty="" list=["a"] on=true\n',
  );
});

test('the setting wins over the terminal, either way', () => {
  const { lines, log } = recorded(TERMINAL);
  log.configure({ format: 'json', level: 'info' });
  log.info('one');
  log.configure({ format: 'text', level: 'info' });
  log.info('two');
  log.configure({ format: 'auto', level: 'info' });
  log.info('three');
  assert.ok(JSON.parse(lines[0] ?? ''));
  assert.deepEqual(lines.slice(1).map(withoutTime), ['info  two\n', 'info  three\n']);
  const away = recorded();
  away.log.configure({ format: 'text', level: 'info' });
  away.log.info('four');
  assert.equal(withoutTime(away.lines[0]), 'info  four\n');
});

test('what is below the level is not written; info is the default', () => {
  const { lines, log } = recorded(TERMINAL);
  log.debug('a');
  log.configure({ format: 'auto', level: 'error' });
  for (const level of ['debug', 'info', 'warn', 'error'] as const) log[level](level);
  log.configure({ format: 'auto', level: 'debug' });
  log.debug('b');
  assert.deepEqual(lines.map(withoutTime), ['error error\n', 'debug b\n']);
});

test('colours stand around time, level and names only, and only where they were asked for', () => {
  const { lines, log } = recorded({ terminal: true, colours: true });
  log.error('broken', { code: 'X' });
  const [line = ''] = lines;
  assert.ok(line.endsWith('\u001b[31merror\u001b[0m broken \u001b[2mcode=\u001b[0mX\n'), line);
  const { lines: plain, log: other } = recorded(TERMINAL);
  other.error('broken', { code: 'X' });
  assert.ok(!plain[0]?.includes('\u001b'));
});

test('text from outside can neither begin a line, colour it, hide in it nor turn it around', () => {
  const evil = 'a\nb\r\u001b[2Jc\u009b31md\u202ee\u200bf\u0000g\u2028h\u007f';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  const obeyed = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e]/;
  for (const screen of [undefined, TERMINAL]) {
    const { lines, log } = recorded(screen);
    log.warn(evil, { host: evil, [evil]: 1, list: [evil], deep: { evil } });
    const [line = ''] = lines;
    assert.equal(line.split('\n').length, 2, 'one line');
    assert.doesNotMatch(line, obeyed);
    if (screen === undefined) assert.equal((JSON.parse(line) as { host: string }).host, evil);
  }
});
