// A codec of a library that writes straight into registered memory.

import { copyBetween, type ScatterGatherArray, type SlotPool } from '@demikernel/memory';
import { Codec } from './codec.ts';

export abstract class SliceCodec<Sample> extends Codec<Sample, ScatterGatherArray> {
  protected readonly pool: SlotPool;

  constructor(pool: SlotPool) {
    super();
    this.pool = pool;
  }

  override size(wire: ScatterGatherArray): number {
    return wire.lengthBytes;
  }

  override drop(wire: ScatterGatherArray): void {
    wire.free();
  }

  override toSend(wire: ScatterGatherArray): ScatterGatherArray {
    return wire;
  }

  override received(wire: ScatterGatherArray): ScatterGatherArray {
    const copy = this.pool.allocArray(wire.lengthBytes)!;
    copy.copyFromArray(wire);
    return copy;
  }

  /** The bytes in one slice. */
  protected alloc(lengthBytes: number): ScatterGatherArray {
    return this.pool.allocArray(lengthBytes)!;
  }

  /** Copies inside the region; returns where the copy ends. */
  protected copy(to: number, from: number, lengthBytes: number): number {
    copyBetween(this.pool.region, to, this.pool.region, from, lengthBytes);
    return to + lengthBytes;
  }
}
