// A packet device over a port of DPDK: the driver receives into our slots and sends from them. What the structures look like is
// @demikernel/native/dpdk's; which address the device has, and who opens it, liboses/catnip's.

import { DemiError, SlotPool } from '@demikernel/memory';
import {
  type DeviceName,
  DpdkMemory,
  DpdkPort,
  descriptorCount,
  FRAME_HEADROOM_BYTES,
  MBUF_ADDRESS,
  MBUF_BYTES,
  MBUF_DATA_LENGTH,
  MBUF_DATA_OFFSET_AND_REFERENCES,
  MBUF_FLAGS,
  MBUF_NEXT,
  MBUF_PACKET_LENGTH,
  MBUF_PACKET_TYPE,
  MBUF_PORT_NONE,
  MBUF_SEGMENTS_AND_PORT,
  MBUF_TRANSMIT_OFFLOAD,
  parseDevice,
  RX_L4_CHECKSUM_GOOD,
  RX_L4_CHECKSUM_MASK,
  RX_L4_CHECKSUM_NONE,
  TX_IPV4_HIGH,
  TX_TCP_CHECKSUM_HIGH,
  TX_UDP_CHECKSUM_HIGH,
} from '@demikernel/native/dpdk';
import { libc } from '@demikernel/native/kernel';
import {
  type DeviceCounters,
  type Frame,
  MAX_FRAME_SEGMENTS,
  type PacketDevice,
  RECEIVE_BURST,
  type ReceiveBurst,
  RX_CHECKSUM_VALID,
} from '../runtime/packet-device.ts';
import { completeChecksum } from './frame-checksum.ts';

const ETHERNET_HEADER_BYTES = 14;
/** Mbufs that the driver can take beyond those that fill its queues: what one turn receives, several times over. */
const SPARE_BUFFERS = 512;
/** Mbufs are given back when there are so many: one call for all of them. */
const SUPPLY_BATCH = 32;
/** Mbufs to send with. A power of two. */
const TRANSMIT_BUFFERS = 1024;
/** Turns without a completion before the driver is asked to look for some. */
const CLEAN_TURNS = 16;
/** Turns in which the driver took nothing before the link is looked at. */
const STALLED_TURNS = 1024;
const DRAIN_MS = 50;
const TCP_CHECKSUM_OFFSET = 16;

/** Drivers that find a frame's data by where its mbuf lies: they cannot receive into slots of ours, and frames are copied once. */
const DATA_BEHIND_MBUF: readonly string[] = ['net_af_xdp'];
/** Drivers over an interface of this machine, whose kernel may leave checksums to a device that is not there. */
const BESIDE_KERNEL: readonly string[] = ['net_af_packet', 'net_af_xdp'];

/** Drivers that sum in software, and get segments of an odd length wrong. */
const WRONG_CHECKSUMS: readonly string[] = ['net_tap'];

export interface DpdkDeviceOptions {
  /** `net_tap0,iface=dtap0`, or a PCI address. */
  device: string;
  /** Default: the device's own. */
  mtuBytes?: number;
  /** Default 8192. */
  slots?: number;
  /** Default 2048. */
  slotSizeBytes?: number;
  /** Receive queues; flows are spread over them when the device can. Default 1. */
  queues?: number;
  /** Entries of each queue, within what the driver takes. Default 512. */
  descriptors?: number;
  /** As `PacketDevice.copyThresholdBytes`, once the driver is known; `undefined` for the default. */
  descriptorThresholdBytes?: (driver: string) => number | undefined;
  /** Whether to use the device's checksums where it offers them. Default true. */
  offload?: boolean;
  debugMemory?: boolean;
}

const RECEIVED_FRAMES = 0;
const RECEIVED_BYTES = 1;
const TRANSMITTED_FRAMES = 2;
const TRANSMITTED_BYTES = 3;
const RECEIVE_DROPPED = 4;
const TRANSMIT_DROPPED = 5;

class DpdkCounters implements DeviceCounters {
  readonly values: Float64Array;
  private readonly port: DpdkPort;

  constructor(port: DpdkPort) {
    this.values = new Float64Array(6);
    this.port = port;
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
    return this.values[RECEIVE_DROPPED]! + this.port.losses().receiveDropped;
  }

  get transmitDropped(): number {
    return this.values[TRANSMIT_DROPPED]! + this.port.losses().transmitDropped;
  }
}

