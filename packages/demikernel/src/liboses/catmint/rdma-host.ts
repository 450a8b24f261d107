// What the queues of one Catmint share: the device, posted receives, completions and events on their way to connections.

import type { SlotPool } from '@demikernel/memory';
import type { ConnectionEvent } from '@demikernel/native/verbs';
import {
  COMPLETION_WORDS,
  IBV_WC_SUCCESS,
  IBV_WC_WITH_IMM,
  WC_FLAGS,
  WC_ID,
  WC_IMMEDIATE,
  WC_LENGTH,
  WC_QP,
  WC_STATUS,
} from '@demikernel/native/verbs';
import type { RdmaDoor } from '../../rdma/door.ts';
import { LEAST_CREDITS } from '../../rdma/wire.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { RdmaConnection } from './connection.ts';

export const CATMINT_COUNTERS = [
  'sentMessages',
  'sentBytes',
  'inlineMessages',
  'receivedMessages',
  'receivedBytes',
  'workRequests',
  'completions',
  'emptyPolls',
  'controlMessages',
  'rendezvous',
  'reads',
  'violations',
  'failures',
  'refused',
  'receivesShort',
] as const;
export const SENT_MESSAGES = 0;
export const SENT_BYTES = 1;
export const INLINE_MESSAGES = 2;
export const RECEIVED_MESSAGES = 3;
export const RECEIVED_BYTES = 4;
export const WORK_REQUESTS = 5;
const COMPLETIONS = 6;
const EMPTY_POLLS = 7;
export const CONTROL_MESSAGES = 8;
export const RENDEZVOUS = 9;
export const READS = 10;
export const VIOLATIONS = 11;
export const FAILURES = 12;
export const REFUSED = 13;
const RECEIVES_SHORT = 14;

/** Marks completions of what we have sent; the rest of the id is its number. Without it the id is a slot. */
export const SENT: number = 1 << 30;
/** A new connection is promised this share of the receives that are promised to nobody, within bounds. */
const SHARE_SHIFT = 7;
const MOST_WINDOW = 32;
/** A loop with work looks for events this often. */
const LOOK_US = 50;
/** Rounds of completions that one turn takes. */
const MOST_ROUNDS = 8;
const STARVED_RETRY_US = 100;

/** Who is told of the events of an id. */
export interface EventTarget {
  event(event: ConnectionEvent): void;
}

export interface RdmaHostOptions {
  door: RdmaDoor;
  pool: SlotPool;
  /** Receives that are kept posted. */
  receiveSlots: number;
  /** Messages of so many bytes or less are copied into their work request. */
  inlineBytes: number;
  /** Messages of more bytes are read by the peer, Infinity: none. */
  rendezvousBytes: number;
}

export class RdmaHost {
  readonly runtime: Runtime;
  readonly door: RdmaDoor;
  readonly pool: SlotPool;
  readonly counters: Float64Array;
  readonly inlineBytes: number;
  readonly rendezvousBytes: number;
  /** Receives posted and promised to nobody: what credits are granted from. */
  unpromised: number;
  private missing: number;
  private readonly posted: Uint8Array;
  private readonly connections: Map<number, RdmaConnection>;
  private readonly all: RdmaConnection[];
  private readonly targets: Map<number, EventTarget>;
  private lookedUs: number;
  private asleep: boolean;
  private closed: boolean;

  constructor(runtime: Runtime, options: RdmaHostOptions) {
    this.runtime = runtime;
    this.door = options.door;
    this.pool = options.pool;
    this.inlineBytes = options.inlineBytes;
    this.rendezvousBytes = options.rendezvousBytes;
    this.counters = runtime.metrics.counters('catmint', CATMINT_COUNTERS);
    this.unpromised = 0;
    this.missing = options.receiveSlots;
    this.posted = new Uint8Array(options.pool.slotCount);
    this.connections = new Map();
    this.all = [];
    this.targets = new Map();
    this.lookedUs = runtime.clock.micros32;
    this.asleep = false;
    this.closed = false;
    this.refill();
  }

  add(counter: number, amount: number): void {
    this.counters[counter] = this.counters[counter]! + amount;
  }

  // ---- receives ----

