// What a link does to the frames that one device sends into it, all of it from the injected random source and clock.

import type { Clock } from '../runtime/clock.ts';
import type { Random } from '../runtime/random.ts';

/** Preamble, frame check sequence and gap between frames: what a frame costs beside its bytes (IEEE 802.3). */
const OVERHEAD_BYTES = 24;

/** Rates are between 0 and 1. */
export interface LinkOptions {
  lossRate?: number;
  duplicateRate?: number;
  /** Frames that are held back, so that later ones pass them. */
  reorderRate?: number;
  /** For how long they are. Default 4 times the delay and jitter, at least 200 µs. */
  reorderDelayUs?: number;
  /** Frames of which one bit is flipped, behind the Ethernet header. ARP is spared, because it has no checksum. */
  corruptRate?: number;
  delayUs?: number;
  /** Up to this much more, evenly spread; frames keep their order unless they are reordered. */
  jitterUs?: number;
  /** 0: no limit. */
  bitsPerSecond?: number;
  /** How much may queue up in front of a limited link. Default 256 KiB. */
  queueBytes?: number;
}

/** The faults of one link. */
export class LinkFaults {
  readonly options: LinkOptions;
  /** Nothing happens to frames at all. */
  readonly perfect: boolean;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly lossRate: number;
  private readonly duplicateRate: number;
  private readonly reorderRate: number;
  private readonly reorderDelayUs: number;
  private readonly corruptRate: number;
  private readonly delayUs: number;
  private readonly jitterUs: number;
  private readonly bytesPerUs: number;
  private readonly queueBytes: number;
  /** When the link has sent what was given to it. */
  private busyUntilUs: number;
  private lastDueUs: number;

  constructor(options: LinkOptions, clock: Clock, random: Random) {
    this.options = options;
    this.clock = clock;
    this.random = random;
    this.lossRate = options.lossRate ?? 0;
    this.duplicateRate = options.duplicateRate ?? 0;
    this.reorderRate = options.reorderRate ?? 0;
    this.corruptRate = options.corruptRate ?? 0;
    this.delayUs = options.delayUs ?? 0;
    this.jitterUs = options.jitterUs ?? 0;
    this.reorderDelayUs = options.reorderDelayUs ?? Math.max(200, 4 * (this.delayUs + this.jitterUs));
    this.bytesPerUs = (options.bitsPerSecond ?? 0) / 8_000_000;
    this.queueBytes = options.queueBytes ?? 262_144;
    this.busyUntilUs = 0;
    this.lastDueUs = 0;
    this.perfect =
      this.lossRate === 0 &&
      this.duplicateRate === 0 &&
      this.reorderRate === 0 &&
      this.corruptRate === 0 &&
      this.delayUs === 0 &&
      this.jitterUs === 0 &&
      this.bytesPerUs === 0;
  }

  loses(): boolean {
    return this.happens(this.lossRate);
  }

  duplicates(): boolean {
    return this.happens(this.duplicateRate);
  }

  /** How long a frame is held back beside its delay; 0 for most. */
  reorders(): number {
    return this.happens(this.reorderRate) ? this.reorderDelayUs : 0;
  }

  /** When a frame of this length arrives, or -1 when the link's queue is full. */
  dueUs(lengthBytes: number): number {
    const now = this.clock.micros[0]!;
    let leavesUs = now;
    if (this.bytesPerUs > 0) {
      const startUs = Math.max(now, this.busyUntilUs);
      if ((startUs - now) * this.bytesPerUs + lengthBytes > this.queueBytes) return -1;
      leavesUs = startUs + (lengthBytes + OVERHEAD_BYTES) / this.bytesPerUs;
      this.busyUntilUs = leavesUs;
    }
    const jitterUs = this.jitterUs > 0 ? this.random.below(this.jitterUs + 1) : 0;
    const dueUs = Math.max(this.lastDueUs, leavesUs + this.delayUs + jitterUs);
    this.lastDueUs = dueUs;
    return dueUs;
  }

  /** Flips a bit of an IPv4 frame, or not. */
  corrupts(view: DataView, offset: number, lengthBytes: number): boolean {
    if (!this.happens(this.corruptRate)) return false;
    if (lengthBytes < 15 || view.getUint16(offset + 12) !== 0x0800) return false;
    const at = offset + 14 + this.random.below(lengthBytes - 14);
    view.setUint8(at, view.getUint8(at) ^ (1 << this.random.below(8)));
    return true;
  }

  private happens(rate: number): boolean {
    return rate > 0 && this.random.int32() >>> 0 < rate * 0x1_0000_0000;
  }
}
