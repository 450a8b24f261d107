// The switch's program on the side of backends: what they send in the name of a virtual address goes to the port of the
// flow's client, its end is noted, and who does not own a connection does not speak for it. Continues program.ts.

import {
  ETHERNET_DESTINATION,
  ETHERNET_SOURCE,
  IPV4_DESTINATION,
  IPV4_FRAGMENT,
  IPV4_PROTOCOL,
  IPV4_SOURCE,
  needBytes,
  PORT_DESTINATION,
  PORT_SOURCE,
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
} from '@demikernel/ebpf';
import * as L from './layout.ts';
import { LOOKUP } from './program-flow.ts';
import * as F from './program-frame.ts';

const { IP } = F;
const FIN = 1;
const RST = 4;

/** Everything from label `data` to the frame's leaving. */
export function fromBackend(code: F.Code): void {
  const { a, options, ends } = code;
  const { memory } = options;
  a.load32(R2, R6, IP + IPV4_SOURCE);
  F.findService(a, memory, R2, R4, ends.pass('otherAddress'));
  a.load8(R5, R6, IP + IPV4_PROTOCOL)
    .jne(R5, PROTOCOL_TCP, ends.pass('otherProtocol'))
    .load16(R3, R6, IP + IPV4_FRAGMENT)
    .jset(R3, F.FRAGMENT_BITS, ends.pass('otherProtocol'));
  needBytes(a, R8, IP + TCP_BYTES, R9, R3, ends.pass('truncated'));
  a.store32(R10, F.KEY + F.KEY_VIRTUAL, R2)
    .load32(R3, R6, IP + IPV4_DESTINATION)
    .store32(R10, F.KEY + F.KEY_CLIENT, R3)
    .load16(R3, R8, IP + PORT_DESTINATION)
    .store16(R10, F.KEY + F.KEY_PORTS, R3)
    .load8(R3, R8, IP + TCP_FLAGS)
    .store32(R10, F.AT_TCP_FLAGS, R3)
    .load16(R3, R8, IP + PORT_SOURCE)
    .store16(R10, F.KEY + F.KEY_PORTS + 2, R3);
  F.needService(a, memory, ends.pass('otherPort'));
  F.keyAddress(a, R1);
  a.callLabel(LOOKUP)
    .mov(R8, R0)
    .jeq(R8, 0, 'stray')
    .load32(R5, R8, L.FLOW_OWNERSHIP)
    .jlt(R5, L.PHASE_OWNED, 'stray');
  fence(code);
  F.touch(a, memory, R8);
  a.comment('FIN becomes bit 3, RST bit 4')
    .load32(R0, R10, F.AT_TCP_FLAGS)
    .mov(R4, R0)
    .and(R4, RST)
    .lsh(R4, 2)
    .and(R0, FIN)
    .lsh(R0, 3)
    .or(R4, R0)
    .load32(R5, R8, L.FLOW_FLAGS)
    .mov(R0, R5)
    .or(R0, R4)
    .jeq(R0, R5, 'noted')
    .atomicOr64(R8, L.FLOW_FLAGS, R4)
    .label('noted')
    .load64(R3, R10, F.AT_LENGTH)
    .atomicAdd64(R8, L.FLOW_BYTES_OUT, R3)
    .load32(R2, R8, L.FLOW_CLIENT_PORT)
    .mov(R7, L.PATH.reply)
    .ja('out');

  a.label('stray').mov(R7, L.PATH.replyUnknown).mapValue(R1, memory).load32(R2, R1, L.AT_UPLINK);

  a.label('out')
    .comment('a frame for the switch itself is to be routed, which is the kernel’s')
    .mapValue(R1, memory);
  const own = L.AT_PORTS + options.port * L.PORT_BYTES;
  F.needSameMac(a, R1, own, R6, ETHERNET_DESTINATION, R3, 'away');
  a.ja(ends.pass('replyRouted')).label('away').jge(R2, L.MAX_PORTS, ends.pass('replyUnknown'));
  F.redirect(code);
}

/**
 * Only the owner of the flow at R8, whose ownership is in R5, speaks for it; while it moves, the hosts see to that. Whoever
 * gets the packets of an owner that is down resets them.
 */
function fence({ a, options, ends }: F.Code): void {
  a.jge(R5, L.PHASE_PREPARED, 'fenced')
    .mapValue(R1, options.memory)
    .load32(R0, R1, L.AT_FENCE)
    .jeq(R0, 0, 'fenced')
    .and(R5, L.BACKEND_MASK);
  F.backendRecord(a, options.memory, R3, R5, R4);
  a.load32(R4, R3, L.BACKEND_STATE).jeq(R4, L.BACKEND_ABSENT, 'fenced').jeq(R4, L.BACKEND_DOWN, 'fenced');
  F.needSameMac(a, R3, L.BACKEND_MAC, R6, ETHERNET_SOURCE, R4, ends.drop('fenced'));
  a.label('fenced');
}
