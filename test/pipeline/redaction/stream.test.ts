// For any text, chunks and place: no run of twelve characters of a live secret comes out in any reading of the output, what
// holds none comes out unchanged, and nothing waits that is not the beginning of a secret.
import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import fc from 'fast-check';
import { compileRedactor, markerOf } from '#pipeline/redact.ts';
import { FOUND, LIMITS, leakOf } from '#test/support/transforms.ts';

const CANARY = 'ghp_EcHoCaNaRy7f3A9c2Db8E1Kq5Zw0Xy4Lm6Tn';
const ODD = 'p"a/s\\s&<w0rd>%41=3D+x_';
const redactor = compileRedactor([
  { service: 'github', text: CANARY },
  { service: 'odd', text: ODD },
]);

function pass(text: Buffer, sizes: readonly number[]): Buffer {
  const stream = redactor.open();
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const size of sizes) {
    parts.push(stream.push(text.subarray(at, at + size)));
    at += size;
  }
  parts.push(stream.push(text.subarray(at)), stream.end());
  return Buffer.concat(parts);
}
const byteByByte = (text: Buffer): Buffer =>
  pass(
    text,
    Array.from(text, () => 1),
  );
const bytesOf = (form: string | Buffer): Buffer =>
  typeof form === 'string' ? Buffer.from(form, 'latin1') : form;

describe('a secret is found, whole and byte by byte,', () => {
  for (const [name, transform] of Object.entries(FOUND))
    it(`as ${name}`, () => {
      const body = Buffer.concat([
        Buffer.from('{"v":"'),
        bytesOf(transform(CANARY)),
        Buffer.from('","n":1}'),
      ]);
      const output = pass(body, []);
      assert.equal(leakOf(output, CANARY), undefined);
      assert.ok(output.toString('latin1').replaceAll('\0', '').includes(markerOf('github')));
      assert.ok(output.toString('latin1').endsWith('","n":1}'), 'what follows is untouched');
      assert.equal(byteByByte(body).toString('latin1'), output.toString('latin1'));
    });
});

test('a secret of characters that every encoding changes is found in each of them', () => {
  for (const [name, transform] of Object.entries(FOUND)) {
    const form = bytesOf(transform(ODD));
    if (form.length < 12 || name === 'html_named') continue;
    const output = pass(Buffer.concat([Buffer.from('["'), form, Buffer.from('"]')]), []);
    assert.ok(output.toString('latin1').replaceAll('\0', '').includes(markerOf('odd')), name);
  }
});

const surrounding = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ maxLength: 40, unit: fc.constantFrom(...'{}[]",:\\n%&=;x0 u\r\n') }),
  fc.constantFrom('https://a.example/?key=', 'token=', 'data: ', '\\n', '%', '\\', '&', '=', '0x', '"\\u00'),
);
const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 200 });
const forms = fc.constantFrom(...Object.entries(FOUND));

test('for any surroundings, transform and chunks, no twelve characters come out in any reading', () => {
  fc.assert(
    fc.property(surrounding, forms, surrounding, sizes, (before, [, transform], after, lengths) => {
      const text = Buffer.concat([Buffer.from(before), bytesOf(transform(CANARY)), Buffer.from(after)]);
      assert.equal(leakOf(pass(text, lengths), CANARY), undefined);
    }),
    { numRuns: 1500 },
  );
});

test('for any text without a secret, the output is the input, whatever the chunks', () => {
  const texts = fc.oneof(
    fc.string({ maxLength: 300, unit: 'binary' }),
    fc.array(surrounding, { maxLength: 20 }).map((all) => all.join('')),
  );
  fc.assert(
    fc.property(texts, sizes, (text, lengths) => {
      const given = Buffer.from(text);
      assert.ok(pass(given, lengths).equals(given));
    }),
    { numRuns: 1500 },
  );
});

test('an almost equal text keeps what is not a run of twelve', () => {
  const almost = [...CANARY].map((char, at) => (at % 11 === 10 ? '!' : char)).join('');
  assert.equal(pass(Buffer.from(almost), []).toString(), almost);
  const eleven = CANARY.slice(0, 11);
  assert.equal(
    pass(Buffer.from(`${eleven} ${CANARY.slice(20, 31)}`), []).toString(),
    `${eleven} ${CANARY.slice(20, 31)}`,
  );
});

