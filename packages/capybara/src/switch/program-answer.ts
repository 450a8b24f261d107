// How a control message leaves the switch's program: back to its sender with the verdict and the entry, or on to a backend.
// Reached by the labels `bounce` and `passOn` from program-control.ts.

import {
  ETHERNET_BYTES,
  ETHERNET_DESTINATION,
  ETHERNET_SOURCE,
  IPV4_BYTES,
  IPV4_CHECKSUM,
  IPV4_DESTINATION,
  IPV4_SOURCE,
  PORT_DESTINATION,
  PORT_SOURCE,
  R0,
  R1,
  R2,
  R3,
  R4,
  R6,
  R8,
  R9,
  R10,
  type Register,
  UDP_BYTES,
  UDP_CHECKSUM,
} from '@demikernel/ebpf';
import * as H from '../tcpmig/header.ts';
import * as L from './layout.ts';
import { leaveToBackend } from './program-client.ts';
import * as F from './program-frame.ts';
import { HEADER_MAC } from './program-mac.ts';

const { IP } = F;
/** IPv4 without options: control messages carry none. */
export const UDP: number = ETHERNET_BYTES + IPV4_BYTES;
/** Where the message starts in its frame. */
export const MESSAGE: number = UDP + UDP_BYTES;

/** R8 the stage to write, R9 the verdict, R7 the path; the entry is in AT_SNAPSHOT. */
export function bounce(code: F.Code): void {
  const { a, options } = code;
  a.label('bounce')
    .mapValue(R1, options.memory)
    .load32(R1, R1, L.AT_BOOT)
    .store32(R6, MESSAGE + H.AT_BOOT, R1)
    .store8(R6, MESSAGE + H.AT_STAGE, R8)
    .store8(R6, MESSAGE + H.AT_VERDICT, R9)
    .load64(R1, R10, F.AT_SNAPSHOT)
    .store32(R6, MESSAGE + H.AT_ENTRY_EPOCH, R1)
    .rsh(R1, 32)
    .mov(R2, H.ANY_BACKEND)
    .mov(R3, H.ANY_BACKEND)
    .jlt(R1, L.PHASE_OWNED, 'bounce.entry')
    .mov(R2, R1)
    .and(R2, L.BACKEND_MASK)
    .jlt(R1, L.PHASE_PREPARED, 'bounce.entry')
    .mov(R3, R1)
    .rsh(R3, L.TARGET_SHIFT)
    .and(R3, L.BACKEND_MASK)
    .label('bounce.entry')
    .store16(R6, MESSAGE + H.AT_ENTRY_OWNER, R2)
    .store16(R6, MESSAGE + H.AT_ENTRY_TARGET, R3)
    .mov(R1, R6)
    .add(R1, MESSAGE)
    .callLabel(HEADER_MAC)
    .store64(R6, MESSAGE + H.AT_MAC, R0)
    .comment('back the way it came; the sums are over the same words')
    .load32(R1, R6, ETHERNET_DESTINATION)
    .load16(R2, R6, ETHERNET_DESTINATION + 4);
  F.copyMac(a, R6, ETHERNET_SOURCE, R6, ETHERNET_DESTINATION, R3);
  a.store32(R6, ETHERNET_SOURCE, R1)
    .store16(R6, ETHERNET_SOURCE + 4, R2)
    .load32(R1, R6, IP + IPV4_SOURCE)
    .load32(R2, R6, IP + IPV4_DESTINATION)
    .store32(R6, IP + IPV4_SOURCE, R2)
    .store32(R6, IP + IPV4_DESTINATION, R1)
    .load16(R1, R6, UDP + PORT_SOURCE)
    .load16(R2, R6, UDP + PORT_DESTINATION)
    .store16(R6, UDP + PORT_SOURCE, R2)
    .store16(R6, UDP + PORT_DESTINATION, R1)
    .comment('no UDP checksum (RFC 768): the MAC says more')
    .store16(R6, UDP + UDP_CHECKSUM, 0);
  F.sendBack(code);
}

/** On to the backend in R1, at its own address; R7 the path. */
export function passOn(code: F.Code): void {
  const { a, options, ends } = code;
  const none = ends.drop('noTarget');
  a.label('passOn').jge(R1, L.MAX_BACKENDS, none).mov(R8, R1);
  F.backendRecord(a, options.memory, R3, R8, R4);
  a.load32(R2, R3, L.BACKEND_STATE)
    .jeq(R2, L.BACKEND_ABSENT, none)
    .load32(R2, R3, L.BACKEND_ADDRESS)
    .store32(R6, IP + IPV4_DESTINATION, R2)
    .store16(R6, IP + IPV4_CHECKSUM, 0);
  headerChecksum(code, R1);
  a.store16(R6, IP + IPV4_CHECKSUM, R1).store16(R6, UDP + UDP_CHECKSUM, 0);
  leaveToBackend(code);
}

/** `sum` becomes the checksum of the IPv4 header at R6 + IP, whose field is 0; it needs no swapping (RFC 1071). */
function headerChecksum({ a }: F.Code, sum: Register): void {
  a.mov(sum, 0);
  for (let at = 0; at < IPV4_BYTES; at += 2) a.load16(R2, R6, IP + at).add(sum, R2);
  for (let fold = 0; fold < 2; fold++) a.mov(R2, sum).rsh(R2, 16).and(sum, 0xffff).add(sum, R2);
  a.xor(sum, 0xffff);
}
