// Opening a log: from whatever segments there are to where the next record goes. Reads only; what must be written
// afterwards (dropped headers, a first header, the mark of a new epoch) is begun by log.ts.

import { EBADMSG, EINVAL } from '../runtime/errno.ts';
import {
  type SegmentStore,
  STORE_READ,
  STORE_SYNC,
  type StoreBuffer,
  type StoreRequest,
} from '../runtime/segment-store.ts';
import { RecordView, readRecord, WHOLE } from './record.ts';
import { type SegmentScan, scanSegment } from './scan.ts';
import {
  largestFitting,
  readSegmentHeader,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
} from './segment-header.ts';

/** Bytes asked for at once. */
const READ_BYTES = 1 << 20;

/** What a log comes back as. */
export interface Recovered {
  /** Header of the segment that the log ends in; `undefined` when the log is empty and has none yet. */
  header: SegmentHeader | undefined;
  /** Highest epoch there was. */
  epoch: number;
  nextSequence: number;
  /** Where the next group goes in the last segment. */
  tailOffset: number;
  startPosition: number;
  /** The log's segments: numbers to the store's. */
  segments: Map<number, number>;
  /** Segments whose headers must go before anything is appended: they claim numbers that come again. */
  dropped: number[];
  /** Segments that lie before the start. */
  free: number[];
}

/** A generator that yields after each request it submits, goes on when that is over, and returns an errno or the log. */
export type StoreWork<T> = Generator<undefined, T | number, void>;

/** A record where a segment begins that has lost its header. */
interface Orphan {
  log: number;
  sequence: number;
  epoch: number;
}

interface Found {
  segment: number;
  header: SegmentHeader;
}

/** @param damaged as `LogOptions.damaged` */
export function* recover(
  store: SegmentStore,
  request: StoreRequest,
  damaged: 'refuse' | 'cut',
): StoreWork<Recovered> {
  const dropped: number[] = [];
  const orphans: Orphan[] = [];
  const found = yield* readHeaders(store, request, dropped, orphans);
  if (typeof found === 'number') return found;
  if (found.size === 0) return empty(dropped);
  const newest = Math.max(...found.keys());
  const buffer = store.makeBuffer(store.segmentBytes);
  try {
    return yield* findTail(store, request, buffer, { found, newest, dropped, orphans, damaged });
  } finally {
    buffer.release();
  }
}

function empty(dropped: number[]): Recovered {
  return {
    header: undefined,
    epoch: 0,
    nextSequence: 1,
    tailOffset: SEGMENT_HEADER_BYTES,
    startPosition: SEGMENT_HEADER_BYTES,
    segments: new Map(),
    dropped: [],
    free: dropped,
  };
}

/** Every segment with a header, by number. Those without, and older claims to one number, go to `dropped`. */
function* readHeaders(
  store: SegmentStore,
  request: StoreRequest,
  dropped: number[],
  orphans: Orphan[],
): StoreWork<Map<number, Found>> {
  const buffer = store.makeBuffer(SEGMENT_HEADER_BYTES + 4096);
  const found = new Map<number, Found>();
  let log: number | undefined;
  try {
    for (const segment of store.segments()) {
      const errno = yield* read(store, request, segment, SEGMENT_HEADER_BYTES + 4096, buffer);
      if (errno !== 0) return errno;
      const header = readSegmentHeader(buffer);
      if (header === undefined) {
        const orphan = firstRecord(buffer);
        if (orphan !== undefined) orphans.push(orphan);
        dropped.push(segment);
        continue;
      }
      if (!fits(header, store)) return EINVAL;
      if (log !== undefined && header.log !== log) return EBADMSG;
      log = header.log;
      const other = found.get(header.number);
      if (other !== undefined && other.header.epoch >= header.epoch) dropped.push(segment);
      else {
        if (other !== undefined) dropped.push(other.segment);
        found.set(header.number, { segment, header });
      }
    }
  } finally {
    buffer.release();
  }
  // Records without any header to say whose they are: a log that has lost it, not a new one.
  if (found.size === 0 && orphans.length > 0) return EBADMSG;
  return found;
}

/** The layout is one that this version writes, and that the store can hold. */
function fits(header: SegmentHeader, store: SegmentStore): boolean {
  const { blockBytes, largestPayloadBytes, number, segmentBytes } = header;
  return (
    (blockBytes === 512 || blockBytes === 1024 || blockBytes === 2048 || blockBytes === 4096) &&
    blockBytes % store.blockBytes === 0 &&
    segmentBytes === store.segmentBytes &&
    largestPayloadBytes > 0 &&
    largestPayloadBytes <= largestFitting(segmentBytes, blockBytes) &&
    Number.isSafeInteger((number + 1) * segmentBytes)
  );
}

