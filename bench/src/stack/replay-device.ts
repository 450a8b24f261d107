// A packet device that receives frames prepared beforehand and swallows what is sent: the receive path without a wire.

import type { SlotPool } from '@demikernel/memory';
import {
  type DeviceCounters,
  type Frame,
  type PacketDevice,
  RECEIVE_BURST,
  type ReceiveBurst,
} from 'demikernel/stack';

export class ReplayDevice implements PacketDevice {
  readonly name = 'replay';
  readonly macAddress: Uint8Array;
  readonly mtuBytes = 1500;
  readonly pool: SlotPool;
  readonly segmentLimit = 1;
  readonly copyThresholdBytes = 2048;
  readonly transmitChecksum = false;
  readonly partialChecksums = false;
  readonly counters: DeviceCounters;
  readonly descriptors: readonly number[];
  /** Frames that wait, in order. */
  readonly offsets: Int32Array;
  readonly lengths: Int32Array;
  count: number;
  /** Looks at every frame sent, at its offset in the region; set-up only. */
  onTransmit: ((offset: number) => void) | undefined;
  private next: number;

  constructor(pool: SlotPool, capacity: number) {
    this.macAddress = Uint8Array.of(2, 0, 0, 0, 0, 1);
    this.pool = pool;
    this.counters = {
      receivedFrames: 0,
      receivedBytes: 0,
      transmittedFrames: 0,
      transmittedBytes: 0,
      receiveDropped: 0,
      transmitDropped: 0,
    };
    this.descriptors = [];
    this.offsets = new Int32Array(capacity);
    this.lengths = new Int32Array(capacity);
    this.count = 0;
    this.onTransmit = undefined;
    this.next = 0;
  }

  /** Makes the frames in `offsets` and `lengths`, `count` of them, wait. */
  load(count: number): void {
    this.count = count;
    this.next = 0;
  }

  receive(burst: ReceiveBurst): number {
    const count = Math.min(this.count - this.next, RECEIVE_BURST);
    for (let i = 0; i < count; i++) {
      burst.offset[i] = this.offsets[this.next + i]!;
      burst.length[i] = this.lengths[this.next + i]!;
      burst.flags[i] = 0;
    }
    this.next += count;
    burst.count = count;
    this.counters.receivedFrames += count;
    return count;
  }

  transmitRoom(): number {
    return RECEIVE_BURST;
  }

  transmit(frame: Frame): void {
    this.counters.transmittedFrames++;
    if (this.onTransmit !== undefined) this.onTransmit(frame.offset[0]!);
    for (let i = 0; i < frame.count; i++) this.pool.release(frame.offset[i]! >> this.pool.slotShift);
  }

  flush(): void {}

  close(): void {}
}