  /** Posts receives for those that have been used, as far as there is memory. */
  private refill(): void {
    const { door, pool } = this;
    while (this.missing > 0) {
      const slot = pool.allocReserved();
      if (slot < 0) {
        this.add(RECEIVES_SHORT, 1);
        return;
      }
      if (door.device.postReceive(slot, pool.slotOffset(slot), pool.slotSizeBytes) !== 0) {
        pool.release(slot);
        return;
      }
      this.posted[slot] = 1;
      this.missing--;
      this.unpromised++;
    }
  }

  /** Receives for a new connection, or 0 when there are too few. */
  grant(): number {
    const window = Math.min(Math.max(this.unpromised >> SHARE_SHIFT, LEAST_CREDITS), MOST_WINDOW);
    if (this.unpromised < window) return 0;
    this.unpromised -= window;
    return window;
  }

  // ---- connections and events ----

  enter(number: number, connection: RdmaConnection): void {
    this.connections.set(number, connection);
    this.all.push(connection);
  }

  leave(number: number, connection: RdmaConnection): void {
    this.connections.delete(number);
    const at = this.all.indexOf(connection);
    const last = this.all.pop()!;
    if (last !== connection) this.all[at] = last;
  }

  watch(id: number, target: EventTarget): void {
    this.targets.set(id, target);
  }

  /** Ends an id. Its queue pair is gone. */
  forget(id: number): void {
    this.targets.delete(id);
    this.door.manager.destroy(id);
  }

  // ---- turns ----

  poll(): number {
    if (this.asleep) {
      this.asleep = false;
      this.door.device.takeNotification();
    }
    const nowUs = this.runtime.clock.micros32;
    let work = 0;
    let event: ConnectionEvent | undefined;
    if ((nowUs - this.lookedUs) >>> 0 >= LOOK_US) {
      event = this.door.manager.next();
      if (event === undefined) this.lookedUs = nowUs;
    }
    // What arrived before an event is seen before it.
    let round = 0;
    do {
      const count = this.takeCompletions();
      if (count <= 0) break;
      work += count;
    } while (event !== undefined || ++round < MOST_ROUNDS);
    if (this.missing > 0) this.refill();
    if (event !== undefined) {
      // An id that is not ours yet is a request's, told to who listens.
      (this.targets.get(event.id) ?? this.targets.get(event.listenId))?.event(event);
      work++;
    }
    const { all } = this;
    for (let i = all.length - 1; i >= 0; i--) {
      const connection = all[i];
      if (connection?.busy) work += connection.turn();
    }
    if (work === 0) this.add(EMPTY_POLLS, 1);
    return work;
  }

  private takeCompletions(): number {
    const { device } = this.door;
    const count = device.poll();
    if (count <= 0) return count;
    this.add(COMPLETIONS, count);
    const { completions } = device;
    for (let at = 0; at < count * COMPLETION_WORDS; at += COMPLETION_WORDS) {
      const id = completions[at + WC_ID]!;
      const status = completions[at + WC_STATUS]!;
      const connection = this.connections.get(completions[at + WC_QP]!);
      if ((id & SENT) !== 0) connection?.sendCompleted(id & ~SENT, status);
      else if (id >= 0 && id < this.posted.length && this.posted[id] === 1) {
        this.posted[id] = 0;
        this.missing++;
        if (connection === undefined || status !== IBV_WC_SUCCESS) {
          if (connection === undefined) this.unpromised--;
          else connection.receiveFailed(status);
          this.pool.release(id);
        } else if ((completions[at + WC_FLAGS]! & IBV_WC_WITH_IMM) === 0) connection.receivedAlien(id);
        else connection.received(id, completions[at + WC_LENGTH]!, completions[at + WC_IMMEDIATE]!);
      }
    }
    return count;
  }

  untilNextUs(): number {
    const { device } = this.door;
    device.requestNotification();
    this.asleep = true;
    this.lookedUs = this.runtime.clock.micros32 - LOOK_US;
    if (this.takeCompletions() > 0) return 0;
    for (const connection of this.all) if (connection.busy) return STARVED_RETRY_US;
    return Number.POSITIVE_INFINITY;
  }

  get descriptors(): readonly number[] {
    return [this.door.device.notificationFd, this.door.manager.fd];
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (let i = this.all.length - 1; i >= 0; i--) this.all[i]?.destroy();
    for (const id of [...this.targets.keys()]) this.forget(id);
    this.door.device.close();
    this.door.manager.close();
    for (let slot = 0; slot < this.posted.length; slot++)
      if (this.posted[slot] === 1) this.pool.release(slot);
  }
}
