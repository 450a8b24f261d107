// PDPIX: the calls of the datapath interface, the same over every library OS.

import { DemiError, type Gatherable, ScatterGatherArray, Slice, type SlotPool } from '@demikernel/memory';
import { ENOBUFS } from '../runtime/errno.ts';
import type { LibraryOs, LogOptions, SocketType } from '../runtime/library-os.ts';
import {
  OP_ACCEPT,
  OP_COMPLETE,
  OP_CONNECT,
  OP_OPEN,
  OP_POP,
  OP_PUSH,
  OP_TRUNCATE,
  type Operation,
  PUSH_TO,
  type QueueToken,
} from '../runtime/operation.ts';
import { PollLoop, type PollLoopOptions } from '../runtime/poll-loop.ts';
import type { Queue, SocketOptionName, SocketOptions } from '../runtime/queue.ts';
import { Result } from '../runtime/result.ts';
import { parseSocketAddress, type SocketAddress } from '../runtime/socket-address.ts';
import { networkError, tokenTaken } from './errors.ts';
import { MemoryQueue } from './memory-queue.ts';
import { pollUntil } from './poll-until.ts';
import { FilterQueue, MapQueue, MergeQueue } from './queue-operators.ts';
import { anyComplete, countComplete, firstComplete, type TokenList } from './token-wait.ts';
import { WaitSet } from './wait-set.ts';

/** An address, or its text: `10.0.0.1:80`. Text is parsed at every call; keep the parsed one on a hot path. */
export type AddressLike = SocketAddress | string;

/** What can be pushed. A scatter-gather array, a slice, or a view of registered memory is sent without a copy. */
export type Payload = ScatterGatherArray | Slice | Uint8Array | Gatherable;

/**
 * A library OS, open. Calls that take time return a queue token; wait for it with a wait set, `wait`, a coroutine
 * or a promise. Network failure is an `errno` in the result; misuse throws.
 */
export class Demikernel {
  readonly libraryOs: LibraryOs;
  readonly loop: PollLoop;
  private readonly pool: SlotPool;
  private closed: boolean;
  private readonly lastActions: (() => void)[];

  /** Use `open`. */
  constructor(libraryOs: LibraryOs, options: PollLoopOptions) {
    this.libraryOs = libraryOs;
    this.loop = new PollLoop(libraryOs, options);
    this.pool = libraryOs.pool;
    this.closed = false;
    this.lastActions = [];
  }

  /** Name of the library OS: `catnap`, `catpowder`, … */
  get name(): string {
    return this.libraryOs.name;
  }

  /** True once a signal or `stop` has asked the service to end: every wait returns at once. */
  get stopping(): boolean {
    return this.loop.stopping;
  }

  /** Makes every wait return. */
  stop(): void {
    this.loop.stopping = true;
  }

  // ---- queues ----

  /** A new socket. @returns its queue descriptor @throws ERR_DEMI_UNSUPPORTED when the library OS has none of this type */
  socket(type: SocketType): number {
    if (type === 'message' && this.libraryOs.hasMessageSockets !== true) {
      throw new DemiError('ERR_DEMI_UNSUPPORTED', `${this.name} has no 'message' sockets; catmem has`);
    }
    return this.adopt(this.libraryOs.createSocket(type));
  }

  /** A queue in memory: what is pushed is popped, first in, first out. @returns its queue descriptor */
  queue(): number {
    return this.adopt(new MemoryQueue(this.libraryOs));
  }

  /** A queue with those messages of `qd`, both ways, for which `keep` is true. The others are dropped. */
  filter(qd: number, keep: (array: ScatterGatherArray) => boolean): number {
    return this.adopt(new FilterQueue(this.libraryOs, this.queueOf(qd), keep));
  }

  /** A queue with what `transform` makes of each message of `qd`, both ways. It owns its argument and returns one. */
  map(qd: number, transform: (array: ScatterGatherArray) => ScatterGatherArray): number {
    return this.adopt(new MapQueue(this.libraryOs, this.queueOf(qd), transform));
  }

  /** A queue whose pop takes from whichever of two has something, and whose push goes to both. */
  merge(first: number, second: number): number {
    return this.adopt(new MergeQueue(this.libraryOs, this.queueOf(first), this.queueOf(second)));
  }

  private adopt(queue: Queue): number {
    const qd = this.libraryOs.runtime.queues.add(queue);
    if (qd >= 0) return qd;
    queue.close();
    throw new DemiError(
      'ERR_DEMI_AGAIN',
      `all ${this.libraryOs.runtime.queues.capacity} queue descriptors are in use`,
    );
  }

  private queueOf(qd: number): Queue {
    return this.libraryOs.runtime.queues.lookup(qd);
  }

