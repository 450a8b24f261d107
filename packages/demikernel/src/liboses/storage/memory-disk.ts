// A disk in memory that does to writes what disks do when the power goes, and what they do when they are bad: for tests
// of whoever must not lose a record. What a log makes of it is in log/.

import type { Random } from '../../runtime/random.ts';

/** How a disk misbehaves. Rates are per request, 0 to 1; all 0 by default. */
export interface DiskFaults {
  /** A write fails with EIO, having happened wholly, partly or not. */
  writeErrorRate?: number;
  /** A read fails with EIO. */
  readErrorRate?: number;
  /** A write is said to be durable and never happens: a device that lies. */
  lostWriteRate?: number;
}

export interface MemoryDiskOptions {
  random: Random;
  /** Default 512. */
  blockBytes?: number;
  /** Default 1 MiB. */
  segmentBytes?: number;
  /** Segments on the disk, in all logs; default no limit. A full disk fails with ENOSPC. */
  segments?: number;
  /** Polls that a request takes at most; which ones end when is drawn. Default 1: the next one. */
  latencyPolls?: number;
  faults?: DiskFaults;
}

/** What can become of a write that was under way when the power went. */
const LOST = 0;
const WHOLE = 1;
/** Some of its blocks, in whatever order. */
const SOME_BLOCKS = 2;
/** Up to some byte, and the block it stopped in is unreadable: its bytes are anything. */
const SPOILT = 3;
/** These, and: up to some byte. */
const OUTCOMES = 5;

/** The disk: what survives a crash. */
export class MemoryDisk {
  readonly random: Random;
  readonly blockBytes: number;
  readonly segmentBytes: number;
  readonly capacity: number;
  readonly latencyPolls: number;
  faults: DiskFaults;
  /** By log name, by segment. */
  readonly logs: Map<string, Map<number, Uint8Array>>;
  /** Writes that were torn, refused or lost so far. */
  faultCount: number;
  /** Number of the segment that is made next. */
  nextSegment: number;

  constructor(options: MemoryDiskOptions) {
    const { random, blockBytes = 512, segmentBytes = 1 << 20, latencyPolls = 1, faults = {} } = options;
    this.random = random;
    this.blockBytes = blockBytes;
    this.segmentBytes = segmentBytes;
    this.capacity = options.segments ?? Number.POSITIVE_INFINITY;
    this.latencyPolls = latencyPolls;
    this.faults = faults;
    this.logs = new Map();
    this.faultCount = 0;
    this.nextSegment = 0;
  }

  get usedSegments(): number {
    let count = 0;
    for (const log of this.logs.values()) count += log.size;
    return count;
  }

  /** A zeroed segment; -1 when the disk is full. */
  addSegment(log: string): number {
    if (this.usedSegments >= this.capacity) return -1;
    const segment = this.nextSegment++;
    this.logs.get(log)!.set(segment, new Uint8Array(this.segmentBytes));
    return segment;
  }

  /** Whether something that happens with this probability happens now. */
  chance(rate: number | undefined): boolean {
    return rate !== undefined && rate > 0 && this.random.below(1_000_000) < rate * 1_000_000;
  }

  /** A write whose end nobody heard of: wholly, partly or not, drawn. */
  writeSomehow(bytes: Uint8Array, offset: number, data: Uint8Array): void {
    const { blockBytes, random } = this;
    this.faultCount++;
    const outcome = random.below(OUTCOMES);
    if (outcome === LOST) return;
    const cut = outcome === WHOLE ? data.length : random.below(data.length + 1);
    if (outcome === SOME_BLOCKS) {
      for (let at = 0; at < data.length; at += blockBytes) {
        if (random.below(2) === 0) bytes.set(data.subarray(at, at + blockBytes), offset + at);
      }
      return;
    }
    bytes.set(data.subarray(0, cut), offset);
    if (outcome !== SPOILT || cut === data.length) return;
    const block = cut - (cut % blockBytes);
    for (let at = block; at < block + blockBytes; at++) bytes[offset + at] = random.int32();
  }
}
