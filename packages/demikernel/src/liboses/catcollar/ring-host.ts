// What the queues of one Catcollar share: the ring, the landing slots, the message blocks, who has something to send.

import { Region, SlotPool } from '@demikernel/memory';
import {
  closeDescriptor,
  IORING_OP_CLOSE,
  mapAnonymous,
  SocketAddress as NativeAddress,
  openNamespace,
  openSocket,
  runInNamespace,
} from '@demikernel/native/kernel';
import type { OperationList } from '../../runtime/operation.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { SocketHome } from '../../sockets/kernel-queue.ts';
import { LingeringSocket } from '../../sockets/lingering.ts';
import { NOBODY, type Ring } from '../../uring/ring.ts';
import { Landing } from './landing.ts';
import { MessageBlocks } from './message-blocks.ts';

/** What Catcollar counts; the ring's own counters are in the room `uring`. */
const COUNTERS = [
  'receives',
  'receivedBytes',
  'sends',
  'sentBytes',
  'sendPartial',
  'zeroCopySends',
  'zeroCopyCopied',
  'accepted',
  'connected',
  'failures',
  'memoryShort',
  'paused',
  'datagramsTruncated',
] as const;
export const RECEIVES = 0;
export const RECEIVED_BYTES = 1;
export const SENDS = 2;
export const SENT_BYTES = 3;
export const SEND_PARTIAL = 4;
export const ZERO_COPY_SENDS = 5;
export const ZERO_COPY_COPIED = 6;
export const ACCEPTED = 7;
export const CONNECTED = 8;
export const FAILURES = 9;
export const MEMORY_SHORT = 10;
export const PAUSED = 11;
export const DATAGRAMS_TRUNCATED = 12;

const STREAM_GROUP = 0;
const DATAGRAM_GROUP = 1;
/** Slots that wait for streams, at most: a quarter of the memory when that is less. */
const STREAM_SLOTS = 1024;
/**
 * Datagrams land in places of their own, each large enough for the largest and its address; pages are touched when used.
 * What applications hold for long moves into common slots, see datagram-queue.ts.
 */
const DATAGRAM_SLOT_BYTES = 131072;
const DATAGRAM_SLOTS = 256;
const MESSAGE_BLOCKS = 1024;
/** Only with a polling kernel thread does something take more than one turn. */
const SETTLE_ATTEMPTS = 100_000;
/** Received slots that one stream may leave unread, while others leave it so much. */
const MOST_UNREAD_SLOTS = 64;

/** A queue that has something to send, or to ask for, once per turn. */
export interface Sender {
  /** Prepares requests. False: what it needs is short, again next turn. */
  submit(): boolean;
}

/** A queue that ran out of landing slots. */
export interface Starved {
  retry(): void;
}

export class RingHost implements SocketHome {
  readonly runtime: Runtime;
  readonly pool: SlotPool;
  readonly ring: Ring;
  readonly streams: Landing;
  readonly blocks: MessageBlocks;
  readonly counters: Float64Array;
  readonly scratch: NativeAddress;
  /** Streams of this many bytes and more leave without a copy. */
  readonly zeroCopyBytes: number;
  /** The pool's memory is known to the ring as buffer 0, so that zero copy need not look its pages up. */
  readonly registered: boolean;
  /** A kernel thread takes entries when it pleases. */
  readonly polled: boolean;
  /** Connections that may hold unread slots. */
  openStreams: number;
  /** The message block that every receive of datagrams shows the kernel: room for an address, nothing else. */
  datagramTemplate: number;
  private landedDatagrams: Landing | undefined;
  // Two lists in turn, counted apart: an array whose length is cut gives its memory up.
  private senders: (Sender | undefined)[];
  private senderCount: number;
  private sending: (Sender | undefined)[];
  private starved: Starved[];
  private readonly lingering: Set<number>;
  private readonly namespace: number;

  constructor(runtime: Runtime, pool: SlotPool, ring: Ring, options: RingHostOptions) {
    this.runtime = runtime;
    this.pool = pool;
    this.namespace = options.namespace === undefined ? -1 : openNamespace(options.namespace);
    this.ring = ring;
    const slots = Math.min(STREAM_SLOTS, Math.max(1, pool.slotCount >> 2));
    this.streams = new Landing(this.ring.native, pool, STREAM_GROUP, 1 << (31 - Math.clz32(slots)));
    this.blocks = new MessageBlocks(pool, MESSAGE_BLOCKS);
    this.counters = runtime.metrics.counters('catcollar', COUNTERS);
    this.scratch = new NativeAddress();
    this.zeroCopyBytes = options.zeroCopyBytes ?? Number.POSITIVE_INFINITY;
    this.registered =
      options.zeroCopyBytes !== undefined &&
      ring.native.registerMemory(Number(pool.region.address), pool.region.lengthBytes) === 0;
    this.polled = options.sqPollIdleMs !== undefined;
    this.openStreams = 0;
    this.datagramTemplate = -1;
    this.landedDatagrams = undefined;
    this.senders = [];
    this.senderCount = 0;
    this.sending = [];
    this.starved = [];
    this.lingering = new Set();
  }

