// Collects instructions, labels and comments, and turns them into bytes. It knows fields and ranges, not mnemonics.

import { DemiError, ERR_LABEL, ERR_RANGE, ERR_REGISTER } from '../error.ts';
import { encode, type Instruction } from './instruction.ts';
import { list } from './listing.ts';
import type { Register } from './register.ts';

/** A finished program: what is loaded, and what is needed to read it again. */
export interface Assembly {
  /** The bytes `BPF_PROG_LOAD` takes, 8 per slot. */
  readonly bytes: Uint8Array;
  readonly instructions: readonly Instruction[];
  /** Slot each label stands before. */
  readonly labels: ReadonlyMap<string, number>;
  /** Comment on a slot. */
  readonly comments: ReadonlyMap<number, string>;
  /** The program as text, one instruction a line, with labels and comments. */
  toString(): string;
}

interface Reference {
  slot: number;
  label: string;
  /** Jumps carry their distance in the offset; calls and long jumps in the immediate. */
  inImmediate: boolean;
}

/** Where instructions gather until {@link Emitter.assemble}. */
export class Emitter {
  readonly #instructions: Instruction[];
  readonly #labels: Map<string, number>;
  readonly #comments: Map<number, string>;
  readonly #references: Reference[];
  #unique: number;

  constructor() {
    this.#instructions = [];
    this.#labels = new Map();
    this.#comments = new Map();
    this.#references = [];
    this.#unique = 0;
  }

  /** Slots emitted so far. */
  get length(): number {
    return this.#instructions.length;
  }

  /** Names the next instruction, for jumps from before and after. */
  label(name: string): this {
    if (this.#labels.has(name)) throw new DemiError(ERR_LABEL, `label "${name}" is placed twice`);
    this.#labels.set(name, this.#instructions.length);
    return this;
  }

  /** A label nobody else has, for macros that jump inside themselves. */
  uniqueLabel(stem: string): string {
    return `${stem}.${this.#unique++}`;
  }

  /** A remark on the next instruction, shown by the listing. */
  comment(text: string): this {
    const slot = this.#instructions.length;
    const earlier = this.#comments.get(slot);
    this.#comments.set(slot, earlier === undefined ? text : `${earlier}; ${text}`);
    return this;
  }

  /** Runs `build` on this assembler: how a macro is used in a chain. */
  use(build: (assembler: this) => unknown): this {
    build(this);
    return this;
  }

  /**
   * One instruction by its fields, for what has no mnemonic here.
   *
   * @throws DemiError `ERR_DEMI_EBPF_REGISTER` or `ERR_DEMI_EBPF_RANGE`.
   */
  raw(opcode: number, dst: number, src: number, offset: number, immediate: number): this {
    if ((opcode & 0xff) !== opcode) throw new DemiError(ERR_RANGE, `opcode ${opcode} is not a byte`);
    if ((dst & 0x0f) !== dst || (src & 0x0f) !== src) {
      throw new DemiError(ERR_REGISTER, `register fields ${dst}, ${src} are not 0 to 15`);
    }
    if ((offset << 16) >> 16 !== offset) {
      throw new DemiError(ERR_RANGE, `offset ${offset} does not fit in 16 bits`);
    }
    if (!Number.isInteger(immediate) || immediate < -0x8000_0000 || immediate > 0xffff_ffff) {
      throw new DemiError(ERR_RANGE, `immediate ${immediate} does not fit in 32 bits`);
    }
    this.#instructions.push({ opcode, dst, src, offset, immediate: immediate | 0 });
    return this;
  }

  /** An instruction that names a label; the distance is filled in by {@link assemble}. */
  protected rawTo(opcode: number, dst: number, src: number, immediate: number, label: string): this {
    this.#references.push({ slot: this.#instructions.length, label, inImmediate: false });
    return this.raw(opcode, dst, src, 0, immediate);
  }

  /** The same, with the distance in the 32-bit immediate. */
  protected rawFarTo(opcode: number, dst: number, src: number, label: string): this {
    this.#references.push({ slot: this.#instructions.length, label, inImmediate: true });
    return this.raw(opcode, dst, src, 0, 0);
  }

  /**
   * Resolves labels and returns the program. The emitter may be added to and assembled again.
   *
   * @throws DemiError `ERR_DEMI_EBPF_LABEL` for a label never placed or at the very end,
   *   `ERR_DEMI_EBPF_RANGE` for a jump longer than 32767 slots.
   */
  assemble(): Assembly {
    const instructions = this.#instructions.map(i => ({ ...i }));
    for (const { slot, label, inImmediate } of this.#references) {
      const target = this.#labels.get(label);
      if (target === undefined) throw new DemiError(ERR_LABEL, `label "${label}" is used but never placed`);
      if (target >= instructions.length) {
        throw new DemiError(ERR_LABEL, `label "${label}" stands after the last instruction`);
      }
      // Distances count from the slot after the jump.
      const distance = target - slot - 1;
      if (inImmediate) {
        instructions[slot]!.immediate = distance;
      } else {
        if ((distance << 16) >> 16 !== distance) {
          throw new DemiError(ERR_RANGE, `jump to "${label}" spans ${distance} slots: more than 16 bits`);
        }
        instructions[slot]!.offset = distance;
      }
    }
    const labels = new Map(this.#labels);
    const comments = new Map(this.#comments);
    return {
      bytes: encode(instructions),
      instructions,
      labels,
      comments,
      toString: () => list(instructions, labels, comments),
    };
  }
}

/** The number of a register that is read. */
export function readable(register: Register): number {
  const number = register?.register;
  if (!Number.isInteger(number) || number < 0 || number > 10) {
    throw new DemiError(ERR_REGISTER, `${String(number)} is not a register: they are R0 to R10`);
  }
  return number;
}

/** The number of a register that is written: not R10. */
export function writable(register: Register): number {
  const number = readable(register);
  if (number === 10) throw new DemiError(ERR_REGISTER, 'R10 is the frame pointer: it cannot be written');
  return number;
}
