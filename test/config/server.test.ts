// The `server` section: what it takes to listen beyond loopback, and each way to get it wrong.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readConfig } from '../../src/config.ts';

const nothing = (): undefined => undefined;
const around = {
  path: '/etc/stack/config.yaml',
  environment: nothing,
  readFile: nothing,
  folderProblem: nothing,
  keyFileProblem: nothing,
};
const read = (server: string) =>
  readConfig(`version: 1\nserver:\n  ${server.replaceAll('; ', '\n  ')}\n`, around);

function good(server: string) {
  const result = read(server);
  assert.ok('config' in result, JSON.stringify(result));
  return { config: result.config, warnings: result.warnings.map(({ message }) => message) };
}

function bad(server: string): string {
  const result = read(server);
  assert.ok('mistakes' in result, 'taken as good');
  return result.mistakes.map(({ line, path, message }) => `${line} ${path}: ${message}`).join('\n');
}

const PROXIED =
  'behind_proxy: [ 10.0.0.5, 10.1.0.0/16, "fd00::/64" ]; public_url: https://stack.corp.example';

describe('listening beyond loopback', () => {
  for (const place of ['0.0.0.0:7822', '"[::]:7822"', '10.0.0.9:80', '"[2001:db8::5]:7822"'])
    it(`${place} is taken behind listed proxies with an https URL`, () => {
      const { config, warnings } = good(`listen: ${place}; ${PROXIED}`);
      assert.equal(config.behindProxy.length, 3);
      assert.deepEqual(warnings, []);
    });

  it('is refused without proxies, with a sentence about TLS', () => {
    const said = bad('listen: 0.0.0.0:7822; public_url: https://stack.corp.example');
    assert.match(said, /^3 server\.listen: .*behind_proxy.*TLS of its own is not in this version/);
  });

  it('is refused with a public URL without TLS, and says both mistakes at once', () => {
    const said = bad('listen: 0.0.0.0:7822; public_url: http://stack.corp.example');
    assert.match(said, /behind_proxy/);
    assert.match(said, /4 server\.public_url: .*https/);
  });

  it('warns where the public URL still names loopback', () => {
    const { warnings } = good('listen: 0.0.0.0:7822; behind_proxy: [ 10.0.0.5 ]');
    assert.match(warnings.join(), /public_url still names loopback/);
  });

  it('has no TLS of its own yet, and says so', () => {
    assert.match(bad('tls: { cert: a, key: b }'), /`tls` is not in this version/);
  });
});

describe('what stands in the section', () => {
  it('on loopback a public URL elsewhere without TLS is a warning', () => {
    assert.match(good('public_url: http://stack.corp.example').warnings.join(), /clear text/);
    assert.deepEqual(good('public_url: https://stack.corp.example').warnings, []);
    assert.deepEqual(good('public_url: http://127.0.0.1:7822').warnings, []);
  });

  for (const place of [
    'stack.example:7822',
    '"*:7822"',
    ':7822',
    '0.0.0.0',
    '"[::ffff:0.0.0.0]:7822"',
    '"::1:7822"',
  ])
    it(`listen ${place} is refused with the forms that are right`, () => {
      assert.match(bad(`listen: ${place}`), /listen must be ADDRESS:PORT, such as/);
    });

  for (const range of ['proxy.corp.example', '10.0.0.5/24', '10.0.0', '"fd00::/129"', '"*"', '10.0.0.5:80'])
    it(`behind_proxy ${range} is refused with the forms that are right`, () => {
      assert.match(
        bad(`behind_proxy: [ ${range} ]`),
        /server\.behind_proxy\.0: must be an address or a range/,
      );
    });

  for (const range of ['0.0.0.0/0', '"::/0"', '0.0.0.0/1', '"::/3"'])
    it(`behind_proxy ${range} is refused: everybody is no proxy`, () => {
      assert.match(bad(`behind_proxy: [ ${range} ]`), /nearly everybody/);
    });

  for (const host of [
    'https://a.test',
    'a.test/',
    '"*.a.test"',
    'a b',
    '2001:db8::5',
    '"user@a.test"',
    'ä.test',
    '""',
  ])
    it(`hosts ${host} is refused: it can stand in no Host header`, () => {
      assert.match(bad(`hosts: [ ${host} ]`), /server\.hosts\.0: must be a Host value/);
    });

  it('hosts takes names and addresses with a port or without', () => {
    good('hosts: [ stack, stack.corp.example, "stack.corp.example:8443", 10.0.0.9, "[2001:db8::5]:7822" ]');
  });

  it('the log is text at a terminal and JSON elsewhere, from info on, unless it is set', () => {
    assert.deepEqual(good('hosts: []').config.log, { format: 'auto', level: 'info' });
    assert.deepEqual(good('log: { format: text, level: warn }').config.log, {
      format: 'text',
      level: 'warn',
    });
    assert.match(bad('log: { format: yaml }'), /auto or json or text/);
    assert.match(bad('log: { level: trace }'), /debug or info or warn or error/);
  });
});
