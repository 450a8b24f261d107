// Logs on a disk in memory that behaves: order, positions, cursors, roll-over, truncation, bounds, a full disk.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MemoryStorage } from '../../src/liboses/storage/memory-storage.ts';
import {
  EAGAIN,
  EBADMSG,
  EBUSY,
  ECANCELED,
  EEXIST,
  EINVAL,
  EIO,
  EMSGSIZE,
  ENOENT,
  ENOSPC,
  errnoName,
} from '../../src/runtime/errno.ts';
import { OP_COMPLETE } from '../../src/runtime/operation.ts';
import { idOf, Machine, machineWithDisk, payload } from './machine.ts';

describe('log', () => {
  test('what is pushed is popped, in order, again after reopening', () => {
    const { disk, machine } = machineWithDisk();
    const qd = machine.open();
    for (let id = 1; id <= 100; id++) machine.write(qd, payload(id, 4 + id * 7));
    assert.deepEqual(
      machine.readAll(qd).records.map(each => idOf(each.bytes)),
      range(1, 100),
    );
    machine.shutDown();
    const again = new Machine(new MemoryStorage(disk), 2);
    const { errno, records } = again.readAll(again.open({ mode: 'existing' }));
    assert.equal(errno, 0);
    assert.deepEqual(
      records.map(each => idOf(each.bytes)),
      range(1, 100),
    );
    again.shutDown();
  });

  test('pushes of one turn leave in one write, and those pushed during it in the next', () => {
    const { machine } = machineWithDisk({ latencyPolls: 1 });
    const qd = machine.open();
    const before = machine.logs.counters.groups;
    const pushes = range(1, 32).map(id => machine.push(qd, payload(id, 512)));
    machine.logs.flush();
    pushes.push(...range(33, 64).map(id => machine.push(qd, payload(id, 512))));
    for (const push of pushes) {
      assert.equal(machine.finish(push), 0);
      machine.retire(push);
    }
    assert.equal(machine.logs.counters.groups - before, 2);
    machine.shutDown();
  });

  test('records of all sizes over many segments, then truncated: the space is used again', () => {
    const { disk, machine } = machineWithDisk({ segments: 4 });
    const qd = machine.open();
    let id = 0;
    let first = 1;
    for (let round = 0; round < 40; round++) {
      const positions: number[] = [];
      for (let i = 0; i < 12; i++) positions.push(machine.write(qd, payload(++id, (id * 977) % 9000)));
      const truncation = machine.truncate(qd, positions[6]!);
      assert.equal(errnoName(machine.finish(truncation)), errnoName(0));
      machine.retire(truncation);
      first = id - 5;
      assert.ok(disk.usedSegments <= 4);
    }
    machine.runtime.queues.lookup(qd).seek(0);
    const { records, errno } = machine.readAll(qd);
    assert.equal(errno, 0);
    assert.deepEqual(
      records.map(each => idOf(each.bytes)),
      range(first, id),
    );
    machine.shutDown();
    const again = new Machine(new MemoryStorage(disk), 3);
    const back = again.readAll(again.open());
    assert.deepEqual(
      back.records.map(each => idOf(each.bytes)),
      range(first, id),
    );
    again.shutDown();
  });

  test('a full disk refuses pushes, lets truncation through, and then takes pushes again', () => {
    const { machine } = machineWithDisk({ segments: 2 });
    const qd = machine.open();
    let errno = 0;
    let id = 0;
    let last = 0;
    while (errno === 0) {
      const push = machine.push(qd, payload(++id, 2000));
      errno = machine.finish(push);
      if (errno === 0) last = push.position;
      else assert.equal(push.position, -1);
      machine.retire(push);
    }
    assert.equal(errnoName(errno), errnoName(ENOSPC));
    assert.ok(id > 40, `only ${id} records fit`);
    const truncation = machine.truncate(qd, last);
    assert.equal(errnoName(machine.finish(truncation)), errnoName(0));
    machine.retire(truncation);
    machine.write(qd, payload(id, 2000));
    machine.shutDown();
  });

  test('cursors are each queue’s own; seek goes to a record, the start or the end', () => {
    const { machine } = machineWithDisk();
    const first = machine.open();
    const second = machine.open({ mode: 'existing' });
    const positions = range(1, 10).map(id => machine.write(first, payload(id, 100)));
    const queue = machine.runtime.queues.lookup(second);
    assert.equal(queue.seek(positions[6]!), 0);
    assert.deepEqual(
      machine.readAll(second).records.map(each => idOf(each.bytes)),
      range(7, 10),
    );
    assert.equal(queue.seek(0), 0);
    assert.deepEqual(
      machine.readAll(second).records.map(each => each.position),
      positions,
    );
    assert.equal(queue.seek(Number.POSITIVE_INFINITY), 0);
    assert.deepEqual(machine.readAll(second).records, []);
    assert.deepEqual(
      machine.readAll(first).records.map(each => idOf(each.bytes)),
      range(1, 10),
    );
    for (const nowhere of [-8, 8, 1e15, Number.NaN, positions[2]! + 1, 0.5]) {
      assert.equal(queue.seek(nowhere), EINVAL, String(nowhere));
    }
    const waiting = machine.pop(second);
    assert.equal(queue.seek(0), EBUSY);
    machine.write(first, payload(11, 5));
    assert.equal(machine.finish(waiting), 0);
    assert.equal(idOf(waiting.array!.toBytes()), 11);
    machine.retire(waiting);
    machine.shutDown();
  });

  test('seek and truncate take a position inside the log that is no record’s; the pops after it fail', () => {
    const { disk, machine } = machineWithDisk();
    const qd = machine.open();
    const positions = range(1, 4).map(id => machine.write(qd, payload(id, 200)));
    const queue = machine.runtime.queues.lookup(qd);
    assert.equal(queue.seek(positions[1]! + 8), 0);
    for (let i = 0; i < 2; i++) assert.equal(machine.readAll(qd).errno, EBADMSG);
    const truncation = machine.truncate(qd, positions[1]! + 8);
    assert.equal(machine.finish(truncation), 0);
    machine.retire(truncation);
    machine.shutDown();
    const again = new Machine(new MemoryStorage(disk), 2);
    const reopened = again.open({ mode: 'existing' });
    assert.equal(again.readAll(reopened).errno, EBADMSG);
    assert.equal(again.runtime.queues.lookup(reopened).seek(positions[2]!), 0);
    const { errno, records } = again.readAll(reopened);
    assert.equal(errno, 0);
    assert.deepEqual(
      records.map(each => idOf(each.bytes)),
      [3, 4],
    );
    again.shutDown();
  });

  test('modes, names and bounds', () => {
    const { machine } = machineWithDisk({}, { waitingPops: 2, largestRecordBytes: 1000, waitingPushes: 3 });
    assert.equal(machine.open({ mode: 'existing' }), -ENOENT);
    assert.equal(machine.open({ mode: 'new' }, '../x'), -EINVAL);
    const qd = machine.open({ mode: 'new' });
    assert.ok(qd >= 0);
    assert.equal(machine.open({ mode: 'new' }), -EEXIST);
    const tooLong = machine.push(qd, new Uint8Array(1001));
    assert.equal(machine.finish(tooLong), EMSGSIZE);
    machine.retire(tooLong);
    const pops = range(1, 3).map(() => machine.pop(qd));
    assert.deepEqual(
      pops.map(pop => pop.state === OP_COMPLETE && pop.errno),
      [false, false, EAGAIN],
    );
    machine.close(qd);
    assert.deepEqual(
      pops.map(pop => pop.errno),
      [ECANCELED, ECANCELED, EAGAIN],
    );
    for (const pop of pops) machine.retire(pop);
    machine.shutDown();
  });

  test('an empty record is a record', () => {
    const { machine } = machineWithDisk();
    const qd = machine.open();
    machine.write(qd, new Uint8Array(0));
    const pop = machine.pop(qd);
    assert.equal(machine.finish(pop), 0);
    assert.equal(pop.array!.lengthBytes, 0);
    machine.retire(pop);
    machine.shutDown();
  });

  test('a read that fails ends one pop; the next goes on, and no record is passed over', () => {
    const { disk, machine } = machineWithDisk({}, { readAheadBytes: 1024 });
    const qd = machine.open();
    for (let id = 1; id <= 200; id++) machine.write(qd, payload(id, 300));
    disk.faults = { readErrorRate: 0.3 };
    const ids: number[] = [];
    let failures = 0;
    while (ids.length < 200) {
      const { errno, records } = machine.readAll(qd);
      ids.push(...records.map(each => idOf(each.bytes)));
      if (errno !== 0) assert.equal(errnoName(errno), errnoName(EIO));
      if (errno !== 0) failures++;
    }
    assert.deepEqual(ids, range(1, 200));
    assert.ok(failures > 20);
    machine.shutDown();
  });

  test('a pop without memory waits for some', () => {
    const { machine } = machineWithDisk();
    const qd = machine.open();
    machine.write(qd, payload(1, 5000));
    const hoard = machine.pool.allocArray((machine.pool.freeSlots - 1) * 1000, 1000)!;
    const pop = machine.pop(qd);
    for (let turn = 0; turn < 100; turn++) machine.turn();
    assert.notEqual(pop.state, OP_COMPLETE);
    assert.ok(machine.logs.untilNextUs() < 1000);
    hoard.free();
    assert.equal(machine.finish(pop), 0);
    assert.equal(idOf(pop.array!.toBytes()), 1);
    machine.retire(pop);
    machine.shutDown();
  });

  test('pushes over the group wait, in order; over the bound they fail with EAGAIN', () => {
    const { machine } = machineWithDisk(
      { latencyPolls: 3 },
      { groupBytes: 4096, largestRecordBytes: 2000, waitingPushes: 8 },
    );
    const qd = machine.open();
    const pushes = range(1, 20).map(id => machine.push(qd, payload(id, 1000)));
    const errnos = pushes.map(push => {
      const errno = machine.finish(push);
      machine.retire(push);
      return errno;
    });
    const taken = errnos.indexOf(EAGAIN);
    assert.ok(taken > 8, `${taken} were taken`);
    assert.ok(errnos.slice(taken).every(errno => errno === EAGAIN));
    assert.deepEqual(
      machine.readAll(qd).records.map(each => idOf(each.bytes)),
      range(1, taken),
    );
    machine.shutDown();
  });

  test('closing cancels what is not durable, and the log is whole', () => {
    const { disk, machine } = machineWithDisk({ latencyPolls: 5 });
    const qd = machine.open();
    machine.write(qd, payload(1, 100));
    const pushes = range(2, 5).map(id => machine.push(qd, payload(id, 100)));
    machine.logs.flush();
    machine.close(qd);
    for (const push of pushes) {
      assert.equal(push.errno, ECANCELED);
      machine.retire(push);
    }
    machine.shutDown();
    const again = new Machine(new MemoryStorage(disk), 3);
    const ids = again.readAll(again.open()).records.map(each => idOf(each.bytes));
    assert.deepEqual(ids, range(1, ids.length));
    again.shutDown();
  });
});

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}
