// The driver on a model of a controller: starting, transfers of every shape, full queues, and what it does when commands
// fail, are late, are lost, or answers make no sense.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  FORCE_UNIT_ACCESS,
  NVM_DATASET_MANAGEMENT,
  NVM_FLUSH,
  NVM_READ,
  NVM_WRITE,
  NVM_WRITE_ZEROES,
} from '../../src/nvme/commands.ts';
import {
  NVME_COUNTERS,
  NVME_FAILED,
  NVME_READY,
  NVME_RECOVERING,
  NVME_STARTING,
  NVME_STOPPED,
  NvmeController,
} from '../../src/nvme/controller.ts';
import type { ErrorLogEntry } from '../../src/nvme/identify.ts';
import { ManualClock } from '../../src/runtime/clock.ts';
import { EINVAL, EIO, ENODEV, ETIMEDOUT } from '../../src/runtime/errno.ts';
import { SeededRandom } from '../../src/runtime/random.ts';
import { Driven } from './driven.ts';
import { ModelController } from './model-controller.ts';
import { ModelDisk } from './model-disk.ts';

function counter(driven: Driven, name: (typeof NVME_COUNTERS)[number]): number {
  return driven.controller.counters[NVME_COUNTERS.indexOf(name)]!;
}

const disk = (blocks = 4096, blockBytes = 512): ModelDisk => new ModelDisk({ id: 1, blocks, blockBytes });

describe('starting', () => {
  test('finds out what the device is', () => {
    const disks = [
      new ModelDisk({ id: 1, blocks: 100, blockBytes: 512 }),
      new ModelDisk({ id: 3, blocks: 50, blockBytes: 4096 }),
      new ModelDisk({ id: 4, blocks: 50, blockBytes: 512, metadataBytes: 8 }),
    ];
    const driven = new Driven({ disks }).start();
    const { identity, namespaces, refusedNamespaces } = driven.controller;
    assert.equal(identity.model, 'Model of a controller');
    assert.equal(identity.serial, 'serial-1');
    assert.equal(driven.controller.maxTransferBytes, 4096 << 5);
    assert.deepEqual(namespaces, [
      { id: 1, blocks: 100, blockBytes: 512, lengthBytes: 51200 },
      { id: 3, blocks: 50, blockBytes: 4096, lengthBytes: 204800 },
    ]);
    assert.match(refusedNamespaces.get(4)!, /8 bytes of metadata/);
    driven.fair();
  });

  for (const doorbellStrideShift of [0, 2])
    for (const maxQueueEntries of [2, 5, 1024])
      test(`with doorbells ${4 << doorbellStrideShift} bytes apart and queues of ${maxQueueEntries}`, () => {
        const driven = new Driven({ doorbellStrideShift, maxQueueEntries }, { queuePairs: 3 }).start();
        const memory = driven.memory(4096);
        memory.bytes.fill(7);
        for (let i = 0; i < 20; i++) {
          const request = driven.request().transfer(NVM_WRITE, 1, i * 8, 8, memory, 0, 4096, 0);
          assert.equal(driven.finish(request), 0);
        }
        assert.equal(driven.model.disks[0]!.bytes[20 * 4096 - 1], 7);
        driven.fair();
      });

  test('takes the queue pairs it is granted', () => {
    const driven = new Driven({ grantedPairs: 2 }, { queuePairs: 5 }).start();
    const requests = Array.from({ length: 10 }, () => driven.request().command(NVM_FLUSH, 1));
    for (const request of requests) driven.controller.submit(request);
    driven.until('all have ended', () => driven.ended.length === 10);
    assert.deepEqual([...driven.model.queues.keys()], [0, 1, 2]);
    driven.fair();
  });

  test('stops in order, and says so', () => {
    const driven = new Driven().start();
    driven.controller.stop();
    driven.until('it has stopped', () => driven.controller.state === NVME_STOPPED);
    assert.equal(driven.model.queues.size, 0);
    assert.equal(driven.finish(driven.request().command(NVM_FLUSH, 1)), ENODEV);
    driven.fair();
  });

  test('a device that is gone, or never ready, or wants other things is refused', () => {
    const gone = new ModelController({ random: new SeededRandom(1) });
    gone.pull();
    assert.throws(() => new NvmeController(gone, { clock: new ManualClock() }), { code: 'ERR_DEMI_DEVICE' });
    const never = new Driven({ readySteps: 1e9 });
    never.until('it gives up', () => never.controller.state !== NVME_STARTING, 50_000);
    assert.equal(never.controller.state, NVME_FAILED);
    assert.match(never.controller.failure!.message, /does not become ready/);
    assert.equal(never.model.silenced, true);
    const mute = new Driven();
    mute.model.answer = () => {};
    mute.until('it gives up', () => mute.controller.state !== NVME_STARTING, 50_000);
    assert.match(mute.controller.failure!.message, /no answer/);
  });
});

