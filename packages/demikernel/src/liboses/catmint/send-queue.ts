// The sending half of a queue pair: work requests posted, and what they hold until they are complete. Completions of one queue pair
// come in order, so one that is asked for tells of all before it.

import {
  IBV_SEND_INLINE,
  IBV_SEND_SIGNALED,
  IBV_WR_RDMA_READ,
  IBV_WR_SEND_WITH_IMM,
  MOST_PIECES,
} from '@demikernel/native/verbs';
import type { RdmaHost } from './rdma-host.ts';
import { SENT, WORK_REQUESTS } from './rdma-host.ts';

/** Work requests under way: counted here, because devices give more room than was asked for. */
export const SEND_DEPTH = 128;
/** Requests that hold nothing are asked about this often. */
const SIGNAL_EVERY = 16;
const NUMBER_MASK = SENT - 1;

export class SendQueue {
  /** Number of the last request. */
  last: number;
  /** Requests under way. */
  underWay: number;
  private readonly host: RdmaHost;
  private readonly queuePair: number;
  /** The slots of the requests under way, in order; how many each holds, by its number. */
  private readonly slots: Int32Array;
  private slotHead: number;
  private slotTail: number;
  private readonly held: Int32Array;
  private done: number;
  private pieces: number;
  private unsignalled: number;

  constructor(host: RdmaHost, queuePair: number) {
    this.last = 0;
    this.underWay = 0;
    this.host = host;
    this.queuePair = queuePair;
    this.slots = new Int32Array(SEND_DEPTH * 32);
    this.slotHead = 0;
    this.slotTail = 0;
    this.held = new Int32Array(SEND_DEPTH);
    this.done = 0;
    this.pieces = 0;
    this.unsignalled = 0;
  }

  get hasRoom(): boolean {
    return this.underWay < SEND_DEPTH;
  }

  /** Pieces that the next request still takes. */
  get piecesLeft(): number {
    return MOST_PIECES - this.pieces;
  }

  /** Adds bytes of a slot, which is held until the request is complete, to the next request. */
  add(slot: number, offset: number, lengthBytes: number): void {
    this.host.door.device.addPiece(offset, lengthBytes);
    this.host.pool.retain(slot);
    this.slots[this.slotTail++ & (this.slots.length - 1)] = slot;
    this.pieces++;
  }

  /** Posts a message of what was added. 0 or an errno. @param told whether its completion matters to somebody */
  send(word: number, lengthBytes: number, told: boolean): number {
    const inline = lengthBytes <= this.host.inlineBytes;
    return this.post(IBV_WR_SEND_WITH_IMM, inline, word, told);
  }

  /** Posts a read into what was added; its completion is told. */
  read(low: number, high: number, key: number): number {
    this.host.door.device.setRemote(low, high, key);
    return this.post(IBV_WR_RDMA_READ, false, 0, true);
  }

  private post(opcode: number, inline: boolean, word: number, told: boolean): number {
    const { host, pieces } = this;
    this.pieces = 0;
    const number = (this.last + 1) & NUMBER_MASK;
    const due = ++this.unsignalled >= SIGNAL_EVERY;
    const signalled = told || due || (pieces > 0 && !inline);
    const flags = (signalled ? IBV_SEND_SIGNALED : 0) | (inline ? IBV_SEND_INLINE : 0);
    const errno = host.door.device.postSend(this.queuePair, SENT | number, opcode, flags, word);
    // Inline bytes have been taken: nothing is held for them. What could not be posted holds nothing either.
    if (inline || errno !== 0) this.releaseLast(pieces);
    if (errno !== 0) return errno;
    if (signalled) this.unsignalled = 0;
    this.held[number & (SEND_DEPTH - 1)] = inline ? 0 : pieces;
    this.last = number;
    this.underWay++;
    host.add(WORK_REQUESTS, 1);
    return 0;
  }

  private releaseLast(count: number): void {
    for (let i = 0; i < count; i++)
      this.host.pool.release(this.slots[--this.slotTail & (this.slots.length - 1)]!);
  }

  /** Everything up to a request is complete. False: there is no such request under way. */
  complete(number: number): boolean {
    const ended = (number - this.done) & NUMBER_MASK;
    if (ended === 0 || ended > this.underWay) return false;
    for (let i = 0; i < ended; i++) {
      this.done = (this.done + 1) & NUMBER_MASK;
      this.release(this.held[this.done & (SEND_DEPTH - 1)]!);
    }
    this.underWay -= ended;
    return true;
  }

  private release(count: number): void {
    for (let i = 0; i < count; i++)
      this.host.pool.release(this.slots[this.slotHead++ & (this.slots.length - 1)]!);
  }

  /** Whether a request is complete. */
  isDone(number: number): boolean {
    return ((number - this.done) & NUMBER_MASK) === 0 || ((number - this.done) & NUMBER_MASK) > this.underWay;
  }

  /** The queue pair is gone: nothing is under way any more. */
  abandon(): void {
    while (this.slotHead !== this.slotTail) this.release(1);
    this.underWay = 0;
    this.done = this.last;
  }
}
