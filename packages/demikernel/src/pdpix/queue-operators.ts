// filter, map and merge: queues made of queues, as in the Demikernel papers.

import type { ScatterGatherArray } from '@demikernel/memory';
import type { DeferredTask, DeferredWork } from '../runtime/deferred.ts';
import { ECANCELED } from '../runtime/errno.ts';
import type { LibraryOs } from '../runtime/library-os.ts';
import { type CompletionSink, OP_POP, OP_PUSH, type Operation, OperationList } from '../runtime/operation.ts';
import { PlainQueue } from '../runtime/plain-queue.ts';
import type { Queue } from '../runtime/queue.ts';

/**
 * What the operators share: an outer operation is carried out by inner ones on the queues underneath.
 *
 * Each queue underneath has at most one inner pop outstanding; it outlives a cancelled outer pop, and what it brings waits
 * for the next one. Inner completions are worked off in the deferred phase of the turn, never inside the inner queue.
 */
abstract class DerivedQueue extends PlainQueue implements CompletionSink, DeferredTask {
  protected readonly inners: readonly Queue[];
  private readonly deferred: DeferredWork;
  private readonly outerPops: OperationList;
  private readonly completedInner: OperationList;
  /** Per queue underneath: its inner pop, pending or complete but not yet wanted. */
  private readonly innerPops: (Operation | undefined)[];
  /** Inner pushes to the outer one they are part of. */
  private readonly outerPushes: Map<Operation, Operation>;
  /** Per queue underneath: whether its stream has ended, and how many have. */
  private readonly ended: boolean[];
  private endedCount: number;
  private scheduled: boolean;
  private closed: boolean;

  constructor(libraryOs: LibraryOs, inners: readonly Queue[]) {
    super(libraryOs);
    this.inners = inners;
    this.deferred = libraryOs.runtime.deferred;
    this.outerPops = new OperationList();
    this.completedInner = new OperationList();
    this.innerPops = inners.map(() => undefined);
    this.outerPushes = new Map();
    this.ended = inners.map(() => false);
    this.endedCount = 0;
    this.scheduled = false;
    this.closed = false;
  }

  /** What a message becomes on its way through, either way; `undefined` drops it, and then it has been freed. */
  protected abstract convey(array: ScatterGatherArray): ScatterGatherArray | undefined;

  override push(outer: Operation): void {
    const array = this.conveyPush(outer);
    outer.doneBytes = outer.sizeBytes;
    if (array === undefined) {
      this.operations.complete(outer, 0);
      return;
    }
    outer.mark = this.inners.length;
    for (let i = 0; i < this.inners.length; i++) {
      const last = i === this.inners.length - 1;
      const inner = this.operations.issue(OP_PUSH, this.inners[i]!.qd);
      inner.flags = outer.flags;
      inner.address.copyFrom(outer.address);
      inner.array = last ? array : array.share();
      inner.sizeBytes = inner.array.lengthBytes;
      inner.sink = this;
      this.outerPushes.set(inner, outer);
      this.inners[i]!.push(inner);
    }
  }

  /** The application's own function may throw: then the caller gets that, and no token. */
  private conveyPush(outer: Operation): ScatterGatherArray | undefined {
    const array = outer.array!;
    outer.array = undefined;
    try {
      return this.convey(array);
    } catch (error) {
      this.operations.retire(outer);
      throw error;
    }
  }

  override pop(outer: Operation): void {
    if (this.endedCount === this.inners.length) {
      outer.array = this.pool.array();
      this.operations.complete(outer, 0);
      return;
    }
    this.outerPops.push(outer);
    this.runPops();
  }

  private runPops(): void {
    for (let i = 0; i < this.inners.length && this.outerPops.head !== undefined; i++) {
      if (this.innerPops[i] !== undefined || this.ended[i]) continue;
      const inner = this.operations.issue(OP_POP, this.inners[i]!.qd);
      inner.sizeBytes = this.outerPops.head.sizeBytes;
      inner.sink = this;
      this.innerPops[i] = inner;
      this.inners[i]!.pop(inner);
    }
    if (this.completedInner.head !== undefined) this.schedule();
  }

  completed(inner: Operation): void {
    this.completedInner.push(inner);
    this.schedule();
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.deferred.schedule(this);
  }

