// Node style: the same operations as promises, connections as async iterables. The loop shares the thread with Node.

import { DemiError, type ScatterGatherArray } from '@demikernel/memory';
import { ECANCELED } from '../runtime/errno.ts';
import type { LogOptions, SocketType } from '../runtime/library-os.ts';
import type { CompletionSink, Operation, QueueToken } from '../runtime/operation.ts';
import { PUSH_ACKED } from '../runtime/operation.ts';
import { SHUT_WR } from '../runtime/queue.ts';
import { Result } from '../runtime/result.ts';
import type { SocketAddress } from '../runtime/socket-address.ts';
import type { AddressLike, Demikernel, Payload } from './demikernel.ts';
import { networkError, opcodeName, tokenTaken } from './errors.ts';
import { EventLoopDriver } from './event-loop-driver.ts';

/** What every promised call takes last. */
export interface CallOptions {
  /** Cancels the operation; the promise rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** Settles one promise when its operation completes. */
class Settlement implements CompletionSink {
  private readonly owner: AsyncDemikernel;
  private readonly token: QueueToken;
  private readonly signal: AbortSignal | undefined;
  readonly promise: Promise<Result>;
  private resolve: (result: Result) => void = () => {};
  private reject: (error: unknown) => void = () => {};

  constructor(owner: AsyncDemikernel, token: QueueToken, signal: AbortSignal | undefined) {
    this.owner = owner;
    this.token = token;
    this.signal = signal;
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    signal?.addEventListener('abort', this.onAbort);
  }

  private readonly onAbort = (): void => {
    this.owner.os.cancel(this.token);
  };

  completed(operation: Operation): void {
    this.signal?.removeEventListener('abort', this.onAbort);
    const result = new Result();
    result.readFrom(operation);
    this.owner.settled(operation);
    if (result.errno === 0) this.resolve(result);
    else if (result.errno === ECANCELED && this.signal?.aborted === true) this.reject(this.signal.reason);
    else this.reject(networkError(opcodeName(result.opcode), result.errno));
  }
}

/** Promises on a library OS. Failures reject with a `DemiError` whose `errno` says why. */
export class AsyncDemikernel {
  readonly os: Demikernel;
  /** True once the library OS has been closed. */
  closed: boolean;
  private readonly driver: EventLoopDriver;

  constructor(os: Demikernel) {
    this.os = os;
    this.closed = false;
    this.driver = new EventLoopDriver(os.loop);
    os.beforeShutDown(() => {
      this.closed = true;
      this.driver.close();
    });
  }

  /** A promise for the result of a token, which nothing else may wait for. */
  wait(token: QueueToken, options: CallOptions = {}): Promise<Result> {
    const operation = this.os.libraryOs.runtime.operations.lookup(token);
    if (operation.sink !== undefined) throw tokenTaken(token);
    this.driver.retain();
    const settlement = new Settlement(this, token, options.signal);
    operation.sink = settlement;
    if (this.os.isComplete(token)) settlement.completed(operation);
    else if (options.signal?.aborted === true) this.os.cancel(token);
    return settlement.promise;
  }

  /** @internal */
  settled(operation: Operation): void {
    this.os.libraryOs.runtime.operations.retire(operation);
    this.driver.release();
  }

  async accept(qd: number, options?: CallOptions): Promise<Result> {
    options?.signal?.throwIfAborted();
    return this.wait(this.os.accept(qd), options);
  }

  async connectTo(qd: number, address: AddressLike, options?: CallOptions): Promise<Result> {
    options?.signal?.throwIfAborted();
    return this.wait(this.os.connect(qd, address), options);
  }

  async push(qd: number, payload: Payload, flags = 0, options?: CallOptions): Promise<Result> {
    options?.signal?.throwIfAborted();
    return this.wait(this.os.push(qd, payload, flags), options);
  }

  async pushTo(qd: number, payload: Payload, address: AddressLike, options?: CallOptions): Promise<Result> {
    options?.signal?.throwIfAborted();
    return this.wait(this.os.pushTo(qd, payload, address), options);
  }

  async pop(qd: number, sizeBytes = 0, options?: CallOptions): Promise<Result> {
    options?.signal?.throwIfAborted();
    return this.wait(this.os.pop(qd, sizeBytes), options);
  }

