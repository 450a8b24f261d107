// The timer wheel against a sorted list: nothing fires early or more than a tick late, through cascades and wraps.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ManualClock } from '../../src/runtime/clock.ts';
import { TICK_US, Timer, type TimerOwner, TimerWheel } from '../../src/runtime/timer-wheel.ts';

/** Ticks are int32 and start at 0: this long after the start they are about to wrap. */
const WRAP_US = 2 ** 31 * TICK_US;
const LONGEST_US = (2 ** 30 - 2) * TICK_US;

class Recorder implements TimerOwner {
  readonly fired: number[] = [];
  react: ((kind: number) => void) | undefined;

  onTimer(kind: number): void {
    this.fired.push(kind);
    this.react?.(kind);
  }
}

/** A wheel whose ticks stand `startUs` after their origin, with a timer that was there all along or with none. */
function wheelAt(startUs: number): { clock: ManualClock; wheel: TimerWheel } {
  const clock = new ManualClock(1_000_000);
  const wheel = new TimerWheel(clock.micros);
  clock.advance(startUs);
  wheel.advance();
  return { clock, wheel };
}

test('a timer fires in its tick: not before its time, at most one tick after', () => {
  const { clock, wheel } = wheelAt(17);
  const owner = new Recorder();
  wheel.arm(new Timer(owner, 1), 1000);
  clock.advance(999);
  assert.equal(wheel.advance(), 0);
  clock.advance(1 + TICK_US);
  assert.equal(wheel.advance(), 1);
  assert.deepEqual(owner.fired, [1]);
  clock.advance(10_000_000);
  assert.equal(wheel.advance(), 0);
  assert.equal(wheel.armedCount, 0);
  assert.equal(wheel.firedCount, 1);
});

test('an armed timer is moved, a cancelled one is silent', () => {
  const { clock, wheel } = wheelAt(0);
  const owner = new Recorder();
  const moved = new Timer(owner, 1);
  const cancelled = new Timer(owner, 2);
  wheel.arm(moved, 100);
  wheel.arm(moved, 5000);
  wheel.arm(cancelled, 100);
  assert.equal(wheel.armedCount, 2);
  wheel.cancel(cancelled);
  wheel.cancel(cancelled);
  clock.advance(4900);
  wheel.advance();
  assert.deepEqual(owner.fired, []);
  clock.advance(200);
  wheel.advance();
  assert.deepEqual(owner.fired, [1]);
  assert.equal(moved.armed, false);
});

test('a delay of zero or less fires with the next tick, one beyond the range is cut', () => {
  const { clock, wheel } = wheelAt(30);
  const owner = new Recorder();
  wheel.arm(new Timer(owner, 1), 0);
  wheel.arm(new Timer(owner, 2), -5000);
  wheel.arm(new Timer(owner, 3), Number.POSITIVE_INFINITY);
  assert.equal(wheel.advance(), 0);
  clock.advance(TICK_US);
  wheel.advance();
  assert.deepEqual(owner.fired.sort(), [1, 2]);
  clock.advance(LONGEST_US - TICK_US * 2);
  wheel.advance();
  assert.equal(owner.fired.length, 2);
  clock.advance(TICK_US * 3);
  wheel.advance();
  assert.equal(owner.fired.length, 3);
});

test('a handler may arm itself, arm others and cancel others', () => {
  const { clock, wheel } = wheelAt(0);
  const owner = new Recorder();
  const again = new Timer(owner, 1);
  const victim = new Timer(owner, 2);
  let left = 3;
  owner.react = kind => {
    if (kind !== 1) return;
    wheel.cancel(victim);
    if (--left > 0) wheel.arm(again, 0);
  };
  // The timer linked last fires first within one tick.
  wheel.arm(victim, 100);
  wheel.arm(again, 100);
  clock.advance(TICK_US * 3);
  wheel.advance();
  clock.advance(TICK_US * 10);
  wheel.advance();
  clock.advance(TICK_US * 10);
  wheel.advance();
  assert.deepEqual(owner.fired, [1, 1, 1]);
  assert.equal(wheel.armedCount, 0);
});

test('what a handler arms while the last timer fires is not early', () => {
  // A wheel far behind its clock: the new timer may fall into the very slot that is being worked.
  for (let behind = 1; behind <= 130; behind++) {
    const { clock, wheel } = wheelAt(0);
    const owner = new Recorder();
    const second = new Timer(owner, 2);
    owner.react = kind => {
      if (kind === 1) wheel.arm(second, 1);
    };
    wheel.arm(new Timer(owner, 1), TICK_US);
    clock.advance(TICK_US * behind);
    wheel.advance();
    assert.deepEqual(owner.fired, [1], `${behind} ticks behind`);
    clock.advance(TICK_US * 2);
    wheel.advance();
    assert.deepEqual(owner.fired, [1, 2], `${behind} ticks behind`);
  }
});

