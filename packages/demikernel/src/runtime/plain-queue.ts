// A queue that is no socket: what the socket calls come to on it.

import type { SlotPool } from '@demikernel/memory';
import { EOPNOTSUPP } from './errno.ts';
import type { LibraryOs } from './library-os.ts';
import type { Operation, OperationTable } from './operation.ts';
import { Queue, type SocketOptionName } from './queue.ts';
import { SocketAddress } from './socket-address.ts';

/** What `bind`, `listen`, `accept`, `connect` and the options come to on a queue that is no socket. */
export abstract class PlainQueue extends Queue {
  override readonly localAddress: SocketAddress;
  override readonly remoteAddress: SocketAddress;
  protected readonly operations: OperationTable;
  protected readonly pool: SlotPool;

  constructor({ runtime, pool }: Pick<LibraryOs, 'runtime' | 'pool'>) {
    super();
    this.pool = pool;
    this.localAddress = new SocketAddress();
    this.remoteAddress = new SocketAddress();
    this.operations = runtime.operations;
  }

  override bind(): number {
    return EOPNOTSUPP;
  }

  override listen(): number {
    return EOPNOTSUPP;
  }

  override accept(operation: Operation): void {
    this.operations.complete(operation, EOPNOTSUPP);
  }

  override connect(operation: Operation): void {
    this.operations.complete(operation, EOPNOTSUPP);
  }

  override getOption(_name: SocketOptionName): undefined {
    return undefined;
  }

  override setOption(_name: SocketOptionName, _value: number | boolean): number {
    return EOPNOTSUPP;
  }

  /** Ends a push: its payload is given up. */
  protected finishPush(operation: Operation, errno: number): void {
    operation.array?.free();
    operation.array = undefined;
    this.operations.complete(operation, errno);
  }
}
