// Logs on a namespace whose driver is recorded: work on two of them, and what must be there after a crash at any moment.

import assert from 'node:assert/strict';
import type { DeviceStorage } from '../../src/liboses/cattree/device-storage.ts';
import { ManualClock } from '../../src/runtime/clock.ts';
import { errnoName } from '../../src/runtime/errno.ts';
import { OP_COMPLETE, type Operation } from '../../src/runtime/operation.ts';
import { SeededRandom } from '../../src/runtime/random.ts';
import { idOf, Machine, payload } from '../log/machine.ts';
import type { ModelDisk } from '../nvme/model-disk.ts';
import { Recording, Replay } from '../nvme/recording.ts';
import { openModelTree } from './model-tree.ts';

/** Ids of a log's records are this far from the others'. */
const ID_STEP = 1_000_000;
const LOGS = ['one', 'two'] as const;
/** Small, so that a machine starts quickly. */
const SETTINGS = { readAheadBytes: 2048, groupBytes: 32 << 10, largestRecordBytes: 32 << 10 };

/** A push, from one moment of the recording to another. */
interface Pushed {
  id: number;
  begun: number;
  acknowledged: number;
  position: number;
}

/** A truncation to a position. */
interface Truncated {
  position: number;
  begun: number;
  acknowledged: number;
}

interface History {
  qd: number;
  opened: number;
  pushed: Pushed[];
  truncated: Truncated[];
}

export class RecordedWork {
  readonly recording: Recording;
  readonly histories: readonly History[];
  private readonly machine: Machine;
  private readonly random: SeededRandom;
  private readonly pending: { operation: Operation; entry: Pushed | Truncated }[];

  /** Records what `storage` does from here on; `turned` is called once per turn. */
  constructor(storage: DeviceStorage, seed: number) {
    const { controller, namespace } = storage.transfers;
    this.recording = new Recording(controller, namespace.id, namespace.blockBytes);
    this.machine = new Machine(storage, seed, SETTINGS);
    if (RecordedWork.refers(seed)) assert.ok(storage.register(this.machine.pool.region));
    this.random = new SeededRandom(seed);
    this.pending = [];
    this.histories = LOGS.map(name => {
      const qd = this.machine.open({ mode: 'either' }, name);
      assert.ok(qd >= 0, errnoName(-qd));
      return { qd, opened: this.recording.mark(), pushed: [], truncated: [] };
    });
  }

  /** Whether payloads are written from where they lie. */
  static refers(seed: number): boolean {
    return seed % 2 === 0;
  }

  /** So many records in all, several at a time, and truncations, so that segments change hands. */
  run(records: number): void {
    const { machine, random } = this;
    for (let id = 1; id <= records; ) {
      for (let i = random.below(4); i > 0 && id <= records; i--, id++) this.push(id);
      if (random.below(10) === 0) this.truncate();
      machine.turn();
      this.settle();
    }
    while (this.pending.length > 0) {
      machine.turn();
      this.settle();
    }
    machine.shutDown();
  }

  private push(number: number): void {
    const { machine, random, recording } = this;
    const index = random.below(LOGS.length);
    const { pushed, qd } = this.histories[index]!;
    const lengthBytes = random.below(8) === 0 ? random.below(12_000) : 4 + random.below(600);
    const id = index * ID_STEP + number;
    const entry = { id, begun: recording.mark(), acknowledged: Number.POSITIVE_INFINITY, position: -1 };
    this.pending.push({ operation: machine.push(qd, payload(id, lengthBytes)), entry });
    pushed.push(entry);
  }

  private truncate(): void {
    const { pushed, qd, truncated } = this.histories[this.random.below(LOGS.length)]!;
    const last = truncated.at(-1)?.position ?? 0;
    const known = pushed.filter(({ position }) => position > last);
    if (known.length === 0) return;
    const { position } = known[this.random.below(known.length)]!;
    const entry = { position, begun: this.recording.mark(), acknowledged: Number.POSITIVE_INFINITY };
    truncated.push(entry);
    this.pending.push({ operation: this.machine.truncate(qd, position), entry });
  }

  private settle(): void {
    for (let i = 0; i < this.pending.length; ) {
      const { entry, operation } = this.pending[i]!;
      if (operation.state !== OP_COMPLETE) {
        i++;
        continue;
      }
      assert.equal(errnoName(operation.errno), errnoName(0));
      entry.acknowledged = this.recording.mark();
      entry.position = operation.position;
      this.machine.retire(operation);
      this.pending.splice(i, 1);
    }
  }
}