/**
 * A port of DPDK.
 *
 * ```
 *   slot ──point──> mbuf ──supply──> mempool ──driver──> received mbuf ──> its slot to the stack, the mbuf waits for another slot
 *   frame ──> mbufs of ours that point into its slots, two references each ──driver──> one reference left: sent
 * ```
 *
 * No code of ours runs inside DPDK: that a frame is sent is read from the reference counts, oldest first.
 */
export class DpdkDevice implements PacketDevice {
  readonly name: string;
  readonly macAddress: Uint8Array;
  readonly mtuBytes: number;
  readonly pool: SlotPool;
  readonly segmentLimit: number;
  readonly copyThresholdBytes: number;
  readonly transmitChecksum: boolean;
  readonly partialChecksums: boolean;
  readonly counters: DpdkCounters;
  /** Drivers poll: there is nothing to sleep on. */
  readonly descriptors: readonly number[];
  readonly port: DpdkPort;
  /** What whoever opened it has to do when the port is closed. */
  afterClose: () => void;
  private readonly memory: DpdkMemory;
  private readonly words: Int32Array;
  /** The whole map, for copies from a driver's buffers into slots. */
  private readonly bytes: Uint8Array;
  private readonly values: Float64Array;
  private readonly copies: boolean;
  private readonly queues: number;
  private queue: number;
  /** Slots that mbufs of the driver's point to. */
  private readonly lent: Uint8Array;
  /** Mbufs at the beginning of `returnPointers` that wait for slots. */
  private waiting: number;
  /** Slots of the mbufs under way, oldest first: a ring over mbufs `first` to `next`. */
  private readonly sending: Int32Array;
  private first: number;
  private next: number;
  /** Frames handed in and not taken by the driver: so many pointers at `transmitPointers`. */
  private pendingCount: number;
  /** Turns since something was last sent. */
  private idleTurns: number;
  private stalledTurns: number;
  private closed: boolean;

  /** @throws DemiError as `DpdkPort` and `DpdkMemory`; `ERR_DEMI_OPTION` for what the device cannot do */
  constructor(options: DpdkDeviceOptions) {
    const { slots = 8192, slotSizeBytes = 2048, queues = 1 } = options;
    const device = fitted(parseDevice(options.device), slotSizeBytes);
    this.port = new DpdkPort(device);
    const { information } = this.port;
    const offload = options.offload !== false && !WRONG_CHECKSUMS.includes(information.driver);
    this.copies = DATA_BEHIND_MBUF.includes(information.driver);
    let memory: DpdkMemory | undefined;
    try {
      if (!(queues >= 1 && queues <= Math.min(information.maxReceiveQueues, information.maxTransmitQueues)))
        throw new DemiError(
          'ERR_DEMI_OPTION',
          `queues: ${queues}; ${device.name} has 1 to ${Math.min(information.maxReceiveQueues, information.maxTransmitQueues)}`,
        );
      const receiveDescriptors = descriptorCount(options.descriptors ?? 512, information.receiveDescriptors);
      const transmitDescriptors = descriptorCount(
        options.descriptors ?? 512,
        information.transmitDescriptors,
      );
      // net_af_xdp fills a ring of 2048 whatever it is told, and copies what it sends into as many more.
      const receiveBuffers = this.copies ? 8192 : queues * receiveDescriptors + SPARE_BUFFERS;
      if (!this.copies && receiveBuffers > slots >> 1)
        throw new DemiError(
          'ERR_DEMI_OPTION',
          `slots: ${slots}; receiving takes ${receiveBuffers}, and at most half of them`,
        );
      memory = new DpdkMemory({
        port: this.port.port,
        name: `demi_${device.name.replaceAll(/\W/g, '_')}`.slice(0, 25),
        slots,
        slotSizeBytes,
        receiveBuffers,
        transmitBuffers: TRANSMIT_BUFFERS,
        dataBehindMbuf: this.copies,
      });
      this.memory = memory;
      this.words = memory.words;
      this.bytes = memory.map.bytes();
      this.pool = new SlotPool(memory.region, {
        slotSizeBytes,
        reserveSlots: slots >> 2,
        debug: options.debugMemory === true,
      });
      this.lent = new Uint8Array(this.pool.slotCount);
      this.waiting = receiveBuffers;
      this.supply();
      const room = slotSizeBytes - FRAME_HEADROOM_BYTES - ETHERNET_HEADER_BYTES - 4;
      const wanted = options.mtuBytes ?? Math.min(this.port.mtuBytes(), room);
      this.mtuBytes = Math.min(wanted, room, information.maxMtuBytes || room);
      this.port.start(
        { receiveQueues: queues, receiveDescriptors, transmitDescriptors, mtuBytes: this.mtuBytes, offload },
        memory,
      );
    } catch (error) {
      this.port.close();
      memory?.close();
      throw error;
    }
    this.name = device.name;
    this.macAddress = this.port.macAddress.slice();
    // The address that it names is the kernel's at the other end of the same cable: ours is another.
    if (information.driver === 'net_tap') this.macAddress[5]! ^= 1;
    this.segmentLimit = Math.min(information.segmentLimit, MAX_FRAME_SEGMENTS);
    this.copyThresholdBytes =
      options.descriptorThresholdBytes?.(information.driver) ?? (this.segmentLimit > 1 ? 512 : slotSizeBytes);
    this.transmitChecksum = offload && information.transmitChecksum;
    this.partialChecksums = BESIDE_KERNEL.includes(information.driver);
    this.counters = new DpdkCounters(this.port);
    this.values = this.counters.values;
    this.descriptors = [];
    this.afterClose = () => {};
    this.queues = queues;
    this.queue = 0;
    this.sending = new Int32Array(TRANSMIT_BUFFERS);
    this.first = 0;
    this.next = 0;
    this.pendingCount = 0;
    this.idleTurns = 0;
    this.stalledTurns = 0;
    this.closed = false;
  }

