// A route to one destination, as transports hold it. How it is chosen is routing.ts.

import type { Neighbour } from '../arp/neighbour.ts';

/** RFC 1122 section 3.2.1.7 asks for a configurable value; 64 is IANA's (RFC 1700). */
export const TIME_TO_LIVE = 64;

/** Everything a packet to `destination` needs from below. Transports keep it as long as they like. */
export class Route {
  /** Where packets go; int32. Changes in no route but {@link Routing.back}'s own. */
  destination: number;
  /** Our address on the way there; int32. As `destination`. */
  source: number;
  /** Largest IP packet on the path in bytes, header included; lowered by path MTU discovery (RFC 1191). */
  mtuBytes: number;
  /** Who the packets are handed to; replaced when the table has dropped and found it again. */
  neighbour: Neighbour;
  /** The destination is a broadcast address. */
  readonly broadcast: boolean;
  /** Sum of the header's constant words: version, flags, TTL, addresses. */
  headerSum: number;
  /** Identification of the next datagram that is cut into fragments. */
  identification: number;

  constructor(
    destination: number,
    source: number,
    mtuBytes: number,
    neighbour: Neighbour,
    broadcast: boolean,
  ) {
    this.destination = destination;
    this.source = source;
    this.neighbour = neighbour;
    this.headerSum = constantSum(destination, source);
    this.mtuBytes = mtuBytes;
    this.broadcast = broadcast;
    this.identification = 0;
  }

  /** Points the route elsewhere, with the neighbour it has. */
  turn(destination: number, source: number): void {
    this.destination = destination;
    this.source = source;
    this.headerSum = constantSum(destination, source);
  }

  /** Whether a frame can be sent now; if not, `Ipv4Output.resolve`. */
  get ready(): boolean {
    return this.neighbour.ready;
  }
}

function constantSum(destination: number, source: number): number {
  return (
    0x4500 +
    (TIME_TO_LIVE << 8) +
    (source >>> 16) +
    (source & 0xffff) +
    (destination >>> 16) +
    (destination & 0xffff)
  );
}

/** Who waits for a route to become ready. */
export interface RouteListener {
  routeReady(route: Route): void;
  /** @param errno EHOSTUNREACH when nobody answered, ENOBUFS when the table of neighbours is full */
  routeFailed(route: Route, errno: number): void;
}