/** What was counted while crashes were played. */
export interface Crashes {
  schedules: number;
  /** Schedules with commands whose end nobody knew. */
  torn: number;
  checked: number;
}

/**
 * Lets the power go at moments of a recording, each time `variants` times with other fates of what was under way, and
 * recovers both logs from each image.
 *
 * @param start what was on the disk when the recording began
 * @param disk where images are put; as large as `start`
 * @param stride every so many moments, and after every flush or durable write
 */
export function playCrashes(
  work: RecordedWork,
  start: Uint8Array,
  disk: ModelDisk,
  { seed, stride, variants }: { seed: number; stride: number; variants: number },
): Crashes {
  const { recording } = work;
  const replay = new Replay(recording, start.slice());
  const always = new Set(recording.durableEnds);
  const crashes: Crashes = { schedules: 0, torn: 0, checked: 0 };
  for (let moment = 0; moment <= recording.moment; moment++) {
    if (moment % stride !== 0 && !always.has(moment)) continue;
    replay.advance(moment);
    for (let variant = 0; variant < variants; variant++) {
      const crashSeed = seed + moment * 16 + variant;
      const uncertain = replay.crash(disk.bytes, new SeededRandom(crashSeed));
      crashes.schedules++;
      if (uncertain > 0) crashes.torn++;
      try {
        crashes.checked += recover(work, disk, moment, crashSeed);
      } catch (error) {
        const where = `moment ${moment} of ${recording.moment}, seed ${crashSeed}`;
        throw new Error(`${where}: ${(error as Error).message}`, { cause: error });
      }
      // Nothing was to be known, so nothing else can become of it.
      if (uncertain === 0) break;
    }
  }
  return crashes;
}

/** Starts a new machine on the image and compares. Returns how many records were found. */
function recover(work: RecordedWork, disk: ModelDisk, moment: number, seed: number): number {
  const random = new SeededRandom(seed);
  const { storage } = openModelTree(disk, {
    clock: new ManualClock(),
    random,
    latencySteps: 1,
    memoryBytes: 4 << 20,
  });
  const machine = new Machine(storage, seed, { ...SETTINGS, readAheadBytes: 64 << 10 });
  let checked = 0;
  work.histories.forEach((history, index) => {
    const qd = machine.open({ mode: 'existing' }, LOGS[index]);
    if (qd < 0 && moment < history.opened) {
      assert.equal(errnoName(-qd), 'ENOENT');
      return;
    }
    assert.ok(qd >= 0, `log ${index}: ${errnoName(-qd)}`);
    const { errno, records } = machine.readAll(qd);
    assert.equal(errnoName(errno), errnoName(0), `log ${index} ends in an error`);
    compare(history, records, moment);
    checked += records.length;
  });
  machine.shutDown();
  return checked;
}

function compare(
  history: History,
  records: readonly { bytes: Uint8Array; position: number }[],
  moment: number,
): void {
  const { pushed, truncated } = history;
  let dropped = 0;
  let mayBeDropped = 0;
  for (const { acknowledged, begun, position } of truncated) {
    if (acknowledged <= moment) dropped = position;
    if (begun <= moment) mayBeDropped = position;
  }
  const first = records[0]?.position ?? Number.POSITIVE_INFINITY;
  const missing = ({ acknowledged, id, position }: Pushed): void => {
    if (acknowledged > moment || position < dropped) return;
    assert.ok(position < mayBeDropped && position < first, `record ${id} was acknowledged and is lost`);
  };
  let at = 0;
  for (const { bytes, position } of records) {
    const id = idOf(bytes);
    while (at < pushed.length && pushed[at]!.id !== id) missing(pushed[at++]!);
    const record = pushed[at++];
    assert.ok(record !== undefined, `record ${id} is a stranger, comes twice or out of order`);
    assert.ok(record.begun <= moment, `record ${id} comes before it was pushed`);
    assert.ok(position >= dropped, `record ${id} was truncated`);
    if (record.acknowledged <= moment) assert.equal(position, record.position, `record ${id} has moved`);
  }
  while (at < pushed.length) missing(pushed[at++]!);
}
