// The assembler: memory, jumps and calls on top of the arithmetic. One method is one instruction.

import { DemiError, ERR_ARGUMENT, ERR_RANGE } from '../error.ts';
import { ArithmeticAssembler, signed32 } from './arithmetic.ts';
import { readable, writable } from './emitter.ts';
import * as I from './instruction.ts';
import type { Operand, Register } from './register.ts';

/** Anything with a map's descriptor. */
export interface MapReference {
  readonly descriptor: number;
}

/**
 * Writes an eBPF program the way it is read: destination first, one method an instruction, labels as strings.
 *
 * ```ts
 * const program = new Assembler()
 *   .comment('only queue 0 is ours')
 *   .load32(R0, R1, XDP_MD_RX_QUEUE_INDEX)
 *   .jne(R0, 0, 'pass')
 *   .mov(R0, XDP_DROP)
 *   .exit()
 *   .label('pass')
 *   .mov(R0, XDP_PASS)
 *   .exit()
 *   .assemble();
 * ```
 *
 * Source: Documentation/bpf/standardization/instruction-set.rst.
 */
export class Assembler extends ArithmeticAssembler {
  // Loads: dst = *(uN *)(base + offset), zero-extended.
  load8(dst: Register, base: Register, offset: number): this {
    return this.raw(I.CLASS_LDX | I.MODE_MEM | I.SIZE_B, writable(dst), readable(base), offset, 0);
  }
  load16(dst: Register, base: Register, offset: number): this {
    return this.raw(I.CLASS_LDX | I.MODE_MEM | I.SIZE_H, writable(dst), readable(base), offset, 0);
  }
  load32(dst: Register, base: Register, offset: number): this {
    return this.raw(I.CLASS_LDX | I.MODE_MEM | I.SIZE_W, writable(dst), readable(base), offset, 0);
  }
  load64(dst: Register, base: Register, offset: number): this {
    return this.raw(I.CLASS_LDX | I.MODE_MEM | I.SIZE_DW, writable(dst), readable(base), offset, 0);
  }
  /** Sign-extended loads (Linux 6.6). */
  loadSigned8(dst: Register, base: Register, offset: number): this {
    return this.raw(I.CLASS_LDX | I.MODE_MEMSX | I.SIZE_B, writable(dst), readable(base), offset, 0);
  }
  loadSigned16(dst: Register, base: Register, offset: number): this {
    return this.raw(I.CLASS_LDX | I.MODE_MEMSX | I.SIZE_H, writable(dst), readable(base), offset, 0);
  }
  loadSigned32(dst: Register, base: Register, offset: number): this {
    return this.raw(I.CLASS_LDX | I.MODE_MEMSX | I.SIZE_W, writable(dst), readable(base), offset, 0);
  }

  // Stores: *(uN *)(base + offset) = operand, low bits.
  store8(base: Register, offset: number, operand: Operand): this {
    return this.#store(I.SIZE_B, base, offset, operand);
  }
  store16(base: Register, offset: number, operand: Operand): this {
    return this.#store(I.SIZE_H, base, offset, operand);
  }
  store32(base: Register, offset: number, operand: Operand): this {
    return this.#store(I.SIZE_W, base, offset, operand);
  }
  /** A constant is sign-extended. */
  store64(base: Register, offset: number, operand: Operand): this {
    if (typeof operand === 'number') signed32(operand);
    return this.#store(I.SIZE_DW, base, offset, operand);
  }

