// Accepting connections on one listener: a standing request brings them, somewhat ahead of the application.

import {
  ECANCELED,
  ECONNABORTED,
  EINTR,
  IORING_ACCEPT_MULTISHOT,
  IORING_CQE_F_MORE,
  IORING_OP_ACCEPT,
  SQE_HEAD,
  SQE_IOPRIO_SHIFT,
  SQE_OPERATION_FLAGS,
  setLinger,
} from '@demikernel/native/kernel';
import { EAGAIN } from '../../runtime/errno.ts';
import { type Operation, OperationList } from '../../runtime/operation.ts';
import { MAX_WAITING } from '../../sockets/kernel-queue.ts';
import { PAUSED, type RingHost } from './ring-host.ts';
import type { StreamQueue } from './stream-queue.ts';
import { ACCEPT } from './tags.ts';

const ACCEPT_HEAD: number = IORING_OP_ACCEPT | (IORING_ACCEPT_MULTISHOT << SQE_IOPRIO_SHIFT);
/** Blocking, as the ring wants sockets. */
const SOCK_CLOEXEC = 0o2000000;
/** Connections accepted ahead of the application; after that the kernel keeps them in its backlog. */
const ACCEPTED_AHEAD = 64;

export class Acceptor {
  readonly accepts: OperationList;
  private readonly host: RingHost;
  private readonly queue: StreamQueue;
  private ahead: number[];
  /** The accept is with the kernel; and has been asked to come back. */
  private standing: boolean;
  private pausing: boolean;
  private closed: boolean;

  constructor(host: RingHost, queue: StreamQueue) {
    this.accepts = new OperationList();
    this.host = host;
    this.queue = queue;
    this.ahead = [];
    this.standing = false;
    this.pausing = false;
    this.closed = false;
  }

  accept(operation: Operation): void {
    if (this.ahead.length > 0 && this.accepts.head === undefined) {
      this.queue.adopt(operation, this.ahead.shift()!);
    } else if (this.accepts.count === MAX_WAITING) {
      this.queue.finishAccept(operation, EAGAIN);
    } else {
      this.accepts.push(operation);
      if (!this.standing) this.ask();
    }
  }

  private ask(): void {
    const { ring } = this.host;
    const at = ring.prepare(IORING_OP_ACCEPT, this.queue.fd, this.queue.id, ACCEPT);
    ring.words[at + SQE_HEAD] = ACCEPT_HEAD;
    ring.words[at + SQE_OPERATION_FLAGS] = SOCK_CLOEXEC;
    this.standing = true;
  }

  /** A connection's descriptor, or why there is none. */
  accepted(result: number, flags: number): void {
    if ((flags & IORING_CQE_F_MORE) === 0) {
      this.standing = false;
      this.pausing = false;
    }
    if (this.closed) {
      if (result >= 0) this.refuse(result);
      return;
    }
    if (result >= 0) this.arrive(result);
    // That connection was gone before it was accepted (accept(2)), or we paused: ask again. All else the next one hears.
    else if (result !== -ECONNABORTED && result !== -EINTR && result !== -ECANCELED) {
      const operation = this.accepts.shift();
      if (operation !== undefined) this.queue.finishAccept(operation, -result);
    }
    if (!this.standing && this.accepts.head !== undefined) this.ask();
  }

  private arrive(fd: number): void {
    const operation = this.accepts.shift();
    if (operation !== undefined) {
      this.queue.adopt(operation, fd);
      return;
    }
    this.ahead.push(fd);
    if (this.ahead.length < ACCEPTED_AHEAD || !this.standing || this.pausing) return;
    this.pausing = true;
    this.host.ring.cancel(this.queue.id, ACCEPT);
    this.host.add(PAUSED, 1);
  }

  /** Nobody will take this connection: the peer gets a reset, as from a backlog that goes away. */
  private refuse(fd: number): void {
    setLinger(fd, 0);
    this.host.close(fd);
  }

  /** Calls the accept back and refuses what it brought. The operations are the queue's to end. */
  close(): void {
    this.closed = true;
    if (this.standing && !this.pausing) this.host.ring.cancel(this.queue.id, ACCEPT);
    for (const fd of this.ahead) this.refuse(fd);
    this.ahead = [];
  }
}
