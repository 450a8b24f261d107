// Naming the segments of a log, and taking their names away. How a header looks: segment-header.ts.

import {
  type SegmentStore,
  STORE_WRITE,
  type StoreBuffer,
  type StoreRequest,
} from '../runtime/segment-store.ts';
import type { Extent } from './extent.ts';
import type { LogIdentity } from './log-identity.ts';
import { SEGMENT_HEADER_BYTES, writeSegmentHeader } from './segment-header.ts';

export class HeaderWriter {
  private readonly store: SegmentStore;
  private readonly request: StoreRequest;
  private readonly identity: LogIdentity;
  private readonly extent: Extent;
  private buffer: StoreBuffer | undefined;

  /** @param request what headers are written by; it must be free whenever one is */
  constructor(store: SegmentStore, request: StoreRequest, identity: LogIdentity, extent: Extent) {
    this.store = store;
    this.request = request;
    this.identity = identity;
    this.extent = extent;
    this.buffer = undefined;
  }

  /** Makes room for one header; before any is written. */
  begin(): void {
    this.buffer = this.store.makeBuffer(SEGMENT_HEADER_BYTES);
  }

  /** Submits the header of a segment that joins the log as `number`. */
  name(segment: number, number: number): void {
    const { extent, identity } = this;
    const buffer = this.buffer!;
    writeSegmentHeader(buffer, {
      log: identity.id,
      epoch: identity.epoch,
      blockBytes: identity.blockBytes,
      segmentBytes: identity.segmentBytes,
      largestPayloadBytes: identity.largestPayloadBytes,
      number,
      // The mark of rolling over comes before it.
      firstSequence: number === 0 ? extent.nextSequence : extent.nextSequence + 1,
      startPosition: extent.startPosition,
    });
    this.store.submit(this.request.transfer(STORE_WRITE, segment, 0, SEGMENT_HEADER_BYTES, buffer));
  }

  /** Submits zeros in place of a header. */
  erase(segment: number): void {
    const buffer = this.buffer!;
    buffer.bytes.fill(0);
    this.store.submit(this.request.transfer(STORE_WRITE, segment, 0, SEGMENT_HEADER_BYTES, buffer));
  }

  release(): void {
    this.buffer?.release();
    this.buffer = undefined;
  }
}
