// What is written and read: messages of each kind with the sizes of each workload, values in registered memory. A few
// dozen of each, taken in turn, so that nothing is learnt by heart.

import { heapRegion, type Slice, SlotPool } from '@demikernel/memory';
import { type Random, SeededRandom } from 'demikernel/stack';
import { CDN_SEGMENT_BYTES } from '../../workloads/cdn-like.ts';
import { valueContent } from '../../workloads/content.ts';
import { Buckets } from '../../workloads/distributions.ts';
import { GOOGLE_BUCKETS, googleSizes } from '../../workloads/google-like.ts';
import { DEFAULT_SIGMA, SEGMENT_BYTES, twitterBytes } from '../../workloads/twitter-like.ts';

/** Samples of each kind: a power of two. */
export const SAMPLES = 64;
const SEED = 9;
/** One slot holds the longest value and a header. */
const SLOT_BYTES = 16_384;
const POOL_BYTES = 64 << 20;

export interface TickSample {
  id: number;
  quantity: number;
  price: number;
  buy: boolean;
  venue: number;
  sequence: number;
  weight: number;
  kind: number;
}

/** A value as a service has it: a slice of registered memory, and the same bytes as a view for who knows no slices. */
export interface StoredValue {
  slice: Slice;
  bytes: Uint8Array;
}

export interface SingleSample {
  id: number;
  value: StoredValue;
}

export interface ManySample {
  id: number;
  values: readonly StoredValue[];
}

export interface Samples {
  pool: SlotPool;
  ticks: readonly TickSample[];
  twitter: readonly SingleSample[];
  cdn: readonly SingleSample[];
  google: readonly ManySample[];
}

export function makeSamples(): Samples {
  const pool = new SlotPool(heapRegion(POOL_BYTES), { slotSizeBytes: SLOT_BYTES });
  const random = new SeededRandom(SEED);
  const buckets = new Buckets(GOOGLE_BUCKETS);
  const each = <T>(make: (i: number) => T): T[] => Array.from({ length: SAMPLES }, (_, i) => make(i));
  const store = (key: number, n: number, length: number): StoredValue => {
    const slice = pool.alloc(length)!;
    const bytes = slice.bytes();
    bytes.set(valueContent(key, n, length));
    return { slice, bytes };
  };
  return {
    pool,
    ticks: each(() => tick(random)),
    twitter: each(i => ({ id: i + 1, value: store(i, 0, twitterPiece(random)) })),
    cdn: each(i => ({ id: i + 1, value: store(i, 1, CDN_SEGMENT_BYTES) })),
    google: each(i => ({
      id: i + 1,
      values: googleSizes(random, buckets).map((length, n) => store(i, n + 2, length)),
    })),
  };
}

/** A piece of a value: any of them, if there are several. */
function twitterPiece(random: Random): number {
  const length = twitterBytes(random, DEFAULT_SIGMA);
  const pieces = Math.ceil(length / SEGMENT_BYTES);
  return random.below(pieces) < pieces - 1 ? SEGMENT_BYTES : length - (pieces - 1) * SEGMENT_BYTES;
}

function tick(random: Random): TickSample {
  return {
    id: random.below(1_000_000),
    quantity: random.below(2000) - 1000,
    // A price with two decimals; float weights that a float holds exactly.
    price: random.below(1_000_000) / 100,
    buy: random.below(2) === 1,
    venue: random.below(32),
    sequence: random.below(2 ** 31) * 1024,
    weight: random.below(256) / 256,
    kind: random.below(8),
  };
}