  // Atomics on 32 or 64 bits at base + offset. The fetching ones leave the old value in `src`.
  atomicAdd32(base: Register, offset: number, src: Register): this {
    return this.#atomic(I.SIZE_W, I.ATOMIC_ADD, base, offset, src);
  }
  atomicAdd64(base: Register, offset: number, src: Register): this {
    return this.#atomic(I.SIZE_DW, I.ATOMIC_ADD, base, offset, src);
  }
  atomicOr64(base: Register, offset: number, src: Register): this {
    return this.#atomic(I.SIZE_DW, I.ATOMIC_OR, base, offset, src);
  }
  atomicAnd64(base: Register, offset: number, src: Register): this {
    return this.#atomic(I.SIZE_DW, I.ATOMIC_AND, base, offset, src);
  }
  atomicXor64(base: Register, offset: number, src: Register): this {
    return this.#atomic(I.SIZE_DW, I.ATOMIC_XOR, base, offset, src);
  }
  fetchAdd32(base: Register, offset: number, src: Register): this {
    return this.#atomic(I.SIZE_W, I.ATOMIC_ADD | I.ATOMIC_FETCH, base, offset, src);
  }
  fetchAdd64(base: Register, offset: number, src: Register): this {
    return this.#atomic(I.SIZE_DW, I.ATOMIC_ADD | I.ATOMIC_FETCH, base, offset, src);
  }
  exchange32(base: Register, offset: number, src: Register): this {
    return this.#atomic(I.SIZE_W, I.ATOMIC_XCHG, base, offset, src);
  }
  exchange64(base: Register, offset: number, src: Register): this {
    return this.#atomic(I.SIZE_DW, I.ATOMIC_XCHG, base, offset, src);
  }
  /** Stores `src` if memory equals R0; R0 receives what was there. */
  compareExchange32(base: Register, offset: number, src: Register): this {
    return this.#atomic(I.SIZE_W, I.ATOMIC_CMPXCHG, base, offset, src);
  }
  compareExchange64(base: Register, offset: number, src: Register): this {
    return this.#atomic(I.SIZE_DW, I.ATOMIC_CMPXCHG, base, offset, src);
  }