  receive(burst: ReceiveBurst): number {
    burst.count = 0;
    for (let tried = 0; tried < this.queues; tried++) {
      const { queue } = this;
      this.queue = queue + 1 === this.queues ? 0 : queue + 1;
      const count = this.port.receive(queue, RECEIVE_BURST);
      if (count === 0) continue;
      let word = this.memory.receivePointers >> 2;
      for (let i = 0; i < count; i++, word += 2) this.take(this.memory.readPointer(word) >> 2, burst);
      if (burst.count > 0) break;
    }
    return burst.count;
  }

  /** @param mbuf index of its first word */
  private take(mbuf: number, burst: ReceiveBurst): void {
    const { memory, pool, words } = this;
    const single = (words[mbuf + (MBUF_SEGMENTS_AND_PORT >> 2)]! & 0xffff) === 1;
    const length = words[mbuf + (MBUF_DATA_LENGTH >> 2)]! & 0xffff;
    const start = memory.readPointer(mbuf + (MBUF_ADDRESS >> 2));
    let offset = start + (words[mbuf + (MBUF_DATA_OFFSET_AND_REFERENCES >> 2)]! & 0xffff);
    const usable = single && length >= ETHERNET_HEADER_BYTES && offset - start + length <= pool.slotSizeBytes;
    let slot = start >> pool.slotShift;
    const checked = words[mbuf + (MBUF_FLAGS >> 2)]! & RX_L4_CHECKSUM_MASK;
    if (this.copies) {
      slot = usable ? pool.allocReserved() : -1;
      if (slot >= 0) {
        const to = (slot << pool.slotShift) + FRAME_HEADROOM_BYTES;
        this.bytes.copyWithin(to, offset, offset + length);
        offset = to;
      }
    }
    this.giveBack(mbuf, single);
    if (!usable || slot < 0) {
      // A frame over several mbufs was not asked for; an empty pool loses it.
      if (!this.copies) pool.release(slot);
      this.values[RECEIVE_DROPPED] = this.values[RECEIVE_DROPPED]! + 1;
      return;
    }
    const i = burst.count++;
    burst.offset[i] = offset;
    burst.length[i] = length;
    burst.flags[i] =
      checked === RX_L4_CHECKSUM_GOOD || checked === RX_L4_CHECKSUM_NONE ? RX_CHECKSUM_VALID : 0;
    this.values[RECEIVED_FRAMES] = this.values[RECEIVED_FRAMES]! + 1;
    this.values[RECEIVED_BYTES] = this.values[RECEIVED_BYTES]! + length;
  }

  /** Puts a received mbuf, and what hangs on it, among those that wait; the slot of the first is no longer lent. */
  private giveBack(first: number, single: boolean): void {
    const { lent, memory, pool, words } = this;
    let mbuf = first;
    for (;;) {
      if (!this.copies) {
        const slot = memory.readPointer(mbuf + (MBUF_ADDRESS >> 2)) >> pool.slotShift;
        lent[slot] = 0;
        if (mbuf !== first) pool.release(slot);
      }
      memory.writePointer((memory.returnPointers >> 2) + this.waiting * 2, mbuf << 2);
      this.waiting++;
      const next = mbuf + (MBUF_NEXT >> 2);
      if (single || (words[next] === 0 && words[next + 1] === 0)) return;
      mbuf = memory.readPointer(next) >> 2;
      words[next] = 0;
      words[next + 1] = 0;
    }
  }

