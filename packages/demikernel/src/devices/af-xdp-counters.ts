// What an AF_XDP device counts: its own counts, and the kernel's, which are asked for when they are read.

import type { AfXdpSocket, AfXdpStatistics } from '@demikernel/native/kernel';
import type { DeviceCounters } from '../runtime/packet-device.ts';

export const RECEIVED_FRAMES = 0;
export const RECEIVED_BYTES = 1;
export const TRANSMITTED_FRAMES = 2;
export const TRANSMITTED_BYTES = 3;
export const TRANSMIT_DROPPED = 4;

/** Counts in doubles of a typed array, which an increment does not box; drops are asked of the kernel when read. */
export class AfXdpCounters implements DeviceCounters {
  readonly values: Float64Array;
  private readonly socket: AfXdpSocket;
  private last: AfXdpStatistics;

  constructor(socket: AfXdpSocket) {
    this.values = new Float64Array(5);
    this.socket = socket;
    this.last = socket.statistics();
  }

  get receivedFrames(): number {
    return this.values[RECEIVED_FRAMES]!;
  }

  get receivedBytes(): number {
    return this.values[RECEIVED_BYTES]!;
  }

  get transmittedFrames(): number {
    return this.values[TRANSMITTED_FRAMES]!;
  }

  get transmittedBytes(): number {
    return this.values[TRANSMITTED_BYTES]!;
  }

  get receiveDropped(): number {
    const { receiveDropped, receiveInvalidDescriptors, receiveRingFull, fillRingEmpty } = this.kernel();
    return receiveDropped + receiveInvalidDescriptors + receiveRingFull + fillRingEmpty;
  }

  get transmitDropped(): number {
    return this.values[TRANSMIT_DROPPED]! + this.kernel().transmitInvalidDescriptors;
  }

  /** The socket's own statistics; the last ones seen once it is closed. */
  kernel(): AfXdpStatistics {
    if (!this.socket.isClosed) this.last = this.socket.statistics();
    return this.last;
  }
}
