// What every measured path of the stack benchmark is: something that can be run for a number of packets.

import { CLOCK_THREAD_CPUTIME_ID, Clock, platformRefusal } from '@demikernel/native/kernel';

export interface StackPath {
  /** Parameters of its row. */
  readonly system: string;
  readonly path: 'receive' | 'two-stacks' | 'echo' | 'parse' | 'device' | 'planted';
  readonly protocol: 'tcp' | 'udp' | 'none';
  readonly sizeBytes: number;
  /** Connections or sockets in the path. */
  readonly flows: number;
  /**
   * Moves about `packets` packets in blocks and returns how many it was. Calls `timer.start` and `timer.stop` around the
   * work that counts, once per block; what lies outside (making up frames) does not count.
   */
  run(packets: number, timer: BlockTimer): number;
  /** More figures of the row, after a run. */
  figures?(): Record<string, number>;
}

/**
 * Times blocks, in processor time of this thread where the kernel tells it, so that others on the machine are not counted.
 * The median block is what a machine that stands still now and then cannot spoil.
 */
export class BlockTimer {
  private readonly nanoseconds: Float64Array;
  private count: number;
  private startedUs: number;
  private readonly clock: Clock | undefined;
  private readonly enabled: boolean;

  /** @param capacity blocks that are remembered; later ones are not timed. 0: no timing, and nothing allocated */
  constructor(capacity: number) {
    this.nanoseconds = new Float64Array(capacity);
    this.count = 0;
    this.startedUs = 0;
    this.enabled = capacity > 0;
    this.clock =
      this.enabled && platformRefusal() === undefined ? new Clock(CLOCK_THREAD_CPUTIME_ID) : undefined;
  }

  start(): void {
    if (this.enabled) this.startedUs = this.nowUs();
  }

  stop(packets: number): void {
    if (!this.enabled || this.count === this.nanoseconds.length) return;
    this.nanoseconds[this.count++] = ((this.nowUs() - this.startedUs) * 1000) / packets;
  }

  /** Nanoseconds per packet of the median block; NaN without blocks. */
  get median(): number {
    const sorted = this.nanoseconds.slice(0, this.count).sort();
    return sorted[this.count >> 1] ?? Number.NaN;
  }

  private nowUs(): number {
    if (this.clock === undefined) return performance.now() * 1000;
    this.clock.read();
    return this.clock.us[0]!;
  }
}