  /** Opens a log; its descriptor. */
  async openLog(name: string, log: LogOptions = {}, options?: CallOptions): Promise<number> {
    options?.signal?.throwIfAborted();
    return (await this.wait(this.os.open(name, log), options)).acceptedQd;
  }

  async truncate(qd: number, position: number, options?: CallOptions): Promise<Result> {
    options?.signal?.throwIfAborted();
    return this.wait(this.os.truncate(qd, position), options);
  }

  /** A listening stream socket. @throws ERR_DEMI_NETWORK */
  listen(address: AddressLike, backlog = 128): Listener {
    const qd = this.open('stream', qd => {
      this.os.bind(qd, address);
      this.os.listen(qd, backlog);
    });
    return new Listener(this, qd);
  }

  /** A connected stream socket. */
  async connect(address: AddressLike, options?: CallOptions): Promise<Connection> {
    const qd = this.os.socket('stream');
    try {
      await this.connectTo(qd, address, options);
    } catch (error) {
      this.os.close(qd);
      throw error;
    }
    return new Connection(this, qd);
  }

  private open(type: SocketType, prepare: (qd: number) => void): number {
    const qd = this.os.socket(type);
    try {
      prepare(qd);
    } catch (error) {
      this.os.close(qd);
      throw error;
    }
    return qd;
  }

  /** Makes sure that the loop turns soon: something was done through the calls without promises. */
  wake(): void {
    this.driver.wake();
  }

  /** Ends every queue and gives the device back. What was pushed and not yet sent may be lost: wait with `PUSH_ACKED`. */
  async close(): Promise<void> {
    this.os.shutDown();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** What the streams of this file share: a descriptor that is closed once. */
class OwnedQueue {
  readonly qd: number;
  protected readonly owner: AsyncDemikernel;
  private open: boolean;

  constructor(owner: AsyncDemikernel, qd: number) {
    this.owner = owner;
    this.qd = qd;
    this.open = true;
  }

  /** The socket's own address. */
  get localAddress(): SocketAddress {
    return this.owner.os.getsockname(this.qd);
  }

  /** Ends the queue; safe to call twice. */
  close(): void {
    if (!this.open) return;
    this.open = false;
    // The library OS has ended its queues if it was closed first.
    if (this.owner.closed) return;
    this.owner.os.close(this.qd);
    this.owner.wake();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}

/** A listening socket: iterate it for connections. */
export class Listener extends OwnedQueue {
  async accept(options?: CallOptions): Promise<Connection> {
    const result = await this.owner.accept(this.qd, options);
    return new Connection(this.owner, result.acceptedQd);
  }

  /** Connections, until the listener is closed. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Connection, void, void> {
    for (;;) {
      try {
        yield await this.accept();
      } catch (error) {
        if (error instanceof DemiError && error.errno === ECANCELED) return;
        throw error;
      }
    }
  }
}

/** A connected stream: iterate it for what arrives. */
export class Connection extends OwnedQueue {
  get remoteAddress(): SocketAddress {
    return this.owner.os.getpeername(this.qd);
  }

  /** What has arrived, `sizeBytes` at most, yours to free; `undefined` at the end of the stream. */
  async read(sizeBytes = 0, options?: CallOptions): Promise<ScatterGatherArray | undefined> {
    const { array } = await this.owner.pop(this.qd, sizeBytes, options);
    if (array === undefined || array.count > 0) return array;
    array.free();
    return undefined;
  }

  /** Sends; over when the queue has taken every byte, or with `acked` when the peer has. */
  async write(payload: Payload, options: CallOptions & { acked?: boolean } = {}): Promise<void> {
    await this.owner.push(this.qd, payload, options.acked === true ? PUSH_ACKED : 0, options);
  }

  /** Ends our half of the stream; reading goes on. */
  end(): void {
    this.owner.os.shutdown(this.qd, SHUT_WR);
    this.owner.wake();
  }

  /** Copies of what arrives, until the peer ends its half. Leaving the loop early closes the connection. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    try {
      for (let array = await this.read(); array !== undefined; array = await this.read()) {
        const bytes = array.toBytes();
        array.free();
        yield bytes;
      }
    } finally {
      this.close();
    }
  }
}

/** Promises on a library OS; one per open library OS. */
export function promises(os: Demikernel): AsyncDemikernel {
  return new AsyncDemikernel(os);
}