  /** Where datagrams land; made for the first socket that receives some. */
  get datagrams(): Landing {
    if (this.landedDatagrams === undefined) {
      const map = mapAnonymous({ lengthBytes: DATAGRAM_SLOTS * DATAGRAM_SLOT_BYTES });
      const region = new Region({ buffer: map.buffer, address: map.address, release: () => map.release() });
      const pool = new SlotPool(region, { slotSizeBytes: DATAGRAM_SLOT_BYTES, headroomBytes: 0 });
      this.datagramTemplate = this.blocks.take();
      this.blocks.name(this.datagramTemplate).clear();
      this.blocks.useName(this.datagramTemplate);
      this.landedDatagrams = new Landing(this.ring.native, pool, DATAGRAM_GROUP, DATAGRAM_SLOTS >> 1);
    }
    return this.landedDatagrams;
  }

  /** Received slots that one stream may leave unread: what all may leave, shared out. */
  get unreadLimit(): number {
    const share = Math.floor((this.pool.slotCount >> 1) / (this.openStreams + 1));
    return Math.max(1, Math.min(MOST_UNREAD_SLOTS, share));
  }

  /** A blocking socket: the ring takes O_NONBLOCK as a wish for -EAGAIN. The descriptor or a negative errno. */
  open(family: number, type: number): number {
    if (this.namespace < 0) return openSocket(family, type, 0, { blocking: true });
    return runInNamespace(this.namespace, () => openSocket(family, type, 0, { blocking: true }));
  }

  close(fd: number): void {
    if (this.lingering.size > 0) this.lingering.delete(fd);
    // Entries that the kernel has not taken yet may mean this descriptor: its number must not be used again before.
    if (this.polled && this.ring.native.fd >= 0) this.ring.prepare(IORING_OP_CLOSE, fd, NOBODY, 0);
    else closeDescriptor(fd);
  }

  /** Closes when what was sent is acknowledged, or after `lingerUs` with a reset. */
  linger(fd: number, lingerUs: number): void {
    this.lingering.add(fd);
    new LingeringSocket(this, fd, lingerUs);
  }

  add(counter: number, amount: number): void {
    this.counters[counter] = this.counters[counter]! + amount;
  }

  /** Has `submit` called before the next submission. */
  schedule(sender: Sender): void {
    const { senders } = this;
    if (this.senderCount < senders.length) senders[this.senderCount] = sender;
    else senders.push(sender);
    this.senderCount++;
  }

  /** Has `retry` called when there are landing slots again. */
  starve(socket: Starved): void {
    this.add(MEMORY_SHORT, 1);
    this.starved.push(socket);
  }

  get hasStarved(): boolean {
    return this.starved.length > 0;
  }

  /** Whether something is to be submitted. */
  get hasSenders(): boolean {
    return this.senderCount > 0;
  }

  /** One submission for all that the turn has produced. */
  flush(): number {
    if (this.senderCount > 0) this.submitAll();
    return this.ring.flush();
  }

  private submitAll(): void {
    const { senders, senderCount } = this;
    this.senders = this.sending;
    this.sending = senders;
    this.senderCount = 0;
    for (let i = 0; i < senderCount; i++) {
      const sender = senders[i]!;
      senders[i] = undefined;
      if (!sender.submit()) this.schedule(sender);
    }
  }

  poll(): number {
    const count = this.ring.poll();
    const { streams, landedDatagrams } = this;
    if (streams.provided < streams.wanted) streams.refill();
    if (landedDatagrams !== undefined && landedDatagrams.provided < landedDatagrams.wanted)
      landedDatagrams.refill();
    if (this.starved.length > 0) this.feed();
    return count;
  }

  /** Turns the ring until the kernel has finished what is on a list. */
  settle(list: OperationList): void {
    for (let attempt = 0; list.head !== undefined && attempt < SETTLE_ATTEMPTS; attempt++) {
      this.ring.flush();
      this.ring.poll();
    }
  }

  private feed(): void {
    if (this.streams.provided === 0 || this.landedDatagrams?.provided === 0) return;
    const { starved } = this;
    this.starved = [];
    for (const socket of starved) socket.retry();
  }

  shutDown(): void {
    for (const fd of this.lingering) this.close(fd);
    this.ring.close();
    this.streams.close();
    this.landedDatagrams?.close();
    this.landedDatagrams?.pool.region.release();
    this.blocks.close();
    this.scratch.close();
    if (this.namespace >= 0) closeDescriptor(this.namespace);
  }
}

export interface RingHostOptions {
  namespace?: string;
  zeroCopyBytes?: number;
  sqPollIdleMs?: number;
}
