// The program on two CPUs at once: exactly one of two claims wins, and a connection is entered once.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { DevMap, MappedArray } from '@demikernel/ebpf';
import { FlowTable } from '../../src/switch/flows.ts';
import * as L from '../../src/switch/layout.ts';
import { SwitchTables } from '../../src/switch/tables.ts';
import type { RacerData, RacerResult } from './racer.ts';
import { testbedRefusal } from './testbed.ts';

const ROUNDS = Number(process.env['DEMI_RACE_ROUNDS'] ?? 1000);
const VIRTUAL = 0x0a020001;

test(`of ${ROUNDS} commits and claims back at the same time one wins each`, {
  skip: testbedRefusal(),
}, async t => {
  const geometry: L.Geometry = { buckets: 4096, cpus: 64 };
  using memory = new MappedArray({ name: 'demi_switch', maxEntries: 1, valueBytes: L.memoryBytes(geometry) });
  using devices = new DevMap({ name: 'demi_ports', maxEntries: L.MAX_PORTS });
  devices.update(1, 1);
  const tables = new SwitchTables(geometry, memory.buffer);
  const headerKey = new Uint8Array(16).fill(5);
  tables.setSecrets(headerKey, new Uint8Array(16).fill(6));
  tables.switchAddress = 0x0a010001;
  tables.policy = 'leastLoaded';
  tables.addService(VIRTUAL, 80);
  for (let id = 0; id < 2; id++)
    tables.setBackend(id, {
      macAddress: Uint8Array.of(2, 0, 0, 0, 2, id),
      address: 0x0a010100 + id,
      port: 1,
    });
  const connection = {
    clientAddress: 0x0a030001,
    clientPort: 1000,
    virtualAddress: VIRTUAL,
    virtualPort: 80,
  };
  const flows = new FlowTable(tables);
  flows.claimExisting([{ ...connection, owner: 0, epoch: 0 }]);
  const barrier = new Int32Array(new SharedArrayBuffer(16));
  const won = new Int32Array(new SharedArrayBuffer(8 * ROUNDS));
  const threads = [0, 1].map(me => {
    const workerData: RacerData = {
      me,
      memory: memory.descriptor,
      devices: devices.descriptor,
      geometry,
      rounds: ROUNDS,
      headerKey,
      switchAddress: 0x0a010001,
      connection,
      barrier,
      won,
    };
    return new Worker(new URL('./racer.js', import.meta.url), { workerData });
  });
  const results = await Promise.all(
    threads.map(async thread => {
      const [result] = (await once(thread, 'message')) as [RacerResult];
      await thread.terminate();
      return result;
    }),
  );
  let origin = 0;
  for (let n = 0; n < ROUNDS; n++) {
    assert.ok(won[2 * n]! + won[2 * n + 1]! <= 1, `both won round ${n}`);
    origin += won[2 * n]!;
  }
  const target = won.reduce((sum, each) => sum + each, 0) - origin;
  const { raced } = tables.readCounters();
  t.diagnostic(`origin won ${origin}, target ${target}, raced ${raced}`);
  assert.equal(results[1]!.lost, 0);
  // A claim that gave way in the middle is asked again in life; here the round then has no winner told.
  const [{ openings, claims }] = results as [RacerResult];
  assert.ok(claims > 0 && origin + target >= claims * 0.9, `${origin + target} of ${claims}`);
  for (const { opened } of results) assert.equal(opened, openings);
  // One entry a connection, and counts that add up.
  assert.equal(flows.count(), openings + 1);
  assert.equal(tables.readBackend(0).connections + tables.readBackend(1).connections, openings + 1);
  assert.equal(tables.readBackend(0).opened + tables.readBackend(1).opened, openings);
});
