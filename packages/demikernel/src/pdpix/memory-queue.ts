// A queue in memory, for passing messages inside one service.

import type { ScatterGatherArray } from '@demikernel/memory';
import { EAGAIN, ECANCELED, EOPNOTSUPP, EPIPE } from '../runtime/errno.ts';
import type { LibraryOs } from '../runtime/library-os.ts';
import { type Operation, OperationList } from '../runtime/operation.ts';
import { PlainQueue } from '../runtime/plain-queue.ts';
import { SHUT_RD } from '../runtime/queue.ts';

/** Messages a memory queue holds before a push stays pending. */
const MEMORY_QUEUE_DEPTH = 1024;
/** Pushes, and pops, that may wait on one memory queue; one more fails with EAGAIN. */
const MAX_WAITING = 1024;

/** First in, first out. A push completes when the queue has the message; at most so many wait for room. */
export class MemoryQueue extends PlainQueue {
  private readonly messages: ScatterGatherArray[];
  private readonly pushes: OperationList;
  private readonly pops: OperationList;
  private writeEnded: boolean;

  constructor(libraryOs: LibraryOs) {
    super(libraryOs);
    this.messages = [];
    this.pushes = new OperationList();
    this.pops = new OperationList();
    this.writeEnded = false;
  }

  override push(operation: Operation): void {
    if (this.writeEnded) this.finishPush(operation, EPIPE);
    else if (this.pushes.count === MAX_WAITING) this.finishPush(operation, EAGAIN);
    else {
      this.pushes.push(operation);
      this.move();
    }
  }

  override pop(operation: Operation): void {
    if (this.pops.count === MAX_WAITING) this.operations.complete(operation, EAGAIN);
    else {
      this.pops.push(operation);
      this.move();
    }
  }

  /** Moves messages on while there are any and somebody has room or wants one. */
  private move(): void {
    for (;;) {
      while (this.messages.length < MEMORY_QUEUE_DEPTH && this.pushes.head !== undefined) {
        const push = this.pushes.shift()!;
        this.messages.push(push.array!);
        push.array = undefined;
        push.doneBytes = push.sizeBytes;
        this.operations.complete(push, 0);
      }
      if (this.pops.head === undefined) return;
      const array = this.messages.shift();
      if (array === undefined && !this.writeEnded) return;
      const pop = this.pops.shift()!;
      pop.array = array ?? this.pool.array();
      this.operations.complete(pop, 0);
    }
  }

  override shutdown(how: number): number {
    if (how === SHUT_RD) return EOPNOTSUPP;
    this.writeEnded = true;
    this.end(this.pushes, EPIPE);
    this.move();
    return 0;
  }

  override cancel(operation: Operation): boolean {
    if (operation.list !== this.pushes && operation.list !== this.pops) return false;
    operation.list.remove(operation);
    this.finishPush(operation, ECANCELED);
    return true;
  }

  override close(): void {
    this.writeEnded = true;
    this.end(this.pushes, ECANCELED);
    this.end(this.pops, ECANCELED);
    for (const message of this.messages) message.free();
    this.messages.length = 0;
  }

  private end(list: OperationList, errno: number): void {
    for (let operation = list.shift(); operation !== undefined; operation = list.shift()) {
      this.finishPush(operation, errno);
    }
  }
}
