// Latencies counted in buckets: recording allocates nothing, merging rounds is adding, percentiles are read at the end.

/** Buckets per power of two: a bucket is at most 0.8 % wide, and below 256 ns one nanosecond. */
const SUB_BUCKET_BITS = 7;
const SUB_BUCKETS = 1 << SUB_BUCKET_BITS;
/** Values are nanoseconds in an int32; what is longer than 2.1 s counts as 2.1 s. */
const LARGEST_NS = 0x7fff_ffff;
const BUCKETS: number = (31 - SUB_BUCKET_BITS + 1) << SUB_BUCKET_BITS;

/** A histogram as it travels between processes: bucket, count, bucket, count, … for the buckets that are not empty. */
export type SparseHistogram = number[];

/** Nanoseconds, logarithmic buckets with linear steps inside. */
export class Histogram {
  /** Values recorded. */
  count: number;
  private readonly buckets: Float64Array;

  constructor() {
    this.count = 0;
    this.buckets = new Float64Array(BUCKETS);
  }

  /** Counts one value; negative ones (a clock that stood still) as 0. */
  record(nanoseconds: number): void {
    const value = nanoseconds > 0 ? (nanoseconds < LARGEST_NS ? nanoseconds | 0 : LARGEST_NS) : 0;
    const bucket = bucketOf(value);
    this.buckets[bucket] = this.buckets[bucket]! + 1;
    this.count++;
  }

  /**
   * The value, in microseconds, that `fraction` of all values do not exceed: the middle of its bucket. 0 when empty.
   *
   * @param fraction 0 to 1: 0.5 is the median
   */
  percentileUs(fraction: number): number {
    if (this.count === 0) return 0;
    const rank = Math.max(1, Math.ceil(fraction * this.count));
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.buckets[bucket]!;
      if (seen >= rank) return (lowestOf(bucket) + (widthOf(bucket) - 1) / 2) / 1000;
    }
    return LARGEST_NS / 1000;
  }

  /** Values of at least `limitUs` microseconds, to the grain of a bucket. */
  countFromUs(limitUs: number): number {
    let total = 0;
    for (let bucket = bucketOf(Math.min(limitUs * 1000, LARGEST_NS) | 0); bucket < BUCKETS; bucket++) {
      total += this.buckets[bucket]!;
    }
    return total;
  }

  /** Adds what another process has counted. Ignores what is no bucket. */
  add(sparse: SparseHistogram): void {
    for (let i = 0; i + 1 < sparse.length; i += 2) {
      const bucket = sparse[i]!;
      const count = sparse[i + 1]!;
      if (!(bucket >= 0 && bucket < BUCKETS)) continue;
      this.buckets[bucket] = this.buckets[bucket]! + count;
      this.count += count;
    }
  }

  toSparse(): SparseHistogram {
    const sparse: SparseHistogram = [];
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      if (this.buckets[bucket]! > 0) sparse.push(bucket, this.buckets[bucket]!);
    }
    return sparse;
  }

  clear(): void {
    this.buckets.fill(0);
    this.count = 0;
  }
}

function bucketOf(value: number): number {
  if (value < SUB_BUCKETS) return value;
  const shift = 31 - Math.clz32(value) - SUB_BUCKET_BITS;
  return (shift << SUB_BUCKET_BITS) + (value >> shift);
}

function lowestOf(bucket: number): number {
  if (bucket < SUB_BUCKETS) return bucket;
  const shift = (bucket >> SUB_BUCKET_BITS) - 1;
  return ((bucket & (SUB_BUCKETS - 1)) + SUB_BUCKETS) * 2 ** shift;
}

function widthOf(bucket: number): number {
  return bucket < SUB_BUCKETS ? 1 : 2 ** ((bucket >> SUB_BUCKET_BITS) - 1);
}