describe('transfers', () => {
  test('of every length and offset arrive as they left', () => {
    const driven = new Driven({ disks: [disk(4096)] }).start();
    const random = new SeededRandom(2);
    const [out, back] = [driven.memory(1 << 18), driven.memory(1 << 18)];
    for (let i = 0; i < 300; i++) {
      random.fill(out.bytes);
      const blocks = 1 + random.below(i % 3 === 0 ? 256 : 20);
      const lba = random.below(4096 - blocks);
      const [from, to] = [random.below(1 << 15) * 4, random.below(1 << 15) * 4];
      const length = blocks * 512;
      assert.equal(
        driven.finish(driven.request().transfer(NVM_WRITE, 1, lba, blocks, out, from, length, 0)),
        0,
      );
      assert.equal(
        driven.finish(driven.request().transfer(NVM_READ, 1, lba, blocks, back, to, length, 0)),
        0,
      );
      assert.ok(
        Buffer.from(back.bytes.buffer, back.bytes.byteOffset + to, length).equals(
          out.bytes.subarray(from, from + length),
        ),
      );
    }
    driven.fair();
  });

  test('zeroes, giving blocks up, flushing', () => {
    const driven = new Driven({ disks: [disk()] }).start();
    const [model] = driven.model.disks;
    model!.bytes.fill(9);
    assert.equal(driven.finish(driven.request().command(NVM_WRITE_ZEROES, 1, 10, 5)), 0);
    assert.equal(driven.finish(driven.request().command(NVM_DATASET_MANAGEMENT, 1, 100, 1000)), 0);
    assert.equal(driven.finish(driven.request().command(NVM_FLUSH, 1)), 0);
    assert.deepEqual(model!.deallocated, [{ lba: 100, blocks: 1000 }]);
    assert.deepEqual([model!.bytes[9 * 512], model!.bytes[10 * 512], model!.bytes[15 * 512]], [9, 0, 9]);
    assert.equal(model!.flushes, 1);
    driven.fair();
  });

  test('more at once than the queue has places', () => {
    const driven = new Driven({ disks: [disk()], latencySteps: 30 }, { queueEntries: 8 }).start();
    const memory = driven.memory(512 * 200);
    const requests = Array.from({ length: 200 }, (_, i) => {
      memory.bytes.fill(i, i * 512, (i + 1) * 512);
      return driven.request().transfer(NVM_WRITE, 1, i, 1, memory, i * 512, 512, 0);
    });
    for (const request of requests) driven.controller.submit(request);
    assert.equal(driven.controller.pending, 200);
    driven.until('all have ended', () => driven.ended.length === 200);
    assert.equal(driven.controller.pending, 0);
    for (let i = 0; i < 200; i++) assert.equal(driven.model.disks[0]!.bytes[i * 512 + 511], i & 0xff);
    // Many commands leave by one doorbell.
    assert.ok(counter(driven, 'doorbells') < counter(driven, 'commands'));
    driven.fair();
  });

  test('random work, in whatever order it is done', () => {
    for (let seed = 1; seed <= 12; seed++) {
      const random = new SeededRandom(seed);
      const driven = new Driven({ disks: [disk(512)], random, latencySteps: 1 + random.below(40) }).start();
      const memory = driven.memory(64 * 4096);
      const expected = new Uint8Array(512 * 512);
      // Each request has its own blocks while it is under way, and its own memory.
      const requests = Array.from({ length: 64 }, () => driven.request());
      const reads = new Map<number, Uint8Array>();
      for (let done = 0; done < 1500; ) {
        const slot = random.below(64);
        const request = requests[slot]!;
        if (request.busy) {
          driven.turn();
          continue;
        }
        done++;
        const seen = reads.get(slot);
        if (seen !== undefined) {
          assert.ok(
            Buffer.from(seen).equals(memory.bytes.subarray(slot * 4096, slot * 4096 + 4096)),
            `seed ${seed}`,
          );
          reads.delete(slot);
        }
        const at = slot * 8 * 512;
        if (random.below(2) === 0) {
          for (let i = 0; i < 4096; i += 4) memory.view.setInt32(slot * 4096 + i, random.int32());
          expected.set(memory.bytes.subarray(slot * 4096, slot * 4096 + 4096), at);
          request.transfer(NVM_WRITE, 1, slot * 8, 8, memory, slot * 4096, 4096, FORCE_UNIT_ACCESS);
        } else {
          reads.set(slot, expected.slice(at, at + 4096));
          request.transfer(NVM_READ, 1, slot * 8, 8, memory, slot * 4096, 4096, 0);
        }
        driven.controller.submit(request);
      }
      driven.until('all have ended', () => driven.controller.pending === 0);
      assert.ok(Buffer.from(expected).equals(driven.model.disks[0]!.bytes), `seed ${seed}`);
      driven.fair();
    }
  });
});

