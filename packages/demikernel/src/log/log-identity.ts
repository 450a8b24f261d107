// What the header of every segment says of its log. Where the log begins and ends: extent.ts.

import type { SegmentStore } from '../runtime/segment-store.ts';
import { largestFitting } from './segment-header.ts';

/** A new log's layout, until recovery finds that there is one with its own. */
export class LogIdentity {
  /** A random number; which records are this log's. */
  id: number;
  /** Counts the log's openings. */
  epoch: number;
  blockBytes: number;
  readonly segmentBytes: number;
  largestPayloadBytes: number;

  constructor(store: SegmentStore, largestRecordBytes: number) {
    this.id = 0;
    this.epoch = 0;
    this.blockBytes = store.blockBytes;
    this.segmentBytes = store.segmentBytes;
    this.largestPayloadBytes = Math.min(
      largestRecordBytes,
      largestFitting(store.segmentBytes, store.blockBytes),
    );
  }
}
