// The switch's program on the side of clients: from a packet for a service to the backend that has its connection.
// Continues program.ts: R6 frame, R8 transport header less the offset of IP, R9 end; leaves by label `forward` or an end.

import {
  ETHERNET_DESTINATION,
  ETHERNET_SOURCE,
  ICMP_BYTES,
  ICMP_TYPE,
  IPV4_BYTES,
  IPV4_DESTINATION,
  IPV4_FRAGMENT,
  IPV4_FRAGMENT_OFFSET_MASK,
  IPV4_PROTOCOL,
  IPV4_SOURCE,
  ipv4HeaderLength,
  needBytes,
  networkOrder16,
  PORT_DESTINATION,
  PORT_SOURCE,
  PORTS_BYTES,
  PROTOCOL_ICMP,
  PROTOCOL_TCP,
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
  TCP_BYTES,
  TCP_FLAGS,
  XDP_TX,
} from '@demikernel/ebpf';
import * as L from './layout.ts';
import { CHOOSE, INSERT, LOOKUP, MAGLEV } from './program-flow.ts';
import * as F from './program-frame.ts';

const { IP } = F;
const INNER = IP + ICMP_BYTES;
const FIN = 1;
const SYN = 2;
const RST = 4;
const ACK = 16;
/** ICMP errors (RFC 792): unreachable, source quench, time exceeded, parameter problem. */
const ICMP_ERRORS = [3, 4, 11, 12];

/** Everything from label `data` to label `forward` and the frame's leaving. */
export function fromClient(code: F.Code): void {
  const { a, options, ends } = code;
  a.load32(R2, R6, IP + IPV4_DESTINATION);
  F.findService(a, options.memory, R2, R4, ends.pass('otherAddress'));
  a.load16(R3, R6, IP + IPV4_FRAGMENT).jset(R3, F.FRAGMENT_BITS, ends.drop('fragment'));
  a.load8(R5, R6, IP + IPV4_PROTOCOL)
    .jeq(R5, PROTOCOL_ICMP, 'icmp')
    .jne(R5, PROTOCOL_TCP, ends.pass('otherProtocol'))
    .load32(R5, R6, IP + IPV4_SOURCE)
    .jeq32(R5, R2, ends.drop('malformed'));
  needBytes(a, R8, IP + TCP_BYTES, R9, R3, ends.drop('malformed'));
  a.store32(R10, F.KEY + F.KEY_CLIENT, R5)
    .store32(R10, F.KEY + F.KEY_VIRTUAL, R2)
    .load32(R3, R8, IP + PORT_SOURCE)
    .store32(R10, F.KEY + F.KEY_PORTS, R3)
    .load8(R3, R8, IP + TCP_FLAGS)
    .store32(R10, F.AT_TCP_FLAGS, R3)
    .load16(R3, R8, IP + PORT_DESTINATION);
  F.needService(a, options.memory, ends.pass('otherPort'));
  F.keyAddress(a, R1);
  a.callLabel(LOOKUP).mov(R8, R0).jeq(R8, 0, 'unknown');
  known(code);
  unknown(code);
  reassign(code);
  icmp(code);
  forward(code);
}

/** R0 becomes the flags of which SYN alone opens a connection. */
function loadOpeningFlags({ a }: F.Code): void {
  a.load32(R0, R10, F.AT_TCP_FLAGS).and(R0, SYN | ACK | RST | FIN);
}

