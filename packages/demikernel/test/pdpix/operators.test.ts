// queue, filter, map and merge: what passes, in which order, where it ends, who owns the memory.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ScatterGatherArray } from '@demikernel/memory';
import type { Demikernel } from '../../src/pdpix/demikernel.ts';
import { EAGAIN, ECANCELED, EOPNOTSUPP, EPIPE } from '../../src/runtime/errno.ts';
import { OP_POP } from '../../src/runtime/operation.ts';
import { SHUT_RD, SHUT_WR } from '../../src/runtime/queue.ts';
import { stage, stubOf } from '../runtime/stub-library-os.ts';

const text = (array: ScatterGatherArray): string => Buffer.from(array.toBytes()).toString();

function push(os: Demikernel, qd: number, message: string): number {
  return os.wait(os.push(qd, Buffer.from(message)), 1000)!.errno;
}

/** The next message, `undefined` at the end, or the errno. */
function pop(os: Demikernel, qd: number): string | number | undefined {
  const result = os.wait(os.pop(qd), 1000);
  assert.ok(result, 'nothing came');
  if (result.errno !== 0) return result.errno;
  const message = result.array!.count === 0 ? undefined : text(result.array!);
  result.array!.free();
  return message;
}

/** Fails when slots or operations are left after everything is closed. */
function check({ os, library }: ReturnType<typeof stage>): void {
  const { queues, operations } = library.runtime;
  queues.forEach(({ qd }) => {
    os.close(qd);
  });
  os.poll();
  os.poll();
  assert.equal(operations.liveCount, 0);
  assert.equal(library.pool.freeSlots, library.pool.slotCount);
}

test('a memory queue: first in, first out, pops may come first', () => {
  const scene = stage();
  const { os } = scene;
  const qd = os.queue();
  const early = os.pop(qd);
  for (const message of ['a', 'b', 'c']) assert.equal(push(os, qd, message), 0);
  const first = os.wait(early)!;
  assert.equal(text(first.array!), 'a');
  first.array!.free();
  assert.equal(pop(os, qd), 'b');
  assert.equal(pop(os, qd), 'c');
  assert.equal(os.wait(os.push(qd, Buffer.from('left behind')))!.lengthBytes, 11);
  check(scene);
});

test('a memory queue: bounds, cancel, shutdown, close', () => {
  const scene = stage();
  const { os } = scene;
  const qd = os.queue();
  const array = os.alloc(1)!;
  for (let i = 0; i < 900; i++) assert.equal(os.wait(os.push(qd, array))!.errno, 0);
  for (let i = 900; i < 1024; i++) os.wait(os.push(qd, array));
  const waiting = os.push(qd, array);
  assert.equal(os.isComplete(waiting), false, 'full');
  assert.equal(os.cancel(waiting), true);
  assert.equal(os.wait(waiting)!.errno, ECANCELED);
  const last = os.push(qd, array);
  array.free();
  assert.equal(pop(os, qd), '\0');
  assert.equal(os.wait(last)!.errno, 0, 'there is room again');
  assert.throws(() => os.shutdown(qd, SHUT_RD), { errno: EOPNOTSUPP });
  os.shutdown(qd, SHUT_WR);
  assert.equal(push(os, qd, 'late'), EPIPE);
  for (let i = 0; i < 1024; i++) assert.equal(pop(os, qd), '\0');
  assert.equal(pop(os, qd), undefined);
  assert.equal(pop(os, qd), undefined, 'the end stays');
  check(scene);
});

test('a memory queue: one pop too many is EAGAIN; close ends the others', () => {
  const scene = stage();
  const { os } = scene;
  const qd = os.queue();
  const pops = Array.from({ length: 900 }, () => os.pop(qd));
  const { operations } = scene.library.runtime;
  while (pops.length < 1000) pops.push(os.pop(qd));
  assert.equal(operations.liveCount, 1000);
  os.close(qd);
  for (const token of pops) assert.equal(os.wait(token)!.errno, ECANCELED);
  assert.equal(EAGAIN, 11);
  check(scene);
});

