// The processes that measure in process. `time MS ROUNDS` prints nanoseconds, `allocate COUNT`, started with the lab's flags,
// bytes; both per operation, library and kind of message, as one line of JSON.

import { writeSync } from 'node:fs';
import { bytesPerOperation } from '@demikernel/lab';
import { median } from '../../median.ts';
import { type MessageKind, makeTasks, OPERATIONS, type Operation, type Task } from './tasks.ts';

/** One figure of one task. */
export interface Figure {
  library: string;
  message: MessageKind;
  operation: Operation;
  value: number;
}

export interface ChildAnswer {
  figures: Figure[];
  wireBytes: { library: string; message: MessageKind; value: number }[];
}

const WARM_UP_BLOCK = 3000;
/** Enough for the last of V8's compilers, and for every call site to see every library. */
const WARM_UP_TURNS = 3;
const CALIBRATION_COUNT = 200;
const ALLOCATION_READINGS = 9;

function warmUp(tasks: readonly Task[], block: number): void {
  for (let turn = 0; turn < WARM_UP_TURNS; turn++) {
    for (const operation of OPERATIONS) for (const task of tasks) task.run(operation, block);
  }
}

/** Processor time of the whole process, garbage collector included, in microseconds. */
function processorUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Rounds visit every task once; the median round counts. A block lasts about `blockMs`. */
function time(tasks: readonly Task[], blockMs: number, rounds: number): Figure[] {
  const cells = tasks.flatMap(task =>
    OPERATIONS.map(operation => {
      const before = processorUs();
      task.run(operation, CALIBRATION_COUNT);
      const usEach = Math.max((processorUs() - before) / CALIBRATION_COUNT, 0.02);
      return { task, operation, count: Math.ceil((blockMs * 1000) / usEach), readings: [] as number[] };
    }),
  );
  for (let round = 0; round < rounds; round++) {
    // Cells of one operation on one kind of message stand side by side: what the machine does meets all libraries alike.
    for (const operation of OPERATIONS) {
      for (const cell of cells) {
        if (cell.operation !== operation) continue;
        const before = processorUs();
        cell.task.run(operation, cell.count);
        cell.readings.push(((processorUs() - before) * 1000) / cell.count);
      }
    }
  }
  return cells.map(({ task, operation, readings }) => figure(task, operation, median(readings)));
}

function figure({ library, message }: Task, operation: Operation, value: number): Figure {
  return { library, message, operation, value };
}

/** Bytes outside V8's heap, where byte arrays lie: as `bytesPerOperation` inside. */
function arrayBytesPerOperation(count: number, work: (count: number) => void): number {
  const read = (n: number): number => {
    const readings: number[] = [];
    for (let i = 0; i < ALLOCATION_READINGS; i++) {
      const before = process.memoryUsage().arrayBuffers;
      work(n);
      readings.push(process.memoryUsage().arrayBuffers - before);
    }
    return median(readings);
  };
  return (read(count) - read(0)) / count;
}

function allocate(tasks: readonly Task[], count: number): Figure[] {
  const figures: Figure[] = [];
  for (const operation of OPERATIONS) {
    for (const task of tasks) {
      const work = (n: number): void => task.run(operation, n);
      const heap = bytesPerOperation(count, work);
      figures.push(figure(task, operation, Math.max(0, heap + arrayBytesPerOperation(count, work))));
    }
  }
  return figures;
}

const [mode = 'time', first = '10', second = '9', libraries = '', messages = ''] = process.argv.slice(2);
const chosen = (list: string): string[] | undefined => (list === '' ? undefined : list.split(','));
const tasks = makeTasks(chosen(libraries), chosen(messages));
warmUp(tasks, mode === 'time' ? WARM_UP_BLOCK : Number(first));
const figures = mode === 'time' ? time(tasks, Number(first), Number(second)) : allocate(tasks, Number(first));
const wireBytes = tasks.map(({ library, message, wireBytes: value }) => ({ library, message, value }));
writeSync(1, `${JSON.stringify({ figures, wireBytes } satisfies ChildAnswer)}\n`);
