// Records that the device reads from where they were received: no copy on the way, memory that stays until the device has
// read it, and what is copied all the same.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heapRegion, SlotPool } from '@demikernel/memory';
import type { LibraryOsWithStorage } from '../../src/liboses/storage/with-storage.ts';
import { ManualClock } from '../../src/runtime/clock.ts';
import { OP_COMPLETE, OP_PUSH, type Operation } from '../../src/runtime/operation.ts';
import { openSimulated, SeededRandom, SimulatedWorld } from '../../src/simulator.ts';
import { Machine, payload } from '../log/machine.ts';
import { ModelDisk, type ModelDiskOptions } from '../nvme/model-disk.ts';
import { type ModelTreeOptions, openModelTree } from './model-tree.ts';

const LENGTH = 16 << 20;

function makeDisk(options: Partial<ModelDiskOptions> = {}): ModelDisk {
  return new ModelDisk({ id: 1, blocks: LENGTH / 512, blockBytes: 512, ...options });
}

function machineOn(disk: ModelDisk, options: Partial<ModelTreeOptions> = {}): Machine {
  const random = new SeededRandom(3);
  const { storage } = openModelTree(disk, {
    clock: new ManualClock(),
    random,
    segmentBytes: 1 << 20,
    ...options,
  });
  return new Machine(storage);
}

function counters(machine: Machine): { copied: number; referred: number } {
  const { copiedBytes, referredBytes } = machine.logs.counters;
  return { copied: copiedBytes, referred: referredBytes };
}

test('what a socket has received the device reads from the slot that the network put it into', () => {
  const world = new SimulatedWorld();
  const disk = makeDisk();
  const { storage } = openModelTree(disk, {
    clock: world.clock,
    random: new SeededRandom(5),
    segmentBytes: 1 << 20,
  });
  const near = openSimulated(world, '10.0.0.1/24', { storage });
  const far = openSimulated(world, '10.0.0.2/24');
  const log = near.wait(near.create('log'))!.acceptedQd;
  const receiving = near.socket('datagram');
  near.bind(receiving, '10.0.0.1:7');
  const sending = far.socket('datagram');
  const message = payload(1, 1201);
  far.wait(far.pushTo(sending, message, '10.0.0.1:7'));
  const array = near.wait(near.pop(receiving))!.array!;
  assert.equal(array.count, 1);
  const { offset, length, pool } = array.segments[0]!;
  const token = near.push(log, array);
  // The application is done with it; the device may not be.
  array.free();
  const { errno, position } = near.wait(token)!;
  assert.equal(errno, 0);
  const read = disk.gatheredLast.filter(piece => piece.buffer === pool.region.buffer);
  assert.deepEqual(
    read.map(({ byteOffset, byteLength }) => [byteOffset, byteLength]),
    [[offset, length]],
  );
  const { copiedBytes, referredBytes } = (near.libraryOs as LibraryOsWithStorage).logs.counters;
  assert.deepEqual([copiedBytes, referredBytes], [0, message.length]);
  near.seek(log, position);
  const popped = near.wait(near.pop(log))!.array!;
  assert.deepEqual(popped.toBytes(), message);
  popped.free();
  near.shutDown();
  far.shutDown();
  assert.equal(pool.freeSlots, pool.slotCount);
});

for (const [name, gatherAlignBytes, transferShift] of [
  ['any address', 1, 5],
  ['multiples of four', 4, 5],
  ['commands of 8 KiB', 1, 1],
] as const)
  test(`arrays of every shape are read back as they were pushed: ${name}`, () => {
    const disk = makeDisk({ gatherAlignBytes });
    const machine = machineOn(disk, { transferShift });
    assert.equal(machine.storage.register!(machine.pool.region), true);
    const random = new SeededRandom(gatherAlignBytes + transferShift);
    const qd = machine.open();
    const expected: Uint8Array[] = [];
    for (let round = 0; round < 120; round++) {
      const pushes: Operation[] = [];
      for (let i = random.below(5); i >= 0; i--) {
        const bytes = payload(
          expected.length + 1,
          random.below(10) === 0 ? random.below(40_000) : random.below(3000),
        );
        pushes.push(push(machine, qd, bytes, random));
        expected.push(bytes);
      }
      for (const operation of pushes) {
        assert.equal(machine.finish(operation), 0);
        machine.retire(operation);
      }
      assert.equal(machine.pool.freeSlots, machine.pool.slotCount);
    }
    const { copied, referred } = counters(machine);
    // What is not a multiple of four is rarely where it can stay.
    assert.ok(
      copied > 0 && referred > (gatherAlignBytes === 1 ? copied / 4 : 0),
      `${copied} copied, ${referred} by reference`,
    );
    const { records } = machine.readAll(qd);
    assert.equal(records.length, expected.length);
    for (const [i, { bytes }] of records.entries()) assert.deepEqual(bytes, expected[i]);
    machine.shutDown();
    const again = machineOn(disk);
    assert.equal(again.readAll(again.open()).records.length, expected.length);
    again.shutDown();
  });

