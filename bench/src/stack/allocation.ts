// Bytes allocated per packet: the slope between N and 2N packets in a process whose young generation is so large that no
// collection comes between. What a reading itself allocates cancels out; a planted allocation shows that it would be seen.

import { constants, PerformanceObserver } from 'node:perf_hooks';
import { getHeapSpaceStatistics } from 'node:v8';
import { BlockTimer, type StackPath } from './path.ts';

/** What the process that measures must be started with. */
export const ALLOCATION_NODE_ARGS = [
  '--expose-gc',
  '--min-semi-space-size=512',
  '--max-semi-space-size=512',
] as const;

/** Counts collections of this process, the forced ones not. */
export class CollectionCounter {
  count: number;
  private readonly observer: PerformanceObserver;

  constructor() {
    this.count = 0;
    this.observer = new PerformanceObserver(list => {
      for (const entry of list.getEntries()) {
        // @types/node 20 lacks `detail` here; Node has it since 16.
        const { flags = 0 } = (entry as { detail?: { flags?: number } }).detail ?? {};
        if ((flags & constants.NODE_PERFORMANCE_GC_FLAGS_FORCED) === 0) this.count++;
      }
    });
    this.observer.observe({ entryTypes: ['gc'] });
  }

  /** Waits until what has happened so far is counted. */
  async settle(): Promise<void> {
    // Entries are delivered from the event loop, some turns later.
    for (let turn = 0; turn < 3; turn++) await new Promise(resolve => setImmediate(resolve));
  }

  close(): void {
    this.observer.disconnect();
  }
}

function usedBytes(): number {
  let used = 0;
  for (const space of getHeapSpaceStatistics()) used += space.space_used_size;
  return used;
}

/** Collects all there is to collect, in a process started with `--expose-gc`. */
export function collect(): void {
  (globalThis as { gc?: () => void }).gc?.();
}

export interface AllocationReading {
  bytesPerPacket: number;
  /** Collections in between: the reading is worthless unless 0. */
  collections: number;
}

const UNTIMED: BlockTimer = new BlockTimer(0);

/** Readings per path: one in which V8 compiles something is an outlier, and the median passes over it. */
const READINGS = 3;

/** Measures a path that has run often enough to be optimised. */
export async function readAllocation(
  path: StackPath,
  packets: number,
  collections: CollectionCounter,
): Promise<AllocationReading> {
  await collections.settle();
  const before = collections.count;
  const slopes: number[] = [];
  for (let reading = 0; reading < READINGS; reading++) {
    const once = allocatedBy(path, packets);
    const twice = allocatedBy(path, 2 * packets);
    slopes.push((twice.bytes - once.bytes) / (twice.packets - once.packets));
  }
  await collections.settle();
  return {
    bytesPerPacket: slopes.sort((a, b) => a - b)[READINGS >> 1]!,
    collections: collections.count - before,
  };
}

function allocatedBy(path: StackPath, packets: number): { bytes: number; packets: number } {
  collect();
  const before = usedBytes();
  const done = path.run(packets, UNTIMED);
  return { bytes: usedBytes() - before, packets: done };
}

/** Bytes of the object that {@link PlantedPath} allocates: a header of three words and two fields. */
export const PLANTED_BYTES = 40;
export const PLANTED_EVERY = 1000;

/** Another path with one small object per thousand packets planted into it: the harness must find it. */
export class PlantedPath implements StackPath {
  readonly system = 'planted';
  readonly path = 'planted';
  readonly protocol: StackPath['protocol'];
  readonly sizeBytes: number;
  readonly flows: number;
  /** Holds the last object, so that it is not optimised away. */
  planted: { first: number; second: number } | undefined;
  private readonly inner: StackPath;

  constructor(inner: StackPath) {
    this.inner = inner;
    this.protocol = inner.protocol;
    this.sizeBytes = inner.sizeBytes;
    this.flows = inner.flows;
    this.planted = undefined;
  }

  run(packets: number, timer: BlockTimer): number {
    let done = 0;
    while (done < packets) {
      done += this.inner.run(PLANTED_EVERY, timer);
      this.planted = { first: 1, second: 2 };
    }
    return done;
  }
}
