// The fastest echo there is: datagrams to one port go back from within the driver, untouched but for who sent them.
// The floor that services are measured against; no service itself.

import { Assembler } from '../assembler/assembler.ts';
import type { Assembly } from '../assembler/emitter.ts';
import { R0, R1, R2, R3, R4, R5, R8 } from '../assembler/register.ts';
import { PROGRAM_XDP_HAS_FRAGS, XDP_PASS, XDP_TX } from '../constants.ts';
import { DemiError, ERR_ARGUMENT } from '../error.ts';
import { Program } from '../program.ts';
import * as P from '../xdp/packet.ts';

const IP = P.ETHERNET_BYTES;

/**
 * The code of {@link reflectUdp}.
 *
 * @param port Destination port, 1 to 65535.
 */
export function reflectUdpCode(port: number): Assembly {
  if (!Number.isInteger(port) || port < 1 || port > 0xffff) {
    throw new DemiError(ERR_ARGUMENT, `${port} is not a port`);
  }
  const a = new Assembler();
  P.loadPacketBounds(a, R1, R2, R3);
  P.needBytes(a, R2, P.ETHERNET_BYTES + P.IPV4_BYTES, R3, R4, 'pass');
  a.load16(R4, R2, P.ETHERNET_TYPE).jne(R4, P.networkOrder16(P.ETHERTYPE_IPV4), 'pass');
  P.ipv4HeaderLength(a, R2, IP, R8, R5, 'pass');
  a.comment('a fragment has no ports, or not all of its datagram')
    .load16(R4, R2, IP + P.IPV4_FRAGMENT)
    .jset(R4, P.networkOrder16(P.IPV4_MORE_FRAGMENTS | P.IPV4_FRAGMENT_OFFSET_MASK), 'pass')
    .load8(R4, R2, IP + P.IPV4_PROTOCOL)
    .jne(R4, P.PROTOCOL_UDP, 'pass')
    .comment('R8: as far before the UDP header as the packet starts before IP')
    .add(R8, R2);
  P.needBytes(a, R8, IP + P.UDP_BYTES, R3, R4, 'pass');
  a.load16(R4, R8, IP + P.PORT_DESTINATION).jne(R4, P.networkOrder16(port), 'pass');
  a.comment('swap ports; sums are over the same words, so no checksum changes')
    .load16(R5, R8, IP + P.PORT_SOURCE)
    .store16(R8, IP + P.PORT_DESTINATION, R5)
    .store16(R8, IP + P.PORT_SOURCE, R4)
    .comment('swap addresses')
    .load32(R4, R2, IP + P.IPV4_SOURCE)
    .load32(R5, R2, IP + P.IPV4_DESTINATION)
    .store32(R2, IP + P.IPV4_SOURCE, R5)
    .store32(R2, IP + P.IPV4_DESTINATION, R4)
    .comment('swap MAC addresses, 4 + 2 bytes each')
    .load32(R4, R2, P.ETHERNET_DESTINATION)
    .load32(R5, R2, P.ETHERNET_SOURCE)
    .store32(R2, P.ETHERNET_DESTINATION, R5)
    .store32(R2, P.ETHERNET_SOURCE, R4)
    .load16(R4, R2, P.ETHERNET_DESTINATION + 4)
    .load16(R5, R2, P.ETHERNET_SOURCE + 4)
    .store16(R2, P.ETHERNET_DESTINATION + 4, R5)
    .store16(R2, P.ETHERNET_SOURCE + 4, R4)
    .mov(R0, XDP_TX)
    .exit()
    .label('pass')
    .mov(R0, XDP_PASS)
    .exit();
  return a.assemble();
}

/** Loads a program that sends UDP datagrams for `port` back to their sender and passes everything else. */
export function reflectUdp(port: number): Program {
  return new Program({ name: 'demi_reflect', code: reflectUdpCode(port), flags: PROGRAM_XDP_HAS_FRAGS });
}
