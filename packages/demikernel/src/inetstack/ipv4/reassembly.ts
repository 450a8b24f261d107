// Fragments put together again (RFC 791 section 3.2) within bounded slots, datagrams and time. Overlaps end a datagram, as
// RFC 5722 has it for IPv6: no honest sender makes them.

import type { SlotPool } from '@demikernel/memory';
import type { Runtime } from '../../runtime/runtime.ts';
import { Timer, type TimerOwner } from '../../runtime/timer-wheel.ts';
import { FlowTable } from '../flow-table.ts';
import { receiveFloor } from '../receive-floor.ts';

/** Fragments of one datagram: 64 KiB over the smallest path we believe in (552 bytes) are 124. */
export const MAX_FRAGMENTS = 128;
/** Payload of the largest IP packet with the shortest header. */
const MAX_PAYLOAD_BYTES = 65515;

export const REASSEMBLY_COUNTERS = [
  'fragments',
  'reassembled',
  'malformed',
  'duplicates',
  'overlaps',
  'tooMany',
  'late',
  'timeouts',
  'evicted',
] as const;
const FRAGMENTS = 0;
const REASSEMBLED = 1;
const MALFORMED = 2;
const DUPLICATES = 3;
const OVERLAPS = 4;
const TOO_MANY = 5;
const LATE = 6;
const TIMEOUTS = 7;
const EVICTED = 8;

export interface ReassemblyOptions {
  /** Datagrams under way at once. Default 64. */
  datagrams?: number;
  /** Slots held by fragments at most. Default an eighth of the pool, at most 512. */
  slots?: number;
  /** How long a datagram may take. Default 15 s (RFC 791). */
  timeoutUs?: number;
}

/** A datagram under way: its fragments in order of their place. */
export class PartialDatagram implements TimerOwner {
  source: number;
  key: number;
  /** Fragments present. */
  count: number;
  /** Bytes present. */
  presentBytes: number;
  /** Payload bytes in all; -1 until the last fragment came. */
  totalBytes: number;
  /** Overlapping or malformed: everything of it is dropped until its time is over. */
  poisoned: boolean;
  /** Where the IPv4 header of the first fragment lies; -1 until it came. */
  ipOffset: number;
  /** Fragment i is `length[i]` bytes of the region at `offset[i]`, and belongs at byte `place[i]`. */
  readonly offset: Int32Array;
  readonly length: Int32Array;
  readonly place: Int32Array;
  readonly timer: Timer;
  private readonly owner: Reassembly;

  constructor(owner: Reassembly) {
    this.source = 0;
    this.key = 0;
    this.count = 0;
    this.presentBytes = 0;
    this.totalBytes = -1;
    this.poisoned = false;
    this.ipOffset = -1;
    this.offset = new Int32Array(MAX_FRAGMENTS);
    this.length = new Int32Array(MAX_FRAGMENTS);
    this.place = new Int32Array(MAX_FRAGMENTS);
    this.owner = owner;
    this.timer = new Timer(this, 0);
  }

  onTimer(): void {
    this.owner.expire(this);
  }
}

/** Told when a datagram has run out of time, while its first fragment is still there. */
export type ExpiryListener = (ipOffset: number) => void;

/** The datagrams under way. */
export class Reassembly {
  readonly counters: Float64Array;
  /** Slots held now. */
  heldSlots: number;
  private readonly pool: SlotPool;
  private readonly runtime: Runtime;
  private readonly table: FlowTable<PartialDatagram>;
  private readonly maxDatagrams: number;
  private readonly maxSlots: number;
  private readonly floorSlots: number;
  private readonly timeoutUs: number;
  private readonly onExpiry: ExpiryListener;
  private readonly idle: PartialDatagram[];

  constructor(pool: SlotPool, runtime: Runtime, onExpiry: ExpiryListener, options: ReassemblyOptions = {}) {
    this.pool = pool;
    this.runtime = runtime;
    this.onExpiry = onExpiry;
    this.counters = runtime.metrics.counters('reassembly', REASSEMBLY_COUNTERS);
    this.heldSlots = 0;
    this.table = new FlowTable<PartialDatagram>(runtime.random.int32());
    this.maxDatagrams = options.datagrams ?? 64;
    this.maxSlots = options.slots ?? Math.min(512, Math.max(1, pool.slotCount >> 3));
    this.floorSlots = receiveFloor(pool);
    this.timeoutUs = options.timeoutUs ?? 15_000_000;
    this.idle = [];
  }

  /** Datagrams under way now. */
  get count(): number {
    return this.table.count;
  }

