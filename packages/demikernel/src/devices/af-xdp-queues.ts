// Several queues of one interface as one packet device, for one thread: frames come from all, leave by the first.

import type { SlotPool } from '@demikernel/memory';
import type { DeviceCounters, Frame, PacketDevice, ReceiveBurst } from '../runtime/packet-device.ts';
import { AfXdpDevice, type AfXdpDeviceOptions } from './af-xdp.ts';

/** Sums over the queues. */
class QueueCounters implements DeviceCounters {
  private readonly queues: readonly AfXdpDevice[];

  constructor(queues: readonly AfXdpDevice[]) {
    this.queues = queues;
  }

  get receivedFrames(): number {
    return this.sum(queue => queue.counters.receivedFrames);
  }

  get receivedBytes(): number {
    return this.sum(queue => queue.counters.receivedBytes);
  }

  get transmittedFrames(): number {
    return this.sum(queue => queue.counters.transmittedFrames);
  }

  get transmittedBytes(): number {
    return this.sum(queue => queue.counters.transmittedBytes);
  }

  get receiveDropped(): number {
    return this.sum(queue => queue.counters.receiveDropped);
  }

  get transmitDropped(): number {
    return this.sum(queue => queue.counters.transmitDropped);
  }

  private sum(read: (queue: AfXdpDevice) => number): number {
    let total = 0;
    for (const queue of this.queues) total += read(queue);
    return total;
  }
}

/** Queues 0 to `queueCount` - 1 of an interface, over one pool. A queue that we do not hold is a hole frames fall through. */
export class AfXdpQueues implements PacketDevice {
  readonly name: string;
  readonly macAddress: Uint8Array;
  readonly mtuBytes: number;
  readonly pool: SlotPool;
  readonly segmentLimit: number;
  readonly copyThresholdBytes: number;
  readonly transmitChecksum: boolean;
  readonly partialChecksums: boolean;
  readonly counters: DeviceCounters;
  readonly descriptors: readonly number[];
  readonly queues: readonly AfXdpDevice[];
  private readonly first: AfXdpDevice;
  /** The queue that is asked first next time, so that a busy one starves nobody. */
  private turn: number;

  /** @throws DemiError as `AfXdpDevice`; none of the queues is kept then. */
  constructor(options: AfXdpDeviceOptions, queueCount: number) {
    const slots = Math.max(options.slots ?? 8192, 2048 * queueCount);
    const ringEntries = options.ringEntries ?? 1024;
    const fillSlots = Math.min(ringEntries, Math.floor(slots / (2 * queueCount)));
    const opened: AfXdpDevice[] = [];
    try {
      for (let queue = 0; queue < queueCount; queue++) {
        const sharedWith = opened[0];
        opened.push(new AfXdpDevice({ ...options, slots, ringEntries, fillSlots, queue, sharedWith }));
      }
    } catch (error) {
      for (const queue of opened.reverse()) queue.close();
      throw error;
    }
    const first = opened[0]!;
    this.queues = opened;
    this.first = first;
    this.name = first.name;
    this.macAddress = first.macAddress;
    this.mtuBytes = first.mtuBytes;
    this.pool = first.pool;
    this.segmentLimit = first.segmentLimit;
    this.copyThresholdBytes = first.copyThresholdBytes;
    this.transmitChecksum = first.transmitChecksum;
    this.partialChecksums = first.partialChecksums;
    this.counters = new QueueCounters(opened);
    this.descriptors = opened.flatMap(queue => queue.descriptors);
    this.turn = 0;
  }

  receive(burst: ReceiveBurst): number {
    const { queues } = this;
    for (let tried = 0; tried < queues.length; tried++) {
      const queue = queues[this.turn]!;
      this.turn = this.turn + 1 === queues.length ? 0 : this.turn + 1;
      const count = queue.receive(burst);
      if (count > 0) return count;
    }
    return 0;
  }

  transmitRoom(): number {
    return this.first.transmitRoom();
  }

  transmit(frame: Frame): void {
    this.first.transmit(frame);
  }

  flush(): void {
    for (let i = 0; i < this.queues.length; i++) this.queues[i]!.flush();
  }

  /** As of the queue that sends. */
  get backlogged(): boolean {
    return this.first.backlogged;
  }

  /** The first queue owns the memory and goes last. */
  close(): void {
    for (let i = this.queues.length - 1; i >= 0; i--) this.queues[i]!.close();
  }
}
