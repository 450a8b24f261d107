// SipHash-2-4 as an eBPF function: the keyed MAC of control messages, checked and written within the switch's program.
// Source: Aumasson and Bernstein, SipHash: a fast short-input PRF (2012), section 2.

import { type Assembler, R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, type Register } from '@demikernel/ebpf';
import { AT_MAC } from '../tcpmig/header.ts';
import { AT_HEADER_KEY } from './layout.ts';
import type { Code } from './program-frame.ts';

/** Name of the function. */
export const HEADER_MAC = 'fn.headerMac';

// "somepseudorandomlygeneratedbytes", big-endian, each to be xored with a half of the key.
const INITIAL: readonly [Register, bigint, Register][] = [
  [R6, 0x736f6d6570736575n, R3],
  [R7, 0x646f72616e646f6dn, R4],
  [R8, 0x6c7967656e657261n, R3],
  [R9, 0x7465646279746573n, R4],
];

function rotateLeft(a: Assembler, register: Register, bits: number): void {
  a.mov(R5, register)
    .lsh(register, bits)
    .rsh(R5, 64 - bits)
    .or(register, R5);
}

/** v0 to v3 are R6 to R9. */
function rounds(a: Assembler, count: number): void {
  for (let round = 0; round < count; round++) {
    a.add(R6, R7).add(R8, R9);
    rotateLeft(a, R7, 13);
    rotateLeft(a, R9, 16);
    a.xor(R7, R6).xor(R9, R8);
    rotateLeft(a, R6, 32);
    a.add(R8, R7).add(R6, R9);
    rotateLeft(a, R7, 17);
    rotateLeft(a, R9, 21);
    a.xor(R7, R8).xor(R9, R6);
    rotateLeft(a, R8, 32);
  }
}

/** R1: a header in the frame, its bounds proven. R0: its MAC under the key in the tables. */
export function placeHeaderMac({ a, options }: Code): void {
  a.label(HEADER_MAC)
    .mapValue(R2, options.memory)
    .load64(R3, R2, AT_HEADER_KEY)
    .load64(R4, R2, AT_HEADER_KEY + 8);
  for (const [register, constant, key] of INITIAL) a.loadImmediate64(register, constant).xor(register, key);
  for (let at = 0; at < AT_MAC; at += 8) {
    a.load64(R3, R1, at).xor(R9, R3);
    rounds(a, 2);
    a.xor(R6, R3);
  }
  a.comment('the last block holds the length')
    .loadImmediate64(R3, BigInt(AT_MAC) << 56n)
    .xor(R9, R3);
  rounds(a, 2);
  a.xor(R6, R3).xor(R8, 0xff);
  rounds(a, 4);
  a.mov(R0, R6).xor(R0, R7).xor(R0, R8).xor(R0, R9).exit();
}
