// An intrusive first-in-first-out list of connections: half-open ones, those waiting for accept, TIME-WAIT.

import type { TcpConnection } from './connection.ts';

/** A connection is on one such list at most. */
export class ConnectionList {
  head: TcpConnection | undefined;
  tail: TcpConnection | undefined;
  count: number;

  constructor() {
    this.head = undefined;
    this.tail = undefined;
    this.count = 0;
  }

  push(c: TcpConnection): void {
    c.list = this;
    c.listNext = undefined;
    c.listPrevious = this.tail;
    if (this.tail === undefined) this.head = c;
    else this.tail.listNext = c;
    this.tail = c;
    this.count++;
  }

  remove(c: TcpConnection): void {
    const { listPrevious, listNext } = c;
    if (listPrevious === undefined) this.head = listNext;
    else listPrevious.listNext = listNext;
    if (listNext === undefined) this.tail = listPrevious;
    else listNext.listPrevious = listPrevious;
    c.list = undefined;
    c.listPrevious = undefined;
    c.listNext = undefined;
    this.count--;
  }
}