  /** Names the socket's own end; port 0 asks for a free one. @throws ERR_DEMI_NETWORK (EADDRINUSE, EADDRNOTAVAIL, EINVAL) */
  bind(qd: number, address: AddressLike): void {
    check('bind', this.queueOf(qd).bind(addressOf(address)));
  }

  /** Starts to accept connections, `backlog` of them waiting at most. @throws ERR_DEMI_NETWORK */
  listen(qd: number, backlog = 128): void {
    check('listen', this.queueOf(qd).listen(backlog));
  }

  /** Ends one direction or both: SHUT_RD, SHUT_WR, SHUT_RDWR. @throws ERR_DEMI_NETWORK (ENOTCONN) */
  shutdown(qd: number, how: number): void {
    check('shutdown', this.queueOf(qd).shutdown(how));
  }

  /**
   * Ends a queue. Its outstanding operations complete with ECANCELED, pending pushes too; what completed pushes have handed
   * over is still sent.
   */
  close(qd: number): void {
    const queue = this.queueOf(qd);
    queue.close();
    this.libraryOs.runtime.queues.remove(qd);
  }

  /** The socket's own address; a copy. */
  getsockname(qd: number): SocketAddress {
    return this.queueOf(qd).localAddress.clone();
  }

  /** The peer's address; a copy. */
  getpeername(qd: number): SocketAddress {
    return this.queueOf(qd).remoteAddress.clone();
  }

  /** @throws ERR_DEMI_UNSUPPORTED when this kind of queue has no such option */
  getsockopt<Name extends SocketOptionName>(qd: number, name: Name): SocketOptions[Name] {
    const value = this.queueOf(qd).getOption(name);
    if (value === undefined)
      throw new DemiError('ERR_DEMI_UNSUPPORTED', `this queue has no option '${name}'`);
    return value as SocketOptions[Name];
  }

  /** @throws ERR_DEMI_NETWORK (EINVAL, EOPNOTSUPP) */
  setsockopt<Name extends SocketOptionName>(qd: number, name: Name, value: SocketOptions[Name]): void {
    check(`setsockopt ${name}`, this.queueOf(qd).setOption(name, value));
  }

  // ---- operations ----

  /** Waits for a connection; the result carries `acceptedQd` and the peer's `address`. */
  accept(qd: number): QueueToken {
    const queue = this.queueOf(qd);
    const operation = this.issue(OP_ACCEPT, qd);
    queue.accept(operation);
    return operation.token;
  }

  /** Connects to a peer; for datagrams, sets the default one. */
  connect(qd: number, address: AddressLike): QueueToken {
    const queue = this.queueOf(qd);
    const remote = addressOf(address);
    const operation = this.issue(OP_CONNECT, qd);
    operation.address.copyFrom(remote);
    queue.connect(operation);
    return operation.token;
  }

  /**
   * Sends a message. Complete when the queue has taken every byte or, with `PUSH_ACKED`, when the peer has.
   *
   * The queue takes references of its own: an array may be freed at once, but not written until it is exclusive again.
   */
  push(qd: number, payload: Payload, flags = 0): QueueToken {
    const queue = this.queueOf(qd);
    if (queue.direct && payload instanceof ScatterGatherArray && payload.live) {
      return this.pushDirect(queue, qd, payload, flags);
    }
    const array = this.arrayOf(queue, payload);
    const operation = this.issuePush(qd, array);
    operation.flags = flags;
    return this.start(queue, operation, array);
  }

  private pushDirect(queue: Queue, qd: number, array: ScatterGatherArray, flags: number): QueueToken {
    const operation = this.issue(OP_PUSH, qd);
    operation.flags = flags;
    const taken = queue.pushDirect(array, flags);
    if (taken < 0) return this.start(queue, operation, this.arrayOf(queue, array));
    operation.doneBytes = taken;
    this.libraryOs.runtime.operations.complete(operation, 0);
    return operation.token;
  }

  /** Sends a datagram to `address`. */
  pushTo(qd: number, payload: Payload, address: AddressLike): QueueToken {
    const queue = this.queueOf(qd);
    const remote = addressOf(address);
    const array = this.arrayOf(queue, payload);
    const operation = this.issuePush(qd, array);
    operation.flags = PUSH_TO;
    operation.address.copyFrom(remote);
    return this.start(queue, operation, array);
  }

  // What can throw comes before the operation is issued: nobody would know the token of one left behind.
  private arrayOf(queue: Queue, payload: Payload): ScatterGatherArray | undefined {
    return payload instanceof ScatterGatherArray &&
      (payload.pool === this.pool || (queue.direct && payload.pool.lender !== undefined))
      ? payload.share()
      : this.gather(queue, payload);
  }

  private issuePush(qd: number, array: ScatterGatherArray | undefined): Operation {
    try {
      return this.issue(OP_PUSH, qd);
    } catch (error) {
      array?.free();
      throw error;
    }
  }

