// The message that calibration sends: an array of fields of one size, copied or by reference as a threshold says, the way
// Cornflakes sends one; and the values that the fields have.

import {
  DemiError,
  type Gatherable,
  type ScatterGatherArray,
  type Slice,
  type SlotPool,
} from '@demikernel/memory';
import type { LibraryOs } from '../runtime/library-os.ts';
import { SeededRandom } from '../runtime/random.ts';

/** Fields of one message at most: their table must fit into one slice of every device. */
export const MOST_FIELDS = 64;
const VALUE_ALIGNMENT = 64;
/** Up to so many bytes a loop copies as fast as `copyWithin` does. As Cornflakes' writer has it. */
const LOOP_BYTES = 8;
const COUNT_BYTES = 4;
const ENTRY_BYTES = 8;

/** Part of a library OS's memory, half of it at most, full of values that stay where they are. */
export class ValueMemory {
  readonly pool: SlotPool;
  readonly lengthBytes: number;
  private readonly pieceBytes: number;
  private readonly blocks: Slice[];
  private readonly random: SeededRandom;

  /** @throws ERR_DEMI_CALIBRATION when the memory is used up already */
  constructor(libraryOs: LibraryOs, lengthBytes: number) {
    const { pool } = libraryOs;
    this.pool = pool;
    this.pieceBytes = libraryOs.sliceBytes;
    this.blocks = [];
    this.random = new SeededRandom(1);
    const wantedBytes = Math.min(pool.region.lengthBytes >> 1, lengthBytes);
    for (let bytes = 0; bytes < wantedBytes; bytes += pool.slotSizeBytes) {
      const block = pool.alloc(this.pieceBytes);
      if (block === undefined) {
        this.release();
        throw new DemiError('ERR_DEMI_CALIBRATION', 'the device has no memory to measure with');
      }
      block.bytes().fill(bytes >> pool.slotShift);
      this.blocks.push(block);
    }
    this.lengthBytes = this.blocks.length * pool.slotSizeBytes;
  }

  /** Slices that a value of so many bytes has. */
  piecesOf(valueBytes: number): number {
    return Math.ceil(valueBytes / this.pieceBytes);
  }

  /** How many values of so many bytes there are: several in a block where they fit, else in several blocks. */
  valuesOf(valueBytes: number): number {
    const { blocks, pieceBytes } = this;
    const pieces = this.piecesOf(valueBytes);
    if (pieces > 1) return Math.floor(blocks.length / pieces);
    return blocks.length * Math.max(1, Math.floor(pieceBytes / alignedBytes(valueBytes)));
  }

  /** Puts the pieces of some value, anywhere in the memory, into `pieces` from `at` on. None of its bytes is read. */
  choose(valueBytes: number, pieces: Slice[], at: number): void {
    const { blocks, pieceBytes } = this;
    const index = this.random.below(this.valuesOf(valueBytes));
    const count = this.piecesOf(valueBytes);
    if (count === 1) {
      const block = blocks[index % blocks.length]!;
      const start = Math.floor(index / blocks.length) * alignedBytes(valueBytes);
      this.point(pieces, at, block, start, valueBytes);
      return;
    }
    let left = valueBytes;
    for (let i = 0; i < count; i++) {
      const length = Math.min(left, pieceBytes);
      this.point(pieces, at + i, blocks[index * count + i]!, 0, length);
      left -= length;
    }
  }

  /** Has a slice, made when there is none yet, hold bytes of a block. */
  private point(pieces: Slice[], at: number, block: Slice, start: number, length: number): void {
    this.pool.retain(block.slot);
    const offset = block.offset + start;
    if (at === pieces.length) {
      pieces.push(this.pool.slice(block.slot, offset, length));
      return;
    }
    const piece = pieces[at]!;
    this.pool.release(piece.slot);
    piece.slot = block.slot;
    piece.offset = offset;
    piece.length = length;
  }

  release(): void {
    for (const block of this.blocks) block.release();
    this.blocks.length = 0;
  }
}

function alignedBytes(valueBytes: number): number {
  return Math.ceil(valueBytes / VALUE_ALIGNMENT) * VALUE_ALIGNMENT;
}