  /** Gives waiting mbufs to the driver's pool, each with a slot; those that find none wait on. */
  private supply(): void {
    const { lent, memory, pool } = this;
    const pointers = memory.returnPointers >> 2;
    let count = this.waiting;
    if (!this.copies) {
      count = 0;
      while (count < this.waiting) {
        const slot = pool.allocReserved();
        if (slot < 0) break;
        memory.point(memory.readPointer(pointers + count * 2) >> 2, slot << pool.slotShift);
        lent[slot] = 1;
        count++;
      }
    }
    if (count === 0) return;
    memory.supply(count);
    if (count < this.waiting)
      this.words.copyWithin(pointers, pointers + count * 2, pointers + this.waiting * 2);
    this.waiting -= count;
  }

  transmitRoom(): number {
    const open = TRANSMIT_BUFFERS - ((this.next - this.first) | 0);
    return this.segmentLimit === 1 ? open : (open / this.segmentLimit) | 0;
  }

  transmit(frame: Frame): void {
    const { memory, pool, sending, words } = this;
    const { count } = frame;
    let flags = 0;
    let offloads = 0;
    if (frame.checksumStart !== 0) {
      if (this.transmitChecksum && frame.checksumStart + frame.checksumOffset + 2 <= frame.length[0]!) {
        flags =
          TX_IPV4_HIGH |
          (frame.checksumOffset === TCP_CHECKSUM_OFFSET ? TX_TCP_CHECKSUM_HIGH : TX_UDP_CHECKSUM_HIGH);
        offloads = ETHERNET_HEADER_BYTES | ((frame.checksumStart - ETHERNET_HEADER_BYTES) << 7);
        if (frame.checksumOffset === TCP_CHECKSUM_OFFSET)
          offloads |=
            ((pool.region.view.getUint8(frame.offset[0]! + frame.checksumStart + 12) >> 4) * 4) << 16;
      } else completeChecksum(pool.region.view, frame);
    }
    let total = 0;
    for (let i = 0; i < count; i++) total += frame.length[i]!;
    for (let i = 0; i < count; i++) {
      const entry = (this.next + i) & (TRANSMIT_BUFFERS - 1);
      const at = memory.transmitOffset + entry * MBUF_BYTES;
      const mbuf = at >> 2;
      const offset = frame.offset[i]!;
      const slot = offset >> pool.slotShift;
      const start = slot << pool.slotShift;
      sending[entry] = slot;
      memory.point(mbuf, start);
      words[mbuf + (MBUF_DATA_OFFSET_AND_REFERENCES >> 2)] = (offset - start) | (2 << 16);
      words[mbuf + (MBUF_SEGMENTS_AND_PORT >> 2)] = (i === 0 ? count : 1) | (MBUF_PORT_NONE << 16);
      words[mbuf + (MBUF_FLAGS >> 2)] = 0;
      words[mbuf + (MBUF_FLAGS >> 2) + 1] = i === 0 ? flags : 0;
      words[mbuf + (MBUF_PACKET_TYPE >> 2)] = 0;
      words[mbuf + (MBUF_PACKET_LENGTH >> 2)] = i === 0 ? total : frame.length[i]!;
      words[mbuf + (MBUF_DATA_LENGTH >> 2)] = frame.length[i]!;
      words[mbuf + (MBUF_TRANSMIT_OFFLOAD >> 2)] = i === 0 ? offloads : 0;
      words[mbuf + (MBUF_TRANSMIT_OFFLOAD >> 2) + 1] = 0;
      const next = mbuf + (MBUF_NEXT >> 2);
      if (i + 1 < count) {
        const following = (this.next + i + 1) & (TRANSMIT_BUFFERS - 1);
        memory.writePointer(next, memory.transmitOffset + following * MBUF_BYTES);
      } else {
        words[next] = 0;
        words[next + 1] = 0;
      }
      if (i === 0) memory.writePointer((memory.transmitPointers >> 2) + this.pendingCount++ * 2, at);
    }
    this.next = (this.next + count) | 0;
    this.values[TRANSMITTED_FRAMES] = this.values[TRANSMITTED_FRAMES]! + 1;
    this.values[TRANSMITTED_BYTES] = this.values[TRANSMITTED_BYTES]! + total;
  }

