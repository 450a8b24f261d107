// Drives a library OS from Node's event loop and turns its operations into promises, for tests of the library OS alone.

import type { ScatterGatherArray } from '@demikernel/memory';
import type { LibraryOs } from '../../src/runtime/library-os.ts';
import { MonotonicClock } from '../../src/runtime/monotonic-clock.ts';
import {
  type CompletionSink,
  OP_ACCEPT,
  OP_CONNECT,
  OP_POP,
  OP_PUSH,
  type Operation,
  PUSH_TO,
} from '../../src/runtime/operation.ts';
import type { Queue } from '../../src/runtime/queue.ts';
import { SystemRandom } from '../../src/runtime/random.ts';
import { Result } from '../../src/runtime/result.ts';
import { Runtime } from '../../src/runtime/runtime.ts';
import { parseSocketAddress, type SocketAddress } from '../../src/runtime/socket-address.ts';

export function newRuntime(): Runtime {
  return new Runtime({
    clock: new MonotonicClock(),
    random: new SystemRandom(),
    operations: 4096,
    queues: 512,
  });
}

export class Driver implements CompletionSink {
  readonly libos: LibraryOs;
  private readonly waiting: Map<Operation, (result: Result) => void>;
  private running: boolean;

  constructor(libos: LibraryOs) {
    this.libos = libos;
    this.waiting = new Map();
    this.running = true;
    const turn = (): void => {
      if (!this.running) return;
      for (let i = 0; i < 8; i++) this.turn();
      setImmediate(turn);
    };
    setImmediate(turn);
  }

  turn(): number {
    const { runtime } = this.libos;
    runtime.clock.update();
    const work = this.libos.poll() + runtime.timers.advance() + runtime.deferred.run();
    this.libos.flush();
    return work;
  }

  completed(operation: Operation): void {
    const resolve = this.waiting.get(operation)!;
    this.waiting.delete(operation);
    const result = new Result();
    result.readFrom(operation);
    this.libos.runtime.operations.retire(operation);
    resolve(result);
  }

  open(type: 'stream' | 'datagram', bind?: string): Queue {
    const queue = this.libos.createSocket(type);
    this.libos.runtime.queues.add(queue);
    if (bind !== undefined) {
      const errno = queue.bind(parseSocketAddress(bind));
      if (errno !== 0) throw new Error(`bind ${bind}: errno ${errno}`);
    }
    return queue;
  }

  accept(queue: Queue): Promise<Result> {
    return this.issue(OP_ACCEPT, queue, operation => queue.accept(operation));
  }

  connect(queue: Queue, address: string): Promise<Result> {
    return this.issue(OP_CONNECT, queue, operation => {
      operation.address.copyFrom(parseSocketAddress(address));
      queue.connect(operation);
    });
  }

  pop(queue: Queue): Promise<Result> {
    return this.issue(OP_POP, queue, operation => queue.pop(operation));
  }

  /** The array's references go to the queue. */
  push(queue: Queue, array: ScatterGatherArray, to?: SocketAddress): Promise<Result> {
    return this.issue(OP_PUSH, queue, operation => {
      operation.array = array;
      operation.sizeBytes = array.lengthBytes;
      if (to !== undefined) {
        operation.flags |= PUSH_TO;
        operation.address.copyFrom(to);
      }
      queue.push(operation);
    });
  }

  text(text: string): ScatterGatherArray {
    const bytes = Buffer.from(text);
    const array = this.libos.pool.allocArray(bytes.length)!;
    array.copyFrom(bytes);
    return array;
  }

  async echoDatagrams(queue: Queue): Promise<void> {
    for (;;) {
      const popped = await this.pop(queue);
      if (popped.errno !== 0) return;
      await this.push(queue, popped.array!, popped.address);
    }
  }

  async echoStreams(listener: Queue): Promise<void> {
    for (;;) {
      const accepted = await this.accept(listener);
      if (accepted.errno !== 0) return;
      void this.echoStream(this.libos.runtime.queues.lookup(accepted.acceptedQd));
    }
  }

  close(): void {
    this.running = false;
    this.libos.close();
  }

  private async echoStream(queue: Queue): Promise<void> {
    for (;;) {
      const popped = await this.pop(queue);
      if (popped.errno !== 0 || popped.array!.count === 0) {
        if (popped.errno === 0) popped.array!.free();
        break;
      }
      const pushed = await this.push(queue, popped.array!);
      if (pushed.errno !== 0) break;
    }
    queue.close();
    this.libos.runtime.queues.remove(queue.qd);
  }

  private issue(opcode: number, queue: Queue, start: (operation: Operation) => void): Promise<Result> {
    return new Promise(resolve => {
      const operation = this.libos.runtime.operations.issue(opcode, queue.qd);
      operation.sink = this;
      this.waiting.set(operation, resolve);
      start(operation);
    });
  }
}
