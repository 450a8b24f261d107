// Instructions as text, for people: labels, comments, one slot a line. Nothing reads it back.

import { HELPER_NAMES } from '../constants.ts';
import * as I from './instruction.ts';

const ALU_SYMBOLS: Readonly<Record<number, string>> = {
  [I.ALU_ADD]: '+=',
  [I.ALU_SUB]: '-=',
  [I.ALU_MUL]: '*=',
  [I.ALU_DIV]: '/=',
  [I.ALU_OR]: '|=',
  [I.ALU_AND]: '&=',
  [I.ALU_LSH]: '<<=',
  [I.ALU_RSH]: '>>=',
  [I.ALU_MOD]: '%=',
  [I.ALU_XOR]: '^=',
  [I.ALU_MOV]: '=',
  [I.ALU_ARSH]: 's>>=',
};

const JUMP_SYMBOLS: Readonly<Record<number, string>> = {
  [I.JMP_JEQ]: '==',
  [I.JMP_JGT]: '>',
  [I.JMP_JGE]: '>=',
  [I.JMP_JSET]: '&',
  [I.JMP_JNE]: '!=',
  [I.JMP_JSGT]: 's>',
  [I.JMP_JSGE]: 's>=',
  [I.JMP_JLT]: '<',
  [I.JMP_JLE]: '<=',
  [I.JMP_JSLT]: 's<',
  [I.JMP_JSLE]: 's<=',
};

const SIZES: Readonly<Record<number, string>> = {
  [I.SIZE_B]: '8',
  [I.SIZE_H]: '16',
  [I.SIZE_W]: '32',
  [I.SIZE_DW]: '64',
};

const ATOMIC_SYMBOLS: Readonly<Record<number, string>> = {
  [I.ATOMIC_ADD]: '+=',
  [I.ATOMIC_OR]: '|=',
  [I.ATOMIC_AND]: '&=',
  [I.ATOMIC_XOR]: '^=',
};

/** One instruction as text. `slot` and `labelAt` turn distances into names; `next` is the second slot of a wide load. */
export function disassemble(
  instruction: I.Instruction,
  slot = 0,
  labelAt: (slot: number) => string = String,
  next?: I.Instruction,
): string {
  switch (instruction.opcode & I.CLASS_MASK) {
    case I.CLASS_ALU:
    case I.CLASS_ALU64:
      return arithmetic(instruction);
    case I.CLASS_JMP:
    case I.CLASS_JMP32:
      return jump(instruction, slot, labelAt);
    case I.CLASS_LD:
      return wideLoad(instruction, next);
    default:
      return memory(instruction);
  }
}

/** A whole program as text. */
export function list(
  instructions: readonly I.Instruction[],
  labels: ReadonlyMap<string, number> = new Map(),
  comments: ReadonlyMap<number, string> = new Map(),
): string {
  const names = new Map<number, string[]>();
  for (const [name, slot] of labels) {
    const there = names.get(slot);
    if (there === undefined) names.set(slot, [name]);
    else there.push(name);
  }
  const labelAt = (slot: number): string => names.get(slot)?.[0] ?? String(slot);
  const lines: string[] = [];
  for (let slot = 0; slot < instructions.length; slot++) {
    for (const name of names.get(slot) ?? []) lines.push(`${name}:`);
    const text = disassemble(instructions[slot]!, slot, labelAt, instructions[slot + 1]);
    const comment = comments.get(slot);
    const line = `${String(slot).padStart(5)}  ${text}`;
    lines.push(comment === undefined ? line : `${line.padEnd(44)} ; ${comment}`);
    if (instructions[slot]!.opcode === (I.CLASS_LD | I.MODE_IMM | I.SIZE_DW)) slot++;
  }
  return lines.join('\n');
}