/** The record, of whatever log, that begins behind a header that cannot be read. */
function firstRecord(buffer: StoreBuffer): Orphan | undefined {
  const log = buffer.view.getInt32(SEGMENT_HEADER_BYTES + 8, true);
  const record = new RecordView();
  const limit = buffer.lengthBytes;
  if (log === 0 || readRecord(record, buffer, SEGMENT_HEADER_BYTES, limit, log, limit) !== WHOLE)
    return undefined;
  return { log, sequence: record.sequence, epoch: record.epoch };
}

/** What is known before the tail is looked for. */
interface Search {
  found: Map<number, Found>;
  newest: number;
  dropped: number[];
  orphans: readonly Orphan[];
  damaged: 'refuse' | 'cut';
}

function* findTail(
  store: SegmentStore,
  request: StoreRequest,
  buffer: StoreBuffer,
  search: Search,
): StoreWork<Recovered> {
  const { damaged, dropped, found, newest } = search;
  const { segmentBytes } = store;
  let last = found.get(newest)!;
  let epoch = 0;
  for (const { header } of found.values()) epoch = Math.max(epoch, header.epoch);
  let errno = yield* read(store, request, last.segment, segmentBytes, buffer);
  if (errno !== 0) return errno;
  let scan = scanSegment(buffer, last.header);
  let cut = scan.damaged;
  // It ends by saying where it goes on, and that was durable before it was said.
  if (scan.rolled) return EBADMSG;
  let { startPosition } = last.header;
  const before = found.get(newest - 1);
  if (scan.records === 0 && before !== undefined && startPosition < newest * segmentBytes) {
    errno = yield* read(store, request, before.segment, segmentBytes, buffer);
    if (errno !== 0) return errno;
    const previous = scanSegment(buffer, before.header);
    if (!previous.rolled) {
      // The crash came between the new segment's header and the word that the log goes on there.
      cut ||= previous.damaged;
      dropped.push(last.segment);
      found.delete(newest);
      last = before;
      scan = previous;
      startPosition = before.header.startPosition;
    } else if (previous.nextSequence !== last.header.firstSequence) return EBADMSG;
    startPosition = Math.max(startPosition, previous.startPosition);
  }
  // A segment behind the end that has lost its header, to a device that lies: its records say so.
  const { epoch: tailEpoch, nextSequence } = scan;
  cut ||= search.orphans.some(
    orphan => orphan.log === last.header.log && orphan.sequence > nextSequence && orphan.epoch >= tailEpoch,
  );
  if (cut && damaged === 'refuse') return EBADMSG;
  startPosition = Math.max(startPosition, scan.startPosition);
  epoch = Math.max(epoch, scan.epoch);
  request.ask(STORE_SYNC, last.segment);
  store.submit(request);
  yield undefined;
  if (request.errno !== 0) return request.errno;
  return collect(found, last.header, scan, { segmentBytes, startPosition, epoch, dropped });
}

function collect(
  found: Map<number, Found>,
  header: SegmentHeader,
  scan: SegmentScan,
  rest: { segmentBytes: number; startPosition: number; epoch: number; dropped: number[] },
): Recovered | number {
  const { segmentBytes, startPosition, epoch, dropped } = rest;
  const first = Math.floor(startPosition / segmentBytes);
  const segments = new Map<number, number>();
  const free: number[] = [];
  for (const [number, { segment }] of found) {
    if (number < first) free.push(segment);
    else segments.set(number, segment);
  }
  // A number without its segment is a hole that records are missing in.
  if (first > header.number || segments.size !== header.number - first + 1) return EBADMSG;
  return {
    header,
    epoch,
    nextSequence: scan.nextSequence,
    tailOffset: scan.end,
    startPosition,
    segments,
    dropped,
    free,
  };
}

function* read(
  store: SegmentStore,
  request: StoreRequest,
  segment: number,
  lengthBytes: number,
  buffer: StoreBuffer,
): Generator<undefined, number, void> {
  for (let at = 0; at < lengthBytes; at += READ_BYTES) {
    const length = Math.min(READ_BYTES, lengthBytes - at);
    store.submit(request.transfer(STORE_READ, segment, at, length, buffer, at));
    yield undefined;
    if (request.errno !== 0) return request.errno;
  }
  return 0;
}
