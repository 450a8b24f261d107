// A namespace of the model of a controller: blocks, and what of them is durable.

import {
  FORCE_UNIT_ACCESS,
  NVM_DATASET_MANAGEMENT,
  NVM_FLUSH,
  NVM_READ,
  NVM_WRITE,
  NVM_WRITE_ZEROES,
} from '../../src/nvme/commands.ts';
import {
  STATUS_INVALID_FIELD,
  STATUS_INVALID_OPCODE,
  STATUS_LBA_OUT_OF_RANGE,
} from '../../src/nvme/status.ts';
import type { Random } from '../../src/runtime/random.ts';
import type { ModelMemory } from './model-memory.ts';

export interface ModelDiskOptions {
  id: number;
  blocks: number;
  blockBytes: number;
  /** Writes without force unit access are lost with the power unless a flush came between. Default true. */
  volatileCache?: boolean;
  metadataBytes?: number;
  /** What pieces of scatter-gather lists are multiples of: 1 (default) or 4. */
  gatherAlignBytes?: number;
}

export class ModelDisk {
  readonly id: number;
  readonly blocks: number;
  readonly blockBytes: number;
  readonly volatileCache: boolean;
  readonly metadataBytes: number;
  /** What reads see. */
  readonly bytes: Uint8Array;
  /** What is there after the power has gone. */
  private readonly durable: Uint8Array;
  private readonly dirty: Set<number>;
  readonly gatherAlignBytes: number;
  flushes: number;
  /** Transfers whose data was in pieces, and the pieces of the last one. */
  gatherings: number;
  gatheredLast: readonly Uint8Array[];
  /** Writes, and caches with something in them, that met the end of the power or of the controller. */
  faultCount: number;
  deallocated: { lba: number; blocks: number }[];

  constructor(options: ModelDiskOptions) {
    this.id = options.id;
    this.blocks = options.blocks;
    this.blockBytes = options.blockBytes;
    this.volatileCache = options.volatileCache ?? true;
    this.metadataBytes = options.metadataBytes ?? 0;
    this.bytes = new Uint8Array(options.blocks * options.blockBytes);
    this.durable = new Uint8Array(this.bytes.length);
    this.dirty = new Set();
    this.gatherAlignBytes = options.gatherAlignBytes ?? 1;
    this.flushes = 0;
    this.gatherings = 0;
    this.gatheredLast = [];
    this.faultCount = 0;
    this.deallocated = [];
  }

  /** Carries a command out; its status. */
  execute(words: Int32Array, memory: ModelMemory): number {
    const opcode = words[0]! & 0xff;
    if (opcode === NVM_FLUSH) {
      this.flushes++;
      this.flush();
      return 0;
    }
    if (opcode === NVM_DATASET_MANAGEMENT) return this.deallocate(words, memory);
    if (opcode !== NVM_READ && opcode !== NVM_WRITE && opcode !== NVM_WRITE_ZEROES)
      return STATUS_INVALID_OPCODE;
    const { lba, blocks } = this.rangeOf(words);
    if (lba + blocks > this.blocks) return 0x4000 | STATUS_LBA_OUT_OF_RANGE;
    const start = lba * this.blockBytes;
    if (opcode === NVM_WRITE_ZEROES) this.bytes.fill(0, start, start + blocks * this.blockBytes);
    else {
      const pieces = this.pieces(words, memory, blocks * this.blockBytes);
      if (pieces === undefined) return STATUS_INVALID_FIELD;
      let at = start;
      for (const piece of pieces) {
        if (opcode === NVM_READ) piece.set(this.bytes.subarray(at, at + piece.length));
        else this.bytes.set(piece, at);
        at += piece.length;
      }
    }
    if (opcode !== NVM_READ) this.wrote(lba, blocks, (words[12]! & FORCE_UNIT_ACCESS) !== 0);
    return 0;
  }

  private rangeOf(words: Int32Array): { lba: number; blocks: number } {
    return {
      lba: (words[11]! >>> 0) * 0x1_0000_0000 + (words[10]! >>> 0),
      blocks: (words[12]! & 0xffff) + 1,
    };
  }

  private deallocate(words: Int32Array, memory: ModelMemory): number {
    const at = memory.offsetOf(words[6]!, words[7]!, 16);
    if (at < 0 || (words[10]! & 0xff) !== 0 || (words[11]! & 4) === 0) return STATUS_INVALID_FIELD;
    const blocks = memory.view.getUint32(at + 4, true);
    const lba = Number(memory.view.getBigUint64(at + 8, true));
    if (lba + blocks > this.blocks) return STATUS_LBA_OUT_OF_RANGE;
    this.deallocated.push({ lba, blocks });
    this.bytes.fill(0, lba * this.blockBytes, (lba + blocks) * this.blockBytes);
    this.wrote(lba, blocks, false);
    return 0;
  }

