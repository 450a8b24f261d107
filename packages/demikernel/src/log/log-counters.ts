// What logs count, for `demikernel top` and the exporter.

import type { Metrics } from '../runtime/metrics.ts';

const COUNTERS = [
  'records',
  'groups',
  'writtenBytes',
  'copiedBytes',
  'rollOvers',
  'recordsRead',
  'damagedRecords',
  'recoveries',
] as const;

/** Counters of the room `log`. */
export class LogCounters {
  private readonly counters: Float64Array;

  constructor(metrics: Metrics) {
    this.counters = metrics.counters('log', COUNTERS);
  }

  /** The one copy on the way to the device. */
  copied(lengthBytes: number): void {
    this.counters[3]! += lengthBytes;
  }

  wrote(records: number, lengthBytes: number): void {
    this.counters[0]! += records;
    this.counters[1]!++;
    this.counters[2]! += lengthBytes;
  }

  /** Groups written so far. */
  get groups(): number {
    return this.counters[1]!;
  }

  rolled(): void {
    this.counters[4]!++;
  }

  read(): void {
    this.counters[5]!++;
  }

  damaged(): void {
    this.counters[6]!++;
  }

  recovered(): void {
    this.counters[7]!++;
  }
}
