// Sleeping on a word of shared memory: the word decides, a wake-up ends the sleep, in another thread's as in a ring's.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import {
  createMemfd,
  futexWait,
  futexWake,
  IORING_OP_FUTEX_WAIT,
  IoUring,
  mapDescriptor,
  platformRefusal,
  prepareFutexWait,
} from '../src/kernel/index.ts';

const EAGAIN = 11;
const PAGE_BYTES = 4096;

const skip = platformRefusal() ?? false;

test('a word that has changed is not slept on; nobody sleeps, nobody is woken', { skip }, () => {
  const map = mapDescriptor({
    fd: createMemfd({ name: 'futex', lengthBytes: PAGE_BYTES }),
    lengthBytes: PAGE_BYTES,
  });
  assert.equal(futexWait(map.addressNumber, 1), -EAGAIN);
  assert.equal(futexWake(map.addressNumber, 1), 0);
  map.release();
});

test('whoever sees the word read-only can wake, a thread and a ring', { skip }, async t => {
  const fd = createMemfd({ name: 'futex', lengthBytes: PAGE_BYTES });
  const seen = mapDescriptor({ fd, lengthBytes: PAGE_BYTES, writable: false });
  const worker = new Worker(
    `
    import { workerData, parentPort } from 'node:worker_threads';
    const { futexWait, mapDescriptor } = await import(workerData.entry);
    const map = mapDescriptor({ fd: workerData.fd, lengthBytes: ${PAGE_BYTES} });
    parentPort.postMessage(futexWait(map.addressNumber, 0));
    `,
    { eval: true, workerData: { fd, entry: new URL('../src/kernel/index.js', import.meta.url).href } },
  );
  const answer = once(worker, 'message');
  const exit = once(worker, 'exit');
  let woken = 0;
  for (let tries = 0; woken === 0 && tries < 5000; tries++) {
    woken = futexWake(seen.addressNumber, 1);
    await new Promise(resolve => setTimeout(resolve, 2));
  }
  assert.equal(woken, 1);
  assert.equal((await answer)[0], 0);
  await exit;

  const own = mapDescriptor({ fd, lengthBytes: PAGE_BYTES });
  let ring: IoUring;
  try {
    ring = new IoUring({ entries: 8 });
  } catch (error) {
    return t.skip(`no io_uring: ${(error as Error).message}`);
  }
  if (!ring.supports(IORING_OP_FUTEX_WAIT)) return t.skip('io_uring without futexes: Linux before 6.7');
  assert.equal(prepareFutexWait(ring, own.addressNumber, 1, 7, 8), true);
  ring.enter(1);
  assert.deepEqual([ring.available(), ring.index(0), ring.tag(0), ring.result(0)], [1, 7, 8, -EAGAIN]);
  ring.consume(1);
  assert.equal(prepareFutexWait(ring, own.addressNumber, 0, 9, 8), true);
  ring.enter();
  assert.equal(ring.available(), 0);
  assert.equal(futexWake(seen.addressNumber, 1), 1);
  ring.enter(1);
  assert.deepEqual([ring.available(), ring.index(0), ring.result(0)], [1, 9, 0]);
  ring.close();
  own.release();
  seen.release();
});
