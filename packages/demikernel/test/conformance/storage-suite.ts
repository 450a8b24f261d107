// The conformance suite of storage queues: one set of behaviours, run on every storage library OS beside every network.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  coroutines,
  type Demikernel,
  EBUSY,
  ECANCELED,
  EEXIST,
  EINVAL,
  EMSGSIZE,
  ENOENT,
  EOPNOTSUPP,
  errnoName,
  OP_OPEN,
  OP_POP,
  OP_PUSH,
  OP_TRUNCATE,
  promises,
  type QueueToken,
  type Result,
} from '../../src/index.ts';
import { pattern, refused, sameBytes } from './stage.ts';

/** Where the behaviours play. */
export interface StoragePlace {
  /** A library OS with storage; what was stored through one that has been shut down is there. */
  open(): Promise<Demikernel>;
  /** Gives everything back. */
  close(): void;
}

const SIZES_BYTES = [0, 1, 7, 8, 9, 463, 464, 480, 511, 512, 513, 1500, 4063, 4064, 4096, 65_536, 300_000];
const DEADLINE_US = 20_000_000;

/** Runs the suite. @param unavailable why it cannot run here */
export function storageConformance(title: string, place: StoragePlace, unavailable?: string): void {
  describe(`${title}: storage`, { skip: unavailable ?? false }, () => {
    let os: Demikernel;
    let logs = 0;
    before(async () => {
      os = await place.open();
    });
    after(() => {
      const { pool } = os.libraryOs;
      os.shutDown();
      assert.equal(pool.freeSlots, pool.slotCount, 'slots are missing');
      place.close();
    });
    const freshName = (): string => `log-${++logs}`;

    const behaviours: Record<string, () => void | Promise<void>> = {
      'create makes a log, once; open finds it, or not': () => {
        const name = freshName();
        fails(os, os.open(name), ENOENT);
        const created = success(os, os.create(name));
        assert.equal(created.opcode, OP_OPEN);
        fails(os, os.create(name), EEXIST);
        const again = success(os, os.open(name));
        assert.notEqual(again.acceptedQd, created.acceptedQd);
        for (const bad of ['', '..', '../up', 'a/b', '.hidden', 'x'.repeat(300)])
          fails(os, os.create(bad), EINVAL);
        os.close(created.acceptedQd);
        os.close(again.acceptedQd);
      },

      'records of every size come back whole, in order, with their positions': () => {
        const qd = logOf(os, freshName());
        const positions: number[] = [];
        for (const [i, size] of SIZES_BYTES.entries()) {
          const pushed = success(os, os.push(qd, pattern(size, i)));
          assert.deepEqual([pushed.opcode, pushed.qd, pushed.lengthBytes], [OP_PUSH, qd, size]);
          assert.ok(pushed.position > (positions.at(-1) ?? 0));
          positions.push(pushed.position);
        }
        for (const [i, size] of SIZES_BYTES.entries()) {
          const popped = success(os, os.pop(qd));
          assert.deepEqual([popped.opcode, popped.qd, popped.position], [OP_POP, qd, positions[i]]);
          sameBytes(popped.array!.toBytes(), pattern(size, i));
          popped.array!.free();
        }
        os.close(qd);
      },

      'many pushes at once complete in order': () => {
        const qd = logOf(os, freshName());
        const set = os.waitSet();
        for (let i = 0; i < 500; i++) set.add(os.push(qd, pattern(100 + i, i)));
        let last = 0;
        while (set.size > 0) {
          const result = set.wait(DEADLINE_US);
          assert.ok(result !== undefined && result.errno === 0);
          assert.ok(result.position > last);
          last = result.position;
        }
        for (let i = 0; i < 500; i++) sameBytes(popBytes(os, qd), pattern(100 + i, i));
        os.close(qd);
      },

      'a pop at the end waits for the next push; cancel takes it back': () => {
        const qd = logOf(os, freshName());
        const waiting = os.pop(qd);
        const cancelled = os.pop(qd);
        assert.equal(os.wait(waiting, 1000), undefined);
        assert.equal(os.cancel(cancelled), true);
        fails(os, cancelled, ECANCELED);
        success(os, os.push(qd, pattern(10)));
        const popped = success(os, waiting);
        sameBytes(popped.array!.toBytes(), pattern(10));
        popped.array!.free();
        os.close(qd);
      },

      'every queue has its own cursor': () => {
        const name = freshName();
        const writer = logOf(os, name);
        const readers = [0, 1, 2].map(() => success(os, os.open(name)).acceptedQd);
        for (let i = 0; i < 5; i++) success(os, os.push(writer, pattern(30, i)));
        for (const reader of readers)
          for (let i = 0; i < 5; i++) sameBytes(popBytes(os, reader), pattern(30, i));
        for (const qd of [writer, ...readers]) os.close(qd);
      },

      'seek goes to a record, to the start, to the end': () => {
        const qd = logOf(os, freshName());
        const positions = [0, 1, 2, 3].map(i => success(os, os.push(qd, pattern(700, i))).position);
        os.seek(qd, positions[2]!);
        sameBytes(popBytes(os, qd), pattern(700, 2));
        os.seek(qd, 0);
        sameBytes(popBytes(os, qd), pattern(700, 0));
        os.seek(qd, Number.POSITIVE_INFINITY);
        const waiting = os.pop(qd);
        assert.equal(os.wait(waiting, 500), undefined);
        refused(() => os.seek(qd, 0), 'ERR_DEMI_NETWORK', EBUSY);
        os.cancel(waiting);
        fails(os, waiting, ECANCELED);
        for (const nowhere of [-1, 1, positions[1]! + 1, 1e15]) {
          refused(() => os.seek(qd, nowhere), 'ERR_DEMI_NETWORK', EINVAL);
        }
        os.close(qd);
      },

      'truncate drops what lies before, for every queue': () => {
        const qd = logOf(os, freshName());
        const positions = [0, 1, 2, 3].map(i => success(os, os.push(qd, pattern(50, i))).position);
        const truncated = success(os, os.truncate(qd, positions[2]!));
        assert.deepEqual(
          [truncated.opcode, truncated.qd, truncated.position],
          [OP_TRUNCATE, qd, positions[2]],
        );
        sameBytes(popBytes(os, qd), pattern(50, 2));
        refused(() => os.seek(qd, positions[1]!), 'ERR_DEMI_NETWORK', EINVAL);
        fails(os, os.truncate(qd, positions[0]!), EINVAL);
        os.seek(qd, 0);
        sameBytes(popBytes(os, qd), pattern(50, 2));
        os.close(qd);
      },

      'over many segments, and truncated as it goes': () => {
        const qd = logOf(os, freshName());
        for (let i = 0; i < 60; i++) {
          const { position } = success(os, os.push(qd, pattern(50_000, i)));
          sameBytes(popBytes(os, qd), pattern(50_000, i));
          if (i % 7 === 6) success(os, os.truncate(qd, position));
        }
        os.close(qd);
      },

      'close cancels what is outstanding': () => {
        const qd = logOf(os, freshName());
        const popping = os.pop(qd);
        const pushing = os.push(qd, pattern(10));
        os.close(qd);
        fails(os, popping, ECANCELED);
        fails(os, pushing, ECANCELED);
      },

      'opened again at once after close, it is whole': () => {
        const name = freshName();
        let qd = logOf(os, name);
        for (let i = 0; i < 5; i++) {
          success(os, os.push(qd, pattern(100, i)));
          os.close(qd);
          fails(os, os.create(name), EEXIST);
          qd = success(os, os.open(name)).acceptedQd;
        }
        for (let i = 0; i < 5; i++) sameBytes(popBytes(os, qd), pattern(100, i));
        os.close(qd);
      },

      'what cannot be is refused': () => {
        const qd = logOf(os, freshName());
        const large = pattern((1 << 20) + 1);
        fails(os, os.push(qd, large), EMSGSIZE);
        refused(() => os.bind(qd, '127.0.0.1:1'), 'ERR_DEMI_NETWORK', EOPNOTSUPP);
        refused(() => os.listen(qd), 'ERR_DEMI_NETWORK', EOPNOTSUPP);
        fails(os, os.accept(qd), EOPNOTSUPP);
        const memory = os.queue();
        refused(() => os.seek(memory, 0), 'ERR_DEMI_NETWORK', EOPNOTSUPP);
        fails(os, os.truncate(memory, 0), EOPNOTSUPP);
        os.close(memory);
        os.close(qd);
      },

      'one wait set over a log and a queue of another kind': () => {
        const qd = logOf(os, freshName());
        const memory = os.queue();
        const set = os.waitSet();
        set.add(os.pop(memory));
        set.add(os.pop(qd));
        set.add(os.push(memory, pattern(5)));
        set.add(os.push(qd, pattern(6)));
        const opcodes: number[] = [];
        while (set.size > 0) {
          const result = set.wait(DEADLINE_US);
          assert.ok(result !== undefined && result.errno === 0);
          result.array?.free();
          opcodes.push(result.opcode);
        }
        assert.deepEqual(opcodes.sort(), [OP_PUSH, OP_PUSH, OP_POP, OP_POP]);
        os.close(memory);
        os.close(qd);
      },

      coroutines: () => {
        const co = coroutines(os);
        const name = freshName();
        let read = 0;
        co.spawn(function* () {
          const { acceptedQd } = yield* co.open(name, { mode: 'either' });
          for (let i = 0; i < 20; i++) assert.equal((yield* co.push(acceptedQd, pattern(64, i))).errno, 0);
          for (let i = 0; i < 20; i++) {
            const { array } = yield* co.pop(acceptedQd);
            sameBytes(array!.toBytes(), pattern(64, i));
            array!.free();
            read++;
          }
          const { position } = yield* co.push(acceptedQd, pattern(1));
          assert.equal((yield* co.truncate(acceptedQd, position)).errno, 0);
          os.close(acceptedQd);
        });
        co.run();
        assert.equal(read, 20);
      },

      'what was acknowledged is there after the library OS has been opened again': async () => {
        const name = freshName();
        let qd = logOf(os, name);
        const positions = [0, 1, 2, 3, 4].map(i => success(os, os.push(qd, pattern(999, i))).position);
        success(os, os.truncate(qd, positions[1]!));
        const { pool } = os.libraryOs;
        os.shutDown();
        assert.equal(pool.freeSlots, pool.slotCount, 'slots are missing');
        os = await place.open();
        qd = success(os, os.open(name)).acceptedQd;
        for (let i = 1; i < 5; i++) {
          const popped = success(os, os.pop(qd));
          assert.equal(popped.position, positions[i]);
          sameBytes(popped.array!.toBytes(), pattern(999, i));
          popped.array!.free();
        }
        os.close(qd);
      },
    };

    for (const [behaviour, run] of Object.entries(behaviours)) {
      test(behaviour, { timeout: 60_000 }, async () => {
        await run();
        const { operations, queues } = os.libraryOs.runtime;
        assert.equal(operations.liveCount, 0, 'operations are left');
        assert.equal(queues.liveCount, 0, 'queues are left');
      });
    }
  });
}

