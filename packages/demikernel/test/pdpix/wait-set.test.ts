// Wait sets and the waits over arrays: order, fairness, cancel, misuse, what happens to results.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heapRegion, POISON, SlotPool } from '@demikernel/memory';
import { ECANCELED, ENOBUFS } from '../../src/runtime/errno.ts';
import { OP_POP, OP_PUSH, PUSH_ACKED, PUSH_TO } from '../../src/runtime/operation.ts';
import { stage, stubOf } from '../runtime/stub-library-os.ts';

const taken = { name: 'DemiError', code: 'ERR_DEMI_TOKEN' };

test('results come in the order of completion', () => {
  const scene = stage();
  const { os, library } = scene;
  const qd = os.socket('stream');
  const stub = stubOf(scene, qd);
  const set = os.waitSet();
  const tokens = [os.pop(qd), os.pop(qd), os.pop(qd)];
  for (const token of tokens) set.add(token);
  const [a, b, c] = [...operationsOf(stub)];
  library.later(10, () => stub.finishOne(b!, 1));
  library.later(20, () => {
    stub.finishOne(c!, 2);
    stub.finishOne(a!, 3);
  });
  const errnos = [set.wait()!.errno, set.wait()!.errno, set.wait()!.errno];
  assert.deepEqual(errnos, [1, 2, 3]);
  assert.equal(set.size, 0);
  assert.equal(set.wait(), undefined, 'an empty set has nothing to wait for');
});

function* operationsOf(stub: ReturnType<typeof stubOf>) {
  for (let each = stub.pending.head; each !== undefined; each = each.next) yield each;
}

test('an operation that is complete already joins at once; a token belongs to one waiter', () => {
  const scene = stage();
  const { os } = scene;
  const qd = os.socket('stream');
  const token = os.pop(qd);
  stubOf(scene, qd).finish(7);
  const set = os.waitSet();
  set.add(token);
  assert.throws(() => set.add(token), taken);
  assert.throws(() => os.waitSet().add(token), taken);
  assert.throws(() => os.wait(token), taken);
  assert.equal(set.take()!.errno, 7);
  assert.equal(set.take(), undefined);
  assert.throws(() => set.add(token), taken, 'its result has been taken');
  assert.equal(scene.library.runtime.operations.liveCount, 0);
});

test('a result is overwritten by the next wait, the memory in it is not', () => {
  const scene = stage();
  const { os } = scene;
  const qd = os.socket('stream');
  const set = os.waitSet();
  const send = (text: string): void => {
    set.add(os.pop(qd));
    const array = os.alloc(text.length)!;
    array.copyFrom(Buffer.from(text));
    stubOf(scene, qd).finish(0, array);
  };
  send('first');
  send('second');
  const result = set.wait()!;
  const { array } = result;
  assert.equal(set.wait(), result, 'one object for all');
  assert.equal(result.lengthBytes, 6);
  assert.equal(Buffer.from(array!.toBytes()).toString(), 'first');
});

test('a time-out leaves the set as it was', () => {
  const scene = stage();
  const { os, library } = scene;
  const qd = os.socket('stream');
  const set = os.waitSet();
  set.add(os.pop(qd));
  assert.equal(set.wait(500), undefined);
  assert.equal(set.size, 1);
  library.later(100, () => stubOf(scene, qd).finish());
  assert.equal(set.wait(500)!.opcode, OP_POP);
});

test('a set that always has results still turns the loop', () => {
  const scene = stage();
  const { os, library } = scene;
  const qd = os.socket('stream');
  const set = os.waitSet();
  let stopped = false;
  library.later(3, () => {
    stopped = true;
  });
  let results = 0;
  while (!stopped && results < 10_000) {
    set.add(os.pop(qd));
    stubOf(scene, qd).finish();
    assert.ok(set.wait());
    results++;
  }
  assert.ok(stopped, 'the device was never polled');
  assert.ok(results < 64 * 5, `${results} results before three turns`);
});

test('completions are handed out fairly: no queue twice before another that was ready first', () => {
  const scene = stage();
  const { os } = scene;
  const qds = [os.socket('stream'), os.socket('stream'), os.socket('stream')];
  const set = os.waitSet();
  for (const qd of qds) set.add(os.pop(qd));
  for (const qd of qds) stubOf(scene, qd).finish();
  const served: number[] = [];
  for (let i = 0; i < 9; i++) {
    const { qd } = set.wait()!;
    served.push(qd);
    set.add(os.pop(qd));
    stubOf(scene, qd).finish();
  }
  assert.deepEqual(served, [...qds, ...qds, ...qds]);
});

