// The time that expiry goes by: the wall clock's at the start, and from there the library OS's monotonic one, which is read
// once per turn anyhow. Also when to look for keys whose time has come without anybody asking for them.

import type { Demikernel } from 'demikernel';
import type { Store } from './store.ts';

/** How often to sweep, and how many places of the table at a time: a few microseconds of work. */
const SWEEP_EVERY_US = 10_000;
const SWEEP_PLACES = 2048;

type Clock = Demikernel['libraryOs']['runtime']['clock'];

export class ExpiryClock {
  private readonly clock: Clock;
  private readonly store: Store;
  /** 0: microseconds of the clock at the start. 1: milliseconds since 1970 then. 2: when the last sweep was. */
  private readonly moments: Float64Array;

  constructor(clock: Clock, store: Store, startMs: number) {
    this.clock = clock;
    this.store = store;
    clock.update();
    const nowUs = clock.micros[0]!;
    this.moments = Float64Array.of(nowUs, startMs, nowUs);
    store.nowMs[0] = startMs;
  }

  /** Tells the store the time, and sweeps when it is time for that. */
  tick(): void {
    const { moments, store } = this;
    const nowUs = this.clock.micros[0]!;
    store.nowMs[0] = moments[1]! + (nowUs - moments[0]!) / 1000;
    if (store.expiring === 0 || nowUs - moments[2]! < SWEEP_EVERY_US) return;
    moments[2] = nowUs;
    store.sweep(SWEEP_PLACES);
  }

  /** How long to wait at most: for ever, while nothing expires. */
  get untilSweepUs(): number {
    return this.store.expiring === 0 ? Number.POSITIVE_INFINITY : SWEEP_EVERY_US;
  }

  get uptimeSeconds(): number {
    return (this.clock.micros[0]! - this.moments[0]!) / 1e6;
  }
}
