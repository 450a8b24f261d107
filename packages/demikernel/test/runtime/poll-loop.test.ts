// The poll loop: the order of a turn, how each mode waits, and that no wait is deaf.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_SPIN_US, PollLoop, type WaitMode } from '../../src/runtime/poll-loop.ts';
import { Timer } from '../../src/runtime/timer-wheel.ts';
import { stage, stubOf } from './stub-library-os.ts';

const SIGTERM = 15;

test('a turn flushes, receives, fires timers, runs deferred work, then continuations', () => {
  const { os, library } = stage();
  const seen: string[] = [];
  const { runtime } = library;
  library.flush = () => {
    seen.push('flush');
    return 0;
  };
  const poll = library.poll.bind(library);
  library.poll = () => {
    seen.push('poll');
    return poll();
  };
  runtime.timers.arm(new Timer({ onTimer: () => seen.push('timer') }, 0), 0);
  runtime.deferred.schedule({ runDeferred: () => seen.push('deferred') });
  os.loop.continuations = {
    hasReady: false,
    runReady: () => {
      seen.push('continuation');
      return 1;
    },
  };
  library.clock.advance(100);
  assert.equal(os.poll(), 3);
  assert.deepEqual(seen, ['flush', 'poll', 'timer', 'deferred', 'continuation']);
});

test('interrupt sleeps once, exactly until the next thing is due', () => {
  const scene = stage('interrupt');
  const { os, library, waiter } = scene;
  const qd = os.socket('stream');
  const token = os.pop(qd);
  library.later(5000, () => stubOf(scene, qd).finish());
  assert.equal(os.wait(token)?.errno, 0);
  assert.equal(waiter.sleeps.length, 1);
  assert.ok(Math.abs(waiter.sleeps[0]! - 5000) < 10);
  assert.ok(library.polls < 5);
});

test('spin never sleeps', () => {
  const scene = stage('spin');
  const { os, library, waiter } = scene;
  const qd = os.socket('stream');
  const token = os.pop(qd);
  library.later(5000, () => stubOf(scene, qd).finish());
  assert.equal(os.wait(token)?.errno, 0);
  assert.deepEqual(waiter.sleeps, []);
  assert.ok(library.polls > 4000);
});

test('adaptive spins for a while after work, then sleeps', () => {
  for (const spinUs of [undefined, 200]) {
    const scene = stage('adaptive', spinUs);
    const { os, library, waiter } = scene;
    const qd = os.socket('stream');
    const tokens = [os.pop(qd), os.pop(qd)];
    library.later(1, () => stubOf(scene, qd).finish());
    library.later(5000, () => stubOf(scene, qd).finish());
    os.wait(tokens[0]!);
    const before = library.polls;
    os.wait(tokens[1]!);
    const spun = library.polls - before;
    const expected = spinUs ?? DEFAULT_SPIN_US;
    assert.ok(Math.abs(spun - expected) <= 4, `${spun} turns of spinning for ${expected} µs`);
    assert.equal(waiter.sleeps.length, 1);
    assert.ok(Math.abs(waiter.sleeps[0]! - (5000 - expected)) < 10);
  }
});

test('a timer ends a sleep', () => {
  const { os, library, waiter } = stage('interrupt');
  const token = os.pop(os.socket('stream'));
  let fired = false;
  library.runtime.timers.arm(
    new Timer(
      {
        onTimer: () => {
          fired = true;
        },
      },
      0,
    ),
    20_000,
  );
  assert.equal(os.wait(token, 30_000), undefined);
  assert.ok(fired);
  assert.ok(waiter.sleeps.reduce((sum, us) => sum + us, 0) <= 31_000);
});

