// The switch with one interface: clients and backends on one wire, replies past it.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import * as kernel from '@demikernel/native/kernel';
import { Switch } from '../../src/switch/switch.ts';
import * as T from './testbed.ts';

const PORT = 8089;
const BACKENDS = 2;

const skip = T.testbedRefusal();
let bed: T.SwitchTestbed | undefined;

after(() => bed?.close());

test('connections are spread and stick; the switch sees one direction', { skip }, () => {
  bed = new T.SwitchTestbed(BACKENDS, { oneArmed: true });
  const balancer = kernel.runInNamespace(
    bed.switch,
    () =>
      new Switch({
        ports: [{ interface: 'eth0', role: 'both' }],
        headerKey: new Uint8Array(16).fill(3),
        hashKey: new Uint8Array(16).fill(4),
        address: T.SWITCH_ADDRESS,
        policy: 'roundRobin',
      }),
  );
  try {
    balancer.addService(T.VIRTUAL_ADDRESS, PORT);
    for (let id = 0; id < BACKENDS; id++) {
      bed.listen(id, PORT);
      balancer.addBackend(id, {
        macAddress: bed.macAddresses[id]!,
        interface: 'eth0',
        address: T.backendAddress(id),
      });
    }
    const counts = [0, 0];
    for (let n = 0; n < 10; n++) {
      const fd = bed.connect(PORT);
      assert.ok(fd >= 0, `connecting: ${kernel.errnoName(-fd)}`);
      const backend = bed.ask(fd);
      counts[backend]!++;
      for (let again = 0; again < 3; again++) assert.equal(bed.ask(fd), backend);
    }
    assert.deepEqual(counts, [5, 5]);
    const counters = balancer.readCounters();
    assert.equal(counters.opened, 10);
    assert.equal(counters.reply, 0);
    assert.ok(counters.forwarded >= 50 && counters.arp > 0);
  } finally {
    balancer.close();
  }
});
