// Operations: what a queue token stands for, from the call that issued it until its result has been taken.

import { DemiError, type ScatterGatherArray } from '@demikernel/memory';
import { SocketAddress } from './socket-address.ts';

/** Opcodes of results, as in PDPIX. */
export const OP_NONE = 0;
export const OP_PUSH = 1;
export const OP_POP = 2;
export const OP_ACCEPT = 3;
export const OP_CONNECT = 4;
export const OP_OPEN = 5;
export const OP_TRUNCATE = 6;

/** A push that completes when the peer has acknowledged every byte, not when the send queue has taken them. */
export const PUSH_ACKED = 1;
/** The push names its destination (`pushTo`). */
export const PUSH_TO = 2;

/** A queue token: index (18 bits) and generation (12 bits) of an operation. Positive; 0 is none. */
export type QueueToken = number;

const INDEX_BITS = 18;
const INDEX_MASK = (1 << INDEX_BITS) - 1;
const GENERATION_MASK = 0xfff;
/** Most operations one table holds. */
export const MAX_OPERATIONS: number = 1 << INDEX_BITS;

/** States of an operation. */
export const OP_FREE = 0;
export const OP_PENDING = 1;
export const OP_COMPLETE = 2;

/** Who is told that an operation is complete: a wait set, a coroutine, a promise. */
export interface CompletionSink {
  completed(operation: Operation): void;
}

/**
 * One operation. The table owns these; a queue holds one while it is pending, its sink from completion until the result
 * has been taken.
 */
export class Operation {
  readonly index: number;
  token: QueueToken;
  state: number;
  opcode: number;
  qd: number;
  /** 0, or why it failed. */
  errno: number;
  /** `PUSH_ACKED`, `PUSH_TO`. */
  flags: number;
  /** Pop: most bytes wanted, 0 for what there is. Push: bytes in all. */
  sizeBytes: number;
  /** Push: bytes the queue has taken so far. */
  doneBytes: number;
  /** Push: the payload, this operation's own references. Pop: the result, the application's. */
  array: ScatterGatherArray | undefined;
  /** Accept: descriptor of the new queue. */
  acceptedQd: number;
  /** Whether `address` means something: most operations have none, and its cache line is left alone. */
  addressed: boolean;
  private readonly socketAddress: SocketAddress;
  /** For the queue's own use: TCP keeps the sequence number that completes an acknowledged push here. */
  mark: number;
  /** Where in a log: of the record pushed or popped, or to truncate at; -1 elsewhere. */
  position: number;
  sink: CompletionSink | undefined;
  /** Links of the one list it is on: its queue's while pending, its sink's once complete. */
  previous: Operation | undefined;
  next: Operation | undefined;
  list: OperationList | undefined;

  constructor(index: number) {
    this.index = index;
    this.token = (1 << INDEX_BITS) | index;
    this.state = OP_FREE;
    this.opcode = OP_NONE;
    this.qd = -1;
    this.errno = 0;
    this.flags = 0;
    this.sizeBytes = 0;
    this.doneBytes = 0;
    this.array = undefined;
    this.acceptedQd = -1;
    this.addressed = false;
    this.socketAddress = new SocketAddress();
    this.mark = 0;
    this.position = -1;
    this.sink = undefined;
    this.previous = undefined;
    this.next = undefined;
    this.list = undefined;
  }

  /** Destination of a push, source of a datagram, peer of an accepted or connecting queue. 0.0.0.0:0 until it is set. */
  get address(): SocketAddress {
    if (!this.addressed) {
      this.addressed = true;
      this.socketAddress.setIpv4(0, 0);
    }
    return this.socketAddress;
  }
}

/** An intrusive first-in-first-out list of operations with removal from the middle. */
export class OperationList {
  head: Operation | undefined;
  tail: Operation | undefined;
  count: number;

  constructor() {
    this.head = undefined;
    this.tail = undefined;
    this.count = 0;
  }

  push(operation: Operation): void {
    const { tail } = this;
    operation.list = this;
    operation.next = undefined;
    // A list of one is the usual case; a constant is stored without the garbage collector's book-keeping.
    if (tail === undefined) {
      operation.previous = undefined;
      this.head = operation;
    } else {
      operation.previous = tail;
      tail.next = operation;
    }
    this.tail = operation;
    this.count++;
  }

  shift(): Operation | undefined {
    const operation = this.head;
    if (operation !== undefined) this.remove(operation);
    return operation;
  }

  remove(operation: Operation): void {
    const { previous, next } = operation;
    operation.list = undefined;
    this.count--;
    if (previous === next) {
      // Both undefined: it was alone.
      this.head = undefined;
      this.tail = undefined;
      return;
    }
    if (previous === undefined) this.head = next;
    else previous.next = next;
    if (next === undefined) this.tail = previous;
    else next.previous = previous;
    operation.previous = undefined;
    operation.next = undefined;
  }
}

