// An echo service on a wait set, the fastest way to serve: one loop, no promise, nothing allocated per message.
// The model for a service that wants every microsecond; http.ts shows the comfortable way.

import type { AddressLike, Demikernel, Result, SocketAddress, WaitSet } from 'demikernel';
import { OP_ACCEPT, OP_POP, OP_PUSH } from 'demikernel';

/** Datagrams under way at once: popped and not yet sent back. */
const DATAGRAMS_UNDER_WAY = 16;

export interface EchoServerOptions {
  protocol: 'tcp' | 'udp';
  address: AddressLike;
}

/**
 * Sends back what it receives.
 *
 * Each connection has one operation outstanding: a pop, or the push of what that pop brought. A client that does not
 * read its echo therefore stops being read, and cannot make the service hold more than the queues' own bounds.
 */
export class EchoServer {
  readonly os: Demikernel;
  /** Messages sent back. */
  echoed: number;
  private readonly listeningQd: number;
  private readonly datagrams: boolean;
  private readonly set: WaitSet;

  constructor(os: Demikernel, options: EchoServerOptions) {
    this.os = os;
    this.echoed = 0;
    this.datagrams = options.protocol === 'udp';
    this.set = os.waitSet();
    this.listeningQd = os.socket(this.datagrams ? 'datagram' : 'stream');
    os.bind(this.listeningQd, options.address);
    if (this.datagrams) {
      for (let i = 0; i < DATAGRAMS_UNDER_WAY; i++) this.set.add(os.pop(this.listeningQd));
    } else {
      os.listen(this.listeningQd);
      this.set.add(os.accept(this.listeningQd));
    }
  }

  /** Where it listens: with port 0 asked for, the port that was found. */
  get address(): SocketAddress {
    return this.os.getsockname(this.listeningQd);
  }

  /** Serves until the process is asked to stop. Owns the thread. */
  serve(): void {
    while (!this.os.stopping) {
      const result = this.set.wait();
      if (result !== undefined) this.handle(result);
    }
  }

  /** Handles what is ready without waiting, for a loop that somebody else turns; returns how much that was. */
  serveReady(): number {
    let handled = 0;
    for (let result = this.set.take(); result !== undefined; result = this.set.take()) {
      this.handle(result);
      handled++;
    }
    return handled;
  }

  private handle(result: Result): void {
    if (result.opcode === OP_POP) this.popped(result);
    else if (result.opcode === OP_PUSH) this.pushed(result);
    else if (result.opcode === OP_ACCEPT) this.accepted(result);
  }

  private accepted(result: Result): void {
    // A connection that was gone before it was accepted is no reason to stop.
    if (result.errno === 0) {
      // A reply in pieces must not wait for the peer's delayed acknowledgement (RFC 896, RFC 1122 section 4.2.3.4).
      this.os.setsockopt(result.acceptedQd, 'noDelay', true);
      this.set.add(this.os.pop(result.acceptedQd));
    }
    this.set.add(this.os.accept(this.listeningQd));
  }

  private popped(result: Result): void {
    const { qd, array } = result;
    if (result.errno !== 0 || array === undefined) this.failed(qd);
    else if (this.datagrams) {
      this.set.add(this.os.pushTo(qd, array, result.address));
      array.free();
    } else if (array.count === 0) {
      // The end of the stream. What we have pushed is still sent.
      array.free();
      this.os.close(qd);
    } else {
      // Push takes references of its own: ours goes back at once.
      this.set.add(this.os.push(qd, array));
      array.free();
    }
  }

  private pushed(result: Result): void {
    const { qd } = result;
    if (result.errno === 0) {
      this.echoed++;
      this.set.add(this.os.pop(qd));
    } else this.failed(qd);
  }

  private failed(qd: number): void {
    // A socket that cannot send to one peer still serves the others; a connection that fails is over.
    if (this.datagrams) this.set.add(this.os.pop(qd));
    else this.os.close(qd);
  }
}