/**
 * `fields` values of `fieldBytes` each behind a table of their sizes:
 *
 * ```
 *   u32 count | count × (u32 size, u32 offset) | values that are copied || values by reference
 * ```
 */
export class FieldArray implements Gatherable {
  readonly fields: number;
  readonly fieldBytes: number;
  /** Values shorter than this are copied. */
  thresholdBytes: number;
  private readonly headBytes: number;
  private readonly piecesPerField: number;
  private readonly memory: ValueMemory;
  /** Pieces of the messages of one burst, one after the other, as whoever answers requests has looked them up. */
  private readonly chosen: Slice[];
  private next: number;

  /** @throws ERR_DEMI_CALIBRATION when the memory has too few values of this size */
  constructor(memory: ValueMemory, fields: number, fieldBytes: number) {
    this.fields = fields;
    this.fieldBytes = fieldBytes;
    this.thresholdBytes = 0;
    this.headBytes = COUNT_BYTES + ENTRY_BYTES * fields;
    this.piecesPerField = memory.piecesOf(fieldBytes);
    this.memory = memory;
    this.chosen = [];
    this.next = 0;
    if (memory.valuesOf(fieldBytes) < fields) {
      throw new DemiError(
        'ERR_DEMI_CALIBRATION',
        `the memory to measure with does not hold ${fields} values of ${fieldBytes} bytes`,
      );
    }
  }

  /** Bytes of the whole message. */
  get lengthBytes(): number {
    return this.headBytes + this.fields * this.fieldBytes;
  }

  /** Chooses the values of the next `messages` messages: the slices come into the cache, their bytes do not. */
  choose(messages: number): void {
    const values = messages * this.fields;
    for (let i = 0; i < values; i++)
      this.memory.choose(this.fieldBytes, this.chosen, i * this.piecesPerField);
    this.next = 0;
  }

  /** Goes on to the next of the messages that were chosen. */
  advance(): void {
    this.next += this.fields * this.piecesPerField;
  }

  copiedBytes(): number {
    return this.fieldBytes < this.thresholdBytes ? this.lengthBytes : this.headBytes;
  }

  write(into: ScatterGatherArray): void {
    const { fieldBytes, fields } = this;
    const copies = fieldBytes < this.thresholdBytes;
    const first = into.segments[0]!;
    const { view } = first.pool.region;
    const head = first.offset;
    view.setInt32(head, fields, true);
    let offset = this.headBytes;
    for (let i = 0; i < fields; i++) {
      const entry = head + COUNT_BYTES + ENTRY_BYTES * i;
      view.setInt32(entry, fieldBytes, true);
      view.setInt32(entry + 4, offset, true);
      offset += fieldBytes;
    }
    if (copies) this.copy(into);
  }

  private copy(into: ScatterGatherArray): void {
    const { chosen, next } = this;
    const end = next + this.fields * this.piecesPerField;
    const { bytes } = into.pool.region;
    let index = 0;
    let target = into.segments[0]!;
    let targetAt = this.headBytes;
    for (let i = next; i < end; i++) {
      const piece = chosen[i]!;
      let done = 0;
      while (done < piece.length) {
        if (targetAt === target.length) {
          target = into.segments[++index]!;
          targetAt = 0;
        }
        const room = target.length - targetAt;
        const length = room < piece.length - done ? room : piece.length - done;
        const to = target.offset + targetAt;
        const from = piece.offset + done;
        if (length > LOOP_BYTES) bytes.copyWithin(to, from, from + length);
        else for (let b = 0; b < length; b++) bytes[to + b] = bytes[from + b]!;
        done += length;
        targetAt += length;
      }
    }
  }

  gather(into: ScatterGatherArray): void {
    if (this.fieldBytes < this.thresholdBytes) return;
    const { chosen, next } = this;
    const end = next + this.fields * this.piecesPerField;
    for (let i = next; i < end; i++) into.append(chosen[i]!.share());
  }

  release(): void {
    for (const piece of this.chosen) piece.release();
    this.chosen.length = 0;
  }
}
