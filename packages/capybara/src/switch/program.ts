// The switch's XDP program: one for each port, all on the same memory. From a frame to its flow to its backend; model.ts
// says the same in TypeScript, step for step. Messages are in program-control.ts, functions in program-flow.ts.

import {
  ARP_ADDRESS_LENGTHS,
  ARP_BYTES,
  ARP_HARDWARE_TYPE,
  ARP_OPERATION,
  ARP_TARGET_ADDRESS,
  Assembler,
  type Assembly,
  ETHERNET_BYTES,
  ETHERNET_DESTINATION,
  ETHERNET_SOURCE,
  ETHERNET_TYPE,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  ETHERTYPE_SERVICE_VLAN,
  ETHERTYPE_VLAN,
  IPV4_BYTES,
  IPV4_DESTINATION,
  IPV4_FRAGMENT,
  IPV4_FRAGMENT_OFFSET_MASK,
  IPV4_PROTOCOL,
  ipv4HeaderLength,
  loadPacketBounds,
  needBytes,
  networkOrder16,
  networkOrder32,
  PORT_DESTINATION,
  PORTS_BYTES,
  PROTOCOL_UDP,
  R0,
  R1,
  R2,
  R3,
  R4,
  R5,
  R6,
  R7,
  R8,
  R9,
  R10,
} from '@demikernel/ebpf';
import { MIGRATION_PORT } from '../tcpmig/header.ts';
import * as L from './layout.ts';
import { fromClient } from './program-client.ts';
import { controlMessage } from './program-control.ts';
import { placeFlowFunctions } from './program-flow.ts';
import * as F from './program-frame.ts';
import { placeHeaderMac } from './program-mac.ts';
import { fromBackend } from './program-reply.ts';

const { IP } = F;
const ARP = ETHERNET_BYTES;
const ARP_SENDER_MAC = ARP + 8;
const ARP_SENDER_ADDRESS = ARP + 14;
const ARP_TARGET_MAC = ARP + 18;

/** The program for one port. */
export function switchCode(options: F.SwitchCodeOptions): Assembly {
  const a = new Assembler();
  const ends = new F.Ends();
  const code: F.Code = { a, options, ends };
  const { role } = options;
  loadPacketBounds(a, R1, R6, R9);
  a.mov(R2, R9).sub(R2, R6).store64(R10, F.AT_LENGTH, R2);
  needBytes(a, R6, ETHERNET_BYTES, R9, R3, ends.pass('truncated'));
  a.load16(R2, R6, ETHERNET_TYPE)
    .jeq(R2, networkOrder16(ETHERTYPE_IPV4), 'ipv4')
    .jeq(R2, networkOrder16(ETHERTYPE_ARP), 'arp');
  otherType(code);
  a.label('arp');
  if (role === 'backend') a.ja(ends.pass('otherArp'));
  else answerArp(code);

  a.label('ipv4');
  needBytes(a, R6, IP + IPV4_BYTES, R9, R3, ends.pass('truncated'));
  ipv4HeaderLength(a, R6, IP, R8, R5, ends.pass('malformed'));
  a.comment('R8: as far before the transport header as the frame starts before IP').add(R8, R6);
  a.load8(R5, R6, IP + IPV4_PROTOCOL).jne(R5, PROTOCOL_UDP, 'data');
  a.load16(R4, R6, IP + IPV4_FRAGMENT).jset(R4, networkOrder16(IPV4_FRAGMENT_OFFSET_MASK), 'data');
  needBytes(a, R8, IP + PORTS_BYTES, R9, R3, 'data');
  a.load16(R4, R8, IP + PORT_DESTINATION).jne(R4, networkOrder16(MIGRATION_PORT), 'data');
  if (role === 'client') {
    a.comment('clients have nothing to say there, to whatever address').ja(ends.drop('forgedControl'));
  } else {
    a.load32(R4, R6, IP + IPV4_DESTINATION)
      .mapValue(R1, options.memory)
      .load32(R3, R1, L.AT_SWITCH_ADDRESS)
      .jeq32(R3, R4, 'control');
  }
  a.label('data');
  if (role === 'backend') fromBackend(code);
  else fromClient(code);
  if (role !== 'client') {
    a.label('control');
    controlMessage(code);
  }
  ends.place(a);
  a.label('count').comment('R7 the path, R8 the action');
  F.counterBlock(code);
  a.lsh(R7, 3).add(R0, R7);
  F.addOwn64(a, 0, 1);
  a.mov(R0, R8).exit();
  placeFlowFunctions(code);
  if (role !== 'client') placeHeaderMac(code);
  return a.assemble();
}

/**
 * A tag without a VLAN (802.1Q, 6.9: VID 0) is no tag to the kernel: a client could hide control messages behind it. VLANs
 * proper are the kernel's, as is every other type, in R2.
 */
function otherType({ a, options, ends }: F.Code): void {
  const other = ends.pass('otherEtherType');
  if (options.role !== 'backend') {
    a.jeq(R2, networkOrder16(ETHERTYPE_VLAN), 'tagged')
      .jne(R2, networkOrder16(ETHERTYPE_SERVICE_VLAN), other)
      .label('tagged');
    needBytes(a, R6, ETHERNET_BYTES + 2, R9, R3, other);
    a.load16(R2, R6, ETHERNET_BYTES).and(R2, networkOrder16(0x0fff)).jeq(R2, 0, ends.drop('priorityTag'));
  }
  a.ja(other);
}

/** Requests (RFC 826) for a virtual address get the port's own MAC address; announcements of others do not. */
function answerArp(code: F.Code): void {
  const { a, options, ends } = code;
  const other = ends.pass('otherArp');
  const own = L.AT_PORTS + options.port * L.PORT_BYTES;
  needBytes(a, R6, ETHERNET_BYTES + ARP_BYTES, R9, R3, ends.pass('truncated'));
  a.load32(R4, R6, ARP + ARP_HARDWARE_TYPE)
    .jne32(R4, networkOrder32(0x0001_0800), other)
    .load16(R4, R6, ARP + ARP_ADDRESS_LENGTHS)
    .jne(R4, networkOrder16(0x0604), other)
    .load16(R4, R6, ARP + ARP_OPERATION)
    .jne(R4, networkOrder16(1), other)
    .load32(R2, R6, ARP + ARP_TARGET_ADDRESS)
    .load32(R4, R6, ARP_SENDER_ADDRESS)
    .jeq32(R4, R2, other);
  F.findService(a, options.memory, R2, R4, other);
  F.copyMac(a, R6, ARP_SENDER_MAC, R6, ETHERNET_DESTINATION, R3);
  F.copyMac(a, R6, ARP_SENDER_MAC, R6, ARP_TARGET_MAC, R3);
  a.mapValue(R1, options.memory);
  F.copyMac(a, R1, own, R6, ETHERNET_SOURCE, R3);
  F.copyMac(a, R1, own, R6, ARP_SENDER_MAC, R3);
  a.store16(R6, ARP + ARP_OPERATION, networkOrder16(2))
    .load32(R3, R6, ARP_SENDER_ADDRESS)
    .store32(R6, ARP + ARP_TARGET_ADDRESS, R3)
    .store32(R6, ARP_SENDER_ADDRESS, R2)
    .mov(R7, L.PATH.arp);
  F.sendBack(code);
}
