// Coroutines: starting, waiting, joining, sleeping, failing, being abandoned, and what a resume costs.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Coroutine, coroutines } from '../../src/pdpix/coroutines.ts';
import { ECANCELED } from '../../src/runtime/errno.ts';
import type { Result } from '../../src/runtime/result.ts';
import { type Stage, stage, stubOf } from '../runtime/stub-library-os.ts';

function deliver(scene: Stage, qd: number, text: string): void {
  const array = scene.os.alloc(text.length)!;
  array.copyFrom(Buffer.from(text));
  stubOf(scene, qd).finish(0, array);
}

function textOf(result: Result): string {
  const text = Buffer.from(result.array!.toBytes()).toString();
  result.array!.free();
  return text;
}

test('a coroutine gets its results, typed, in its order', () => {
  const scene = stage();
  const { os, library } = scene;
  const co = coroutines(os);
  const qd = os.socket('stream');
  library.later(10, () => deliver(scene, qd, 'one'));
  library.later(20, () => deliver(scene, qd, 'two'));
  const seen: string[] = [];
  const task = co.spawn(function* () {
    seen.push(textOf(yield* co.pop(qd)));
    seen.push(textOf(yield* co.pop(qd)));
    const { errno } = yield* co.wait(ended(os.push(qd, Buffer.from('x')), 32));
    seen.push(String(errno));
    return seen.length;
  });
  function ended(token: number, errno: number): number {
    stubOf(scene, qd).finish(errno);
    return token;
  }
  co.run();
  assert.deepEqual(seen, ['one', 'two', '32']);
  assert.equal(task.value, 3);
  assert.equal(co.liveCount, 0);
  assert.equal(library.runtime.operations.liveCount, 0);
});

test('operations issued before they are waited for run side by side', () => {
  const scene = stage();
  const { os, library } = scene;
  const co = coroutines(os);
  const a = os.socket('stream');
  const b = os.socket('stream');
  library.later(10, () => deliver(scene, b, 'b'));
  library.later(20, () => deliver(scene, a, 'a'));
  const seen: string[] = [];
  co.spawn(function* () {
    const first = co.pop(a);
    const second = co.pop(b);
    seen.push(textOf(yield* first));
    seen.push(textOf(yield* second));
  });
  co.run();
  assert.deepEqual(seen, ['a', 'b']);
});

test('join waits, passes on what was returned or thrown, for several at once', () => {
  const { os } = stage();
  const co = coroutines(os);
  const seen: unknown[] = [];
  const child = co.spawn(function* () {
    yield* co.sleep(100);
    return 42;
  });
  const failing = co.spawn(function* (): Coroutine {
    yield* co.sleep(200);
    throw new Error('mine');
  });
  for (let i = 0; i < 2; i++) {
    co.spawn(function* () {
      seen.push(yield* child.join());
      try {
        yield* failing.join();
      } catch (error) {
        seen.push((error as Error).message);
      }
      seen.push(yield* child.join());
    });
  }
  co.run();
  assert.deepEqual(seen.sort(), [42, 42, 42, 42, 'mine', 'mine']);
});

test('what a coroutine throws comes out of the turn; the others go on', () => {
  const { os } = stage();
  const co = coroutines(os);
  let ran = false;
  const task = co.spawn(function* (): Coroutine {
    yield* co.sleep(0);
    throw new Error('mine');
  });
  co.spawn(function* () {
    yield* co.sleep(50);
    ran = true;
  });
  assert.throws(() => co.run(), /mine/);
  assert.equal((task.error as Error).message, 'mine');
  co.run();
  assert.ok(ran);
});

test('sleep takes its time and lets the others run', () => {
  const { os, library } = stage();
  const co = coroutines(os);
  const seen: string[] = [];
  const start = library.clock.micros[0]!;
  co.spawn(function* () {
    yield* co.sleep(1000);
    seen.push('late');
    assert.ok(library.clock.micros[0]! - start >= 1000);
  });
  co.spawn(function* () {
    seen.push('now');
    yield* co.sleep(0);
    seen.push('soon');
    yield* co.sleep(300);
    seen.push('later');
  });
  co.run();
  assert.deepEqual(seen, ['now', 'soon', 'later', 'late']);
  assert.ok(library.clock.micros[0]! - start < 1400);
});

