// Bytes allocated per packet of a path, beside a planted allocation that the reading must find. How bytes are read is lab's.

import { constants, PerformanceObserver } from 'node:perf_hooks';
import { bytesPerOperation } from '@demikernel/lab';
import { BlockTimer, type StackPath } from './path.ts';

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

const UNTIMED: BlockTimer = new BlockTimer(0);

/** Bytes that a path allocates per packet. It must have run often enough to be optimised. */
export function readAllocation(path: StackPath, packets: number): number {
  return bytesPerOperation(packets, count => {
    if (count > 0) path.run(count, UNTIMED);
  });
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
