// Arithmetic mnemonics, 64 and 32 bits wide, moves and byte swaps. A 32-bit operation clears the upper half.
// The 64-bit forms sign-extend a constant, so they take int32 only; the 32-bit forms take uint32 as well.

import { DemiError, ERR_RANGE } from '../error.ts';
import { Emitter, readable, writable } from './emitter.ts';
import * as I from './instruction.ts';
import type { Operand, Register } from './register.ts';

/** A constant for a 64-bit operation, which the machine sign-extends. */
export function signed32(value: number): number {
  if ((value | 0) !== value) {
    throw new DemiError(
      ERR_RANGE,
      `${value} would be sign-extended to 64 bits: use the 32-bit form or loadImmediate64`,
    );
  }
  return value;
}

/** `dst = dst op operand`. Divisions are unsigned unless they say `signed`. */
export class ArithmeticAssembler extends Emitter {
  add(dst: Register, operand: Operand): this {
    return this.#wide(I.ALU_ADD, dst, operand, 0);
  }
  add32(dst: Register, operand: Operand): this {
    return this.#narrow(I.ALU_ADD, dst, operand, 0);
  }
  sub(dst: Register, operand: Operand): this {
    return this.#wide(I.ALU_SUB, dst, operand, 0);
  }
  sub32(dst: Register, operand: Operand): this {
    return this.#narrow(I.ALU_SUB, dst, operand, 0);
  }
  mul(dst: Register, operand: Operand): this {
    return this.#wide(I.ALU_MUL, dst, operand, 0);
  }
  mul32(dst: Register, operand: Operand): this {
    return this.#narrow(I.ALU_MUL, dst, operand, 0);
  }
  /** Unsigned; division by zero gives 0. */
  div(dst: Register, operand: Operand): this {
    return this.#wide(I.ALU_DIV, dst, operand, 0);
  }
  div32(dst: Register, operand: Operand): this {
    return this.#narrow(I.ALU_DIV, dst, operand, 0);
  }
  signedDiv(dst: Register, operand: Operand): this {
    return this.#wide(I.ALU_DIV, dst, operand, 1);
  }
  signedDiv32(dst: Register, operand: Operand): this {
    return this.#narrow(I.ALU_DIV, dst, operand, 1);
  }
  /** Unsigned; modulo zero leaves `dst`. */
  mod(dst: Register, operand: Operand): this {
    return this.#wide(I.ALU_MOD, dst, operand, 0);
  }
  mod32(dst: Register, operand: Operand): this {
    return this.#narrow(I.ALU_MOD, dst, operand, 0);
  }
  signedMod(dst: Register, operand: Operand): this {
    return this.#wide(I.ALU_MOD, dst, operand, 1);
  }
  signedMod32(dst: Register, operand: Operand): this {
    return this.#narrow(I.ALU_MOD, dst, operand, 1);
  }
  or(dst: Register, operand: Operand): this {
    return this.#wide(I.ALU_OR, dst, operand, 0);
  }
  or32(dst: Register, operand: Operand): this {
    return this.#narrow(I.ALU_OR, dst, operand, 0);
  }
  and(dst: Register, operand: Operand): this {
    return this.#wide(I.ALU_AND, dst, operand, 0);
  }
  and32(dst: Register, operand: Operand): this {
    return this.#narrow(I.ALU_AND, dst, operand, 0);
  }
  xor(dst: Register, operand: Operand): this {
    return this.#wide(I.ALU_XOR, dst, operand, 0);
  }
  xor32(dst: Register, operand: Operand): this {
    return this.#narrow(I.ALU_XOR, dst, operand, 0);
  }
  /** Shift left. */
  lsh(dst: Register, operand: Operand): this {
    return this.#wide(I.ALU_LSH, dst, operand, 0);
  }
  lsh32(dst: Register, operand: Operand): this {
    return this.#narrow(I.ALU_LSH, dst, operand, 0);
  }
  /** Shift right, filling with zeros. */
  rsh(dst: Register, operand: Operand): this {
    return this.#wide(I.ALU_RSH, dst, operand, 0);
  }
  rsh32(dst: Register, operand: Operand): this {
    return this.#narrow(I.ALU_RSH, dst, operand, 0);
  }
  /** Shift right, filling with the sign. */
  arsh(dst: Register, operand: Operand): this {
    return this.#wide(I.ALU_ARSH, dst, operand, 0);
  }
  arsh32(dst: Register, operand: Operand): this {
    return this.#narrow(I.ALU_ARSH, dst, operand, 0);
  }
  neg(dst: Register): this {
    return this.raw(I.CLASS_ALU64 | I.ALU_NEG, writable(dst), 0, 0, 0);
  }
  neg32(dst: Register): this {
    return this.raw(I.CLASS_ALU | I.ALU_NEG, writable(dst), 0, 0, 0);
  }
  mov(dst: Register, operand: Operand): this {
    return this.#wide(I.ALU_MOV, dst, operand, 0);
  }
  /** Copies 32 bits and clears the upper half. */
  mov32(dst: Register, operand: Operand): this {
    return this.#narrow(I.ALU_MOV, dst, operand, 0);
  }
  /** Sign-extends the low `bits` of `src` to 64 (Linux 6.6). */
  movSigned(dst: Register, src: Register, bits: 8 | 16 | 32): this {
    return this.#wide(I.ALU_MOV, dst, src, bits);
  }
  /** Sign-extends the low `bits` of `src` to 32 (Linux 6.6). */
  movSigned32(dst: Register, src: Register, bits: 8 | 16): this {
    return this.#narrow(I.ALU_MOV, dst, src, bits);
  }
  /** Host to network order and back: swaps on a little-endian host, cuts to `bits` on any. */
  toBigEndian(dst: Register, bits: 16 | 32 | 64): this {
    return this.raw(I.CLASS_ALU | I.ALU_END | I.SOURCE_REGISTER, writable(dst), 0, 0, bits);
  }
  toLittleEndian(dst: Register, bits: 16 | 32 | 64): this {
    return this.raw(I.CLASS_ALU | I.ALU_END, writable(dst), 0, 0, bits);
  }
  /** Swaps bytes on any host (Linux 6.6). */
  byteSwap(dst: Register, bits: 16 | 32 | 64): this {
    return this.raw(I.CLASS_ALU64 | I.ALU_END, writable(dst), 0, 0, bits);
  }

  #wide(operation: number, dst: Register, operand: Operand, offset: number): this {
    const opcode = I.CLASS_ALU64 | operation;
    return typeof operand === 'number'
      ? this.raw(opcode, writable(dst), 0, offset, signed32(operand))
      : this.raw(opcode | I.SOURCE_REGISTER, writable(dst), readable(operand), offset, 0);
  }

  #narrow(operation: number, dst: Register, operand: Operand, offset: number): this {
    const opcode = I.CLASS_ALU | operation;
    return typeof operand === 'number'
      ? this.raw(opcode, writable(dst), 0, offset, operand)
      : this.raw(opcode | I.SOURCE_REGISTER, writable(dst), readable(operand), offset, 0);
  }
}
