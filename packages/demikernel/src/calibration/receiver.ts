// Who receives what calibration sends: the other end in this thread, in a thread of its own, or a peer elsewhere.

import { DemiError, type ScatterGatherArray } from '@demikernel/memory';
import type { Demikernel } from '../pdpix/demikernel.ts';
import type { WaitSet } from '../pdpix/wait-set.ts';
import { errnoName } from '../runtime/errno.ts';

const CACHE_LINE_BYTES = 64;
/** How long a batch may take before the device is given up. */
const PATIENCE_MS = 5_000;
/** Turns between two looks at the clock while waiting. */
const TURNS_PER_LOOK = 256;

/** The other end of an exchange. */
export interface Receiver {
  /** Whether what it costs to receive, and to take memory back, depends on how the message was sent. */
  readonly counts: boolean;
  /** Receives so many bytes, turning the sender meanwhile where it must. @returns the nanoseconds that count */
  receive(lengthBytes: number, turnSender: () => void): number;
  /** One turn, where there is one to make; the work done. */
  turn(): number;
  close(): void;
}

/** A peer that reads on another machine: the sender hears of it by acknowledgements. */
export const REMOTE_RECEIVER: Receiver = {
  counts: false,
  receive: () => 0,
  turn: () => 0,
  close: () => {},
};

/** The other end, in this thread. */
export class LocalReceiver implements Receiver {
  readonly counts: boolean;
  private readonly inbox: Inbox;
  private readonly os: Demikernel;

  constructor(os: Demikernel, qd: number) {
    this.counts = false;
    this.os = os;
    this.inbox = new Inbox(os, qd);
  }

  receive(lengthBytes: number, turnSender: () => void): number {
    this.inbox.take(lengthBytes, turnSender);
    return 0;
  }

  turn(): number {
    return this.os.poll();
  }

  close(): void {
    this.os.shutDown();
  }
}

/** Pops a stream, one pop at a time. */
export class Inbox {
  private readonly os: Demikernel;
  private readonly qd: number;
  private readonly pops: WaitSet;
  /** What was read, so that reading is not optimised away. */
  private seen: number;

  constructor(os: Demikernel, qd: number) {
    this.os = os;
    this.qd = qd;
    this.pops = os.waitSet();
    this.pops.add(os.pop(qd));
    this.seen = 0;
  }

  /** @throws ERR_DEMI_CALIBRATION when the stream ends or stands still */
  take(lengthBytes: number, onIdle: () => void): void {
    let left = lengthBytes;
    const deadline = new Deadline();
    while (left > 0) {
      this.os.poll();
      const before = left;
      for (let result = this.pops.take(); result !== undefined; result = this.pops.take()) {
        if (result.errno !== 0) throw broken(errnoName(result.errno));
        const array = result.array!;
        left -= result.lengthBytes;
        const ended = array.count === 0;
        this.read(array);
        array.free();
        if (ended) throw broken('the stream has ended');
        this.pops.add(this.os.pop(this.qd));
      }
      if (left !== before) continue;
      onIdle();
      deadline.check();
    }
  }

  /** Brings every cache line of a message here, as whoever reads it does. */
  private read(array: ScatterGatherArray): void {
    let sum = 0;
    for (let i = 0; i < array.count; i++) {
      const { length, offset, pool } = array.segments[i]!;
      const { bytes } = pool.region;
      for (let at = 0; at < length; at += CACHE_LINE_BYTES) sum += bytes[offset + at]!;
    }
    this.seen = (this.seen + sum) | 0;
  }
}

/** Throws when it is late; looks at the clock now and then only. */
export class Deadline {
  private turns: number;
  private endMs: number;

  constructor() {
    this.turns = 0;
    this.endMs = 0;
  }

  check(): void {
    if (++this.turns % TURNS_PER_LOOK !== 0) return;
    const now = performance.now();
    if (this.endMs === 0) this.endMs = now + PATIENCE_MS;
    else if (now > this.endMs) throw broken('nothing arrives any more');
  }
}

export function broken(why: string): DemiError {
  return new DemiError('ERR_DEMI_CALIBRATION', `the connection that was measured broke: ${why}`);
}