test('what is no socket refuses what sockets do', () => {
  const scene = stage();
  const { os } = scene;
  const qd = os.queue();
  assert.throws(() => os.bind(qd, '10.0.0.1:80'), { errno: EOPNOTSUPP });
  assert.throws(() => os.listen(qd), { errno: EOPNOTSUPP });
  assert.equal(os.wait(os.accept(qd))!.errno, EOPNOTSUPP);
  assert.equal(os.wait(os.connect(qd, '10.0.0.1:80'))!.errno, EOPNOTSUPP);
  assert.throws(() => os.getsockopt(qd, 'noDelay'), { code: 'ERR_DEMI_UNSUPPORTED' });
  assert.throws(() => os.setsockopt(qd, 'noDelay', true), { errno: EOPNOTSUPP });
  check(scene);
});

test('filter passes what it keeps, both ways, and frees the rest', () => {
  const scene = stage();
  const { os } = scene;
  const under = os.queue();
  const filtered = os.filter(under, array => !text(array).startsWith('-'));
  for (const message of ['-1', 'a', '-2', '-3', 'b']) push(os, under, message);
  assert.equal(pop(os, filtered), 'a');
  assert.equal(pop(os, filtered), 'b');
  assert.equal(push(os, filtered, '-dropped'), 0);
  assert.equal(push(os, filtered, 'kept'), 0);
  assert.equal(pop(os, under), 'kept');
  check(scene);
});

test('map changes what passes, both ways', () => {
  const scene = stage();
  const { os } = scene;
  const under = os.queue();
  const mapped = os.map(under, array => {
    const upper = Buffer.from(text(array).toUpperCase());
    array.free();
    const replaced = os.alloc(upper.length)!;
    replaced.copyFrom(upper);
    return replaced;
  });
  push(os, under, 'in');
  assert.equal(pop(os, mapped), 'IN');
  push(os, mapped, 'out');
  assert.equal(pop(os, under), 'OUT');
  check(scene);
});

test('merge takes from whichever has something, and pushes to both', () => {
  const scene = stage();
  const { os } = scene;
  const first = os.queue();
  const second = os.queue();
  const merged = os.merge(first, second);
  const early = os.pop(merged);
  push(os, second, 's1');
  const result = os.wait(early, 1000)!;
  assert.equal(text(result.array!), 's1');
  result.array!.free();
  push(os, first, 'f1');
  push(os, second, 's2');
  push(os, first, 'f2');
  const got = [pop(os, merged), pop(os, merged), pop(os, merged)];
  assert.deepEqual([...got].sort(), ['f1', 'f2', 's2']);
  assert.ok(got.indexOf('f1') < got.indexOf('f2'), 'each queue keeps its order');
  // What an inner pop has fetched already must not be lost on a push.
  push(os, merged, 'both');
  const both = [pop(os, merged), pop(os, merged)];
  assert.deepEqual(both, ['both', 'both']);
  check(scene);
});

test('the end of a stream passes through, and stays', () => {
  const scene = stage();
  const { os } = scene;
  const under = os.queue();
  let asked = 0;
  const filtered = os.filter(under, () => {
    asked++;
    return false;
  });
  push(os, under, 'dropped');
  os.shutdown(under, SHUT_WR);
  assert.equal(pop(os, filtered), undefined, 'though the filter keeps nothing');
  assert.equal(pop(os, filtered), undefined);
  assert.equal(asked, 1, 'an end is not a message');
  check(scene);
});

test('the end is seen through a reused operation too', () => {
  // An operation that earlier carried a datagram's source must not make the end look like an empty datagram.
  const scene = stage();
  const { os, library } = scene;
  const { operations } = library.runtime;
  const all = Array.from({ length: operations.capacity }, () => operations.issue(OP_POP, 0));
  for (const operation of all) {
    operation.address.setIpv4(0x0a000001, 9);
    operations.retire(operation);
  }
  const under = os.queue();
  const filtered = os.filter(under, () => false);
  os.shutdown(under, SHUT_WR);
  assert.equal(pop(os, filtered), undefined);
  check(scene);
});

