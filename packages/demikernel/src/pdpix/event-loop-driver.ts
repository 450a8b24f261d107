// Turns the poll loop from Node's event loop, for services that share their thread with ordinary Node code.

import { type DescriptorWatch, TimerFd, watchDescriptor } from '@demikernel/native/kernel';
import type { PollLoop } from '../runtime/poll-loop.ts';

/** Turns taken in one go before Node gets the thread back, while there is work. */
const TURNS_PER_SLICE = 64;

/**
 * Runs while somebody waits for a promise, and keeps the process alive as long.
 *
 * ```
 *            work, or not idle long enough
 *           ┌──────────────┐
 *           ▼              │
 *   setImmediate: some turns ──idle──▶ asleep on the device's descriptors and a timerfd ──ready──▶ setImmediate
 * ```
 */
export class EventLoopDriver {
  private readonly loop: PollLoop;
  private waiting: number;
  private immediate: NodeJS.Immediate | undefined;
  private watches: DescriptorWatch[];
  private timer: TimerFd | undefined;
  private asleep: boolean;
  private closed: boolean;

  constructor(loop: PollLoop) {
    this.loop = loop;
    this.waiting = 0;
    this.immediate = undefined;
    this.watches = [];
    this.timer = undefined;
    this.asleep = false;
    this.closed = false;
  }

  /** One more promise is outstanding. */
  retain(): void {
    this.waiting++;
    this.wake();
    if (this.waiting === 1) for (const watch of this.watches) watch.ref();
  }

  /** One less; with the last one the process may end. */
  release(): void {
    this.waiting--;
    if (this.waiting === 0) for (const watch of this.watches) watch.unref();
  }

  /** Makes sure that a turn comes: something was pushed, or issued. */
  wake(): void {
    if (this.closed) return;
    this.asleep = false;
    if (this.immediate === undefined) this.immediate = setImmediate(this.slice);
    // It was let go of when nobody waited.
    else if (this.waiting > 0) this.immediate.ref();
  }

  private readonly slice = (): void => {
    // Booked before the turns: one that throws (a coroutine, a filter) must not be the last one.
    this.immediate = setImmediate(this.slice);
    let idle = false;
    for (let turns = 0; turns < TURNS_PER_SLICE && !idle; turns++) idle = this.loop.turn() === 0;
    const { continuations } = this.loop;
    const sleepUs = idle && !(continuations?.hasReady ?? false) ? this.loop.idleForUs() : 0;
    if (this.immediate === undefined) return; // closed meanwhile
    if (sleepUs > 0) this.sleep(sleepUs);
    else if (this.waiting === 0) this.immediate.unref();
  };

  private sleep(sleepUs: number): void {
    clearImmediate(this.immediate);
    this.immediate = undefined;
    if (this.timer === undefined) this.watch();
    this.asleep = true;
    if (sleepUs === Number.POSITIVE_INFINITY) this.timer!.disarm();
    else this.timer!.arm(sleepUs);
  }

  private watch(): void {
    this.timer = new TimerFd();
    const { timer } = this;
    const onReady = (): void => {
      if (this.asleep) this.wake();
    };
    this.watches = this.loop.libraryOs.descriptors.map(descriptor =>
      watchDescriptor(descriptor, {}, onReady),
    );
    this.watches.push(
      watchDescriptor(timer.fd, {}, () => {
        timer.drain();
        onReady();
      }),
    );
    if (this.waiting === 0) for (const watch of this.watches) watch.unref();
  }

  /** Stops for good; must come before the library OS is closed, whose descriptors it watches. */
  close(): void {
    this.closed = true;
    if (this.immediate !== undefined) clearImmediate(this.immediate);
    this.immediate = undefined;
    for (const watch of this.watches) watch.close();
    this.watches = [];
    this.timer?.close();
    this.timer = undefined;
  }
}
