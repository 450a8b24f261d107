// The socket of a backend's migration messages: headers checked and signed, nothing understood. Receiving allocates a little per
// message, which is per migration and not per packet.

import type { Demikernel, SocketAddress } from 'demikernel';
import {
  FRAGMENT_BYTES,
  HEADER_BYTES,
  type HeaderMac,
  MigrationHeader,
  parseHeader,
  writeHeader,
} from '../tcpmig/header.ts';

/** Pops that wait for messages. */
const WAITING_POPS = 8;

type Operation = ReturnType<Demikernel['libraryOs']['runtime']['operations']['lookup']>;

/** Takes a message whose MAC is right. `header` and `payload` are good during the call. */
export type MessageSink = (header: MigrationHeader, payload: Uint8Array) => void;

export interface ControlCounters {
  sent: number;
  received: number;
  /** Datagrams that are no message of the fleet's. */
  forged: number;
  /** Messages that found no memory or no way: they are sent again in time. */
  notSent: number;
}

export interface ControlSocketOptions {
  os: Demikernel;
  /** Our own address and the port of messages. */
  local: SocketAddress;
  /** The switch's. */
  remote: SocketAddress;
  mac: HeaderMac;
  sink: MessageSink;
}

/** A datagram queue and the operations on it. */
export class ControlSocket {
  readonly counters: ControlCounters;
  private readonly os: Demikernel;
  private readonly qd: number;
  private readonly remote: SocketAddress;
  private readonly mac: HeaderMac;
  private readonly sink: MessageSink;
  private readonly header: MigrationHeader;
  // Apart, because what sinks send goes out while they still read what has come.
  private readonly outgoing: Uint8Array;
  private readonly outgoingView: DataView;
  private readonly incoming: Uint8Array;
  private readonly incomingView: DataView;
  private readonly arrived: Operation[];
  private scheduled: boolean;
  private closed: boolean;

  constructor(options: ControlSocketOptions) {
    const { os } = options;
    this.counters = { sent: 0, received: 0, forged: 0, notSent: 0 };
    this.os = os;
    this.qd = os.socket('datagram');
    this.remote = options.remote;
    this.mac = options.mac;
    this.sink = options.sink;
    this.header = new MigrationHeader();
    this.outgoing = new Uint8Array(HEADER_BYTES + FRAGMENT_BYTES);
    this.outgoingView = new DataView(this.outgoing.buffer);
    this.incoming = new Uint8Array(HEADER_BYTES + FRAGMENT_BYTES);
    this.incomingView = new DataView(this.incoming.buffer);
    this.arrived = [];
    this.scheduled = false;
    this.closed = false;
    os.bind(this.qd, options.local);
    for (let i = 0; i < WAITING_POPS; i++) this.pop();
  }

  /** Sends a message to the switch. */
  send(header: MigrationHeader, payload: Uint8Array | undefined): void {
    if (this.closed) return;
    const payloadBytes = payload?.length ?? 0;
    header.payloadBytes = payloadBytes;
    const { outgoing } = this;
    const array = this.os.alloc(HEADER_BYTES + payloadBytes);
    if (array === undefined) {
      this.counters.notSent++;
      return;
    }
    writeHeader(header, this.outgoingView, 0, this.mac);
    if (payload !== undefined) outgoing.set(payload, HEADER_BYTES);
    // Put together first: a slice may be shorter than a message.
    array.copyFrom(outgoing.subarray(0, HEADER_BYTES + payloadBytes));
    const operation = this.operation(this.os.pushTo(this.qd, array, this.remote));
    array.free();
    this.counters.sent++;
    operation.sink = this.pushed;
    if (this.os.isComplete(operation.token)) this.pushed.completed(operation);
  }

  private readonly pushed = {
    completed: (operation: Operation): void => {
      if (operation.errno !== 0) this.counters.notSent++;
      this.os.libraryOs.runtime.operations.retire(operation);
    },
  };

  private operation(token: number): Operation {
    return this.os.libraryOs.runtime.operations.lookup(token);
  }

  private pop(): void {
    const operation = this.operation(this.os.pop(this.qd));
    operation.sink = this;
    if (this.os.isComplete(operation.token)) this.completed(operation);
  }

  /** A datagram is here, or the queue has ended: looked at when the stack is through with its packets. */
  completed(operation: Operation): void {
    if (this.closed) {
      operation.array?.free();
      this.os.libraryOs.runtime.operations.retire(operation);
      return;
    }
    this.arrived.push(operation);
    if (this.scheduled) return;
    this.scheduled = true;
    this.os.libraryOs.runtime.deferred.schedule(this);
  }

  runDeferred(): void {
    this.scheduled = false;
    const operations = this.arrived.splice(0);
    for (const operation of operations) {
      const { array, errno } = operation;
      this.os.libraryOs.runtime.operations.retire(operation);
      if (!this.closed) this.pop();
      if (array === undefined) continue;
      if (errno === 0 && !this.closed) this.take(array.copyTo(this.incoming));
      array.free();
    }
  }

  /** Takes the message in `incoming`. */
  private take(lengthBytes: number): void {
    const { header } = this;
    if (!parseHeader(header, this.incomingView, 0, lengthBytes, this.mac)) {
      this.counters.forged++;
      return;
    }
    this.counters.received++;
    this.sink(header, this.incoming.subarray(HEADER_BYTES, HEADER_BYTES + header.payloadBytes));
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const operation of this.arrived.splice(0)) {
      operation.array?.free();
      this.os.libraryOs.runtime.operations.retire(operation);
    }
    this.os.close(this.qd);
  }
}