test('cancel completes into the set; too late is false; a closed queue ends what it had', () => {
  const scene = stage();
  const { os } = scene;
  const qd = os.socket('stream');
  const set = os.waitSet();
  const first = os.pop(qd);
  const second = os.pop(qd);
  set.add(first);
  set.add(second);
  assert.equal(os.cancel(first), true);
  assert.equal(os.cancel(first), false);
  stubOf(scene, qd).cancellable = false;
  assert.equal(os.cancel(second), false);
  os.close(qd);
  assert.deepEqual([set.wait()!.errno, set.wait()!.errno], [ECANCELED, ECANCELED]);
  assert.throws(() => os.cancel(first), taken);
});

test('waitAny takes the earliest of its tokens that is complete, and leaves the others', () => {
  const scene = stage();
  const { os, library } = scene;
  const qd = os.socket('stream');
  const tokens = [os.pop(qd), os.pop(qd), os.pop(qd)];
  const [, b, c] = [...operationsOf(stubOf(scene, qd))];
  library.later(50, () => {
    stubOf(scene, qd).finishOne(c!, 3);
    stubOf(scene, qd).finishOne(b!, 2);
  });
  assert.equal(os.waitAny(tokens)!.token, tokens[1]);
  assert.equal(os.waitAny([tokens[0]!, tokens[2]!])!.errno, 3);
  assert.equal(os.waitAny([tokens[0]!], 100), undefined);
  assert.equal(os.waitAny([]), undefined, 'nothing to wait for');
});

test('waitAll answers in the order of the tokens, or takes nothing', () => {
  const scene = stage();
  const { os, library } = scene;
  const qd = os.socket('stream');
  const tokens = [os.pop(qd), os.pop(qd)];
  library.later(10, () => stubOf(scene, qd).finishOne(stubOf(scene, qd).pending.tail!, 2));
  assert.equal(os.waitAll(tokens, 100), undefined);
  assert.equal(os.isComplete(tokens[1]!), true, 'still there to be taken');
  library.later(10, () => stubOf(scene, qd).finish(1));
  assert.deepEqual(
    os.waitAll(tokens)!.map(result => result.errno),
    [1, 2],
  );
});

test('waitNextN waits for so many and returns no more', () => {
  const scene = stage();
  const { os, library } = scene;
  const qd = os.socket('stream');
  const tokens = [os.pop(qd), os.pop(qd), os.pop(qd)];
  library.later(10, () => stubOf(scene, qd).finish(1));
  library.later(20, () => {
    stubOf(scene, qd).finish(2);
    stubOf(scene, qd).finish(3);
  });
  assert.deepEqual(
    os.waitNextN(tokens, 2)!.map(result => result.errno),
    [1, 2],
  );
  assert.equal(os.waitNextN([tokens[2]!], 5)!.length, 1, 'no more than there are');
});

test('a token given twice, unknown, or used up is refused before anything is taken', () => {
  const scene = stage();
  const { os } = scene;
  const qd = os.socket('stream');
  const token = os.pop(qd);
  stubOf(scene, qd).finish();
  assert.throws(() => os.waitAll([token, token]), taken);
  assert.throws(() => os.waitNextN([token, token], 2), taken);
  assert.throws(() => os.waitAny([token, 12345678]), taken);
  assert.equal(os.wait(token)!.errno, 0);
  assert.throws(() => os.wait(token), taken);
  assert.throws(() => os.isComplete(token), taken);
});

test('push hands the queue references of its own, with flags and destination', () => {
  const scene = stage();
  const { os, library } = scene;
  const { pool } = library;
  const qd = os.socket('datagram');
  const array = os.alloc(2000)!;
  os.push(qd, array, PUSH_ACKED);
  array.free();
  const first = stubOf(scene, qd).pending.head!;
  assert.deepEqual([first.opcode, first.flags, first.sizeBytes], [OP_PUSH, PUSH_ACKED, 2000]);
  assert.equal(pool.freeSlots, pool.slotCount - 2);
  os.pushTo(qd, Buffer.from('x'), '10.0.0.1:5');
  const second = stubOf(scene, qd).pending.tail!;
  assert.equal(second.flags, PUSH_TO);
  assert.equal(second.address.toString(), '10.0.0.1:5');
  os.close(qd);
  assert.equal(pool.freeSlots, pool.slotCount);
});

