// The public entry: the assembler, maps, programs, links and the ready-made programs.

export * from './assembler/assembler.ts';
export type { Assembly } from './assembler/emitter.ts';
export { decode, encode, INSTRUCTION_BYTES, type Instruction } from './assembler/instruction.ts';
export { disassemble, list } from './assembler/listing.ts';
export * from './assembler/register.ts';
export * from './constants.ts';
export * from './error.ts';
