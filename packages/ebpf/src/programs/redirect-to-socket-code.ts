// The decision Catpowder's program takes for each frame, as eBPF. The maps around it are in redirect-to-socket.ts.
//
//   Ethernet -> ARP ------------> ours (address) ---------> socket of this queue, or the kernel if there is none
//            -> IPv4 -> address -> ours (address) -------->   "
//                    -> TCP, UDP -> port in the table ---->   "
//                    -> ICMP error -> port of the header within ->
//            -> anything else ----------------------------> kernel

import { Assembler, type MapReference } from '../assembler/assembler.ts';
import type { Assembly } from '../assembler/emitter.ts';
import { R0, R1, R2, R3, R4, R5, R6, R7, R8, R9 } from '../assembler/register.ts';
import { HELPER_REDIRECT_MAP, XDP_MD_RX_QUEUE_INDEX, XDP_PASS, XDP_REDIRECT } from '../constants.ts';
import * as P from '../xdp/packet.ts';
import { TCP_PORTS_OFFSET, UDP_PORTS_OFFSET } from './port-table.ts';

/**
 * Every way through the program, by index in its counters: each frame adds one to exactly one of them.
 *
 * `arp` to `icmpError` were redirected; the rest went to the kernel.
 */
export const REDIRECT_PATHS = [
  'arp',
  'ipv4',
  'tcp',
  'udp',
  'icmpError',
  'noSocket',
  'truncated',
  'malformed',
  'vlan',
  'otherEtherType',
  'otherArp',
  'otherAddress',
  'otherPort',
  'otherProtocol',
  'otherIcmp',
  'firstFragment',
  'laterFragment',
] as const;

/** The name of a way through the program. */
export type RedirectPath = (typeof REDIRECT_PATHS)[number];

/** What the code refers to. */
export interface RedirectCodeOptions {
  /** The IPv4 address, as a number, signed or not: 10.0.0.1 is 0x0a000001. */
  address: number;
  /** More addresses that are ours, all of each, in either mode; ARP for them is nobody's here. */
  virtualAddresses?: readonly number[];
  /** XSKMAP by receive queue. A DEVMAP does too: that is how tests see redirects without sockets. */
  sockets: MapReference;
  /** Per-CPU array of u64, one for each of {@link REDIRECT_PATHS}. */
  counters: MapReference;
  /** A port table's map: only its ports are ours. Without one the whole address is. */
  ports?: MapReference;
}

const IP = P.ETHERNET_BYTES;
const INNER_IP = IP + P.ICMP_BYTES;
// ICMP errors (RFC 792): unreachable, source quench, time exceeded, parameter problem.
const ICMP_ERRORS = [3, 4, 11, 12];

function path(name: RedirectPath): number {
  return REDIRECT_PATHS.indexOf(name);
}

/**
 * The program's code. Registers: R6 context, then the action; R7 the path taken; R2 and R3 the packet's bounds; R8 as
 * far before the transport header as the frame starts before IP; R9 the path of what turns out not to be ours.
 */
export function redirectToSocketCode(options: RedirectCodeOptions): Assembly {
  const address = P.networkOrder32(options.address);
  const a = new Assembler();
  a.mov(R6, R1);
  P.loadPacketBounds(a, R6, R2, R3);
  a.mov(R7, path('truncated'));
  P.needBytes(a, R2, P.ETHERNET_BYTES, R3, R4, 'pass');
  a.load16(R4, R2, P.ETHERNET_TYPE)
    .jeq(R4, P.networkOrder16(P.ETHERTYPE_IPV4), 'ipv4')
    .jeq(R4, P.networkOrder16(P.ETHERTYPE_ARP), 'arp')
    .mov(R7, path('vlan'))
    .jeq(R4, P.networkOrder16(P.ETHERTYPE_VLAN), 'pass')
    .jeq(R4, P.networkOrder16(P.ETHERTYPE_SERVICE_VLAN), 'pass')
    .mov(R7, path('otherEtherType'))
    .ja('pass');
  a.label('arp');
  if (options.ports === undefined) arpForAddress(a, address);
  else a.comment("neighbours are the kernel's").mov(R7, path('otherArp')).ja('pass');

  a.label('ipv4');
  P.needBytes(a, R2, P.ETHERNET_BYTES + P.IPV4_BYTES, R3, R4, 'pass');
  a.mov(R7, path('malformed'));
  P.ipv4HeaderLength(a, R2, IP, R8, R5, 'pass');
  a.load32(R4, R2, IP + P.IPV4_DESTINATION);
  a.mov(R7, path('ipv4'));
  for (const each of options.virtualAddresses ?? []) a.jeq32(R4, P.networkOrder32(each), 'redirect');
  a.mov(R7, path('otherAddress')).jne32(R4, address, 'pass');
  if (options.ports === undefined) a.mov(R7, path('ipv4')).ja('redirect');
  else selectByPort(a, address, options.ports);

  a.label('redirect')
    .comment('to the socket on this queue; XDP_PASS when none is bound')
    .mapFd(R1, options.sockets)
    .load32(R2, R6, XDP_MD_RX_QUEUE_INDEX)
    .mov(R3, XDP_PASS)
    .call(HELPER_REDIRECT_MAP)
    .mov(R6, R0)
    .jeq(R6, XDP_REDIRECT, 'count')
    .mov(R7, path('noSocket'))
    .ja('count')
    .label('pass')
    .mov(R6, XDP_PASS)
    .label('count');
  P.countPath(a, options.counters, R7);
  a.mov(R0, R6).exit();
  return a.assemble();
}