  /**
   * Takes a fragment and its slot's reference.
   *
   * @param ipOffset where its IPv4 header lies, `headerBytes` long
   * @param lengthBytes payload of this fragment
   * @returns the datagram when this completed it: hand it to `release` after taking its slots over
   */
  receive(
    ipOffset: number,
    headerBytes: number,
    lengthBytes: number,
    source: number,
    key: number,
  ): PartialDatagram | undefined {
    this.counters[FRAGMENTS]!++;
    const word = this.pool.region.view.getUint16(ipOffset + 6);
    const place = (word & 0x1fff) << 3;
    const more = (word & 0x2000) !== 0;
    const slot = ipOffset >> this.pool.slotShift;
    const end = place + lengthBytes;
    if (lengthBytes === 0 || (more && (lengthBytes & 7) !== 0) || end > MAX_PAYLOAD_BYTES) {
      this.drop(slot, MALFORMED);
      return undefined;
    }
    const datagram = this.table.get(source, key) ?? this.begin(source, key);
    if (datagram.poisoned) {
      this.drop(slot, LATE);
      return undefined;
    }
    const index = this.indexFor(datagram, place);
    if (index < datagram.count && datagram.place[index] === place && datagram.length[index] === lengthBytes) {
      this.drop(slot, DUPLICATES);
      return undefined;
    }
    if (!fits(datagram, index, place, end, more)) {
      this.poison(datagram);
      this.drop(slot, OVERLAPS);
      return undefined;
    }
    if (datagram.count === MAX_FRAGMENTS || !this.makeRoom(datagram)) {
      this.poison(datagram);
      this.drop(slot, TOO_MANY);
      return undefined;
    }
    this.insert(datagram, index, ipOffset + headerBytes, lengthBytes, place);
    if (place === 0) datagram.ipOffset = ipOffset;
    if (!more) datagram.totalBytes = end;
    if (datagram.presentBytes !== datagram.totalBytes) return undefined;
    this.counters[REASSEMBLED]!++;
    return datagram;
  }

  /** Forgets a completed datagram, whose slots have a new holder. */
  release(datagram: PartialDatagram): void {
    this.heldSlots -= datagram.count;
    datagram.count = 0;
    this.end(datagram);
  }

  expire(datagram: PartialDatagram): void {
    if (!datagram.poisoned) {
      this.counters[TIMEOUTS]!++;
      if (datagram.ipOffset >= 0) this.onExpiry(datagram.ipOffset);
    }
    this.dropFragments(datagram);
    this.end(datagram);
  }

  close(): void {
    const all: PartialDatagram[] = [];
    this.table.forEach(datagram => {
      all.push(datagram);
    });
    for (const datagram of all) {
      this.dropFragments(datagram);
      this.end(datagram);
    }
  }

  private begin(source: number, key: number): PartialDatagram {
    if (this.table.count >= this.maxDatagrams) this.evictAny(undefined);
    const datagram = this.idle.pop() ?? new PartialDatagram(this);
    datagram.source = source;
    datagram.key = key;
    datagram.presentBytes = 0;
    datagram.totalBytes = -1;
    datagram.poisoned = false;
    datagram.ipOffset = -1;
    this.table.set(source, key, datagram);
    this.runtime.timers.arm(datagram.timer, this.timeoutUs);
    return datagram;
  }

  private end(datagram: PartialDatagram): void {
    this.runtime.timers.cancel(datagram.timer);
    this.table.delete(datagram.source, datagram.key);
    this.idle.push(datagram);
  }

  /** Room for one more slot, at the cost of another datagram where need be. */
  private makeRoom(keep: PartialDatagram): boolean {
    while (this.heldSlots >= this.maxSlots || this.pool.freeSlots < this.floorSlots) {
      if (!this.evictAny(keep)) return false;
    }
    return true;
  }

  /** Drops the datagram whose time is over first. */
  private evictAny(keep: PartialDatagram | undefined): boolean {
    let victim: PartialDatagram | undefined;
    this.table.forEach(datagram => {
      if (datagram === keep) return;
      const sooner =
        victim === undefined || ((datagram.timer.deadlineTick - victim.timer.deadlineTick) | 0) < 0;
      if (sooner) victim = datagram;
    });
    if (victim === undefined) return false;
    this.counters[EVICTED]!++;
    this.dropFragments(victim);
    this.end(victim);
    return true;
  }

  /** Index of the first fragment that does not lie before `place`. */
  private indexFor(datagram: PartialDatagram, place: number): number {
    // Fragments come in order nearly always, so the search begins at the end.
    let index = datagram.count;
    while (index > 0 && datagram.place[index - 1]! >= place) index--;
    return index;
  }

  private insert(
    datagram: PartialDatagram,
    index: number,
    offset: number,
    lengthBytes: number,
    place: number,
  ): void {
    for (let i = datagram.count; i > index; i--) {
      datagram.offset[i] = datagram.offset[i - 1]!;
      datagram.length[i] = datagram.length[i - 1]!;
      datagram.place[i] = datagram.place[i - 1]!;
    }
    datagram.offset[index] = offset;
    datagram.length[index] = lengthBytes;
    datagram.place[index] = place;
    datagram.count++;
    datagram.presentBytes += lengthBytes;
    this.heldSlots++;
  }

  private poison(datagram: PartialDatagram): void {
    this.dropFragments(datagram);
    datagram.poisoned = true;
  }

  private dropFragments(datagram: PartialDatagram): void {
    const { pool } = this;
    for (let i = 0; i < datagram.count; i++) pool.release(datagram.offset[i]! >> pool.slotShift);
    this.heldSlots -= datagram.count;
    datagram.count = 0;
    datagram.presentBytes = 0;
    datagram.ipOffset = -1;
  }

  private drop(slot: number, counter: number): void {
    this.counters[counter]!++;
    this.pool.release(slot);
  }
}

/** Whether a fragment overlaps no neighbour and agrees with the datagram's end. */
function fits(datagram: PartialDatagram, index: number, place: number, end: number, more: boolean): boolean {
  const { count, totalBytes } = datagram;
  if (index > 0 && datagram.place[index - 1]! + datagram.length[index - 1]! > place) return false;
  if (index < count && end > datagram.place[index]!) return false;
  if (totalBytes >= 0) return more && end <= totalBytes; // a second last fragment is a lie
  return more || index === count;
}