describe('errors', () => {
  test('of the command are its result', () => {
    const driven = new Driven({ disks: [disk(64)] }).start();
    const memory = driven.memory(4096);
    const beyond = driven.request().transfer(NVM_READ, 1, 60, 8, memory, 0, 4096, 0);
    assert.equal(driven.finish(beyond), EINVAL);
    assert.equal(beyond.status, 0x4080);
    assert.equal(
      driven.finish(driven.request().transfer(NVM_READ, 2 ** 31 - 1, 0, 1, memory, 0, 512, 0)),
      EINVAL,
    );
    assert.equal(counter(driven, 'errors'), 2);
    let log: readonly ErrorLogEntry[] | undefined;
    driven.controller.readErrorLog(64, entries => (log = entries));
    driven.until('the log has come', () => log !== undefined);
    assert.deepEqual(log, [{ count: 7, queue: 1, command: 0, status: 0x80, lba: 99, namespaceId: 1 }]);
  });

  test('that may pass are tried again, a few times', () => {
    const driven = new Driven({ misbehaviour: { errorRate: 1, statuses: [0x082] } }).start();
    assert.equal(driven.finish(driven.request().command(NVM_FLUSH, 1)), EIO);
    assert.equal(driven.model.executed, 3);
    driven.model.misbehaviour = { errorRate: 0.5, statuses: [0x021] };
    let failures = 0;
    for (let i = 0; i < 100; i++)
      failures += driven.finish(driven.request().command(NVM_FLUSH, 1)) === 0 ? 0 : 1;
    assert.ok(failures < 40, `${failures} of 100`);
  });

  test('a command that takes too long is aborted', () => {
    const driven = new Driven({ misbehaviour: { silentRate: 1 } }, { commandTimeoutMs: 1000 }).start();
    assert.equal(driven.finish(driven.request().command(NVM_FLUSH, 1), 1000), ETIMEDOUT);
    assert.equal(counter(driven, 'aborts'), 1);
    assert.equal(counter(driven, 'resets'), 0);
    driven.model.misbehaviour = {};
    assert.equal(driven.finish(driven.request().command(NVM_FLUSH, 1)), 0);
    driven.fair();
  });

  test('when aborting does not help, a reset does: the late fail, the others are done', () => {
    const driven = new Driven({ latencySteps: 2 }, { commandTimeoutMs: 1000, queueEntries: 16 }).start();
    driven.model.misbehaviour = { silentRate: 1, deafToAborts: true };
    const late = driven.request().command(NVM_FLUSH, 1);
    driven.controller.submit(late);
    driven.turn();
    // Between the first time-out and the second others come, and wait as well.
    driven.until('it has been aborted', () => counter(driven, 'aborts') > 0, 1000);
    driven.until('a while has passed', () => driven.clock.micros[0]! > 1_600_000, 1000);
    const others = Array.from({ length: 20 }, () => driven.request().command(NVM_FLUSH, 1));
    for (const request of others) driven.controller.submit(request);
    driven.until('it is being reset', () => driven.controller.state === NVME_RECOVERING, 1000);
    driven.model.misbehaviour = {};
    driven.until('all have ended', () => driven.ended.length === 21, 1000);
    assert.equal(late.errno, ETIMEDOUT);
    assert.deepEqual(new Set(others.map(request => request.errno)), new Set([0]));
    assert.equal(driven.controller.state, NVME_READY);
    assert.equal(counter(driven, 'resets'), 1);
    driven.fair();
  });

  test('a controller that says it is broken is reset', () => {
    const driven = new Driven({}, { commandTimeoutMs: 1000 }).start();
    driven.model.misbehaviour = { silentRate: 1 };
    const request = driven.request().command(NVM_FLUSH, 1);
    driven.controller.submit(request);
    driven.turn();
    driven.model.misbehaviour = {};
    driven.model.registers[7] = driven.model.registers[7]! | 2;
    driven.until('it has ended', () => !request.busy, 1000);
    assert.equal(request.errno, 0);
    assert.equal(counter(driven, 'resets'), 1);
  });

  test('a device that answers to nothing after resets is given up, and everything fails', () => {
    const driven = new Driven({}, { commandTimeoutMs: 100 }).start();
    driven.model.misbehaviour = { silentRate: 1, deafToAborts: true };
    const requests = Array.from({ length: 1000 }, () => driven.request().command(NVM_FLUSH, 1));
    for (const request of requests) driven.controller.submit(request);
    driven.until('all have ended', () => driven.ended.length === 1000, 5000);
    assert.equal(driven.controller.state, NVME_FAILED);
    for (const { errno } of requests) assert.ok(errno === ETIMEDOUT || errno === ENODEV);
    assert.equal(driven.finish(driven.request().command(NVM_FLUSH, 1)), ENODEV);
    assert.equal(driven.model.silenced, true);
  });

  test('a device that is pulled out fails everything', () => {
    const driven = new Driven({ latencySteps: 100 }, { commandTimeoutMs: 100 }).start();
    const requests = Array.from({ length: 200 }, () => driven.request().command(NVM_FLUSH, 1));
    for (const request of requests) driven.controller.submit(request);
    driven.turn();
    driven.model.pull();
    driven.until('all have ended', () => driven.ended.length === 200, 5000);
    assert.equal(driven.controller.state, NVME_FAILED);
    assert.match(driven.controller.failure!.message, /gone/);
  });

  test('answers to nothing are counted, and harm nobody', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const driven = new Driven(
        { random: new SeededRandom(seed), disks: [disk()] },
        { queueEntries: 32, commandTimeoutMs: 100 },
      ).start();
      driven.model.misbehaviour = { nonsenseRate: 0.3, twiceRate: 0.3 };
      const memory = driven.memory(4096);
      for (let i = 0; i < 200; i++) {
        memory.bytes.fill(i);
        const errno = driven.finish(driven.request().transfer(NVM_WRITE, 1, i, 1, memory, 0, 512, 0));
        if (errno === 0) assert.equal(driven.model.disks[0]!.bytes[i * 512], i & 0xff, `seed ${seed}`);
      }
      driven.until('it has looked', () => counter(driven, 'strangeCompletions') > 0, 1000);
      driven.controller.stop();
      driven.until('it has stopped', () => driven.controller.state >= NVME_STOPPED, 1000);
    }
  });

  test('everything at once, and every request ends once', () => {
    for (let seed = 1; seed <= 15; seed++) {
      const driven = new Driven(
        { random: new SeededRandom(seed), disks: [disk()], latencySteps: 20 },
        { queueEntries: 16, queuePairs: 2, commandTimeoutMs: 50 },
      ).start();
      driven.model.misbehaviour = {
        silentRate: 0.01,
        deafToAborts: seed % 2 === 0,
        errorRate: 0.05,
        statuses: [0x006, 0x082, 0x281, 0x4080],
        twiceRate: 0.02,
        nonsenseRate: 0.01,
      };
      const memory = driven.memory(4096);
      let submitted = 0;
      for (; submitted < 1500; submitted++) {
        driven.controller.submit(
          driven.request().transfer(NVM_READ, 1, submitted % 4000, 1, memory, 0, 512, 0),
        );
        if (submitted % 7 === 0) driven.turn(500);
      }
      driven.until('all have ended', () => driven.ended.length >= submitted, 500);
      for (let i = 0; i < 100; i++) driven.turn(500);
      assert.equal(driven.ended.length, submitted, `seed ${seed}`);
      assert.equal(new Set(driven.ended).size, submitted, `seed ${seed}`);
      assert.equal(driven.controller.pending, 0);
    }
  });
});
