// A token bucket over the injected clock: for what the stack sends only because somebody else did.

import type { Clock } from '../runtime/clock.ts';

/** Lets `perSecond` events through, and up to `burst` at once. */
export class RateLimit {
  private readonly clock: Clock;
  private readonly intervalUs: number;
  private readonly burst: number;
  private tokens: number;
  private lastUs: number;

  /** @param perSecond 1 to 1,000,000 */
  constructor(clock: Clock, perSecond: number, burst: number) {
    this.clock = clock;
    this.intervalUs = Math.max(1, Math.floor(1_000_000 / perSecond)) | 0;
    this.burst = burst | 0;
    this.tokens = burst | 0;
    this.lastUs = clock.micros32;
  }

  /** Takes a token; false when there is none. */
  take(): boolean {
    const now = this.clock.micros32;
    const elapsed = (now - this.lastUs) | 0;
    // A negative difference is half an hour without a call: the bucket is full.
    const earned = elapsed < 0 ? this.burst : (elapsed / this.intervalUs) | 0;
    if (earned > 0) {
      if (this.tokens + earned >= this.burst) {
        this.tokens = this.burst;
        this.lastUs = now;
      } else {
        this.tokens = (this.tokens + earned) | 0;
        this.lastUs = (this.lastUs + earned * this.intervalUs) | 0;
      }
    }
    if (this.tokens === 0) return false;
    this.tokens--;
    return true;
  }
}
