// A log through many lives of a machine: random work, a crash at a random moment, recovery, and the check that matters:
// nothing that was acknowledged is missing, nothing is delivered that was not pushed exactly so.

import assert from 'node:assert/strict';
import { MemoryDisk } from '../../src/liboses/storage/memory-disk.ts';
import { MemoryStorage } from '../../src/liboses/storage/memory-storage.ts';
import { errnoName } from '../../src/runtime/errno.ts';
import { OP_COMPLETE, type Operation } from '../../src/runtime/operation.ts';
import { SeededRandom } from '../../src/runtime/random.ts';
import type { Storage } from '../../src/runtime/segment-store.ts';
import { idOf, Machine, payload, type ReadRecord } from './machine.ts';

/** What the application knows of a record it has pushed. */
interface Pushed {
  id: number;
  acknowledged: boolean;
  position: number;
}

/** A disk through the lives of a machine. */
export interface MortalDisk {
  readonly blockBytes: number;
  /** Writes that were torn, lost or refused. */
  readonly faultCount: number;
  /** A life's use of it; `crash` ends that at once. */
  begin(): { storage: Storage; crash(): void };
}

function inMemory(disk: MemoryDisk): MortalDisk {
  return {
    blockBytes: disk.blockBytes,
    get faultCount() {
      return disk.faultCount;
    },
    begin: () => {
      const storage = new MemoryStorage(disk);
      return { storage, crash: () => storage.crash() };
    },
  };
}

export interface LivesOptions {
  seed: number;
  /** Default: a disk in memory, to which the options below apply. */
  disk?: (random: SeededRandom) => MortalDisk;
  segmentBytes?: number;
  blockBytes?: number;
  writeErrorRate?: number;
}

export class Lives {
  readonly disk: MortalDisk;
  /** Records checked. */
  checked: number;
  private readonly random: SeededRandom;
  private readonly seed: number;
  private pushed: Pushed[];
  private nextId: number;
  /** Where the log begins at least, and at most: a truncation nobody heard the end of may have happened. */
  private truncatedTo: number;
  private truncatingTo: number;
  private life: number;

  constructor(options: LivesOptions) {
    const { seed, segmentBytes = 32 << 10, blockBytes = 512, writeErrorRate = 0 } = options;
    this.seed = seed;
    this.random = new SeededRandom(seed);
    this.disk =
      options.disk?.(this.random) ??
      inMemory(
        new MemoryDisk({
          random: this.random,
          segmentBytes,
          blockBytes,
          latencyPolls: 4,
          faults: { writeErrorRate },
        }),
      );
    this.checked = 0;
    this.pushed = [];
    this.nextId = 1;
    this.truncatedTo = 0;
    this.truncatingTo = 0;
    this.life = 0;
  }

  /** Writes that were torn, lost or refused. */
  get faults(): number {
    return this.disk.faultCount;
  }

  /** One life: recovery, the check, work, and its end, mostly a sudden one. */
  live(): void {
    this.life++;
    const { crash, storage } = this.disk.begin();
    const machine = new Machine(storage, this.random.int32(), { readAheadBytes: 2048 });
    try {
      this.liveOn(machine, crash);
    } catch (error) {
      throw new Error(`seed ${this.seed}, life ${this.life}`, { cause: error });
    }
  }

  private liveOn(machine: Machine, crash: () => void): void {
    const qd = machine.open();
    if (qd < 0) {
      // A write of recovery's own was refused: nothing is lost, the next life tries again.
      assert.equal(errnoName(-qd), 'EIO');
      return;
    }
    this.check(machine.readAll(qd));
    const pending: { operation: Operation; record: Pushed | undefined }[] = [];
    const turns = 5 + this.random.below(60);
    for (let turn = 0; turn < turns; turn++) {
      for (let i = this.random.below(4); i > 0; i--) {
        const record = { id: this.nextId++, acknowledged: false, position: -1 };
        const operation = machine.push(qd, payload(record.id, this.size()));
        this.pushed.push(record);
        pending.push({ operation, record });
      }
      if (this.random.below(12) === 0) this.truncate(machine, qd, pending);
      machine.turn();
      this.settle(machine, pending);
    }
    if (this.random.below(8) === 0) {
      machine.shutDown();
      this.settle(machine, pending);
      return;
    }
    crash();
  }

  private size(): number {
    const { random } = this;
    // Records that fill blocks: what is left of a torn group then looks most like what should follow.
    if (this.life % 2 === 0 && random.below(4) > 0) return this.disk.blockBytes - 32;
    return random.below(16) === 0 ? random.below(9000) : random.below(300);
  }

  private truncate(
    machine: Machine,
    qd: number,
    pending: { operation: Operation; record: Pushed | undefined }[],
  ): void {
    const known = this.pushed.filter(record => record.acknowledged && record.position >= this.truncatingTo);
    if (known.length === 0) return;
    const { position } = known[this.random.below(known.length)]!;
    this.truncatingTo = position;
    pending.push({ operation: machine.truncate(qd, position), record: undefined });
  }

  /** Takes note of what has ended. */
  private settle(machine: Machine, pending: { operation: Operation; record: Pushed | undefined }[]): void {
    for (let i = 0; i < pending.length; ) {
      const { operation, record } = pending[i]!;
      if (operation.state !== OP_COMPLETE) {
        i++;
        continue;
      }
      if (operation.errno === 0) this.succeeded(operation, record);
      machine.retire(operation);
      pending.splice(i, 1);
    }
  }

  private succeeded({ position }: Operation, record: Pushed | undefined): void {
    if (record === undefined) this.truncatedTo = Math.max(this.truncatedTo, position);
    else {
      record.acknowledged = true;
      record.position = position;
    }
  }

  /** Compares what a life finds with what was pushed in those before. */
  private check({ errno, records }: { errno: number; records: ReadRecord[] }): void {
    assert.equal(errnoName(errno), errnoName(0), 'the log ends in an error');
    const first = records[0]?.position ?? Number.POSITIVE_INFINITY;
    let at = 0;
    const kept: Pushed[] = [];
    for (const { bytes, position } of records) {
      const id = idOf(bytes);
      while (at < this.pushed.length && this.pushed[at]!.id !== id)
        this.mayBeMissing(this.pushed[at++]!, first);
      const record = this.pushed[at++];
      assert.ok(record !== undefined, `record ${id} was not pushed, or comes twice, or out of order`);
      assert.ok(record.position < 0 || record.position === position, `record ${id} has moved`);
      record.position = position;
      // What was read once after a recovery is durable.
      record.acknowledged = true;
      kept.push(record);
      this.checked++;
    }
    while (at < this.pushed.length) this.mayBeMissing(this.pushed[at++]!, first);
    this.pushed = kept;
  }

  private mayBeMissing(record: Pushed, first: number): void {
    if (!record.acknowledged || record.position < this.truncatedTo) return;
    const truncated = record.position < this.truncatingTo && record.position < first;
    assert.ok(truncated, `record ${record.id} was acknowledged and is lost`);
  }
}
