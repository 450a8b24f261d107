// A world of hosts on one wire under one clock: it does the same on every run with the same seed.

import { DemiError } from '@demikernel/memory';
import { Wire } from '../../devices/wire.ts';
import type { LinkOptions } from '../../devices/wire-link.ts';
import { ManualClock } from '../../runtime/clock.ts';
import { SeededRandom } from '../../runtime/random.ts';
import type { Waiter } from '../../runtime/waiter.ts';
import { SimulatedHost, type SimulatedHostOptions } from './simulated-host.ts';

export interface SimulatedWorldOptions {
  /** Default 1. */
  seed?: number;
  /** What every link does to frames, unless a host's device says otherwise. */
  link?: LinkOptions;
  /** Frames under way at most. Default 4096. */
  framesInFlight?: number;
  /** The clock's first moment in microseconds. Default 0. */
  startUs?: number;
  /** What a step in which something was done takes, in microseconds. Default 1: no host is infinitely fast. */
  stepUs?: number;
}

/**
 * Hosts on a wire. `step` does what there is to do now; `run` also moves the clock to the next thing that will be.
 *
 * ```ts
 * const world = new SimulatedWorld({ seed: 7, link: { lossRate: 0.01, delayUs: 20 } });
 * const a = world.host('10.0.0.1/24');
 * const b = world.host('10.0.0.2/24');
 * world.run(() => done);
 * ```
 */
export class SimulatedWorld {
  readonly seed: number;
  readonly clock: ManualClock;
  readonly random: SeededRandom;
  readonly wire: Wire;
  readonly hosts: SimulatedHost[];
  /** Steps taken. */
  steps: number;
  private readonly stepUs: number;

  constructor(options: SimulatedWorldOptions = {}) {
    const { seed = 1, startUs = 0, stepUs = 1, link, framesInFlight } = options;
    this.seed = seed;
    this.clock = new ManualClock(startUs);
    this.random = new SeededRandom(seed);
    this.wire = new Wire({
      clock: this.clock,
      random: new SeededRandom(this.random.int32()),
      link,
      framesInFlight,
    });
    this.hosts = [];
    this.steps = 0;
    this.stepUs = stepUs;
  }

  /** Adds a host. @param prefix its address and prefix length, for example `10.0.0.1/24` */
  host(prefix: string, options: SimulatedHostOptions = {}): SimulatedHost {
    const host = new SimulatedHost(this.wire, this.clock, this.random.int32(), prefix, options);
    this.hosts.push(host);
    return host;
  }

  /** The time in microseconds. */
  get nowUs(): number {
    return this.clock.micros[0]!;
  }

  /** One turn of every host, in the order they were made: poll, application; then flush; then the wire. */
  step(): number {
    return this.stepHosts(undefined);
  }

  /** Moves the clock to the next delivery or timer, by `limitUs` at most. False when nothing will ever happen by itself. */
  advance(limitUs: number = Number.POSITIVE_INFINITY): boolean {
    let nextUs = Math.min(limitUs, this.wire.nextDeliveryUs());
    for (const host of this.hosts) nextUs = Math.min(nextUs, host.untilNextUs());
    if (nextUs === Number.POSITIVE_INFINITY) return false;
    // Something that is due and yet not done needs a moment more: the timer wheel's ticks are 64 µs.
    this.clock.advance(Math.min(limitUs, Math.max(nextUs, this.stepUs)));
    return true;
  }

  /**
   * Runs until a moment (microseconds of this world's clock), or until a condition holds.
   *
   * @returns whether it came to that; false when the world has come to rest before
   */
  run(until: number | (() => boolean)): boolean {
    const untilUs = typeof until === 'number' ? until : Number.POSITIVE_INFINITY;
    for (;;) {
      if (typeof until === 'function' && until()) return true;
      const worked = this.step() > 0;
      if (this.nowUs >= untilUs) return true;
      if (worked) this.clock.advance(this.stepUs);
      else if (!this.advance(untilUs - this.nowUs)) return false;
    }
  }

  /** Runs for a while. */
  runFor(durationUs: number): void {
    this.run(this.nowUs + durationUs);
  }

  /**
   * A waiter for a poll loop that drives `host` itself, in `interrupt` mode: while it sleeps, the rest of the world goes on.
   */
  waiter(host: SimulatedHost): Waiter {
    return {
      checkSignal: () => 0,
      sleep: timeoutUs => this.sleep(host, timeoutUs),
      close: () => {},
    };
  }

  /** Closes every host. */
  close(): void {
    for (const host of this.hosts) host.libos.close();
  }

  private sleep(host: SimulatedHost, timeoutUs: number): void {
    const wakeUs = this.nowUs + timeoutUs;
    while (host.untilNextUs() > 0 && this.nowUs < wakeUs) {
      if (this.stepHosts(host) > 0) this.clock.advance(this.stepUs);
      else if (!this.advance(wakeUs - this.nowUs)) throw this.stuck('a host sleeps and nothing will wake it');
    }
  }

  private stepHosts(except: SimulatedHost | undefined): number {
    this.steps++;
    let work = this.wire.deliver();
    for (const host of this.hosts) if (host !== except) work += host.poll();
    for (const host of this.hosts) if (host !== except) work += host.flush();
    return work;
  }

  private stuck(why: string): DemiError {
    return new DemiError(
      'ERR_DEMI_SIMULATION',
      `${why} at ${this.nowUs} µs, after ${this.steps} steps with seed ${this.seed}`,
    );
  }
}