  // 64-bit constants and map references: two slots each.
  /** Any 64-bit constant, given as −2^63 to 2^64 − 1. */
  loadImmediate64(dst: Register, value: bigint): this {
    if (value < -(1n << 63n) || value >= 1n << 64n) {
      throw new DemiError(ERR_RANGE, `${value} does not fit in 64 bits`);
    }
    return this.#wideImmediate(
      dst,
      0,
      Number(BigInt.asIntN(32, value)),
      Number(BigInt.asIntN(32, value >> 32n)),
    );
  }
  /** The map itself, as helpers take it. */
  mapFd(dst: Register, map: MapReference): this {
    return this.#wideImmediate(dst, I.PSEUDO_MAP_FD, descriptorOf(map), 0);
  }
  /** Address of byte `offset` in the one element of an array map (`max_entries` 1): no call, no null check. */
  mapValue(dst: Register, map: MapReference, offset = 0): this {
    return this.#wideImmediate(dst, I.PSEUDO_MAP_VALUE, descriptorOf(map), offset);
  }

  // Jumps. The plain names compare 64 bits and sign-extend a constant, `…32` compares the low halves.
  ja(label: string): this {
    return this.rawTo(I.CLASS_JMP | I.JMP_JA, 0, 0, 0, label);
  }
  /** A jump with a 32-bit distance (Linux 6.6). */
  jaLong(label: string): this {
    return this.rawFarTo(I.CLASS_JMP32 | I.JMP_JA, 0, 0, label);
  }
  jeq(a: Register, b: Operand, label: string): this {
    return this.#jump(I.CLASS_JMP, I.JMP_JEQ, a, b, label);
  }
  jeq32(a: Register, b: Operand, label: string): this {
    return this.#jump(I.CLASS_JMP32, I.JMP_JEQ, a, b, label);
  }
  jne(a: Register, b: Operand, label: string): this {
    return this.#jump(I.CLASS_JMP, I.JMP_JNE, a, b, label);
  }
  jne32(a: Register, b: Operand, label: string): this {
    return this.#jump(I.CLASS_JMP32, I.JMP_JNE, a, b, label);
  }
  /** Unsigned comparisons: greater, greater or equal, less, less or equal. */
  jgt(a: Register, b: Operand, label: string): this {
    return this.#jump(I.CLASS_JMP, I.JMP_JGT, a, b, label);
  }
  jgt32(a: Register, b: Operand, label: string): this {
    return this.#jump(I.CLASS_JMP32, I.JMP_JGT, a, b, label);
  }
  jge(a: Register, b: Operand, label: string): this {
    return this.#jump(I.CLASS_JMP, I.JMP_JGE, a, b, label);
  }
  jge32(a: Register, b: Operand, label: string): this {
    return this.#jump(I.CLASS_JMP32, I.JMP_JGE, a, b, label);
  }
  jlt(a: Register, b: Operand, label: string): this {
    return this.#jump(I.CLASS_JMP, I.JMP_JLT, a, b, label);
  }
  jlt32(a: Register, b: Operand, label: string): this {
    return this.#jump(I.CLASS_JMP32, I.JMP_JLT, a, b, label);
  }
  jle(a: Register, b: Operand, label: string): this {
    return this.#jump(I.CLASS_JMP, I.JMP_JLE, a, b, label);
  }
  jle32(a: Register, b: Operand, label: string): this {
    return this.#jump(I.CLASS_JMP32, I.JMP_JLE, a, b, label);
  }
  /** Signed comparisons. */
  jsgt(a: Register, b: Operand, label: string): this {
    return this.#jump(I.CLASS_JMP, I.JMP_JSGT, a, b, label);
  }
  jsgt32(a: Register, b: Operand, label: string): this {
    return this.#jump(I.CLASS_JMP32, I.JMP_JSGT, a, b, label);
  }
  jsge(a: Register, b: Operand, label: string): this {
    return this.#jump(I.CLASS_JMP, I.JMP_JSGE, a, b, label);
  }
  jsge32(a: Register, b: Operand, label: string): this {
    return this.#jump(I.CLASS_JMP32, I.JMP_JSGE, a, b, label);
  }
  jslt(a: Register, b: Operand, label: string): this {
    return this.#jump(I.CLASS_JMP, I.JMP_JSLT, a, b, label);
  }
  jslt32(a: Register, b: Operand, label: string): this {
    return this.#jump(I.CLASS_JMP32, I.JMP_JSLT, a, b, label);
  }
  jsle(a: Register, b: Operand, label: string): this {
    return this.#jump(I.CLASS_JMP, I.JMP_JSLE, a, b, label);
  }
  jsle32(a: Register, b: Operand, label: string): this {
    return this.#jump(I.CLASS_JMP32, I.JMP_JSLE, a, b, label);
  }
  /** Jumps when `a & b` is not zero. */
  jset(a: Register, b: Operand, label: string): this {
    return this.#jump(I.CLASS_JMP, I.JMP_JSET, a, b, label);
  }
  jset32(a: Register, b: Operand, label: string): this {
    return this.#jump(I.CLASS_JMP32, I.JMP_JSET, a, b, label);
  }

  /** Calls a kernel helper by its id (`HELPER_…`): arguments in R1 to R5, result in R0. */
  call(helper: number): this {
    return this.raw(I.CLASS_JMP | I.JMP_CALL, 0, 0, 0, signed32(helper));
  }
  /** Calls a function of this program, which ends in its own `exit`. */
  callLabel(label: string): this {
    return this.rawFarTo(I.CLASS_JMP | I.JMP_CALL, 0, I.PSEUDO_CALL, label);
  }
  /** Returns R0. */
  exit(): this {
    return this.raw(I.CLASS_JMP | I.JMP_EXIT, 0, 0, 0, 0);
  }

  #store(size: number, base: Register, offset: number, operand: Operand): this {
    return typeof operand === 'number'
      ? this.raw(I.CLASS_ST | I.MODE_MEM | size, readable(base), 0, offset, operand)
      : this.raw(I.CLASS_STX | I.MODE_MEM | size, readable(base), readable(operand), offset, 0);
  }

  #atomic(size: number, operation: number, base: Register, offset: number, src: Register): this {
    return this.raw(I.CLASS_STX | I.MODE_ATOMIC | size, readable(base), readable(src), offset, operation);
  }

  #wideImmediate(dst: Register, pseudo: number, low: number, high: number): this {
    this.raw(I.CLASS_LD | I.MODE_IMM | I.SIZE_DW, writable(dst), pseudo, 0, low);
    return this.raw(0, 0, 0, 0, high);
  }

  #jump(kind: number, operation: number, a: Register, b: Operand, label: string): this {
    if (typeof b !== 'number') {
      return this.rawTo(kind | operation | I.SOURCE_REGISTER, readable(a), readable(b), 0, label);
    }
    if (kind === I.CLASS_JMP) signed32(b);
    return this.rawTo(kind | operation, readable(a), 0, b, label);
  }
}

function descriptorOf(map: MapReference): number {
  const descriptor = map?.descriptor;
  if (!Number.isInteger(descriptor) || descriptor < 0) {
    throw new DemiError(ERR_ARGUMENT, `${String(descriptor)} is not the descriptor of an open map`);
  }
  return descriptor;
}