/**
 * Free slots that wait behind a slot before it is used again: with 4095 generations each, a stale token stays unknown for
 * 65,000 operations at least. More would bring operations into the cache that have left it.
 */
const REST_SLOTS = 16;

/** Every operation of a runtime, allocated at the start; slots are reused first in, first out. */
export class OperationTable {
  readonly capacity: number;
  /** Operations issued and not yet taken. */
  liveCount: number;
  private readonly operations: Operation[];
  /** Slots that have been used; those from here on never were. */
  private usedSlots: number;
  // Used slots that are free, `usedSlots - liveCount` of them, from `freeHead` on.
  private readonly freeRing: Int32Array;
  private freeHead: number;

  constructor(capacity: number) {
    if (!(capacity >= 1 && capacity <= MAX_OPERATIONS)) {
      throw new DemiError(
        'ERR_DEMI_OUT_OF_RANGE',
        `an operation table holds 1 to ${MAX_OPERATIONS} operations`,
      );
    }
    this.capacity = capacity;
    this.liveCount = 0;
    this.operations = [];
    for (let i = 0; i < capacity; i++) this.operations.push(new Operation(i));
    this.usedSlots = 0;
    this.freeRing = new Int32Array(capacity);
    this.freeHead = 0;
  }

  /** A fresh operation. @throws ERR_DEMI_AGAIN when all are in use. */
  issue(opcode: number, qd: number): Operation {
    if (this.liveCount === this.capacity) throw allInUse(this.capacity);
    const operation = this.operations[this.takeSlot()]!;
    this.liveCount++;
    operation.state = OP_PENDING;
    operation.opcode = opcode;
    operation.qd = qd;
    operation.errno = 0;
    operation.flags = 0;
    operation.sizeBytes = 0;
    operation.doneBytes = 0;
    operation.acceptedQd = -1;
    operation.addressed = false;
    operation.mark = 0;
    operation.position = -1;
    return operation;
  }

  private takeSlot(): number {
    if (this.usedSlots - this.liveCount <= REST_SLOTS && this.usedSlots < this.capacity)
      return this.usedSlots++;
    const slot = this.freeRing[this.freeHead]!;
    this.freeHead = this.freeHead + 1 === this.capacity ? 0 : this.freeHead + 1;
    return slot;
  }

  /** The operation of a token. @throws ERR_DEMI_TOKEN when the token is unknown or its result has been taken. */
  lookup(token: QueueToken): Operation {
    const operation = this.operations[token & INDEX_MASK];
    if (operation === undefined || operation.token !== token || operation.state === OP_FREE) {
      throw unknownToken(token);
    }
    return operation;
  }

  /** The operation at a place of the table, `Operation.index`. */
  at(index: number): Operation {
    return this.operations[index]!;
  }

  /** Finishes an operation: its queue calls this once, and has taken it off its own lists before. */
  complete(operation: Operation, errno: number): void {
    operation.errno = errno;
    operation.state = OP_COMPLETE;
    if (operation.sink !== undefined) operation.sink.completed(operation);
  }

  /** Ends an operation's life after its result has been taken; its token is never valid again. */
  retire(operation: Operation): void {
    const generation = ((operation.token >>> INDEX_BITS) + 1) & GENERATION_MASK;
    operation.token = ((generation === 0 ? 1 : generation) << INDEX_BITS) | operation.index;
    operation.state = OP_FREE;
    operation.array = undefined;
    operation.sink = undefined;
    let tail = this.freeHead + this.usedSlots - this.liveCount;
    if (tail >= this.capacity) tail -= this.capacity;
    this.freeRing[tail] = operation.index;
    this.liveCount--;
  }

  /** Whether a complete operation of a kind waits to be taken by whoever uses the queue. Not for the packet path. */
  hasUntaken(opcode: number, qd: number): boolean {
    for (let i = 0; i < this.usedSlots; i++) {
      const operation = this.operations[i]!;
      if (operation.state === OP_COMPLETE && operation.opcode === opcode && operation.qd === qd) return true;
    }
    return false;
  }

  /** Calls `visit` for every operation in use; not for the packet path. */
  forEachLive(visit: (operation: Operation) => void): void {
    for (const operation of this.operations) if (operation.state !== OP_FREE) visit(operation);
  }
}

// Apart, so that what runs for every packet stays small enough for V8 to inline.
function allInUse(capacity: number): DemiError {
  return new DemiError('ERR_DEMI_AGAIN', `all ${capacity} operations are in use; wait for some first`);
}

function unknownToken(token: QueueToken): DemiError {
  return new DemiError('ERR_DEMI_TOKEN', `queue token ${token} is unknown, or its result has been taken`);
}