/** The same with promises, where the loop shares its thread with Node's. */
export function promisedStorage(title: string, place: StoragePlace, unavailable?: string): void {
  test(`${title}: storage by promises`, { skip: unavailable ?? false, timeout: 60_000 }, async () => {
    const os = await place.open();
    const promised = promises(os);
    const qd = await promised.openLog('promised', { mode: 'either' });
    const waiting = promised.pop(qd);
    const results = await Promise.all([0, 1, 2].map(i => promised.push(qd, pattern(200, i))));
    assert.ok(results[2]!.position > results[0]!.position);
    const first = await waiting;
    sameBytes(first.array!.toBytes(), pattern(200, 0));
    first.array!.free();
    await promised.truncate(qd, results[2]!.position);
    await assert.rejects(promised.openLog('missing'), { code: 'ERR_DEMI_NETWORK', errno: ENOENT });
    await promised.close();
    place.close();
  });
}

function logOf(os: Demikernel, name: string): number {
  return success(os, os.create(name)).acceptedQd;
}

function success(os: Demikernel, token: QueueToken): Result {
  const result = os.wait(token, DEADLINE_US);
  assert.ok(result !== undefined, 'an operation does not end');
  assert.equal(errnoName(result.errno), errnoName(0));
  return result;
}

function fails(os: Demikernel, token: QueueToken, errno: number): void {
  const result = os.wait(token, DEADLINE_US);
  assert.ok(result !== undefined, 'an operation does not end');
  assert.equal(errnoName(result.errno), errnoName(errno));
  assert.equal(result.array, undefined);
}

function popBytes(os: Demikernel, qd: number): Uint8Array {
  const { array } = success(os, os.pop(qd));
  const bytes = array!.toBytes();
  array!.free();
  return bytes;
}
