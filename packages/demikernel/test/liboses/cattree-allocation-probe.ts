// Run in a process of its own by cattree-allocation.test.ts: prints the heap bytes that a durable append over Cattree
// allocates, copied or by reference, beside a planted allocation. The device behind it answers at once and allocates nothing.

import { bytesPerOperation } from '@demikernel/lab';
import { DOORBELLS } from '../../src/nvme/registers.ts';
import { ManualClock } from '../../src/runtime/clock.ts';
import { OP_COMPLETE, OP_PUSH, type Operation } from '../../src/runtime/operation.ts';
import { SeededRandom } from '../../src/runtime/random.ts';
import { Machine } from '../log/machine.ts';
import type { ModelController } from '../nvme/model-controller.ts';
import { ModelDisk } from '../nvme/model-disk.ts';
import { openModelTree } from './model-tree.ts';

const SEGMENT = 256 << 20;
const DEPTH = 32;
/** One object in so many appends. */
const PLANT_EVERY = 10;

/** From here on the model answers what comes on its first I/O queue, without looking at it. */
function answerAtOnce(model: ModelController): void {
  const queue = model.queues.get(1)!;
  const { registers } = model;
  const { view } = model.memory;
  model.step = () => {
    const tail = registers[DOORBELLS + 2]!;
    while (queue.head !== tail) {
      const identifier = view.getInt32(queue.submission + queue.head * 64, true) >>> 16;
      queue.head = queue.head + 1 === queue.entries ? 0 : queue.head + 1;
      const at = queue.completion + queue.completionTail * 16;
      view.setInt32(at + 12, identifier | (queue.phase << 16), true);
      if (++queue.completionTail < queue.completionEntries) continue;
      queue.completionTail = 0;
      queue.phase ^= 1;
    }
  };
}

let planted: { append: number } | undefined;

/** Bytes per append of so many bytes. */
function measure(sizeBytes: number, refer: boolean, count: number): { bare: number; planted: number } {
  const disk = new ModelDisk({ id: 1, blocks: (2 * SEGMENT + (2 << 20)) / 512, blockBytes: 512 });
  const clock = new ManualClock();
  const { model, storage } = openModelTree(disk, {
    clock,
    random: new SeededRandom(1),
    segmentBytes: SEGMENT,
  });
  const machine = new Machine(storage);
  if (refer) storage.register(machine.pool.region);
  const qd = machine.open();
  answerAtOnce(model);
  const { operations, queues } = machine.runtime;
  const queue = queues.lookup(qd);
  const array = machine.pool.allocArray(sizeBytes, 1500)!;
  const window = new Array<Operation | undefined>(DEPTH).fill(undefined);
  const appends = (wanted: number, plant: boolean): void => {
    for (let done = 0; done < wanted; ) {
      for (let i = 0; i < DEPTH; i++) {
        const operation = operations.issue(OP_PUSH, qd);
        operation.array = array.share();
        operation.sizeBytes = sizeBytes;
        queue.push(operation);
        window[i] = operation;
      }
      for (let i = 0; i < DEPTH; i++) {
        const operation = window[i]!;
        while (operation.state !== OP_COMPLETE) machine.turn();
        if (operation.errno !== 0) throw new Error(`errno ${operation.errno}`);
        operations.retire(operation);
        if (++done % PLANT_EVERY === 0 && plant) planted = { append: done };
      }
    }
  };
  appends(4 * count, true);
  const withPlant = bytesPerOperation(count, wanted => appends(wanted, true));
  const bare = bytesPerOperation(count, wanted => appends(wanted, false));
  const { copiedBytes, referredBytes } = machine.logs.counters;
  if (refer !== referredBytes > 0 || refer === copiedBytes > 0)
    throw new Error('not what was to be measured');
  return { bare, planted: withPlant };
}

const copied = measure(64, false, 20_000);
const referred = measure(1400, true, 5_000);
process.stdout.write(`${JSON.stringify({ copied, referred, kept: planted !== undefined })}\n`);
process.exit(0);