test('a merge ends when both have', () => {
  const scene = stage();
  const { os } = scene;
  const first = os.queue();
  const second = os.queue();
  const merged = os.merge(first, second);
  os.shutdown(first, SHUT_WR);
  const token = os.pop(merged);
  assert.equal(os.wait(token, 1000), undefined, 'the other goes on');
  push(os, second, 'still here');
  const result = os.wait(token, 1000)!;
  assert.equal(text(result.array!), 'still here');
  result.array!.free();
  const waiting = [os.pop(merged), os.pop(merged)];
  os.shutdown(second, SHUT_WR);
  for (const { errno, array } of os.waitAll(waiting, 1000)!) {
    assert.equal(errno, 0);
    assert.equal(array!.count, 0);
    array!.free();
  }
  assert.equal(pop(os, merged), undefined);
  check(scene);
});

test('a cancelled pop loses nothing', () => {
  const scene = stage();
  const { os } = scene;
  const under = os.queue();
  const mapped = os.map(under, array => array);
  const token = os.pop(mapped);
  assert.equal(os.cancel(token), true);
  assert.equal(os.wait(token)!.errno, ECANCELED);
  push(os, under, 'kept');
  os.poll();
  assert.equal(pop(os, mapped), 'kept');
  check(scene);
});

test('failure underneath comes out above', () => {
  const scene = stage();
  const { os } = scene;
  const under = os.socket('stream');
  const mapped = os.map(under, array => array);
  const popped = os.pop(mapped);
  const pushed = os.push(mapped, Buffer.from('x'));
  stubOf(scene, under).finish(104);
  stubOf(scene, under).finish(32);
  assert.equal(os.wait(popped, 1000)!.errno, 104);
  assert.equal(os.wait(pushed, 1000)!.errno, 32);
  check(scene);
});

test('closing an operator ends its operations and leaves the queue underneath open', () => {
  const scene = stage();
  const { os } = scene;
  const under = os.queue();
  const socket = os.socket('stream');
  const merged = os.merge(under, socket);
  const mapped = os.map(socket, array => array);
  const tokens = [os.pop(merged), os.push(mapped, Buffer.from('x'))];
  os.close(merged);
  os.close(mapped);
  for (const token of tokens) assert.equal(os.wait(token, 1000)!.errno, ECANCELED);
  push(os, under, 'y');
  assert.equal(pop(os, under), 'y', 'its inner pop was taken back');
  check(scene);
});

test('a function that throws surfaces, and leaves the operator usable', () => {
  const scene = stage();
  const { os } = scene;
  const under = os.queue();
  let throws = true;
  const filtered = os.filter(under, array => {
    if (!throws) return true;
    array.free();
    throw new Error('mine');
  });
  assert.throws(() => os.push(filtered, Buffer.from('x')), /mine/);
  push(os, under, 'first');
  const token = os.pop(filtered);
  assert.throws(() => os.wait(token, 1000), /mine/);
  throws = false;
  push(os, under, 'second');
  const result = os.wait(token, 1000)!;
  assert.equal(text(result.array!), 'second');
  result.array!.free();
  check(scene);
});

test('operators stack', () => {
  const scene = stage();
  const { os } = scene;
  const a = os.queue();
  const b = os.queue();
  const all = os.filter(
    os.merge(
      os.map(a, array => array),
      b,
    ),
    array => array.lengthBytes > 1,
  );
  push(os, a, 'x');
  push(os, b, 'long');
  push(os, a, 'longer');
  const got = [pop(os, all), pop(os, all)];
  assert.deepEqual(got.sort(), ['long', 'longer']);
  check(scene);
});
