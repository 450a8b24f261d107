// A machine with a disk, for tests of logs: no network, time that does not matter, and a power switch.

import assert from 'node:assert/strict';
import { heapRegion, SlotPool } from '@demikernel/memory';
import { MemoryDisk, type MemoryDiskOptions } from '../../src/liboses/storage/memory-disk.ts';
import { MemoryStorage } from '../../src/liboses/storage/memory-storage.ts';
import { Logs } from '../../src/log/logs.ts';
import type { LogSettings } from '../../src/log/settings.ts';
import { ManualClock } from '../../src/runtime/clock.ts';
import { errnoName } from '../../src/runtime/errno.ts';
import type { LogOptions } from '../../src/runtime/library-os.ts';
import {
  OP_COMPLETE,
  OP_OPEN,
  OP_POP,
  OP_PUSH,
  OP_TRUNCATE,
  type Operation,
} from '../../src/runtime/operation.ts';
import { SeededRandom } from '../../src/runtime/random.ts';
import { Runtime } from '../../src/runtime/runtime.ts';
import type { Storage } from '../../src/runtime/segment-store.ts';

export const LOG = 'log';

/** One life of a machine. */
export class Machine {
  readonly runtime: Runtime;
  readonly pool: SlotPool;
  readonly storage: Storage;
  readonly logs: Logs;

  constructor(storage: Storage, seed = 1, settings: Partial<LogSettings> = {}) {
    this.runtime = new Runtime({
      clock: new ManualClock(),
      random: new SeededRandom(seed),
      operations: 512,
      queues: 16,
    });
    this.pool = new SlotPool(heapRegion(256 * 2048), { slotSizeBytes: 2048, headroomBytes: 0 });
    this.storage = storage;
    this.logs = new Logs(this.runtime, this.pool, 1500, storage, settings);
  }

  turn(): void {
    this.logs.flush();
    this.logs.poll();
  }

  /** Turns until an operation is over; its errno. It still has to be retired. */
  finish(operation: Operation): number {
    for (let turns = 0; operation.state !== OP_COMPLETE; turns++) {
      assert.ok(turns < 200_000, `operation ${operation.opcode} does not end`);
      this.turn();
    }
    return operation.errno;
  }

  retire(operation: Operation): void {
    operation.array?.free();
    this.runtime.operations.retire(operation);
  }

  /** Opens the log; its descriptor, or a negative errno. */
  open(options: LogOptions = { mode: 'either' }, name: string = LOG): number {
    const operation = this.runtime.operations.issue(OP_OPEN, -1);
    this.logs.openLog(operation, name, options);
    const errno = this.finish(operation);
    const qd = operation.acceptedQd;
    this.retire(operation);
    return errno === 0 ? qd : -errno;
  }

  push(qd: number, bytes: Uint8Array): Operation {
    const operation = this.runtime.operations.issue(OP_PUSH, qd);
    const array = this.pool.allocArray(bytes.length, 1500);
    assert.ok(array !== undefined, 'the pool is empty');
    array.copyFrom(bytes);
    operation.array = array;
    operation.sizeBytes = bytes.length;
    this.runtime.queues.lookup(qd).push(operation);
    return operation;
  }

  pop(qd: number): Operation {
    const operation = this.runtime.operations.issue(OP_POP, qd);
    this.runtime.queues.lookup(qd).pop(operation);
    return operation;
  }

  truncate(qd: number, position: number): Operation {
    const operation = this.runtime.operations.issue(OP_TRUNCATE, qd);
    operation.position = position;
    const errno = this.runtime.queues.lookup(qd).truncate(operation);
    if (errno !== 0) this.runtime.operations.complete(operation, errno);
    return operation;
  }

  /** Pushes and waits; the record's position. */
  write(qd: number, bytes: Uint8Array): number {
    const operation = this.push(qd, bytes);
    assert.equal(errnoName(this.finish(operation)), errnoName(0));
    const { position } = operation;
    this.retire(operation);
    return position;
  }

  close(qd: number): void {
    const queue = this.runtime.queues.lookup(qd);
    queue.close();
    this.runtime.queues.remove(qd);
  }

  /** Everything that can be popped from the cursor on, and the errno that ended it: 0 at the log's end. */
  readAll(qd: number): { records: ReadRecord[]; errno: number } {
    const records: ReadRecord[] = [];
    for (;;) {
      const operation = this.pop(qd);
      for (let idle = 0; operation.state !== OP_COMPLETE && idle < 4; ) {
        this.turn();
        idle = this.storage.untilNextUs() === 0 ? 0 : idle + 1;
      }
      if (operation.state !== OP_COMPLETE) {
        this.runtime.queues.lookup(qd).cancel(operation);
        this.retire(operation);
        return { records, errno: 0 };
      }
      const { errno, position } = operation;
      if (errno === 0) records.push({ position, bytes: operation.array!.toBytes() });
      this.retire(operation);
      if (errno !== 0) return { records, errno };
    }
  }

  /** Closes everything in good order. */
  shutDown(): void {
    this.runtime.queues.forEach(queue => {
      queue.close();
      this.runtime.queues.remove(queue.qd);
    });
    this.logs.close();
    assert.equal(this.pool.freeSlots, this.pool.slotCount, 'slots are missing');
  }
}

export interface ReadRecord {
  position: number;
  bytes: Uint8Array;
}

/** A disk and a machine on it. */
export function machineWithDisk(
  options: Partial<MemoryDiskOptions> = {},
  settings: Partial<LogSettings> = {},
): { disk: MemoryDisk; machine: Machine } {
  const disk = new MemoryDisk({ random: new SeededRandom(1), segmentBytes: 64 << 10, ...options });
  return { disk, machine: new Machine(new MemoryStorage(disk), 1, settings) };
}

/** A payload that says which it is, and no other has. */
export function payload(id: number, lengthBytes: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(lengthBytes, 4));
  new DataView(bytes.buffer).setUint32(0, id, true);
  let state = Math.imul(id, 2654435761) | 1;
  for (let i = 4; i < bytes.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** Which payload this is; fails when it is not exactly as it was pushed. */
export function idOf(bytes: Uint8Array): number {
  const id = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  assert.equal(Buffer.compare(bytes, payload(id, bytes.length)), 0, `record ${id} is not what was pushed`);
  return id;
}