/** Requests and replies (RFC 826) whose target is the address. */
function arpForAddress(a: Assembler, address: number): void {
  P.needBytes(a, R2, P.ETHERNET_BYTES + P.ARP_BYTES, R3, R4, 'pass');
  a.mov(R7, path('otherArp'))
    .comment('Ethernet and IPv4, addresses of 6 and 4 bytes')
    .load32(R4, R2, P.ETHERNET_BYTES + P.ARP_HARDWARE_TYPE)
    .jne32(R4, P.networkOrder32(0x0001_0800), 'pass')
    .load16(R4, R2, P.ETHERNET_BYTES + P.ARP_ADDRESS_LENGTHS)
    .jne(R4, P.networkOrder16(0x0604), 'pass')
    .load32(R4, R2, P.ETHERNET_BYTES + P.ARP_TARGET_ADDRESS)
    .jne32(R4, address, 'pass')
    .load16(R4, R2, P.ETHERNET_BYTES + P.ARP_OPERATION)
    .mov(R7, path('arp'))
    .jeq(R4, P.networkOrder16(1), 'redirect')
    .jeq(R4, P.networkOrder16(2), 'redirect')
    .mov(R7, path('otherArp'))
    .ja('pass');
}

/** TCP and UDP by destination port, ICMP errors by the port that the packet they quote came from. */
function selectByPort(a: Assembler, address: number, ports: MapReference): void {
  a.comment('fragments are put together by the kernel: only the first has ports, and it needs the rest')
    .load16(R4, R2, IP + P.IPV4_FRAGMENT)
    .mov(R7, path('laterFragment'))
    .jset(R4, P.networkOrder16(P.IPV4_FRAGMENT_OFFSET_MASK), 'pass')
    .mov(R7, path('firstFragment'))
    .jset(R4, P.networkOrder16(P.IPV4_MORE_FRAGMENTS), 'pass')
    .load8(R5, R2, IP + P.IPV4_PROTOCOL)
    .add(R8, R2)
    .jeq(R5, P.PROTOCOL_ICMP, 'icmp')
    .mov(R7, path('otherProtocol'))
    .mov(R9, path('tcp'))
    .jeq(R5, P.PROTOCOL_TCP, 'ports')
    .mov(R9, path('udp'))
    .jne(R5, P.PROTOCOL_UDP, 'pass')
    .label('ports')
    .mov(R7, path('truncated'));
  P.needBytes(a, R8, IP + P.PORTS_BYTES, R3, R4, 'pass');
  a.mov(R7, R9)
    .load16(R4, R8, IP + P.PORT_DESTINATION)
    .mov(R9, path('otherPort'))
    .ja('table');

  a.label('icmp').mov(R7, path('truncated'));
  P.needBytes(a, R8, IP + P.ICMP_BYTES, R3, R4, 'pass');
  a.load8(R4, R8, IP + P.ICMP_TYPE).mov(R7, path('otherIcmp'));
  for (const type of ICMP_ERRORS) a.jeq(R4, type, 'quoted');
  a.ja('pass').label('quoted').mov(R7, path('truncated'));
  P.needBytes(a, R8, INNER_IP + P.IPV4_BYTES, R3, R4, 'pass');
  a.comment('the packet quoted must be one we sent, from one of our ports').mov(R7, path('otherIcmp'));
  P.ipv4HeaderLength(a, R8, INNER_IP, R9, R5, 'pass');
  a.load32(R4, R8, INNER_IP + P.IPV4_SOURCE)
    .jne32(R4, address, 'pass')
    .load16(R4, R8, INNER_IP + P.IPV4_FRAGMENT)
    .jset(R4, P.networkOrder16(P.IPV4_FRAGMENT_OFFSET_MASK), 'pass')
    .load8(R5, R8, INNER_IP + P.IPV4_PROTOCOL)
    .jeq(R5, P.PROTOCOL_TCP, 'quotedPorts')
    .jne(R5, P.PROTOCOL_UDP, 'pass')
    .label('quotedPorts')
    .add(R9, R8)
    .mov(R7, path('truncated'));
  P.needBytes(a, R9, INNER_IP + P.PORTS_BYTES, R3, R4, 'pass');
  a.mov(R7, path('icmpError'))
    .load16(R4, R9, INNER_IP + P.PORT_SOURCE)
    .mov(R9, path('otherIcmp'));

  a.label('table')
    .comment('R5 protocol, R4 port: its bit in the table')
    .toBigEndian(R4, 16)
    .and(R4, 0xffff)
    .mapValue(R1, ports, TCP_PORTS_OFFSET)
    .jeq(R5, P.PROTOCOL_TCP, 'word')
    .mapValue(R1, ports, UDP_PORTS_OFFSET)
    .label('word')
    .mov(R5, R4)
    .rsh(R5, 5)
    .lsh(R5, 2)
    .add(R1, R5)
    .load32(R5, R1, 0)
    .and(R4, 31)
    .rsh32(R5, R4)
    .jset(R5, 1, 'redirect')
    .mov(R7, R9)
    .ja('pass');
}
