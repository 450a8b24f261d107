// The text of addresses: what is read, what is refused, and that what is written reads back.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  formatIpv4,
  parseIpv4,
  parseIpv4Prefix,
  parseSocketAddress,
  SocketAddress,
} from '../../src/runtime/socket-address.ts';

const refused = { name: 'DemiError', code: 'ERR_DEMI_ADDRESS' };

test('the forms of an address', () => {
  const cases: [string, number, number, number, string][] = [
    ['10.0.0.1:80', AF_INET, 0x0a000001, 80, ''],
    ['255.255.255.255:65535', AF_INET, -1, 65535, ''],
    ['192.168.0.1:0', AF_INET, 0xc0a80001 | 0, 0, ''],
    ['*:7', AF_INET, 0, 7, ''],
    [':7', AF_INET, 0, 7, ''],
    ['0.0.0.0:7', AF_INET, 0, 7, ''],
    ['[::1]:443', AF_INET6, 0, 443, '::1'],
    ['[fe80::a.b]:1', AF_INET6, 0, 1, 'fe80::a.b'],
    ['/run/service.sock', AF_UNIX, 0, 0, '/run/service.sock'],
    ['@abstract:80', AF_UNIX, 0, 0, '@abstract:80'],
  ];
  for (const [text, family, ipv4, port, host] of cases) {
    const address = parseSocketAddress(text);
    assert.deepEqual(
      [address.family, address.ipv4, address.port, address.text],
      [family, ipv4, port, host],
      text,
    );
  }
});

test('what is no address is refused by name', () => {
  for (const text of [
    '',
    '80',
    '10.0.0.1',
    '10.0.0.1:',
    '10.0.0.1:65536',
    '10.0.0.1:-1',
    '10.0.0.1:8x',
    '10.0.0.1:0x50',
    '10.0.0:80',
    '10.0.0.0.1:80',
    '10.0.0.256:80',
    '10.0.0.01:80',
    '10.0.0.:80',
    ' 10.0.0.1:80',
    '10.0.0.1:80 ',
    '10.0.0.1:80\n',
    'localhost:80',
    '::1:80',
    '[::1]',
    '[]:80',
    '[::1%lo]:80',
    '[::1:80',
  ]) {
    assert.throws(() => parseSocketAddress(text), refused, JSON.stringify(text));
  }
});

test('prefixes', () => {
  assert.deepEqual(parseIpv4Prefix('10.1.0.0/16'), { ipv4: 0x0a010000, prefixLength: 16 });
  assert.deepEqual(parseIpv4Prefix('10.1.0.1'), { ipv4: 0x0a010001, prefixLength: 32 });
  assert.equal(parseIpv4Prefix('0.0.0.0/0').prefixLength, 0);
  for (const text of ['10.0.0.1/33', '10.0.0.1/', '10.0.0.1/8/8', '/8', '10.0.0.1/x', '10.0.0.1/-1', '']) {
    assert.throws(() => parseIpv4Prefix(text), refused, JSON.stringify(text));
  }
});

test('every IPv4 address and port reads back as written', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 0, max: 65535 }), (ipv4, port) => {
      const address = new SocketAddress(ipv4, port);
      assert.ok(parseSocketAddress(address.toString()).equals(address));
      assert.equal(parseIpv4(formatIpv4(ipv4)), ipv4);
    }),
  );
});

test('no text makes the parser do anything but refuse or read', () => {
  const text = fc.oneof(fc.string(), fc.stringMatching(/^[0-9.:[\]a-f*/@]{0,24}$/));
  fc.assert(
    fc.property(text, each => {
      try {
        const address = parseSocketAddress(each);
        assert.ok(address.port >= 0 && address.port <= 65535);
        assert.equal(address.ipv4, address.ipv4 | 0);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'ERR_DEMI_ADDRESS');
      }
    }),
  );
});

test('a copy is equal and apart; each part tells addresses apart', () => {
  const address = parseSocketAddress('[::1]:80');
  const copy = address.clone();
  assert.ok(copy.equals(address));
  copy.setIpv4(1, 80);
  assert.equal(copy.text, '');
  assert.equal(address.toString(), '[::1]:80');
  const base = new SocketAddress(1, 2);
  assert.ok(!base.equals(new SocketAddress(1, 3)) && !base.equals(new SocketAddress(2, 2)));
  assert.ok(!parseSocketAddress('/a').equals(parseSocketAddress('/b')));
});