/** The flow at R8: its backend, the target of one that moves, unless that is out of service. */
function known(code: F.Code): void {
  const { a, options, ends } = code;
  a.comment('one read: the entry may change meanwhile')
    .load64(R1, R8, 0)
    .store64(R10, F.AT_SNAPSHOT, R1)
    .rsh(R1, 32)
    .jlt(R1, L.PHASE_OWNED, 'unknown')
    .mov(R7, L.PATH.forwarded)
    .mov(R2, R1)
    .jlt(R1, L.PHASE_PREPARED, 'owner')
    .rsh(R2, L.TARGET_SHIFT)
    .mov(R7, L.PATH.toTarget)
    .label('owner')
    .and(R2, L.BACKEND_MASK)
    .store64(R10, F.AT_BACKEND, R2);
  F.backendRecord(a, options.memory, R3, R2, R4);
  a.load32(R4, R3, L.BACKEND_STATE)
    .jeq(R4, L.BACKEND_ACTIVE, 'alive')
    .jeq(R4, L.BACKEND_DRAINING, 'alive')
    .comment('the origin may claim it back yet')
    .jeq(R7, L.PATH.toTarget, ends.drop('targetDown'));
  loadOpeningFlags(code);
  a.jeq(R0, SYN, 'reassign')
    .comment('any other backend resets it: the client learns it at once')
    .mov(R7, L.PATH.ownerDown)
    .ja('fallback')
    .label('alive');
  F.touch(a, options.memory, R8);
  loadOpeningFlags(code);
  a.load32(R5, R8, L.FLOW_FLAGS)
    .jne(R0, SYN, 'flags')
    .jeq(R5, 0, 'seen')
    .store32(R8, L.FLOW_FLAGS, 0)
    .ja('seen')
    .label('flags')
    .comment('FIN is bit 0 and becomes bit 1, RST stays bit 2')
    .mov(R4, R0)
    .and(R4, RST)
    .and(R0, FIN)
    .lsh(R0, 1)
    .or(R4, R0)
    .or(R4, L.FLOW_ESTABLISHED)
    .mov(R0, R5)
    .or(R0, R4)
    .jeq(R0, R5, 'seen')
    .atomicOr64(R8, L.FLOW_FLAGS, R4)
    .label('seen');
  countPacket(code);
  a.ja('forward');
}

/** Notes the client's port and counts the packet in the flow at R8. Overwrites R3. */
function countPacket({ a, options }: F.Code): void {
  const same = a.uniqueLabel('port');
  a.load32(R3, R8, L.FLOW_CLIENT_PORT)
    .jeq(R3, options.port, same)
    .store32(R8, L.FLOW_CLIENT_PORT, options.port)
    .label(same)
    .mov(R3, 1)
    .atomicAdd64(R8, L.FLOW_PACKETS, R3)
    .load64(R3, R10, F.AT_LENGTH)
    .atomicAdd64(R8, L.FLOW_BYTES_IN, R3);
}

/** No flow: a SYN gets one, anything else goes where Maglev says. */
function unknown(code: F.Code): void {
  const { a, options, ends } = code;
  a.label('unknown');
  loadOpeningFlags(code);
  a.jeq(R0, SYN, 'open')
    .mapValue(R1, options.memory)
    .load32(R1, R1, L.AT_LEARNING)
    .jne(R1, 0, ends.drop('learning'))
    .mov(R7, L.PATH.noEntry)
    .label('fallback')
    .load32(R1, R10, F.KEY + F.KEY_SECOND)
    .callLabel(MAGLEV)
    .store64(R10, F.AT_BACKEND, R0)
    .ja('forward');

  a.label('open')
    .load32(R1, R10, F.KEY + F.KEY_SECOND)
    .callLabel(CHOOSE)
    .jge(R0, L.MAX_BACKENDS, ends.drop('noBackend'))
    .mov(R8, R0)
    .store64(R10, F.AT_BACKEND, R8)
    .mov(R1, R8)
    .or(R1, L.PHASE_OWNED)
    .lsh(R1, 32)
    .store64(R10, F.KEY + F.KEY_STATE, R1)
    .store32(R10, F.KEY + F.KEY_FLAGS, 0)
    .store32(R10, F.KEY + F.KEY_CLIENT_PORT, options.port)
    .load64(R1, R10, F.AT_LENGTH)
    .store64(R10, F.KEY + F.KEY_LENGTH, R1);
  F.keyAddress(a, R1);
  a.callLabel(INSERT)
    .jeq(R0, L.INSERTED, 'opened')
    .mov(R7, L.PATH.tableFull)
    .jeq(R0, L.INSERT_FULL, 'fallback')
    .ja(ends.drop('raced'))
    .label('opened');
  F.countConnections(a, options.memory, R8, 1);
  F.countConnections(a, options.memory, R8, 1, L.BACKEND_OPENED);
  a.mov(R7, L.PATH.opened).ja('forward');
}

