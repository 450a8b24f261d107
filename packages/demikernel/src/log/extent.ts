// From where to where a log goes: its positions, and the segments they lie in. What is in them: record.ts.

import type { SegmentStore } from '../runtime/segment-store.ts';
import { SEGMENT_HEADER_BYTES } from './segment-header.ts';

export class Extent {
  readonly segmentBytes: number;
  /** Positions: segment number times segment size, plus the offset. The oldest record begins here … */
  startPosition: number;
  /** … and the newest durable one ends before here, a block boundary. */
  durablePosition: number;
  /** Sequence number of the record that comes next. */
  nextSequence: number;
  /** The last segment, by its number in the log and by the store's. */
  tailNumber: number;
  tailSegment: number;
  /** The log's segments: numbers to the store's. */
  segments: Map<number, number>;
  private readonly store: SegmentStore;

  constructor(store: SegmentStore) {
    this.segmentBytes = store.segmentBytes;
    this.startPosition = 0;
    this.durablePosition = 0;
    this.nextSequence = 1;
    this.tailNumber = 0;
    this.tailSegment = -1;
    this.segments = new Map();
    this.store = store;
  }

  /** The position meant by 0 (the start), `Infinity` (the end) or a record's own; -1 when it is outside the log. */
  positionOf(position: number): number {
    if (position === 0) return this.startPosition;
    if (position === Number.POSITIVE_INFINITY) return this.durablePosition;
    const inside = position >= this.startPosition && position <= this.durablePosition;
    if (!inside || !Number.isInteger(position) || position % 8 !== 0) return -1;
    return position % this.segmentBytes < SEGMENT_HEADER_BYTES ? -1 : position;
  }

  /** Position of an offset in the last segment. */
  tailPosition(offset: number): number {
    return this.tailNumber * this.segmentBytes + offset;
  }

  /** The store's number of a segment of this log; -1 when it has been dropped. */
  segmentOf(number: number): number {
    return this.segments.get(number) ?? -1;
  }

  /** Where the durable part of a segment ends. */
  limitOf(number: number): number {
    const base = number * this.segmentBytes;
    return Math.min(this.segmentBytes, this.durablePosition - base);
  }

  /** The log ends in this segment from here on, and nothing is in it yet. */
  begin(number: number, segment: number): void {
    this.segments.set(number, segment);
    this.tailNumber = number;
    this.tailSegment = segment;
    this.durablePosition = this.tailPosition(SEGMENT_HEADER_BYTES);
  }

  /** Moves the start forward and gives back the segments before it. False when it is there already. */
  dropBefore(position: number): boolean {
    if (position <= this.startPosition) return false;
    this.startPosition = position;
    const first = Math.floor(position / this.segmentBytes);
    for (const [number, segment] of this.segments) {
      if (number >= first) continue;
      this.segments.delete(number);
      this.store.free(segment);
    }
    return true;
  }
}
