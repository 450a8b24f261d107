// Accepting connections on one listener: epoll says when there are some, accepts take them one by one.

import { acceptSocket, EINTR } from '@demikernel/native/kernel';
import { EAGAIN, ECONNABORTED } from '../../runtime/errno.ts';
import { type Operation, OperationList, type OperationTable } from '../../runtime/operation.ts';
import { MAX_WAITING } from '../../sockets/kernel-queue.ts';
import type { SocketHost } from './socket-host.ts';
import type { StreamQueue } from './stream-queue.ts';

export class Acceptor {
  readonly accepts: OperationList;
  private readonly host: SocketHost;
  private readonly queue: StreamQueue;
  private readonly operations: OperationTable;
  /** Connections may be waiting in the backlog. */
  private readable: boolean;

  constructor(host: SocketHost, queue: StreamQueue) {
    this.accepts = new OperationList();
    this.host = host;
    this.queue = queue;
    this.operations = host.runtime.operations;
    this.readable = false;
  }

  accept(operation: Operation): void {
    if (this.accepts.count === MAX_WAITING) this.operations.complete(operation, EAGAIN);
    else {
      this.accepts.push(operation);
      if (this.readable) this.serve();
    }
  }

  /** Epoll has reported connections. */
  ready(): void {
    this.readable = true;
    if (this.accepts.head !== undefined) this.serve();
  }

  private serve(): void {
    while (this.accepts.head !== undefined) {
      const fd = acceptSocket(this.queue.fd, this.host.scratch);
      if (fd === -EAGAIN) {
        this.readable = false;
        return;
      }
      // That connection was gone before it was accepted (accept(2)): take the next one.
      if (fd === -ECONNABORTED || fd === -EINTR) continue;
      const operation = this.accepts.shift()!;
      if (fd < 0) this.operations.complete(operation, -fd);
      else this.queue.adopt(operation, fd);
    }
  }
}