/** A new connection with the addresses and ports of the flow at R8, whose backend is gone. */
function reassign(code: F.Code): void {
  const { a, options, ends } = code;
  a.label('reassign')
    .load32(R1, R10, F.KEY + F.KEY_SECOND)
    .callLabel(CHOOSE)
    .jge(R0, L.MAX_BACKENDS, ends.drop('noBackend'))
    .mov(R9, R0)
    .load64(R0, R10, F.AT_SNAPSHOT)
    .mov(R1, R0)
    .add32(R1, 1)
    .mov(R2, R9)
    .or(R2, L.PHASE_OWNED)
    .lsh(R2, 32)
    .or(R1, R2)
    .compareExchange64(R8, 0, R1)
    .load64(R2, R10, F.AT_SNAPSHOT)
    .jne(R0, R2, ends.drop('raced'))
    .load64(R4, R10, F.AT_BACKEND);
  F.countConnections(a, options.memory, R4, -1);
  F.countConnections(a, options.memory, R9, 1);
  F.countConnections(a, options.memory, R9, 1, L.BACKEND_OPENED);
  F.touch(a, options.memory, R8);
  a.store32(R8, L.FLOW_FLAGS, 0);
  countPacket(code);
  a.store64(R10, F.AT_BACKEND, R9).mov(R7, L.PATH.reassigned).ja('forward');
}

/** ICMP errors about what a backend sent in the name of the address in R2, whose index is in R4. */
function icmp(code: F.Code): void {
  const { a, options, ends } = code;
  const [malformed, other] = [ends.drop('malformed'), ends.pass('otherIcmp')];
  a.label('icmp');
  needBytes(a, R8, INNER + IPV4_BYTES, R9, R3, malformed);
  a.load8(R3, R8, IP + ICMP_TYPE);
  for (const type of ICMP_ERRORS) a.jeq(R3, type, 'quoted');
  a.ja(other).label('quoted');
  ipv4HeaderLength(a, R8, INNER, R5, R3, malformed);
  a.load32(R3, R8, INNER + IPV4_SOURCE)
    .jne32(R3, R2, other)
    .load8(R3, R8, INNER + IPV4_PROTOCOL)
    .jne(R3, PROTOCOL_TCP, other)
    .load16(R3, R8, INNER + IPV4_FRAGMENT)
    .jset(R3, networkOrder16(IPV4_FRAGMENT_OFFSET_MASK), other)
    .store32(R10, F.KEY + F.KEY_VIRTUAL, R2)
    .load32(R3, R8, INNER + IPV4_DESTINATION)
    .store32(R10, F.KEY + F.KEY_CLIENT, R3)
    .add(R5, R8);
  needBytes(a, R5, INNER + PORTS_BYTES, R9, R3, malformed);
  a.comment('it went the other way: its destination is the client')
    .load16(R3, R5, INNER + PORT_DESTINATION)
    .store16(R10, F.KEY + F.KEY_PORTS, R3)
    .load16(R3, R5, INNER + PORT_SOURCE)
    .store16(R10, F.KEY + F.KEY_PORTS + 2, R3);
  F.needService(a, options.memory, other);
  F.keyAddress(a, R1);
  a.callLabel(LOOKUP)
    .mov(R7, L.PATH.icmp)
    .jeq(R0, 0, 'fallback')
    .load32(R2, R0, L.FLOW_OWNERSHIP)
    .jlt(R2, L.PHASE_PREPARED, 'icmp.owner')
    .rsh(R2, L.TARGET_SHIFT)
    .label('icmp.owner')
    .and(R2, L.BACKEND_MASK)
    .store64(R10, F.AT_BACKEND, R2);
  // Falls through to `forward`.
}

/** To the backend in AT_BACKEND, by the path in R7. */
function forward(code: F.Code): void {
  const { a, ends } = code;
  a.label('forward').load64(R8, R10, F.AT_BACKEND).jge(R8, L.MAX_BACKENDS, ends.drop('noBackend'));
  leaveToBackend(code);
}

/** Counts the frame for the backend in R8, below MAX_BACKENDS, puts on the MAC addresses and sends it off. */
export function leaveToBackend(code: F.Code): void {
  const { a, options } = code;
  F.counterBlock(code);
  a.mov(R3, R8).lsh(R3, Math.log2(L.BACKEND_COUNTER_BYTES)).add(R0, R3).load64(R2, R10, F.AT_LENGTH);
  F.addOwn64(a, L.COUNTERS_BACKENDS, 1);
  F.addOwn64(a, L.COUNTERS_BACKENDS + 8, R2);
  F.backendRecord(a, options.memory, R3, R8, R4);
  F.copyMac(a, R3, L.BACKEND_MAC, R6, ETHERNET_DESTINATION, R4);
  F.copyMac(a, R3, L.BACKEND_SOURCE_MAC, R6, ETHERNET_SOURCE, R4);
  const elsewhere = a.uniqueLabel('elsewhere');
  a.load16(R2, R3, L.BACKEND_PORT).jne(R2, L.NONE, elsewhere).mov(R8, XDP_TX).ja('count').label(elsewhere);
  F.redirect(code);
}