for (const idleHours of [18, 20, 30, 39, 75, 77, 100]) {
  test(`a timer armed after ${idleHours} hours with none is on time`, () => {
    const { clock, wheel } = wheelAt(0);
    const owner = new Recorder();
    clock.advance(idleHours * 3.6e9);
    wheel.arm(new Timer(owner, 1), 10_000);
    wheel.advance();
    assert.deepEqual(owner.fired, []);
    clock.advance(9_999);
    wheel.advance();
    assert.deepEqual(owner.fired, []);
    clock.advance(1 + TICK_US);
    wheel.advance();
    assert.deepEqual(owner.fired, [1]);
  });
}

test('untilNextUs is Infinity when nothing is armed and 0 when something is overdue', () => {
  const { clock, wheel } = wheelAt(0);
  assert.equal(wheel.untilNextUs(), Number.POSITIVE_INFINITY);
  const timer = new Timer(new Recorder(), 1);
  wheel.arm(timer, 500);
  clock.advance(1000);
  assert.equal(wheel.untilNextUs(), 0);
  wheel.cancel(timer);
  assert.equal(wheel.untilNextUs(), Number.POSITIVE_INFINITY);
});

const delayUs = fc.oneof(
  fc.integer({ min: 0, max: 300 }),
  fc.integer({ min: 0, max: 64 * 70 * TICK_US }),
  fc.integer({ min: 0, max: 4100 * TICK_US }),
  fc.integer({ min: 0, max: 2 ** 19 * TICK_US }),
  fc.double({ min: 0, max: LONGEST_US, noNaN: true }),
);
const command = fc.oneof(
  { weight: 4, arbitrary: fc.record({ what: fc.constant('arm' as const), which: fc.nat(11), delayUs }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('cancel' as const), which: fc.nat(11), delayUs }) },
  { weight: 3, arbitrary: fc.record({ what: fc.constant('advance' as const), which: fc.nat(0), delayUs }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('sleep' as const), which: fc.nat(0), delayUs }) },
);
const startUs = fc.oneof(
  fc.constant(0),
  fc.integer({ min: 0, max: 1e9 }),
  // Just before the tick turns negative, and before it comes back to zero.
  fc.integer({ min: 1, max: 5_000_000 }).map(us => WRAP_US - us),
  fc.integer({ min: 1, max: 5_000_000 }).map(us => 2 * WRAP_US - us),
);

test('any sequence of calls fires what a sorted list would', () => {
  fc.assert(
    fc.property(startUs, fc.array(command, { maxLength: 60 }), (start, commands) => {
      const { clock, wheel } = wheelAt(start);
      const owner = new Recorder();
      const timers = Array.from({ length: 12 }, (_, kind) => new Timer(owner, kind));
      /** When each armed timer is due. */
      const due = new Map<number, number>();
      const advance = (): void => {
        const now = clock.micros[0]!;
        const before = owner.fired.length;
        wheel.advance();
        for (const kind of owner.fired.slice(before)) {
          assert.ok(due.get(kind)! <= now, `timer ${kind} fired early, or was not armed`);
          due.delete(kind);
        }
        for (const [kind, at] of due) assert.ok(at > now - TICK_US, `timer ${kind} is more than a tick late`);
        assert.equal(wheel.armedCount, due.size);
      };
      for (const { what, which, delayUs: delay } of commands) {
        if (what === 'arm') {
          wheel.arm(timers[which]!, delay);
          due.set(which, clock.micros[0]! + delay);
        } else if (what === 'cancel') {
          wheel.cancel(timers[which]!);
          due.delete(which);
        } else if (what === 'advance') {
          clock.advance(delay);
          advance();
        } else {
          // A loop that sleeps as long as it is told wakes in time, and not over and over in vain.
          const earliest = Math.min(...due.values());
          for (let wakes = 0; due.size > 0; wakes++) {
            assert.ok(wakes <= 8, 'woken too often for one timer');
            const sleepUs = wheel.untilNextUs();
            assert.ok(clock.micros[0]! + sleepUs <= earliest + 2 * TICK_US, 'told to sleep past a timer');
            clock.advance(Math.max(sleepUs, 0.001));
            const armed = due.size;
            advance();
            if (due.size < armed) break;
          }
        }
      }
    }),
    { numRuns: 400 },
  );
});
