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
  'referredBytes',
] as const;

/** Counters of the room `log`. */
export class LogCounters {
  private readonly counters: Float64Array;

  constructor(metrics: Metrics) {
    this.counters = metrics.counters('log', COUNTERS);
  }

  /** Payloads on the way to the device: what was copied once, and what the device reads from where it lies. */
  placed(copiedBytes: number, referredBytes: number): void {
    this.counters[3]! += copiedBytes;
    this.counters[8]! += referredBytes;
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

  /** Bytes of payloads, by how they got to the device. */
  get copiedBytes(): number {
    return this.counters[3]!;
  }

  get referredBytes(): number {
    return this.counters[8]!;
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