  /** Where a command's data lies: offsets and lengths, or `undefined` when its pointers are wrong. */
  private pieces(words: Int32Array, memory: ModelMemory, lengthBytes: number): Uint8Array[] | undefined {
    if ((words[0]! & (3 << 14)) !== 0) return this.gathered(words, memory, lengthBytes);
    const inPage = words[6]! & 4095;
    const first = Math.min(4096 - inPage, lengthBytes);
    const pieces: [number, number][] = [[memory.offsetOf(words[6]!, words[7]!, first), first]];
    let left = lengthBytes - first;
    if (left > 4096) {
      const entries = Math.ceil(left / 4096);
      let list = memory.offsetOf(words[8]!, words[9]!, entries * 8);
      if (list < 0 || (words[8]! & 4095) !== 0 || entries > 512) return undefined;
      for (; left > 0; list += 8) {
        const length = Math.min(left, 4096);
        const low = memory.view.getInt32(list, true);
        if ((low & 4095) !== 0) return undefined;
        pieces.push([memory.offsetOf(low, memory.view.getInt32(list + 4, true), length), length]);
        left -= length;
      }
    } else if (left > 0) {
      if ((words[8]! & 4095) !== 0) return undefined;
      pieces.push([memory.offsetOf(words[8]!, words[9]!, left), left]);
    }
    if (pieces.some(([offset]) => offset < 0)) return undefined;
    return pieces.map(([offset, length]) => memory.bytes.subarray(offset, offset + length));
  }

  /** What a scatter-gather list says: one last segment of data blocks, as long together as the transfer. */
  private gathered(words: Int32Array, memory: ModelMemory, lengthBytes: number): Uint8Array[] | undefined {
    const list = memory.stretch(words[6]!, words[7]!, words[8]!);
    const isList = ((words[0]! >> 14) & 3) === 1 && words[9]! >>> 24 === 0x30 && words[8]! % 16 === 0;
    if (list === undefined || !isList) return undefined;
    const view = new DataView(list.buffer, list.byteOffset, list.length);
    const pieces: Uint8Array[] = [];
    let total = 0;
    for (let at = 0; at < list.length; at += 16) {
      const length = view.getUint32(at + 8, true);
      const [low, high] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
      const piece = view.getUint32(at + 12, true) === 0 ? memory.stretch(low, high, length) : undefined;
      if (piece === undefined || (low | length) % this.gatherAlignBytes !== 0) return undefined;
      pieces.push(piece);
      total += length;
    }
    this.gatherings++;
    this.gatheredLast = pieces;
    return total === lengthBytes ? pieces : undefined;
  }

  private wrote(lba: number, blocks: number, through: boolean): void {
    for (let block = lba; block < lba + blocks; block++) {
      if (through || !this.volatileCache) this.persist(block);
      else this.dirty.add(block);
    }
  }

  private persist(block: number): void {
    const at = block * this.blockBytes;
    this.durable.set(this.bytes.subarray(at, at + this.blockBytes), at);
    this.dirty.delete(block);
  }

  flush(): void {
    for (const block of [...this.dirty]) this.persist(block);
  }

  /** The power goes: of what was not durable, some blocks are. */
  loseCache(random: Random): void {
    if (this.dirty.size > 0) this.faultCount++;
    for (const block of [...this.dirty]) if (random.below(2) === 0) this.persist(block);
    this.dirty.clear();
    this.bytes.set(this.durable);
  }

  /** A write whose end nobody heard of: some of its blocks happen. */
  leaveHalfDone(words: Int32Array, memory: ModelMemory, random: Random): void {
    if ((words[0]! & 0xff) !== NVM_WRITE) return;
    const { lba, blocks } = this.rangeOf(words);
    if (lba + blocks > this.blocks) return;
    this.faultCount++;
    const kept = this.bytes.slice(lba * this.blockBytes, (lba + blocks) * this.blockBytes);
    this.execute(words, memory);
    for (let i = 0; i < blocks; i++) {
      if (random.below(2) === 0) continue;
      const at = i * this.blockBytes;
      this.bytes.set(kept.subarray(at, at + this.blockBytes), lba * this.blockBytes + at);
      this.persist(lba + i);
    }
  }
}
