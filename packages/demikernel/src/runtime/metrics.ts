// Counters, histograms and tables in one stretch of memory that another process can read while this one spins.
//
//   0     u32 magic   u32 version   u32 directory length in bytes   u32 sequence (odd while the directory changes)
//   16    directory: JSON, at most DIRECTORY_BYTES
//   64 Ki values: float64 each, where the directory says
//
// Values are doubles: one aligned store, exact to 2^53, and an increment that allocates nothing.

import { DemiError } from '@demikernel/memory';

const MAGIC = 0x494d4544; // "DEMI", little-endian
const VERSION = 1;
const VALUES_OFFSET = 65536;
const DIRECTORY_OFFSET = 16;

/** Where one group of values lies: `count` doubles from `index` on. */
interface DirectoryEntry {
  kind: 'counters' | 'histogram' | 'table';
  name: string;
  index: number;
  /** Counter names, or the columns of a table. */
  names: readonly string[];
  /** Rows of a table; 1 otherwise. */
  rows: number;
}

/** What {@link readMetrics} makes of the memory. */
export interface MetricsSnapshot {
  info: Record<string, string | number>;
  /** By room and counter name. */
  counters: Record<string, Record<string, number>>;
  histograms: Record<string, HistogramSnapshot>;
  /** Rows in use (first column not 0), each by column name. */
  tables: Record<string, Record<string, number>[]>;
}

export interface HistogramSnapshot {
  count: number;
  /** Value below which the given fraction of the samples lies. */
  quantile(fraction: number): number;
}

/** Bytes of memory for a runtime with room for `connections` rows of the connection table. */
export function metricsBytes(connections: number): number {
  return VALUES_OFFSET + 32768 + connections * 16 * 8;
}

/** The writer's side. One per runtime. */
export class Metrics {
  readonly buffer: ArrayBuffer;
  private readonly header: Uint32Array;
  private readonly entries: DirectoryEntry[];
  private readonly info: Record<string, string | number>;
  private used: number;

  /** @param buffer at least `metricsBytes(0)` long, zeroed; heap memory, or a mapped memfd to be seen from outside. */
  constructor(buffer: ArrayBuffer, info: Record<string, string | number> = {}) {
    this.buffer = buffer;
    this.header = new Uint32Array(buffer, 0, 4);
    this.entries = [];
    this.info = info;
    this.used = 0;
    this.header[0] = MAGIC;
    this.header[1] = VERSION;
    this.publish();
  }

  /** A group of counters; index i of the array is `names[i]`. */
  counters(name: string, names: readonly string[]): Float64Array {
    return this.place('counters', name, names, 1);
  }

  /** A histogram of positive values, for example latencies in microseconds. */
  histogram(name: string): Histogram {
    return new Histogram(this.place('histogram', name, ['buckets'], HISTOGRAM_BUCKETS));
  }

  /** Rows of `columns` doubles. A row whose first column is 0 is free. */
  table(name: string, columns: readonly string[], rows: number): Float64Array {
    return this.place('table', name, columns, rows);
  }

  private place(
    kind: DirectoryEntry['kind'],
    name: string,
    names: readonly string[],
    rows: number,
  ): Float64Array {
    const count = names.length * rows;
    const offset = VALUES_OFFSET + this.used * 8;
    if (offset + count * 8 > this.buffer.byteLength) {
      throw new DemiError(
        'ERR_DEMI_METRICS_FULL',
        `no room for ${count} values of '${name}' in the metrics memory`,
      );
    }
    this.entries.push({ kind, name, index: this.used, names, rows });
    this.used += count;
    this.publish();
    return new Float64Array(this.buffer, offset, count);
  }

  private publish(): void {
    const text = new TextEncoder().encode(JSON.stringify({ info: this.info, entries: this.entries }));
    if (text.length > VALUES_OFFSET - DIRECTORY_OFFSET) {
      throw new DemiError('ERR_DEMI_METRICS_FULL', 'the metrics directory is full');
    }
    Atomics.add(this.header, 3, 1);
    new Uint8Array(this.buffer).set(text, DIRECTORY_OFFSET);
    this.header[2] = text.length;
    Atomics.add(this.header, 3, 1);
  }
}

/** Sub-buckets per power of two: a quantile is at most 1/16 off. */
const SUB_BITS = 4;
const SUB_BUCKETS = 1 << SUB_BITS;
const HISTOGRAM_BUCKETS = 32 * SUB_BUCKETS;
const LARGEST_VALUE = 0x7fff_ffff;

/** Log-linear histogram of values from 1 to 2^31: 16 buckets per power of two. */
export class Histogram {
  private readonly buckets: Float64Array;

