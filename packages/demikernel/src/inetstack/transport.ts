// What the composition asks of a transport, and what it offers them beside Ipv4Output. The transports are udp/ and tcp/.

import type { Queue } from '../runtime/queue.ts';

/** ICMP error kinds (RFC 792). */
export const ICMP_UNREACHABLE = 3;
export const ICMP_TIME_EXCEEDED = 11;
export const ICMP_PARAMETER_PROBLEM = 12;

/** IP protocol numbers. */
export const PROTOCOL_ICMP = 1;
export const PROTOCOL_TCP = 6;
export const PROTOCOL_UDP = 17;

/** TCP, as the composition sees it. */
export interface TcpTransport {
  /**
   * Takes a segment and the one reference to its slot (`tcpOffset >> pool.slotShift`).
   *
   * @param lengthBytes TCP header and data @param flags RX_CHECKSUM_VALID or 0
   */
  receive(
    ipOffset: number,
    tcpOffset: number,
    lengthBytes: number,
    source: number,
    destination: number,
    flags: number,
  ): void;
  /**
   * An ICMP error whose embedded header is TCP and ours. Nothing in it is to be trusted before the sequence number fits.
   *
   * @param mtuBytes next-hop MTU of "fragmentation needed", 0 otherwise; plausible already
   */
  icmpError(
    kind: number,
    code: number,
    source: number,
    localPort: number,
    destination: number,
    remotePort: number,
    sequence: number,
    mtuBytes: number,
  ): void;
  /** Sends while the device has room; returns the frames sent. */
  flush(): number;
  createQueue(): Queue;
  close(): void;
}

/**
 * Who owns the ports of a shared address: binding asks here first, so that the kernel keeps its hands off.
 */
export interface PortReservation {
  /** Reserves a port, any free one for 0. @returns the port, or a negative errno */
  reserve(protocol: number, port: number): number;
  release(protocol: number, port: number): void;
}