function arithmetic({ opcode, dst, src, offset, immediate }: I.Instruction): string {
  const narrow = (opcode & I.CLASS_MASK) === I.CLASS_ALU;
  const register = narrow ? 'w' : 'r';
  const target = `${register}${dst}`;
  const operation = opcode & I.OPERATION_MASK;
  if (operation === I.ALU_NEG) return `${target} = -${target}`;
  if (operation === I.ALU_END) {
    const order = narrow ? ((opcode & I.SOURCE_REGISTER) !== 0 ? 'be' : 'le') : 'bswap';
    return `r${dst} = ${order}${immediate} r${dst}`;
  }
  const operand = (opcode & I.SOURCE_REGISTER) !== 0 ? `${register}${src}` : String(immediate);
  const symbol = ALU_SYMBOLS[operation];
  if (symbol === undefined) return unknown(opcode);
  if (operation === I.ALU_MOV && offset !== 0) return `${target} = (s${offset})${operand}`;
  const signed = offset === 1 && (operation === I.ALU_DIV || operation === I.ALU_MOD) ? 's' : '';
  return `${target} ${signed}${symbol} ${operand}`;
}

function jump(instruction: I.Instruction, slot: number, labelAt: (slot: number) => string): string {
  const { opcode, dst, src, offset, immediate } = instruction;
  const narrow = (opcode & I.CLASS_MASK) === I.CLASS_JMP32;
  const operation = opcode & I.OPERATION_MASK;
  if (operation === I.JMP_EXIT) return 'exit';
  if (operation === I.JMP_CALL) {
    if (src === I.PSEUDO_CALL) return `call ${labelAt(slot + 1 + immediate)}`;
    return `call ${HELPER_NAMES[immediate] ?? `helper ${immediate}`}`;
  }
  if (operation === I.JMP_JA) return `goto ${labelAt(slot + 1 + (narrow ? immediate : offset))}`;
  const symbol = JUMP_SYMBOLS[operation];
  if (symbol === undefined) return unknown(opcode);
  const register = narrow ? 'w' : 'r';
  const operand = (opcode & I.SOURCE_REGISTER) !== 0 ? `${register}${src}` : String(immediate);
  return `if ${register}${dst} ${symbol} ${operand} goto ${labelAt(slot + 1 + offset)}`;
}

function wideLoad({ opcode, dst, src, immediate }: I.Instruction, next: I.Instruction | undefined): string {
  if (opcode !== (I.CLASS_LD | I.MODE_IMM | I.SIZE_DW)) return unknown(opcode);
  const high = next?.immediate ?? 0;
  if (src === I.PSEUDO_MAP_FD) return `r${dst} = map fd ${immediate}`;
  if (src === I.PSEUDO_MAP_VALUE) return `r${dst} = map value fd ${immediate} + ${high}`;
  const value = BigInt.asUintN(64, (BigInt(high) << 32n) | BigInt.asUintN(32, BigInt(immediate)));
  return `r${dst} = 0x${value.toString(16)} ll`;
}

function memory({ opcode, dst, src, offset, immediate }: I.Instruction): string {
  const kind = opcode & I.CLASS_MASK;
  const mode = opcode & I.MODE_MASK;
  const size = SIZES[opcode & I.SIZE_MASK]!;
  const place = (base: number, type: string): string =>
    `*(${type}${size} *)(r${base} ${offset < 0 ? '-' : '+'} ${Math.abs(offset)})`;
  if (kind === I.CLASS_LDX) {
    if (mode === I.MODE_MEM) return `r${dst} = ${place(src, 'u')}`;
    if (mode === I.MODE_MEMSX) return `r${dst} = ${place(src, 's')}`;
    return unknown(opcode);
  }
  if (mode === I.MODE_MEM) return `${place(dst, 'u')} = ${kind === I.CLASS_ST ? immediate : `r${src}`}`;
  if (kind !== I.CLASS_STX || mode !== I.MODE_ATOMIC) return unknown(opcode);
  if (immediate === I.ATOMIC_XCHG) return `lock r${src} = exchange(${place(dst, 'u')}, r${src})`;
  if (immediate === I.ATOMIC_CMPXCHG) return `lock r0 = compare_exchange(${place(dst, 'u')}, r0, r${src})`;
  const symbol = ATOMIC_SYMBOLS[immediate & ~I.ATOMIC_FETCH];
  if (symbol === undefined) return unknown(opcode);
  const text = `${place(dst, 'u')} ${symbol} r${src}`;
  return (immediate & I.ATOMIC_FETCH) !== 0 ? `lock r${src} = fetch(${text})` : `lock ${text}`;
}

function unknown(opcode: number): string {
  return `unknown opcode 0x${opcode.toString(16).padStart(2, '0')}`;
}