for (const mode of ['spin', 'adaptive', 'interrupt'] as WaitMode[]) {
  test(`${mode}: a wait is over when its time is`, () => {
    const { os, library } = stage(mode);
    const token = os.pop(os.socket('stream'));
    const start = library.clock.micros[0]!;
    assert.equal(os.wait(token, 2500), undefined);
    const took = library.clock.micros[0]! - start;
    assert.ok(took >= 2500 && took < 2600, `${took} µs`);
    assert.equal(os.wait(token, 0), undefined);
    assert.equal(os.isComplete(token), false, 'the token stays valid');
  });

  test(`${mode}: a signal ends a wait within a millisecond or so`, () => {
    const { os, library, waiter } = stage(mode);
    const token = os.pop(os.socket('stream'));
    // Something happens now and then, so that interrupt mode wakes too.
    const tick = (): void => library.later(500, tick);
    tick();
    library.later(3000, () => {
      waiter.signal = SIGTERM;
    });
    const start = library.clock.micros[0]!;
    assert.equal(os.wait(token), undefined);
    const took = library.clock.micros[0]! - start;
    assert.ok(took >= 3000 && took < 4600, `${took} µs`);
    assert.equal(os.stopping, true);
    assert.equal(os.loop.stopSignal, SIGTERM);
    assert.equal(os.wait(token), undefined, 'and every later wait');
  });
}

test('a loop with work in every turn still hears signals', () => {
  const { os, library, waiter } = stage('spin');
  const token = os.pop(os.socket('stream'));
  library.poll = () => {
    library.clock.advance(1);
    return 1;
  };
  waiter.signal = SIGTERM;
  assert.equal(os.wait(token), undefined);
  assert.ok(os.stopping);
});

test('a signal that is there before a sleep keeps the loop from sleeping', () => {
  const { os, waiter } = stage('interrupt');
  const token = os.pop(os.socket('stream'));
  waiter.signal = SIGTERM;
  assert.equal(os.wait(token), undefined);
  assert.deepEqual(waiter.sleeps, []);
});

test('a spinning wait asks for signals about once a millisecond, not every turn', () => {
  const { os, library, waiter } = stage('spin');
  os.wait(os.pop(os.socket('stream')), 20_000);
  assert.ok(waiter.checks >= 18 && waiter.checks <= 25, `${waiter.checks} looks in 20 ms`);
  assert.ok(library.polls > 10_000);
});

test('the waiter is made when first needed and closed with the rest', () => {
  const scene = stage('interrupt');
  const { os, library, waiter } = scene;
  const qd = os.socket('stream');
  const token = os.pop(qd);
  library.later(100, () => stubOf(scene, qd).finish());
  os.wait(token);
  os.shutDown();
  os.shutDown();
  assert.equal(waiter.closed, 1);
  assert.equal(library.closed, true);
});

test('deferred work that throws loses only itself', () => {
  const { os, library } = stage();
  const seen: number[] = [];
  const { deferred } = library.runtime;
  deferred.schedule({ runDeferred: () => seen.push(1) });
  deferred.schedule({
    runDeferred: () => {
      deferred.schedule({ runDeferred: () => seen.push(4) });
      throw new Error('mine');
    },
  });
  deferred.schedule({ runDeferred: () => seen.push(3) });
  assert.throws(() => os.poll(), /mine/);
  os.poll();
  os.poll();
  assert.deepEqual(seen, [1, 3, 4]);
  assert.equal(deferred.pending, false);
});

test('turns without work share a reading of the clock; after work it is read in one turn of two at least', () => {
  const { library, waiter } = stage('spin');
  Object.assign(library, { idleTurnsPerClock: 8 });
  const loop = new PollLoop(library, { mode: 'spin', makeWaiter: () => waiter });
  let reads = 0;
  library.clock.update = () => void reads++;
  library.poll = () => 0;
  for (let turn = 0; turn < 80; turn++) loop.turn();
  assert.equal(reads, 10);
  library.poll = () => 1;
  reads = 0;
  for (let turn = 0; turn < 80; turn++) loop.turn();
  assert.ok(reads >= 39, `${reads} in 80 turns with work`);
});
