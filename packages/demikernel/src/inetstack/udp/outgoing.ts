// Datagrams on their way out: pooled entries, and the first-in-first-out list they stand in.

import type { ScatterGatherArray } from '@demikernel/memory';
import type { Route } from '../ipv4/route.ts';
import type { UdpQueue } from './udp-queue.ts';

/** A datagram that its queue has accepted. */
export class OutgoingDatagram {
  queue: UdpQueue | undefined;
  route: Route | undefined;
  /** The payload, with references of its own. */
  array: ScatterGatherArray | undefined;
  lengthBytes: number;
  sourcePort: number;
  destinationPort: number;
  /** Bytes of UDP header and payload that have left as fragments. */
  sentBytes: number;
  identification: number;
  /** UDP checksum field, when the datagram leaves in fragments. */
  checksum: number;
  next: OutgoingDatagram | undefined;

  constructor() {
    this.queue = undefined;
    this.route = undefined;
    this.array = undefined;
    this.lengthBytes = 0;
    this.sourcePort = 0;
    this.destinationPort = 0;
    this.sentBytes = 0;
    this.identification = 0;
    this.checksum = 0;
    this.next = undefined;
  }
}

/** A list of them. */
export class OutgoingList {
  head: OutgoingDatagram | undefined;
  tail: OutgoingDatagram | undefined;
  count: number;

  constructor() {
    this.head = undefined;
    this.tail = undefined;
    this.count = 0;
  }

  push(datagram: OutgoingDatagram): void {
    datagram.next = undefined;
    if (this.tail === undefined) this.head = datagram;
    else this.tail.next = datagram;
    this.tail = datagram;
    this.count++;
  }

  shift(): OutgoingDatagram | undefined {
    const datagram = this.head;
    if (datagram === undefined) return undefined;
    this.head = datagram.next;
    if (this.head === undefined) this.tail = undefined;
    datagram.next = undefined;
    this.count--;
    return datagram;
  }
}