test('payloads: registered memory is shared, everything else is copied once', () => {
  const scene = stage();
  const { os, library } = scene;
  const { pool } = library;
  const qd = os.socket('stream');
  const bytesOfLast = (): Uint8Array => stubOf(scene, qd).pending.tail!.array!.toBytes();
  const slice = pool.alloc(5)!;
  slice.bytes().set(Buffer.from('slice'));
  const used = pool.freeSlots;
  os.push(qd, slice);
  os.push(qd, slice.bytes().subarray(1));
  assert.equal(pool.freeSlots, used, 'shared');
  assert.equal(Buffer.from(bytesOfLast()).toString(), 'lice');
  const foreign = Buffer.from('foreign');
  os.push(qd, foreign);
  foreign.fill(0);
  assert.equal(Buffer.from(bytesOfLast()).toString(), 'foreign');
  const other = new SlotPool(heapRegion(4096), { slotSizeBytes: 1024 });
  const elsewhere = other.allocArray(1500)!;
  elsewhere.copyFrom(new Uint8Array(1500).fill(POISON));
  os.push(qd, elsewhere);
  assert.equal(elsewhere.toBytes().length, 1500);
  assert.deepEqual(bytesOfLast(), new Uint8Array(1500).fill(POISON));
  os.push(qd, {
    copiedBytes: () => 3,
    write: into => void into.copyFrom(Buffer.from('abc')),
    gather: into => into.append(slice.share()),
  });
  assert.equal(Buffer.from(bytesOfLast()).toString(), 'abcslice');
  slice.release();
  os.close(qd);
  assert.equal(pool.freeSlots, pool.slotCount);
});

test('a payload that cannot be had is ENOBUFS; one that is misused throws and leaves nothing behind', () => {
  const scene = stage();
  const { os, library } = scene;
  const { pool, runtime } = library;
  const qd = os.socket('stream');
  assert.equal(os.wait(os.push(qd, new Uint8Array(pool.slotCount * 1024 + 1)))!.errno, ENOBUFS);
  const array = os.alloc(10)!;
  array.free();
  assert.throws(() => os.push(qd, array), { code: 'ERR_DEMI_STALE_ARRAY' });
  const slice = pool.alloc(10)!;
  slice.release();
  assert.throws(() => os.push(qd, slice), { code: 'ERR_DEMI_STALE_SLICE' });
  const broken = {
    copiedBytes: () => 10,
    write: () => {
      throw new Error('mine');
    },
    gather: () => {},
  };
  assert.throws(() => os.push(qd, broken), /mine/);
  assert.throws(() => os.pushTo(qd, Buffer.from('x'), 'nowhere'), { code: 'ERR_DEMI_ADDRESS' });
  assert.throws(() => os.push(99, Buffer.from('x')), { code: 'ERR_DEMI_QUEUE' });
  assert.equal(runtime.operations.liveCount, 0);
  assert.equal(pool.freeSlots, pool.slotCount);
  const tokens = Array.from({ length: runtime.operations.capacity }, () => os.pop(qd));
  assert.throws(() => os.push(qd, Buffer.from('x')), { code: 'ERR_DEMI_AGAIN' });
  assert.equal(pool.freeSlots, pool.slotCount);
  assert.equal(tokens.length, runtime.operations.liveCount);
});

test('network failure is an errno, misuse an exception: the calls without tokens', () => {
  const scene = stage();
  const { os } = scene;
  const qd = os.socket('stream');
  stubOf(scene, qd).bind = () => 98;
  assert.throws(() => os.bind(qd, '10.0.0.1:80'), {
    code: 'ERR_DEMI_NETWORK',
    errno: 98,
    errnoName: 'EADDRINUSE',
    syscall: 'bind',
  });
  assert.throws(() => os.bind(qd, '10.0.0.1'), { code: 'ERR_DEMI_ADDRESS' });
  assert.throws(() => os.getsockopt(qd, 'noDelay'), { code: 'ERR_DEMI_UNSUPPORTED' });
  os.setsockopt(qd, 'noDelay', true);
  assert.equal(os.getsockopt(qd, 'noDelay'), true);
  const name = os.getsockname(qd);
  name.port = 5;
  assert.equal(os.getsockname(qd).port, 0, 'a copy');
});

test('too many queues: the new one is closed again', () => {
  const { os, library } = stage();
  for (let i = 0; i < 64; i++) os.socket('stream');
  assert.throws(() => os.socket('stream'), { code: 'ERR_DEMI_AGAIN' });
  assert.equal(library.sockets.at(-1)!.closed, true);
});

test('shutDown ends every queue and every operation', () => {
  const scene = stage();
  const { os, library } = scene;
  const qd = os.socket('stream');
  const token = os.pop(qd);
  os[Symbol.dispose]();
  assert.equal(os.wait(token)!.errno, ECANCELED);
  assert.equal(library.runtime.queues.liveCount, 0);
  assert.throws(() => os.pop(qd), { code: 'ERR_DEMI_QUEUE' });
});