  private start(queue: Queue, operation: Operation, array: ScatterGatherArray | undefined): QueueToken {
    if (array === undefined) {
      this.libraryOs.runtime.operations.complete(operation, ENOBUFS);
      return operation.token;
    }
    operation.array = array;
    operation.sizeBytes = array.lengthBytes;
    queue.push(operation);
    return operation.token;
  }

  /** An array of this pool over, or with a copy of, a payload; `undefined` when the pool is empty. */
  private gather(queue: Queue, payload: Payload): ScatterGatherArray | undefined {
    if (payload instanceof Uint8Array) return this.gatherBytes(payload);
    if (payload instanceof Slice) {
      const asItIs = payload.pool === this.pool || (queue.direct && payload.pool.lender !== undefined);
      if (!asItIs) return this.gatherBytes(payload.bytes());
      const array = this.pool.array();
      array.append(payload.share());
      return array;
    }
    if (payload instanceof ScatterGatherArray) {
      const copy = this.alloc(payload.lengthBytes);
      copy?.copyFromArray(payload);
      return copy;
    }
    const array = this.alloc(payload.copiedBytes());
    if (array === undefined) return undefined;
    try {
      payload.write(array);
      payload.gather(array);
    } catch (error) {
      array.free();
      throw error;
    }
    return this.libraryOs.takesForeignSlices === true ? array : this.ownOnly(array);
  }

  /** The array itself when all of it lies in memory that the device knows, else a copy in its place. */
  private ownOnly(array: ScatterGatherArray): ScatterGatherArray | undefined {
    for (let i = 0; i < array.count; i++) {
      if (array.segments[i]!.pool === this.pool) continue;
      const copy = this.alloc(array.lengthBytes);
      copy?.copyFromArray(array);
      array.free();
      return copy;
    }
    return array;
  }

  private gatherBytes(bytes: Uint8Array): ScatterGatherArray | undefined {
    const slice = this.pool.sliceOf(bytes);
    if (slice !== undefined) {
      const array = this.pool.array();
      array.append(slice);
      return array;
    }
    const array = this.alloc(bytes.length);
    array?.copyFrom(bytes);
    return array;
  }

  /** Receives: a datagram, or what has arrived of a stream, `sizeBytes` at most. An empty array ends a stream. */
  pop(qd: number, sizeBytes = 0): QueueToken {
    const queue = this.queueOf(qd);
    const operation = this.issue(OP_POP, qd);
    operation.sizeBytes = sizeBytes;
    queue.pop(operation);
    return operation.token;
  }

  // ---- logs ----

  /**
   * Opens a log of the storage library OS; the result, after recovery, carries `acceptedQd`. Every open has a cursor of its
   * own, at the log's start.
   *
   * @throws ERR_DEMI_UNSUPPORTED when the library OS was opened without storage
   */
  open(name: string, options: LogOptions = {}): QueueToken {
    const { libraryOs } = this;
    if (libraryOs.openLog === undefined) {
      throw new DemiError(
        'ERR_DEMI_UNSUPPORTED',
        `${libraryOs.name} stores nothing; give open() the option storage, for example { libos: 'catcollar', directory: '/var/lib/logs' }`,
      );
    }
    const operation = this.issue(OP_OPEN, -1);
    libraryOs.openLog(operation, name, options);
    return operation.token;
  }

  /** Makes a log that must not exist yet, and opens it. As `open`. */
  create(name: string, options: Omit<LogOptions, 'mode'> = {}): QueueToken {
    return this.open(name, { ...options, mode: 'new' });
  }

  /**
   * Puts this queue's cursor at a record: a `position` from a result, 0 for the oldest record, `Infinity` for the end.
   *
   * @throws ERR_DEMI_NETWORK (EINVAL outside the log, EBUSY while a pop is outstanding, EOPNOTSUPP)
   */
  seek(qd: number, position: number): void {
    check('seek', this.queueOf(qd).seek(position));
  }

  /** Drops everything before a record; complete when that is durable. The space is used again. Positions stay. */
  truncate(qd: number, position: number): QueueToken {
    const queue = this.queueOf(qd);
    const operation = this.issue(OP_TRUNCATE, qd);
    operation.position = position;
    const errno = queue.truncate(operation);
    if (errno !== 0) this.libraryOs.runtime.operations.complete(operation, errno);
    return operation.token;
  }

  private issue(opcode: number, qd: number): Operation {
    return this.libraryOs.runtime.operations.issue(opcode, qd);
  }

  /** Takes an operation back before it has had an effect; it completes with ECANCELED. False: too late. */
  cancel(token: QueueToken): boolean {
    const operation = this.libraryOs.runtime.operations.lookup(token);
    if (operation.state === OP_COMPLETE || operation.qd < 0) return false;
    return this.libraryOs.runtime.queues.lookup(operation.qd).cancel(operation);
  }

