// The object protocol in datagrams: a request in one, its reply in another. Connections are object-server.ts's.

import type { Gatherable } from '@demikernel/memory';
import { type Demikernel, OP_POP, type Result, type WaitSet } from 'demikernel';
import type { ObjectService } from './object-service.ts';
import { Outbox } from './outbox.ts';
import { STATUS_TOO_LONG } from './protocol.ts';

/** Replies that may be under way; then no more requests are taken. */
const UNDER_WAY = 256;
/** What fits in one datagram of IPv4 (RFC 768, RFC 791). */
const LONGEST_BYTES = 65_507;

export class ObjectDatagrams {
  /** Replies that could not be made or sent. */
  unsent: number;
  private readonly os: Demikernel;
  private readonly qd: number;
  private readonly set: WaitSet;
  private readonly service: ObjectService;
  private readonly outbox: Outbox;
  private underWay: number;
  private receiving: boolean;

  /** @param qd a socket that is bound @param set where its operations complete: give their results to {@link handle} */
  constructor(os: Demikernel, qd: number, set: WaitSet, service: ObjectService) {
    const { pool, sliceBytes } = os.libraryOs;
    this.unsent = 0;
    this.os = os;
    this.qd = qd;
    this.set = set;
    this.service = service;
    this.outbox = new Outbox(pool, sliceBytes, false);
    this.underWay = 0;
    this.receiving = false;
    this.receive();
  }

  handle(result: Result): void {
    if (result.opcode === OP_POP) this.popped(result);
    else {
      this.underWay--;
      if (result.errno !== 0) this.unsent++;
    }
    this.receive();
  }

  private receive(): void {
    if (this.receiving || this.underWay >= UNDER_WAY) return;
    this.receiving = true;
    this.set.add(this.os.pop(this.qd));
  }

  private write(reply: Gatherable): void {
    const { outbox, service } = this;
    let written = outbox.add(reply);
    if (outbox.pendingBytes > LONGEST_BYTES) {
      outbox.drop();
      written = outbox.add(service.apology(STATUS_TOO_LONG));
    }
    if (!written) this.unsent++;
  }

  private popped(result: Result): void {
    const { array, errno } = result;
    this.receiving = false;
    if (errno !== 0 || array === undefined) {
      array?.free();
      return;
    }
    // What is no request is dropped, and counted.
    const reply = this.service.answer(array);
    if (reply !== undefined) this.write(reply);
    this.service.done();
    array.free();
    const datagram = this.outbox.take();
    if (datagram === undefined) return;
    this.underWay++;
    this.set.add(this.os.pushTo(this.qd, datagram, result.address));
    datagram.free();
  }
}
