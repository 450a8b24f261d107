// The fleet's file: what it says, and where it is wrong.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EXAMPLE, parseFleet, readFleetFile } from '../../src/control/fleet-file.ts';

const GOOD = {
  services: ['10.0.0.1:443', '10.0.0.1:80'],
  address: '10.0.0.2',
  ports: [
    { interface: 'eth0', role: 'client' },
    { interface: 'eth1', role: 'backend' },
  ],
  keys: { header: '00'.repeat(16), hash: '11'.repeat(16), fleet: '22'.repeat(32) },
};

describe('the fleet’s file', () => {
  test('is read', () => {
    const fleet = parseFleet({
      ...GOOD,
      policy: { proactive: false, reactive: { delayUs: 500 }, coolDownUs: 1000 },
      backends: [{ number: 3, interface: 'eth1' }],
      dryRun: true,
      spread: 'maglev',
    });
    assert.deepEqual(fleet.services[1], { address: '10.0.0.1', port: 80 });
    assert.deepEqual(fleet.fleetKey, new Uint8Array(32).fill(0x22));
    assert.deepEqual(fleet.policy, { proactive: false, reactive: { delayUs: 500 }, coolDownUs: 1000 });
    assert.deepEqual(fleet.backends, [{ number: 3, interface: 'eth1' }]);
    assert.equal(fleet.dryRun, true);
    assert.equal(parseFleet(GOOD).spread, 'leastLoaded');
  });

  test('the example of the help is one, but for its keys', () => {
    const example = JSON.parse(EXAMPLE) as typeof GOOD;
    assert.throws(() => parseFleet(example), /keys\.header: want 32 hex digits/);
    parseFleet({ ...example, keys: GOOD.keys });
  });

  for (const [what, change, message] of [
    ['no object', 7, /the fleet: want an object/],
    ['no services', { services: [] }, /services: want at least one/],
    ['a service without a port', { services: ['10.0.0.1'] }, /services\[0\]: want address:port/],
    ['a port of 0', { services: ['10.0.0.1:0'] }, /services\[0\]: want address:port/],
    [
      'an unknown role',
      { ports: [{ interface: 'a', role: 'x' }] },
      /ports\[0\]\.role: 'x' is none of client/,
    ],
    ['a short key', { keys: { ...GOOD.keys, hash: 'aa' } }, /keys\.hash: want 32 hex digits/],
    ['a name that is not known', { sevices: [] }, /sevices: is not known/],
    ['one in a part', { policy: { proactive: { factr: 2 } } }, /policy\.proactive\.factr: is not known/],
    [
      'a factor of 0',
      { policy: { proactive: { factor: 0 } } },
      /policy\.proactive\.factor: want a number above 0/,
    ],
    ['an address that is none', { address: '10.0.0' }, /address: '10\.0\.0' is no IPv4 address/],
    ['too many connections', { connections: 300_000 }, /connections: want 1 to 262144/],
    ['a backend nowhere', { backends: [{ number: 1, interface: 'eth7' }] }, /no port for backends on eth7/],
    ['prototype names', JSON.parse('{"__proto__": 1}'), /__proto__: is not known/],
  ] as const) {
    test(`${what} is refused, by name`, () => {
      const value = typeof change === 'number' ? change : { ...GOOD, ...change };
      if (what === 'prototype names')
        Object.defineProperty(value, '__proto__', { value: 1, enumerable: true });
      assert.throws(
        () => parseFleet(value),
        (error: Error & { code?: string }) => {
          assert.match(error.message, message);
          assert.equal(error.code, 'ERR_DEMI_FLEET');
          return true;
        },
      );
    });
  }

  test('that is not there, or no JSON', () => {
    assert.throws(() => readFleetFile('/nowhere/fleet.json'), /cannot be read/);
    assert.throws(() => readFleetFile('/proc/self/comm'), /is no JSON/);
  });
});
