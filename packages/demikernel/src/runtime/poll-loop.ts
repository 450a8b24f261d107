// The poll loop: turns of receive, continuations and transmit, and what happens between turns with nothing to do.

import type { LibraryOs } from './library-os.ts';
import type { Histogram } from './metrics.ts';
import type { Waiter } from './waiter.ts';

/**
 * How to wait: `spin` burns the core and answers soonest; `adaptive` spins for a while after the last work, then sleeps on the
 * device's descriptor; `interrupt` sleeps as soon as there is nothing to do.
 */
export type WaitMode = 'spin' | 'adaptive' | 'interrupt';

/** How long `adaptive` spins after the last work, unless told otherwise. */
export const DEFAULT_SPIN_US = 50;
/** A spinning wait looks for signals at least this often. */
const SIGNAL_CHECK_US = 1000;
/** After work the clock is read in the second turn at the latest: in the first one, an answer may be waiting already. */
const TURNS_AFTER_WORK = 2;

/** Continuations of completed operations; run between receive and transmit. */
export interface ContinuationRunner {
  /** Runs what is ready, within its budget; returns how many ran. */
  runReady(): number;
  /** Whether something is ready that the budget has left over. */
  readonly hasReady: boolean;
}

/** Counters of the room `loop`. */
const LOOP_COUNTERS = ['turns', 'turnsWithWork', 'sleeps', 'sleptUs'] as const;
const TURNS = 0;
const TURNS_WITH_WORK = 1;
const SLEEPS = 2;
const SLEPT_US = 3;

export interface PollLoopOptions {
  mode?: WaitMode;
  /** `adaptive`: microseconds of spinning after the last work. */
  spinUs?: number;
  /** Makes the waiter, on the first idle turn of a loop that owns its thread. */
  makeWaiter: () => Waiter;
}

/** Drives one library OS. */
export class PollLoop {
  readonly libraryOs: LibraryOs;
  readonly mode: WaitMode;
  readonly spinUs: number;
  /** Set by a signal or by `stop`: waits return at once. */
  stopping: boolean;
  /** The signal that asked to stop, or 0. */
  stopSignal: number;
  continuations: ContinuationRunner | undefined;
  private readonly idleTurnsPerClock: number;
  private turnsUntilClock: number;
  private readonly makeWaiter: () => Waiter;
  private waiter: Waiter | undefined;
  // Doubles that change every turn live in a typed array: 0 last work, 1 last look for signals.
  private readonly moments: Float64Array;
  private readonly counters: Float64Array;
  /** How much there was to do in the turns that had work: how well bursts are batched. */
  private readonly workPerTurn: Histogram;

  constructor(libraryOs: LibraryOs, options: PollLoopOptions) {
    this.libraryOs = libraryOs;
    this.mode = options.mode ?? 'adaptive';
    this.spinUs = options.spinUs ?? DEFAULT_SPIN_US;
    this.stopping = false;
    this.stopSignal = 0;
    this.continuations = undefined;
    this.idleTurnsPerClock = libraryOs.idleTurnsPerClock ?? 1;
    this.turnsUntilClock = 0;
    this.makeWaiter = options.makeWaiter;
    this.waiter = undefined;
    this.moments = new Float64Array(2);
    const { metrics } = libraryOs.runtime;
    this.counters = metrics.counters('loop', LOOP_COUNTERS);
    this.workPerTurn = metrics.histogram('loop.workPerTurn');
  }

  /** One turn, without waiting: transmit what is left over, receive, timers, continuations. Returns the work done. */
  turn(): number {
    const { continuations, counters, libraryOs } = this;
    const { runtime } = libraryOs;
    counters[TURNS]!++;
    let work = libraryOs.flush();
    if (--this.turnsUntilClock <= 0) {
      runtime.clock.update();
      this.turnsUntilClock = this.idleTurnsPerClock;
    }
    work += libraryOs.poll() + runtime.timers.advance() + runtime.deferred.run();
    if (continuations !== undefined) work += continuations.runReady();
    if (work !== 0) {
      if (this.turnsUntilClock > TURNS_AFTER_WORK) this.turnsUntilClock = TURNS_AFTER_WORK;
      this.moments[0] = runtime.clock.micros[0]!;
      counters[TURNS_WITH_WORK]!++;
      this.workPerTurn.record(work);
    }
    return work;
  }

  /**
   * After a turn without work: spins or sleeps, as the mode says, for `limitUs` at most.
   *
   * Blocks the thread. A loop that shares its thread with Node's event loop asks `idleForUs` instead.
   */
  idle(limitUs: number): void {
    const now = this.libraryOs.runtime.clock.micros[0]!;
    if (this.waiter === undefined) this.waiter = this.makeWaiter();
    if (now - this.moments[1]! >= SIGNAL_CHECK_US) this.checkSignals(now);
    const sleepUs = Math.min(limitUs, this.idleForUs());
    if (sleepUs > 0 && !this.stopping) {
      this.waiter.sleep(sleepUs);
      const { clock } = this.libraryOs.runtime;
      clock.update();
      this.counters[SLEEPS]!++;
      this.counters[SLEPT_US]! += clock.micros[0]! - now;
      this.checkSignals(clock.micros[0]!);
    }
  }

  /** How long the loop may sleep now: 0 while it should go on spinning. */
  idleForUs(): number {
    if (this.mode === 'spin') return 0;
    const { runtime } = this.libraryOs;
    if (this.mode === 'adaptive' && runtime.clock.micros[0]! - this.moments[0]! < this.spinUs) return 0;
    return Math.min(this.libraryOs.untilNextUs(), runtime.timers.untilNextUs());
  }

  /** Looks for signals now and then even when there is always work. */
  keepHearing(): void {
    const now = this.libraryOs.runtime.clock.micros[0]!;
    if (now - this.moments[1]! < SIGNAL_CHECK_US) return;
    if (this.waiter === undefined) this.waiter = this.makeWaiter();
    this.checkSignals(now);
  }

  private checkSignals(now: number): void {
    this.moments[1] = now;
    const signal = this.waiter!.checkSignal();
    if (signal === 0) return;
    if (this.stopping) {
      // Asked twice: the application is not listening. Let the signal do what it does by default.
      this.close();
      process.kill(process.pid, signal);
      return;
    }
    this.stopping = true;
    this.stopSignal = signal;
  }

  /** Gives signals and descriptors back. */
  close(): void {
    this.waiter?.close();
    this.waiter = undefined;
  }
}