  /** Whether an operation is over and its result waits to be taken. */
  isComplete(token: QueueToken): boolean {
    return this.libraryOs.runtime.operations.lookup(token).state === OP_COMPLETE;
  }

  // ---- waiting ----

  /** An empty wait set: the fast way to wait. */
  waitSet(): WaitSet {
    return new WaitSet(this.libraryOs.runtime.operations, this.loop);
  }

  /**
   * Waits for one operation, `timeoutUs` microseconds at most. The result is a fresh object.
   *
   * @returns `undefined` when the time is over or the process is asked to stop; the token stays valid.
   */
  wait(token: QueueToken, timeoutUs: number = Number.POSITIVE_INFINITY): Result | undefined {
    const operation = this.unclaimed(token);
    if (!pollUntil(this.loop, anyComplete([operation]), timeoutUs)) return undefined;
    return this.takeResult(operation);
  }

  /** Waits for the first of several to complete; earlier tokens win ties. As `wait`, and `undefined` for no tokens. */
  waitAny(tokens: TokenList, timeoutUs: number = Number.POSITIVE_INFINITY): Result | undefined {
    const operations = this.unclaimedAll(tokens);
    if (operations.length === 0) return undefined;
    if (!pollUntil(this.loop, anyComplete(operations), timeoutUs)) return undefined;
    return this.takeResult(firstComplete(operations));
  }

  /** Waits for all; the results are in the tokens' order. As `wait`: `undefined` takes no result. */
  waitAll(tokens: TokenList, timeoutUs: number = Number.POSITIVE_INFINITY): Result[] | undefined {
    const operations = this.unclaimedAll(tokens);
    if (!pollUntil(this.loop, countComplete(operations, operations.length), timeoutUs)) return undefined;
    return operations.map(operation => this.takeResult(operation));
  }

  /** Waits until `count` of several are complete, and returns those that are, `count` at most. As `wait`. */
  waitNextN(
    tokens: TokenList,
    count: number,
    timeoutUs: number = Number.POSITIVE_INFINITY,
  ): Result[] | undefined {
    const operations = this.unclaimedAll(tokens);
    const wanted = Math.min(count, operations.length);
    if (!pollUntil(this.loop, countComplete(operations, wanted), timeoutUs)) return undefined;
    const complete = operations.filter(operation => operation.state === OP_COMPLETE).slice(0, wanted);
    return complete.map(operation => this.takeResult(operation));
  }

  private unclaimed(token: QueueToken): Operation {
    const operation = this.libraryOs.runtime.operations.lookup(token);
    if (operation.sink !== undefined) throw tokenTaken(token);
    return operation;
  }

  /** A token given twice would have its result taken twice. */
  private unclaimedAll(tokens: TokenList): Operation[] {
    const operations = tokens.map(token => this.unclaimed(token));
    if (new Set(tokens).size !== tokens.length) {
      throw new DemiError('ERR_DEMI_TOKEN', 'the same queue token is given twice');
    }
    return operations;
  }

  private takeResult(operation: Operation): Result {
    const result = new Result();
    result.readFrom(operation);
    this.libraryOs.runtime.operations.retire(operation);
    return result;
  }

  /** One turn of the loop without waiting, for a loop of your own. Returns the work done. */
  poll(): number {
    return this.loop.turn();
  }

  // ---- memory ----

  /** Writable memory of the device, or `undefined` when it is used up; free something, or wait, and try again. */
  alloc(lengthBytes: number): ScatterGatherArray | undefined {
    return this.pool.allocArray(lengthBytes, this.libraryOs.sliceBytes);
  }

  /** Gives an array back; the same as `array.free()`. */
  free(array: ScatterGatherArray): void {
    array.free();
  }

  // ---- the end ----

  /** Ends every queue and gives the device back. Safe to call twice. */
  shutDown(): void {
    if (this.closed) return;
    this.closed = true;
    this.loop.stopping = true;
    for (const action of this.lastActions) action();
    const { queues } = this.libraryOs.runtime;
    queues.forEach(queue => {
      queue.close();
      queues.remove(queue.qd);
    });
    this.libraryOs.flush();
    this.libraryOs.close();
    this.loop.close();
  }

  /** Has something done when the library OS is shut down, before its queues and its device are. */
  beforeShutDown(action: () => void): void {
    this.lastActions.push(action);
  }

  [Symbol.dispose](): void {
    this.shutDown();
  }
}

function addressOf(address: AddressLike): SocketAddress {
  return typeof address === 'string' ? parseSocketAddress(address) : address;
}

function check(call: string, errno: number): void {
  if (errno !== 0) throw networkError(call, errno);
}
