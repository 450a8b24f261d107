// From a store to a log that can be appended to: what recovery found is taken over, or the first segment made.

import type { Random } from '../runtime/random.ts';
import { type SegmentStore, STORE_ALLOCATE, type StoreRequest } from '../runtime/segment-store.ts';
import type { Extent } from './extent.ts';
import type { HeaderWriter } from './header-writer.ts';
import type { LogIdentity } from './log-identity.ts';
import { type Recovered, recover, type StoreWork } from './recovery.ts';
import { SEGMENT_HEADER_BYTES, type SegmentHeader } from './segment-header.ts';

/** What opening reads and fills in. */
export interface OpeningLog {
  readonly store: SegmentStore;
  readonly request: StoreRequest;
  readonly random: Random;
  readonly identity: LogIdentity;
  readonly extent: Extent;
  readonly headers: HeaderWriter;
}

/** Yields after each request it submits; returns 0, or the errno that the log cannot be opened for. */
export function* openLog(log: OpeningLog, damaged: 'refuse' | 'cut'): StoreWork<number> {
  const { headers, request, store } = log;
  const recovered = yield* recover(store, request, damaged);
  if (typeof recovered === 'number') return recovered;
  headers.begin();
  for (const segment of recovered.dropped) {
    headers.erase(segment);
    yield undefined;
    if (request.errno !== 0) return request.errno;
    store.free(segment);
  }
  for (const segment of recovered.free) store.free(segment);
  if (recovered.header === undefined) return yield* makeFirstSegment(log);
  takeOver(log, recovered.header, recovered);
  return 0;
}

function takeOver({ extent, identity }: OpeningLog, header: SegmentHeader, recovered: Recovered): void {
  identity.id = header.log;
  identity.epoch = recovered.epoch + 1;
  identity.blockBytes = header.blockBytes;
  identity.largestPayloadBytes = header.largestPayloadBytes;
  extent.nextSequence = recovered.nextSequence;
  extent.segments = recovered.segments;
  extent.tailNumber = header.number;
  extent.tailSegment = recovered.segments.get(header.number)!;
  extent.startPosition = recovered.startPosition;
  extent.durablePosition = extent.tailPosition(recovered.tailOffset);
}

function* makeFirstSegment(log: OpeningLog): StoreWork<number> {
  const { extent, headers, identity, random, request, store } = log;
  do identity.id = random.int32();
  while (identity.id === 0);
  identity.epoch = 1;
  store.submit(request.ask(STORE_ALLOCATE));
  yield undefined;
  if (request.errno !== 0) return request.errno;
  const { segment } = request;
  extent.startPosition = SEGMENT_HEADER_BYTES;
  headers.name(segment, 0);
  yield undefined;
  if (request.errno !== 0) return request.errno;
  extent.begin(0, segment);
  return 0;
}
