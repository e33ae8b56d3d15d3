// Where the appliance listens, and that no call can come back in through there (corpus U314).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closedPlaces, isLoopbackPlace, readPlace, urlOf } from '#platform/net/listening.ts';

const OWN = ['127.0.0.1', '::1', '192.0.2.2', 'fd00::2', '2001:db8::5'];
const closedAt = (host: string) =>
  closedPlaces(
    () => ({ host, port: 7822 }),
    () => OWN,
  );

test('a place is an address with a port, in one spelling; a name other than localhost is none', () => {
  assert.deepEqual(readPlace('127.0.0.1:7822'), { host: '127.0.0.1', port: 7822 });
  assert.deepEqual(readPlace('[::]:80'), { host: '::', port: 80 });
  assert.deepEqual(readPlace('localhost:0'), { host: 'localhost', port: 0 });
  for (const text of [
    'stack.example:7822',
    '7822',
    ':7822',
    '::1:7822',
    '127.0.0.1',
    '127.0.0.256:7822',
    '127.1:7822',
    '[127.0.0.1]:7822x',
    '[::ffff:0.0.0.0]:7822',
    '[::ffff:127.0.0.1]:7822',
    '[fe80::1%eth0]:7822',
    '*:7822',
  ])
    assert.equal(readPlace(text), undefined, text);
});

test('loopback is told from everything else', () => {
  const is = (text: string) => isLoopbackPlace(readPlace(text) ?? { host: 'none', port: 0 });
  for (const text of ['127.0.0.1:1', '127.8.9.1:1', 'localhost:1', '[::1]:1', '[0:0::1]:1'])
    assert.ok(is(text), text);
  for (const text of ['0.0.0.0:1', '[::]:1', '10.0.0.5:1', '[fd00::2]:1']) assert.ok(!is(text), text);
});

test('an address is shown with brackets where it has colons', () => {
  assert.equal(urlOf({ host: '::1', port: 1 }), 'http://[::1]:1');
  assert.equal(urlOf({ host: '127.0.0.1', port: 1 }), 'http://127.0.0.1:1');
});

test('a loopback listener closes loopback, at its own port alone', () => {
  const closed = closedAt('127.0.0.1');
  for (const address of ['127.0.0.1', '127.8.8.8', '::1']) assert.ok(closed(address, 7822), address);
  assert.ok(!closed('127.0.0.1', 7823));
  assert.ok(!closed('192.0.2.2', 7822));
});

test('a listener on every address closes each address of the machine, public ones included', () => {
  for (const host of ['0.0.0.0', '::', '0:0::0']) {
    const closed = closedAt(host);
    for (const address of [...OWN, '127.9.9.9', '2001:0db8:0::5', '::ffff:192.0.2.2'])
      assert.ok(closed(address, 7822), `${host} ${address}`);
    assert.ok(!closed('192.0.2.3', 7822), host);
    assert.ok(!closed('192.0.2.2', 443), host);
  }
});

test('a listener on one address closes this one in every spelling, and no other', () => {
  const closed = closedAt('2001:db8::5');
  assert.ok(closed('2001:db8:0:0::5', 7822));
  assert.ok(!closed('192.0.2.2', 7822));
  assert.ok(!closed('127.0.0.1', 7822), 'nothing of ours listens there');
});

test('where the machine does not tell its addresses, any may be its own', () => {
  const blind = closedPlaces(
    () => ({ host: '0.0.0.0', port: 7822 }),
    () => {
      throw new Error('uv_interface_addresses');
    },
  );
  assert.ok(blind('203.0.113.9', 7822));
  assert.ok(!blind('203.0.113.9', 443));
});

test('the addresses are those of this machine, asked for at each dial', () => {
  const closed = closedPlaces(() => ({ host: '0.0.0.0', port: 7822 }));
  assert.ok(closed('127.0.0.1', 7822));
  assert.ok(!closed('203.0.113.9', 7822));
});
