// One eBPF instruction: its fields, its opcodes, its eight bytes. What may follow what is the verifier's business.
// Source: linux/bpf.h, linux/bpf_common.h and the kernel's Documentation/bpf/standardization/instruction-set.rst.

/**
 * One 8-byte slot as the kernel reads it (`struct bpf_insn`). A 64-bit immediate load takes two slots.
 *
 * ```
 *  0        1            2        4            8
 *  | opcode | src << 4 | |  offset  | immediate |      little-endian
 *  |        |   dst    | |  (int16) |  (int32)  |
 * ```
 */
export interface Instruction {
  readonly opcode: number;
  readonly dst: number;
  readonly src: number;
  /** Signed 16 bits. */
  offset: number;
  /** Signed 32 bits. */
  immediate: number;
}

export const INSTRUCTION_BYTES = 8;

// Classes: the low three bits.
export const CLASS_MASK = 0x07;
export const CLASS_LD = 0x00;
export const CLASS_LDX = 0x01;
export const CLASS_ST = 0x02;
export const CLASS_STX = 0x03;
export const CLASS_ALU = 0x04;
export const CLASS_JMP = 0x05;
export const CLASS_JMP32 = 0x06;
export const CLASS_ALU64 = 0x07;

// Loads and stores: size and mode.
export const SIZE_MASK = 0x18;
export const SIZE_W = 0x00;
export const SIZE_H = 0x08;
export const SIZE_B = 0x10;
export const SIZE_DW = 0x18;
export const MODE_MASK = 0xe0;
export const MODE_IMM = 0x00;
export const MODE_MEM = 0x60;
export const MODE_MEMSX = 0x80;
export const MODE_ATOMIC = 0xc0;

// Arithmetic and jumps: operation, and where the second operand comes from.
export const OPERATION_MASK = 0xf0;
export const SOURCE_IMMEDIATE = 0x00;
export const SOURCE_REGISTER = 0x08;

export const ALU_ADD = 0x00;
export const ALU_SUB = 0x10;
export const ALU_MUL = 0x20;
export const ALU_DIV = 0x30;
export const ALU_OR = 0x40;
export const ALU_AND = 0x50;
export const ALU_LSH = 0x60;
export const ALU_RSH = 0x70;
export const ALU_NEG = 0x80;
export const ALU_MOD = 0x90;
export const ALU_XOR = 0xa0;
export const ALU_MOV = 0xb0;
export const ALU_ARSH = 0xc0;
export const ALU_END = 0xd0;

export const JMP_JA = 0x00;
export const JMP_JEQ = 0x10;
export const JMP_JGT = 0x20;
export const JMP_JGE = 0x30;
export const JMP_JSET = 0x40;
export const JMP_JNE = 0x50;
export const JMP_JSGT = 0x60;
export const JMP_JSGE = 0x70;
export const JMP_CALL = 0x80;
export const JMP_EXIT = 0x90;
export const JMP_JLT = 0xa0;
export const JMP_JLE = 0xb0;
export const JMP_JSLT = 0xc0;
export const JMP_JSLE = 0xd0;

// Atomic operations travel in the immediate of a STX | ATOMIC instruction.
export const ATOMIC_ADD = 0x00;
export const ATOMIC_OR = 0x40;
export const ATOMIC_AND = 0x50;
export const ATOMIC_XOR = 0xa0;
export const ATOMIC_FETCH = 0x01;
export const ATOMIC_XCHG = 0xe1;
export const ATOMIC_CMPXCHG = 0xf1;

// What the source register's field means beside LD_IMM64 and CALL.
export const PSEUDO_MAP_FD = 1;
export const PSEUDO_MAP_VALUE = 2;
export const PSEUDO_CALL = 1;

/** Writes instructions as the bytes `BPF_PROG_LOAD` takes. */
export function encode(instructions: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(instructions.length * INSTRUCTION_BYTES);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < instructions.length; i++) {
    const { opcode, dst, src, offset, immediate } = instructions[i]!;
    const at = i * INSTRUCTION_BYTES;
    view.setUint8(at, opcode);
    view.setUint8(at + 1, (src << 4) | dst);
    view.setInt16(at + 2, offset, true);
    view.setInt32(at + 4, immediate, true);
  }
  return bytes;
}

/** Reads instructions back from bytes; a trailing part of an instruction is ignored. */
export function decode(bytes: Uint8Array): Instruction[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const instructions: Instruction[] = [];
  for (let at = 0; at + INSTRUCTION_BYTES <= bytes.length; at += INSTRUCTION_BYTES) {
    const registers = view.getUint8(at + 1);
    instructions.push({
      opcode: view.getUint8(at),
      dst: registers & 0x0f,
      src: registers >> 4,
      offset: view.getInt16(at + 2, true),
      immediate: view.getInt32(at + 4, true),
    });
  }
  return instructions;
}