  constructor(buckets: Float64Array) {
    this.buckets = buckets;
  }

  /** Counts a value; what is below 1 counts as 1, what is above 2^31 - 1 as that. Allocates nothing. */
  record(value: number): void {
    const bucket = bucketOf(value < LARGEST_VALUE ? value | 0 : LARGEST_VALUE);
    this.buckets[bucket] = this.buckets[bucket]! + 1;
  }
}

function bucketOf(value: number): number {
  if (value < SUB_BUCKETS) return Math.max(value, 1);
  const exponent = 31 - Math.clz32(value);
  return ((exponent - SUB_BITS + 1) << SUB_BITS) + ((value >> (exponent - SUB_BITS)) & (SUB_BUCKETS - 1));
}

function bucketEnd(bucket: number): number {
  const exponent = (bucket >> SUB_BITS) + SUB_BITS - 1;
  if (bucket < SUB_BUCKETS) return bucket;
  return (SUB_BUCKETS + (bucket & (SUB_BUCKETS - 1)) + 1) * 2 ** (exponent - SUB_BITS) - 1;
}

function snapshotHistogram(buckets: Float64Array): HistogramSnapshot {
  const copy = buckets.slice();
  const count = copy.reduce((sum, n) => sum + n, 0);
  return {
    count,
    quantile(fraction: number): number {
      let left = fraction * count;
      for (let i = 0; i < copy.length; i++) {
        left -= copy[i]!;
        if (left <= 0 && copy[i]! > 0) return bucketEnd(i);
      }
      return 0;
    },
  };
}

/**
 * Reads what a {@link Metrics} wrote, from the same memory or a copy of it.
 *
 * @returns `undefined` when the memory is none, of another version, or its directory is changing right now.
 */
export function readMetrics(buffer: ArrayBuffer): MetricsSnapshot | undefined {
  if (buffer.byteLength < VALUES_OFFSET) return undefined;
  const header = new Uint32Array(buffer, 0, 4);
  const length = header[2]!;
  if (header[0] !== MAGIC || header[1] !== VERSION || length > VALUES_OFFSET - DIRECTORY_OFFSET)
    return undefined;
  const sequence = Atomics.load(header, 3);
  if ((sequence & 1) !== 0) return undefined;
  const text = new Uint8Array(buffer, DIRECTORY_OFFSET, length).slice();
  if (Atomics.load(header, 3) !== sequence) return undefined;
  const directory = parseDirectory(text);
  if (directory === undefined) return undefined;
  const snapshot: MetricsSnapshot = { info: directory.info, counters: {}, histograms: {}, tables: {} };
  for (const { kind, name, index, names, rows } of directory.entries) {
    const offset = VALUES_OFFSET + index * 8;
    if (!(offset + names.length * rows * 8 <= buffer.byteLength)) return undefined;
    const values = new Float64Array(buffer, offset, names.length * rows);
    if (kind === 'counters')
      snapshot.counters[name] = Object.fromEntries(names.map((n, i) => [n, values[i]!]));
    else if (kind === 'histogram') snapshot.histograms[name] = snapshotHistogram(values);
    else snapshot.tables[name] = usedRows(names, rows, values);
  }
  return snapshot;
}

interface Directory {
  info: Record<string, string | number>;
  entries: DirectoryEntry[];
}

/** The memory may be anybody's: nothing in it is taken on trust. */
function parseDirectory(text: Uint8Array): Directory | undefined {
  let directory: Partial<Directory> | null;
  try {
    directory = JSON.parse(new TextDecoder().decode(text));
  } catch {
    return undefined;
  }
  if (directory === null || typeof directory !== 'object') return undefined;
  const { info, entries } = directory;
  if (info === null || typeof info !== 'object' || !Array.isArray(entries)) return undefined;
  return entries.every(isEntry) ? { info, entries } : undefined;
}

function isEntry(value: unknown): value is DirectoryEntry {
  if (value === null || typeof value !== 'object') return false;
  const { kind, name, index, names, rows } = value as Record<string, unknown>;
  return (
    (kind === 'counters' || kind === 'histogram' || kind === 'table') &&
    typeof name === 'string' &&
    isCount(index) &&
    isCount(rows) &&
    Array.isArray(names) &&
    names.every(each => typeof each === 'string')
  );
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function usedRows(columns: readonly string[], rows: number, values: Float64Array): Record<string, number>[] {
  const used: Record<string, number>[] = [];
  if (columns.length === 0) return used;
  for (let row = 0; row < rows; row++) {
    const at = row * columns.length;
    if (values[at] === 0) continue;
    used.push(Object.fromEntries(columns.map((column, i) => [column, values[at + i]!])));
  }
  return used;
}
