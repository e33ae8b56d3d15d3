// What is printed: aligned, local in its times, and harmless whatever the names in it are (security.md 4.10).
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { cell, localTime } from '#surfaces/cli/cells.ts';
import type { Command } from '#surfaces/cli/command.ts';
import { present, presentRefusal } from '#surfaces/cli/present.ts';
import { printable, printableJson } from '#surfaces/cli/printable.ts';

const HOSTILE = 'a\u001b[31m\u202egnp.exe\u0007\u009b2J\u200b\u2066\r\n\u{e0041}';
const NO_CONTROL =
  /^[^\p{Cc}\p{Cs}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]*$/u;

const command: Command = {
  name: 'agents register',
  group: 'Change',
  summary: '',
  positionals: [{ name: 'name', kind: 'text', required: true, description: '' }],
  options: [{ name: 'ttl_seconds', kind: 'number', required: false, description: '' }],
  example: '',
  run: async () => 0,
};

describe('text from elsewhere', () => {
  it('is printed with its control, bidi and invisible characters as escapes', () => {
    const shown = printable(HOSTILE);
    assert.match(shown, NO_CONTROL);
    assert.ok(shown.startsWith('a\\u{1b}[31m\\u{202e}gnp.exe\\u{7}\\u{9b}2J'), shown);
    assert.equal(printable('Zürich 東京 €'), 'Zürich 東京 €');
  });

  it('is printed as JSON of the same value, in characters that steer nothing', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.string({ unit: 'binary' }), (value, text) => {
        const json = JSON.stringify([value, text, HOSTILE]);
        const shown = printableJson(json);
        assert.match(shown, NO_CONTROL);
        assert.deepEqual(JSON.parse(shown), JSON.parse(json));
      }),
      { numRuns: 300 },
    );
  });
});

describe('an answer', () => {
  it('that is a list is a table, one line a row, with the next page named beside it', () => {
    const rows = [
      { id: 'key_1', name: 'short', created_at: '2026-11-25T10:00:00.000Z' },
      { id: 'key_22', name: HOSTILE, created_at: '2026-11-25T10:00:00.000Z' },
    ];
    const { lines, hints } = present({ keys: rows, next_cursor: 'key_22\u202e' }, undefined);
    assert.equal(lines.length, 3);
    for (const line of lines) assert.match(line, NO_CONTROL);
    assert.equal(lines[0]?.replace(/ +/g, ' '), 'ID NAME CREATED AT');
    assert.equal(lines[1]?.indexOf('short'), lines[0]?.indexOf('NAME'));
    assert.deepEqual(hints, ['more: --cursor key_22\\u{202e}']);
  });

  it('that is an empty list says so beside an empty output', () => {
    assert.deepEqual(present({ agents: [], next_cursor: null }, undefined), {
      lines: [],
      hints: ['no agents'],
    });
  });

  it('that is a table keeps to the width of the terminal', () => {
    const rows = [{ one: 'x'.repeat(30), two: 'y'.repeat(60), three: 'z'.repeat(60) }];
    const { lines, hints } = present({ things: rows }, 60);
    for (const line of lines) assert.ok(line.length <= 60, line);
    assert.match(lines[1] ?? '', /y…$/);
    assert.deepEqual(hints, ['no room for: three; --json has all']);
  });

  it('that is an object is a line for each member, what it holds indented below', () => {
    const { lines } = present(
      { jti: 'pp_1', valid: true, services: [{ service: 'billing', scopes: ['a', 'b'] }], cut: { calls: 0 } },
      undefined,
    );
    assert.deepEqual(lines, [
      'jti:      pp_1',
      'valid:    yes',
      'services:',
      '  - service: billing',
      '    scopes:  a, b',
      'cut:',
      '  calls: 0',
    ]);
  });

  it('that holds text of several lines keeps them, each harmless', () => {
    const { lines } = present({ status: 200, body_text: 'one\r\n\u001b[2Jtwo\n' }, undefined);
    assert.deepEqual(lines, ['status:    200', 'body_text:', '  one', '  \\u{1b}[2Jtwo', '  ']);
  });

  it('has its times in the clock of this machine', () => {
    const time = new Date(2026, 0, 2, 3, 4, 5);
    assert.equal(localTime(time), '2026-01-02 03:04:05');
    assert.equal(cell(time.toISOString(), 'created_at'), '2026-01-02 03:04:05');
    assert.equal(cell(time.getTime(), 'timestamp'), '2026-01-02 03:04:05');
    assert.equal(cell(3, 'version'), '3');
  });
});

describe('a refusal', () => {
  const refusal = (error: Record<string, unknown>): string =>
    presentRefusal({ error }, { command, asCommands: (text) => text }).join('\n');

  it('is its code, its message, what is known of it and the next step', () => {
    const metadata = { reason: 'too many', agents_max: 3 };
    assert.equal(
      refusal({ code: 'CONFLICT', message: 'It does not fit.', next: 'Delete one.', metadata }),
      'stack: CONFLICT: It does not fit.\n  reason:     too many\n  agents_max: 3\n  next: Delete one.',
    );
  });

  it('of an input names what is wrong as it was typed', () => {
    const issues = [
      { path: 'ttl_seconds', message: 'Too small' },
      { path: 'name', message: 'Too long' },
    ];
    const said = refusal({ code: 'INVALID_REQUEST', message: 'No.', next: '-', metadata: { issues } });
    assert.match(
      said,
      /--ttl-seconds: Too small\n {2}NAME: Too long\n {2}next: stack agents register --help$/,
    );
  });

  it('is harmless where it is none of ours', () => {
    assert.match(
      refusal({ code: HOSTILE, message: HOSTILE, next: HOSTILE }).replaceAll('\n', ''),
      NO_CONTROL,
    );
    assert.match(presentRefusal('nonsense', { command, asCommands: String }).join(''), /^stack: -: -/);
  });
});
