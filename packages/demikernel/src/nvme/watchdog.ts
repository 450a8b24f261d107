// Looks for commands that take too long, and asks the device to abort them. What follows when that does not help is the
// controller's business.

import type { AdminQueue } from './admin.ts';
import { encodeAbort } from './commands.ts';
import type { QueuePair } from './queue-pair.ts';

/** Looks, per time-out. */
const LOOKS_PER_TIMEOUT = 8;
/** Aborts asked for in one look. */
const MOST_ABORTS = 4;

export class Watchdog {
  private readonly admin: AdminQueue;
  private readonly pairs: readonly QueuePair[];
  private readonly timeoutMs: number;
  private lookedMs: number;

  constructor(admin: AdminQueue, pairs: readonly QueuePair[], timeoutMs: number, nowMs: number) {
    this.admin = admin;
    this.pairs = pairs;
    this.timeoutMs = timeoutMs;
    this.lookedMs = nowMs;
  }

  /** Whether it is time to look; true once per interval. */
  isDue(nowMs: number): boolean {
    if (((nowMs - this.lookedMs) | 0) * LOOKS_PER_TIMEOUT <= this.timeoutMs) return false;
    this.lookedMs = nowMs;
    return true;
  }

  /** Answers to nothing that was asked, in all queues. */
  get strangeCompletions(): number {
    let count = this.admin.pair.strangeCompletions;
    for (const pair of this.pairs) count += pair.strangeCompletions;
    return count;
  }

  /** Whether the command at a place has taken longer than the time-out. */
  isLate(pair: QueuePair, place: number, nowMs: number): boolean {
    return isOlder(pair, place, nowMs, this.timeoutMs);
  }

  /** Aborts did not help, or the admin queue itself does not answer. */
  isHopeless(nowMs: number): boolean {
    if (hasOlder(this.admin.pair, nowMs, this.timeoutMs)) return true;
    for (const pair of this.pairs) if (hasOlder(pair, nowMs, 2 * this.timeoutMs)) return true;
    return false;
  }

  /** Asks for aborts, each command's once and as many as the device takes. Returns how many. */
  abortLate(nowMs: number, limit: number): number {
    let asked = 0;
    for (const pair of this.pairs) {
      if (pair.underWay === 0) continue;
      for (let place = 0; place < pair.entries && asked < Math.min(limit, MOST_ABORTS); place++) {
        if (pair.abortAsked[place] === 1 || !this.isLate(pair, place, nowMs)) continue;
        const identifier = pair.identifierOf(place);
        if (!this.admin.send((words, at) => encodeAbort(words, at, pair.id, identifier), nowMs)) return asked;
        pair.abortAsked[place] = 1;
        asked++;
      }
    }
    return asked;
  }
}

function isOlder(pair: QueuePair, place: number, nowMs: number, limitMs: number): boolean {
  return pair.live[place] === 1 && ((nowMs - pair.startedMs[place]!) | 0) > limitMs;
}

function hasOlder(pair: QueuePair, nowMs: number, limitMs: number): boolean {
  for (let place = 0; place < pair.entries; place++) if (isOlder(pair, place, nowMs, limitMs)) return true;
  return false;
}