test('one turn resumes a bounded number: the device is polled between', () => {
  const { os, library } = stage();
  const co = coroutines(os);
  let resumed = 0;
  for (let i = 0; i < 1000; i++) {
    co.spawn(function* () {
      resumed++;
      yield* co.sleep(0);
      resumed++;
    });
  }
  let most = 0;
  while (co.liveCount > 0) {
    const before = resumed;
    os.poll();
    most = Math.max(most, resumed - before);
  }
  assert.equal(resumed, 2000);
  assert.ok(most <= 256 && library.polls >= 8, `${most} in one turn`);
});

test('abandoned: finally blocks run, the pop is taken back, timers and joiners are let go', () => {
  const scene = stage();
  const { os, library } = scene;
  const co = coroutines(os);
  const qd = os.socket('stream');
  const seen: string[] = [];
  const waiting = co.spawn(function* () {
    try {
      yield* co.pop(qd);
      seen.push('never');
    } finally {
      seen.push('cleaned');
    }
  });
  const sleeping = co.spawn(function* () {
    yield* co.sleep(1_000_000);
  });
  co.spawn(function* () {
    yield* waiting.join();
    seen.push('joined');
  });
  os.poll();
  assert.equal(stubOf(scene, qd).pending.count, 1);
  waiting.abandon();
  waiting.abandon();
  assert.equal(stubOf(scene, qd).pending.count, 0, 'it would have swallowed the next message');
  sleeping.abandon();
  assert.equal(library.runtime.timers.armedCount, 0);
  co.run();
  assert.deepEqual(seen, ['cleaned', 'joined']);
  assert.equal(library.runtime.operations.liveCount, 0);
});

test('what completes for an abandoned coroutine is freed, an accepted connection closed', () => {
  const scene = stage();
  const { os, library } = scene;
  const co = coroutines(os);
  const { pool, runtime } = library;
  const qd = os.socket('stream');
  stubOf(scene, qd).cancellable = false;
  const popping = co.spawn(function* () {
    yield* co.pop(qd);
  });
  const accepting = co.spawn(function* () {
    yield* co.accept(qd);
  });
  const late = co.spawn(function* () {
    yield* co.pop(qd);
  });
  os.poll();
  popping.abandon();
  accepting.abandon();
  deliver(scene, qd, 'nobody wants this');
  const accepted = os.socket('stream');
  stubOf(scene, qd).pending.head!.acceptedQd = accepted;
  stubOf(scene, qd).finish();
  // Complete, but abandoned before its turn.
  deliver(scene, qd, 'nor this');
  late.abandon();
  os.poll();
  assert.equal(pool.freeSlots, pool.slotCount);
  assert.equal(runtime.operations.liveCount, 0);
  assert.throws(() => os.getsockname(accepted), { code: 'ERR_DEMI_QUEUE' });
});

test('a stop ends run: every coroutine is abandoned', () => {
  const scene = stage();
  const { os, library } = scene;
  const co = coroutines(os);
  const qd = os.socket('stream');
  let cleaned = 0;
  for (let i = 0; i < 3; i++) {
    co.spawn(function* () {
      try {
        yield* co.pop(qd);
      } finally {
        cleaned++;
      }
    });
  }
  library.later(100, () => os.stop());
  co.run();
  assert.equal(cleaned, 3);
  assert.equal(co.liveCount, 0);
});

test('a closed queue wakes its coroutines with ECANCELED', () => {
  const scene = stage();
  const { os, library } = scene;
  const co = coroutines(os);
  const qd = os.socket('stream');
  let errno = 0;
  co.spawn(function* () {
    errno = (yield* co.pop(qd)).errno;
  });
  library.later(10, () => os.close(qd));
  co.run();
  assert.equal(errno, ECANCELED);
});

test('a result is the coroutine’s own: another one’s resume does not touch it', () => {
  const scene = stage();
  const { os, library } = scene;
  const co = coroutines(os);
  const qds = [os.socket('stream'), os.socket('stream')];
  const seen: number[] = [];
  for (const qd of qds) {
    co.spawn(function* () {
      const result = yield* co.pop(qd);
      seen.push(result.qd);
      yield* co.sleep(50);
      assert.equal(result.qd, qd);
      result.array!.free();
    });
  }
  library.later(5, () => {
    for (const qd of qds) deliver(scene, qd, 'x');
  });
  co.run();
  assert.deepEqual(seen, qds);
});

test('a token belongs to one waiter', () => {
  const { os } = stage();
  const co = coroutines(os);
  const token = os.pop(os.socket('stream'));
  os.waitSet().add(token);
  assert.throws(() => co.wait(token), { code: 'ERR_DEMI_TOKEN' });
  assert.throws(() => co.wait(123_456_789), { code: 'ERR_DEMI_TOKEN' });
});