  flush(): void {
    if (this.pendingCount > 0) this.send();
    if (this.next !== this.first) this.harvest();
    if (this.waiting >= SUPPLY_BATCH) this.supply();
  }

  /** Frames wait for the driver: who sleeps now must look again soon. */
  get backlogged(): boolean {
    return this.pendingCount > 0;
  }

  private send(): void {
    const { memory } = this;
    const count = this.pendingCount;
    const taken = this.port.transmit(count);
    if (taken === count) {
      this.pendingCount = 0;
      this.stalledTurns = 0;
      return;
    }
    // What has been taken leaves its place: there is one for every mbuf, and new frames come behind.
    const pointers = memory.transmitPointers >> 2;
    this.pendingCount = count - taken;
    if (taken > 0) this.words.copyWithin(pointers, pointers + taken * 2, pointers + count * 2);
    this.stalledTurns = taken > 0 ? 0 : this.stalledTurns + 1;
    if (this.stalledTurns >= STALLED_TURNS) this.lookAtLink();
  }

  /** Nobody at the other end: frames are lost, as on a cable that is not plugged in. */
  private lookAtLink(): void {
    this.stalledTurns = 0;
    if (this.port.linkUp()) return;
    this.dropPending();
  }

  private dropPending(): void {
    const { memory, words } = this;
    const pointers = memory.transmitPointers >> 2;
    for (let i = 0; i < this.pendingCount; i++) {
      let mbuf = memory.readPointer(pointers + i * 2) >> 2;
      const segments = words[mbuf + (MBUF_SEGMENTS_AND_PORT >> 2)]! & 0xffff;
      for (let segment = 0; segment < segments; segment++) {
        const half = mbuf + (MBUF_DATA_OFFSET_AND_REFERENCES >> 2);
        words[half] = (words[half]! & 0xffff) | (1 << 16);
        mbuf = memory.readPointer(mbuf + (MBUF_NEXT >> 2)) >> 2;
      }
    }
    this.values[TRANSMIT_DROPPED] = this.values[TRANSMIT_DROPPED]! + this.pendingCount;
    this.pendingCount = 0;
  }

  private harvest(): void {
    const { memory, pool, sending, words } = this;
    const before = this.first;
    while (this.first !== this.next) {
      const entry = this.first & (TRANSMIT_BUFFERS - 1);
      const mbuf = (memory.transmitOffset + entry * MBUF_BYTES) >> 2;
      if (words[mbuf + (MBUF_DATA_OFFSET_AND_REFERENCES >> 2)]! >>> 16 !== 1) break;
      pool.release(sending[entry]!);
      this.first = (this.first + 1) | 0;
    }
    if (this.first !== before) {
      this.idleTurns = 0;
      return;
    }
    if (++this.idleTurns < CLEAN_TURNS) return;
    this.idleTurns = 0;
    this.port.clean();
  }

  /** Frames under way get {@link DRAIN_MS} to leave; then every slot the driver held is released. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (let waited = 0; this.next !== this.first && waited < DRAIN_MS; waited++) {
      this.flush();
      this.port.clean();
      if (this.next !== this.first) libc().poll(0, 0, 1);
    }
    this.port.close();
    this.afterClose();
    for (; this.first !== this.next; this.first = (this.first + 1) | 0)
      this.pool.release(this.sending[this.first & (TRANSMIT_BUFFERS - 1)]!);
    for (let slot = 0; slot < this.lent.length; slot++) if (this.lent[slot] === 1) this.pool.release(slot);
    this.memory.close();
  }
}

/** net_af_packet refuses buffers smaller than its ring's frames (2048 bytes when it is not told): it is told what fits a slot. */
function fitted(device: DeviceName, slotSizeBytes: number): DeviceName {
  if (!device.name.startsWith('net_af_packet') || device.options.includes('framesz=')) return device;
  const frameBytes = slotSizeBytes - FRAME_HEADROOM_BYTES;
  // The driver takes its blocks to be full of frames, and the kernel wants blocks of whole pages: 32 times 128 bytes is one.
  const blockBytes = frameBytes * 32;
  return { ...device, options: `${device.options},framesz=${frameBytes},blocksz=${blockBytes}` };
}