/** Pushes bytes in slices of drawn lengths at drawn offsets. */
function push(machine: Machine, qd: number, bytes: Uint8Array, random: SeededRandom): Operation {
  const { pool, runtime } = machine;
  const array = pool.array();
  for (let at = 0; at < bytes.length; ) {
    const length = Math.min(bytes.length - at, 1 + random.below(1500));
    const slot = pool.alloc(2048)!;
    const slice = slot.sub(random.below(2048 - length), length);
    slot.release();
    slice.bytes().set(bytes.subarray(at, at + length));
    array.append(slice);
    at += length;
  }
  const operation = runtime.operations.issue(OP_PUSH, qd);
  operation.array = array;
  operation.sizeBytes = bytes.length;
  runtime.queues.lookup(qd).push(operation);
  return operation;
}

test('more pieces than one write can have are copied', () => {
  const machine = machineOn(makeDisk());
  machine.storage.register!(machine.pool.region);
  const qd = machine.open();
  const pushes: Operation[] = [];
  for (let i = 0; i < 200; i++) pushes.push(machine.push(qd, payload(i, 600)));
  for (const operation of pushes) {
    assert.equal(machine.finish(operation), 0);
    machine.retire(operation);
  }
  const { copied, referred } = counters(machine);
  assert.ok(copied > 0 && referred > 60_000, `${copied} copied, ${referred} by reference`);
  assert.equal(machine.readAll(qd).records.length, 200);
  machine.shutDown();
});

test('a slot stays until the device has read it, though the push was given up', () => {
  const disk = makeDisk();
  const machine = machineOn(disk, { latencySteps: 50 });
  machine.storage.register!(machine.pool.region);
  const qd = machine.open();
  const keeping = machine.open();
  const message = payload(1, 1400);
  const operation = machine.push(qd, message);
  machine.logs.flush();
  machine.close(qd);
  assert.equal(operation.state, OP_COMPLETE);
  machine.retire(operation);
  assert.equal(machine.pool.freeSlots, machine.pool.slotCount - 1);
  machine.write(keeping, payload(2, 10));
  assert.equal(machine.pool.freeSlots, machine.pool.slotCount);
  assert.deepEqual(machine.readAll(keeping).records[0]!.bytes, message);
  machine.shutDown();
});

test('memory that another can write to, or the device was not shown, is copied', () => {
  const machine = machineOn(makeDisk());
  const { storage } = machine;
  const lender = { slotReturned: () => {} };
  const lent = new SlotPool(heapRegion(8192), {
    slotSizeBytes: 4096,
    headroomBytes: 0,
    lender,
    lentSlots: 2,
  });
  storage.register!(lent.region);
  const qd = machine.open();
  for (const pool of [lent, machine.pool]) {
    if (pool === lent) lent.borrow(0);
    const slice = pool === lent ? lent.slice(0, 0, 1000) : pool.alloc(1000)!;
    slice.bytes().set(payload(1, 1000));
    const operation = machine.runtime.operations.issue(OP_PUSH, qd);
    operation.array = machine.pool.array();
    operation.array.append(slice);
    operation.sizeBytes = 1000;
    machine.runtime.queues.lookup(qd).push(operation);
    assert.equal(machine.finish(operation), 0);
    machine.retire(operation);
  }
  assert.deepEqual(counters(machine), { copied: 2000, referred: 0 });
  assert.equal(machine.readAll(qd).records.length, 2);
  machine.shutDown();
});

test('a device without scatter-gather lists is not shown anything', () => {
  const machine = machineOn(makeDisk({ gatherAlignBytes: 3 }));
  assert.equal(machine.storage.register!(machine.pool.region), false);
  machine.shutDown();
});
