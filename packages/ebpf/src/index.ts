// The public entry: the assembler, maps, programs, links and the ready-made programs.

export * from './assembler/assembler.ts';
export type { Assembly } from './assembler/emitter.ts';
export { decode, encode, INSTRUCTION_BYTES, type Instruction } from './assembler/instruction.ts';
export { disassemble, list } from './assembler/listing.ts';
export * from './assembler/register.ts';
export {
  detachXdp,
  type LinkInfo,
  linkHolders,
  linkInfo,
  programHolders,
  queryXdp,
  type XdpAttachment,
  type XdpMode,
} from './attachment.ts';
export * from './constants.ts';
export * from './error.ts';
export * from './link.ts';
export * from './maps/array.ts';
export { MapCursor } from './maps/cursor.ts';
export * from './maps/hash.ts';
export * from './maps/map.ts';
export * from './maps/per-cpu.ts';
export * from './maps/redirect.ts';
export * from './maps/ring-buffer.ts';
export * from './program.ts';
export * from './programs/pass-all.ts';
export * from './programs/port-table.ts';
export * from './programs/redirect-to-socket.ts';
export * from './programs/redirect-to-socket-code.ts';
export * from './programs/reflect-udp.ts';
export * from './xdp/packet.ts';