  runDeferred(): void {
    this.scheduled = false;
    let next: Operation | undefined;
    try {
      for (let inner = this.completedInner.head; inner !== undefined; inner = next) {
        next = inner.next;
        if (inner.opcode === OP_PUSH) this.finishInnerPush(inner);
        else if (this.closed || this.outerPops.head !== undefined) this.finishInnerPop(inner);
      }
    } finally {
      // Also when the application's function has thrown: the pop that it was called for still waits.
      if (!this.closed) this.runPops();
    }
  }

  private finishInnerPush(inner: Operation): void {
    const outer = this.outerPushes.get(inner);
    this.outerPushes.delete(inner);
    this.completedInner.remove(inner);
    if (outer !== undefined) {
      if (inner.errno !== 0) outer.errno = inner.errno;
      if (--outer.mark === 0) this.operations.complete(outer, outer.errno);
    }
    this.operations.retire(inner);
  }

  private finishInnerPop(inner: Operation): void {
    this.completedInner.remove(inner);
    const index = this.innerPops.indexOf(inner);
    this.innerPops[index] = undefined;
    try {
      this.deliver(inner, index);
    } finally {
      this.operations.retire(inner);
    }
  }

  /** Hands what an inner pop has brought to the first outer one, if it is meant for it. */
  private deliver(inner: Operation, index: number): void {
    const { array: message, errno, address } = inner;
    inner.array = undefined;
    if (this.closed) message?.free();
    else if (errno !== 0) this.operations.complete(this.outerPops.shift()!, errno);
    else if (message!.count === 0 && address.port === 0 && address.text === '') {
      message!.free();
      this.endOf(index);
    } else {
      const array = this.convey(message!);
      if (array === undefined) return;
      const outer = this.outerPops.shift()!;
      outer.array = array;
      outer.address.copyFrom(address);
      this.operations.complete(outer, 0);
    }
  }

  /** One queue underneath has ended; this one does with the last of them. */
  private endOf(index: number): void {
    this.ended[index] = true;
    this.endedCount++;
    if (this.endedCount < this.inners.length) return;
    for (let outer = this.outerPops.shift(); outer !== undefined; outer = this.outerPops.shift()) {
      outer.array = this.pool.array();
      this.operations.complete(outer, 0);
    }
  }

  override shutdown(how: number): number {
    let errno = 0;
    for (const inner of this.inners) errno = inner.shutdown(how) || errno;
    return errno;
  }

  override cancel(operation: Operation): boolean {
    if (operation.list !== this.outerPops) return false;
    this.outerPops.remove(operation);
    this.operations.complete(operation, ECANCELED);
    return true;
  }

  /** Ends this queue; the ones underneath stay open. */
  override close(): void {
    this.closed = true;
    for (let outer = this.outerPops.shift(); outer !== undefined; outer = this.outerPops.shift()) {
      this.operations.complete(outer, ECANCELED);
    }
    for (const outer of new Set(this.outerPushes.values())) this.operations.complete(outer, ECANCELED);
    this.outerPushes.clear();
    for (let i = 0; i < this.inners.length; i++) {
      const inner = this.innerPops[i];
      if (inner !== undefined && inner.list !== this.completedInner) this.inners[i]!.cancel(inner);
    }
    this.schedule();
  }
}

export class FilterQueue extends DerivedQueue {
  private readonly keep: (array: ScatterGatherArray) => boolean;

  constructor(libraryOs: LibraryOs, inner: Queue, keep: (array: ScatterGatherArray) => boolean) {
    super(libraryOs, [inner]);
    this.keep = keep;
  }

  protected override convey(array: ScatterGatherArray): ScatterGatherArray | undefined {
    if (this.keep(array)) return array;
    array.free();
    return undefined;
  }
}

export class MapQueue extends DerivedQueue {
  private readonly transform: (array: ScatterGatherArray) => ScatterGatherArray;

  constructor(
    libraryOs: LibraryOs,
    inner: Queue,
    transform: (array: ScatterGatherArray) => ScatterGatherArray,
  ) {
    super(libraryOs, [inner]);
    this.transform = transform;
  }

  protected override convey(array: ScatterGatherArray): ScatterGatherArray {
    return this.transform(array);
  }
}

export class MergeQueue extends DerivedQueue {
  constructor(libraryOs: LibraryOs, first: Queue, second: Queue) {
    super(libraryOs, [first, second]);
  }

  protected override convey(array: ScatterGatherArray): ScatterGatherArray {
    return array;
  }
}
