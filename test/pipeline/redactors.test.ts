// When the redactor is compiled, of which secrets, and that it looks everywhere in a JSON value.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Sensitive } from '#kernel/sensitive.ts';
import { compileRedactor, createRedactors } from '#pipeline/redact.ts';

const ONE: string = 'canary-one-7f3a9c51';
const OTHER: string = 'canary-other-d2e84b06';
const MARKER = '[redacted:shop]';
const named = (text: string) => ({ service: 'shop', text });

describe('the redactor of the live secrets', () => {
  it('is compiled once for each set of them, and opens them only then', () => {
    const live = { secrets: [ONE], version: 1, opened: 0 };
    const current = createRedactors({
      version: () => live.version,
      liveSecrets: () => {
        live.opened += 1;
        return live.secrets.map((text) => ({ service: 'shop', text: new Sensitive(text) }));
      },
    });
    const first = current();
    assert.equal(first.text(`a ${ONE} ${OTHER}`), `a ${MARKER} ${OTHER}`);
    assert.equal(current(), first);
    assert.equal(live.opened, 1);
    live.secrets = [OTHER];
    live.version = 2;
    assert.equal(current().text(`a ${ONE} ${OTHER}`), `a ${ONE} ${MARKER}`);
    assert.equal(current(), current());
    assert.equal(live.opened, 2);
  });

  it('knows each of several, alone and together, and one that is too short stands for nothing', () => {
    const redactor = compileRedactor([ONE, 'seven77', OTHER, ONE].map(named));
    for (const secret of [ONE, OTHER]) {
      assert.equal(redactor.text(`a ${secret} b`), `a ${MARKER} b`);
      assert.equal(redactor.clean([[`x-${secret.toUpperCase()}`, '']]), false);
    }
    assert.equal(redactor.text(`${ONE}${OTHER}`), `${MARKER}${MARKER}`);
    for (const text of ['as it is', 'seven77']) assert.equal(redactor.text(text), text);
    assert.equal(redactor.clean([['x-as-it-is', 'as it is']]), true);
    assert.equal(redactor.shortestBytes, 12);
  });

  it('takes a secret whole that begins with another one, in one piece and byte by byte', () => {
    const redactor = compileRedactor(['q7!kWz#p', 'q7!kWz#pLm2$'].map(named));
    const stream = redactor.open();
    const pieces = [...'x q7!kWz#pLm2$ y'].map((char) =>
      Buffer.from(stream.push(Buffer.from(char))).toString(),
    );
    assert.equal(redactor.text('x q7!kWz#pLm2$ y'), `x ${MARKER} y`);
    assert.equal(`${pieces.join('')}${Buffer.from(stream.end())}`, `x ${MARKER} y`);
  });

  it('looks into lists, members and names of members, and leaves everything else as it is', () => {
    const { json } = compileRedactor([named(ONE)]);
    assert.deepEqual(json([ONE, [`a${ONE}`], { b: [ONE], [ONE]: { c: ONE } }, 5, null, true]), [
      MARKER,
      [`a${MARKER}`],
      { b: [MARKER], [MARKER]: { c: MARKER } },
      5,
      null,
      true,
    ]);
    assert.deepEqual(json({}), {});
    assert.deepEqual(json([]), []);
  });

  it('reads a header value as bytes and any other text as UTF-8, and changes neither without need', () => {
    const redactor = compileRedactor([named(ONE)]);
    for (const text of ['\u00e4\u00ff', `\u00e4 ${ONE}`])
      assert.equal(redactor.value(text), text.replace(ONE, MARKER));
    for (const text of ['\u00e4\u20ac', `\u20ac ${ONE}`, '\ud800'])
      assert.equal(redactor.text(text), text.replace(ONE, MARKER));
  });

  it('finds nothing across two header lines, nor across a name and its value', () => {
    const { clean } = compileRedactor([named(ONE)]);
    const [head, tail] = [ONE.slice(0, 9), ONE.slice(9)];
    assert.equal(clean([[head, tail]]), true);
    assert.equal(
      clean([
        ['a', head],
        [tail, 'b'],
      ]),
      true,
    );
    assert.equal(
      clean([
        ['a', 'b'],
        ['c', `d${ONE}`],
      ]),
      false,
    );
  });
});
