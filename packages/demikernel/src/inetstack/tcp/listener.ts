// A listening queue: half-open connections, connections waiting for accept, accepts waiting for connections.

import { EAGAIN, ECANCELED, ENOBUFS } from '../../runtime/errno.ts';
import { type Operation, OperationList } from '../../runtime/operation.ts';
import type { TcpConnection } from './connection.ts';
import { ConnectionList } from './connection-list.ts';
import { abort } from './lifecycle.ts';
import { MAX_WAITING } from './operations.ts';
import type { ConnectionSettings } from './settings.ts';
import type { TcpLayer } from './tcp-layer.ts';
import { TcpQueue } from './tcp-queue.ts';

export class TcpListener {
  readonly layer: TcpLayer;
  /** Address it is bound to; 0 for every one. */
  readonly localAddress: number;
  readonly localPort: number;
  /** What accepted connections begin with. */
  readonly settings: ConnectionSettings;
  backlog: number;
  readonly halfOpen: ConnectionList;
  readonly waiting: ConnectionList;
  readonly accepts: OperationList;
  /** Until when, in seconds of the layer's clock, an acknowledgement may bring a cookie back; `cookies` 0: none was sent. */
  cookies: number;
  cookiesUntilSeconds: number;

  constructor(
    layer: TcpLayer,
    localAddress: number,
    localPort: number,
    settings: ConnectionSettings,
    backlog: number,
  ) {
    this.layer = layer;
    this.localAddress = localAddress;
    this.localPort = localPort;
    this.settings = settings;
    this.backlog = backlog;
    this.halfOpen = new ConnectionList();
    this.waiting = new ConnectionList();
    this.accepts = new OperationList();
    this.cookies = 0;
    this.cookiesUntilSeconds = 0;
  }

  /** Whether one more connection can be established. */
  hasRoom(): boolean {
    return this.accepts.head !== undefined || this.waiting.count < this.backlog;
  }

  /** A half-open connection has become a real one. */
  established(c: TcpConnection): void {
    c.listener = undefined;
    this.halfOpen.remove(c);
    this.waiting.push(c);
    this.serve();
  }

  accept(operation: Operation): void {
    if (this.accepts.count === MAX_WAITING) {
      this.layer.runtime.operations.complete(operation, EAGAIN);
      return;
    }
    this.accepts.push(operation);
    this.serve();
  }

  private serve(): void {
    while (this.accepts.head !== undefined && this.waiting.head !== undefined) {
      const operation = this.accepts.head;
      const c = this.waiting.head;
      const { runtime } = this.layer;
      const queue = new TcpQueue(this.layer);
      if (runtime.queues.add(queue) < 0) {
        this.accepts.remove(operation);
        runtime.operations.complete(operation, ENOBUFS);
        return;
      }
      this.accepts.remove(operation);
      this.waiting.remove(c);
      queue.adopt(c, this.settings);
      operation.acceptedQd = queue.qd;
      operation.address.setIpv4(c.remoteAddress, c.remotePort);
      runtime.operations.complete(operation, 0);
    }
  }

  /** Ends it: pending accepts are cancelled, connections nobody accepted are reset. */
  close(): void {
    const { layer } = this;
    for (let operation = this.accepts.shift(); operation !== undefined; operation = this.accepts.shift()) {
      layer.runtime.operations.complete(operation, ECANCELED);
    }
    for (let c = this.halfOpen.head; c !== undefined; c = this.halfOpen.head) abort(layer, c, ECANCELED);
    for (let c = this.waiting.head; c !== undefined; c = this.waiting.head) {
      abort(layer, c, ECANCELED);
      c.receiveQueue.clear();
    }
  }
}