test('one run has one marker, two secrets side by side have two', () => {
  const marker = markerOf('github');
  assert.equal(pass(Buffer.from(`a${CANARY}b`), []).toString(), `a${marker}b`);
  assert.equal(pass(Buffer.from(`${CANARY}${CANARY}`), []).toString(), `${marker}${marker}`);
  assert.equal(byteByByte(Buffer.from(`${CANARY}${CANARY}`)).toString(), `${marker}${marker}`);
});

describe('nothing waits', () => {
  const give = (texts: readonly string[]): string[] => {
    const stream = redactor.open();
    return texts.map((text) => Buffer.from(stream.push(Buffer.from(text))).toString());
  };

  it('in an event, whatever its last line says', () => {
    const events = [
      'data: one gh\n\n',
      'data: {"t":"67 68"}\n\n',
      `data: ${CANARY.slice(0, 11)}\n\n`,
      'data: a=\r\n\r\n',
      'id: 7\n\n',
    ];
    assert.deepEqual(give(events), events);
  });

  it('in a line, unless it ends with a good part of a secret', () => {
    const lines = ['a log line with gh\n', 'and 67:68\n', '{"ok":true}\n'];
    assert.deepEqual(give(lines), lines);
  });

  it('but the beginning of a secret, and that only until it is none', () => {
    const begun = CANARY.slice(0, 5);
    assert.deepEqual(give([`x ${begun}`, '!!', '\\u0067\\u00', '7e~', '&#', '33;~']), [
      'x ',
      `${begun}!!`,
      '',
      '\\u0067\\u007e~',
      '',
      '&#33;~',
    ]);
  });

  it('behind a whole secret', () => {
    assert.deepEqual(give([`x ${CANARY}`, ' !']), [`x ${markerOf('github')}`, ' !']);
  });

  it('for ever: a row of escapes without end is let go', () => {
    const stream = redactor.open();
    let out = 0;
    for (let at = 0; at < 400; at += 1) out += stream.push(Buffer.from('%25252525')).length;
    assert.ok(out >= 400 * 9 - 1_024, String(out));
  });
});

test('what was given out does not change when more comes', () => {
  const stream = redactor.open();
  stream.push(Buffer.from('ghp_'));
  const first = stream.push(Buffer.from('x-ghp_EcHo'));
  const shown = Buffer.from(first).toString();
  for (const more of ['Ca', 'zz', CANARY, 'y'.repeat(1000)]) stream.push(Buffer.from(more));
  assert.equal(shown, 'ghp_x-');
  assert.equal(Buffer.from(first).toString(), shown);
});

test('20,000 secrets, a long one byte by byte, and texts made to be slow take linear time', () => {
  const long = Array.from({ length: 6_000 }, (_, at) => ((at * 7919) % 9973).toString(36)).join('');
  const keys = compileRedactor([
    { service: 'long', text: long },
    { service: 'github', text: CANARY },
  ]);
  const run = (text: Buffer, size: number): number => {
    const stream = keys.open();
    let length = 0;
    for (let at = 0; at < text.length; at += size) length += stream.push(text.subarray(at, at + size)).length;
    return length + stream.end().length;
  };
  const began = performance.now();
  assert.equal(run(Buffer.from(CANARY.repeat(20_000)), 65_536), 20_000 * markerOf('github').length);
  assert.equal(run(Buffer.from(long), 1), markerOf('long').length);
  for (const piece of ['ghp_', '%25', '\\\\u0067', '67:', '&#103;', 'Z2hw\n', '\0g'])
    run(Buffer.from(piece.repeat(200_000 / piece.length)), 65_536);
  // Quadratic work would be minutes; the bound leaves room for a busy machine.
  assert.ok(performance.now() - began < 20_000);
});

test('the limits that README states are limits, and the plain secret beside them is found', () => {
  for (const [name, transform] of Object.entries(LIMITS)) {
    const form = Buffer.from(transform(CANARY) as string);
    const output = pass(Buffer.concat([form, Buffer.from(` ${CANARY}`)]), []);
    assert.equal(output.toString(), `${form.toString()} ${markerOf('github')}`, name);
  }
});
