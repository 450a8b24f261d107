// Two ways to do the same work in alternating rounds, and what they took, for the programs beside.

import { pollute } from './pollution.ts';

const ROUNDS = 15;
const COUNT = 60_000;

type Run = (i: number) => void;

/** One piece of work in both ways. */
export interface Comparison {
  name: string;
  /** Nanoseconds of processor time per run: the least round, the middle one. */
  ours: [number, number];
  theirs: [number, number];
  ourBytes: number;
  theirBytes: number;
}

export function alternate(work: readonly [string, Run, Run][]): Comparison[] {
  pollute();
  const times: number[][] = work.flatMap(() => [[], []]);
  for (let round = 0; round < ROUNDS; round++) {
    work.forEach(([, ours, theirs], at) => {
      times[2 * at]!.push(nsPerRun(ours));
      times[2 * at + 1]!.push(nsPerRun(theirs));
    });
  }
  return work.map(([name, ours, theirs], at) => ({
    name,
    ours: leastAndMiddle(times[2 * at]!),
    theirs: leastAndMiddle(times[2 * at + 1]!),
    ourBytes: bytesPerRun(ours),
    theirBytes: bytesPerRun(theirs),
  }));
}

/** Processor time, because others may run beside. */
function nsPerRun(run: Run): number {
  const began = process.cpuUsage();
  for (let i = 0; i < COUNT; i++) run(i);
  const { user, system } = process.cpuUsage(began);
  return (1000 * (user + system)) / COUNT;
}

function leastAndMiddle(values: number[]): [number, number] {
  values.sort((a, b) => a - b);
  return [values[0]!, values[values.length >> 1]!];
}

function bytesPerRun(run: Run): number {
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < 20_000; i++) run(i);
  return (process.memoryUsage().heapUsed - before) / 20_000;
}

export function report(comparisons: readonly Comparison[]): void {
  for (const { name, ours, theirs, ourBytes, theirBytes } of comparisons) {
    const side = ([least, middle]: [number, number], bytes: number): string =>
      `${least.toFixed(0).padStart(5)} ${middle.toFixed(0).padStart(5)} ns ${bytes.toFixed(1).padStart(7)} B`;
    const ratio = (ours[1] / theirs[1]).toFixed(2);
    console.log(
      `${name.padEnd(22)} ours ${side(ours, ourBytes)}   protobufjs ${side(theirs, theirBytes)}   ${ratio}x`,
    );
  }
}
