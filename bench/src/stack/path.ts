// What every measured path of the stack benchmark is: something that can be run for a number of packets.

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

/** Times blocks. The median block is what a machine that stands still now and then cannot spoil. */
export class BlockTimer {
  private readonly nanoseconds: Float64Array;
  private count: number;
  private startedMs: number;
  private readonly enabled: boolean;

  /** @param capacity blocks that are remembered; later ones are not timed. 0: no timing, and nothing allocated */
  constructor(capacity: number) {
    this.nanoseconds = new Float64Array(capacity);
    this.count = 0;
    this.startedMs = 0;
    this.enabled = capacity > 0;
  }

  start(): void {
    if (this.enabled) this.startedMs = performance.now();
  }

  stop(packets: number): void {
    if (!this.enabled || this.count === this.nanoseconds.length) return;
    this.nanoseconds[this.count++] = ((performance.now() - this.startedMs) * 1e6) / packets;
  }

  clear(): void {
    this.count = 0;
  }

  /** Nanoseconds per packet of the median block; NaN without blocks. */
  get median(): number {
    const sorted = this.nanoseconds.slice(0, this.count).sort();
    return sorted[this.count >> 1] ?? Number.NaN;
  }
}
