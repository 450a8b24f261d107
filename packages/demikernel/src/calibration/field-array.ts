// The message that calibration sends: an array of fields of one size, copied or by reference as a threshold says, the way
// Cornflakes sends one; and the values that the fields have.

import { DemiError, type Gatherable, type ScatterGatherArray, type Slice } from '@demikernel/memory';
import type { LibraryOs } from '../runtime/library-os.ts';
import { SeededRandom } from '../runtime/random.ts';

/** Fields of one message at most: their table must fit into one slice of every device. */
export const MOST_FIELDS = 64;
/** Values kept of one size: enough that the next one is not in the first-level cache. */
const MOST_VALUES = 32_768;
const VALUE_ALIGNMENT = 64;
/** Up to so many bytes a loop copies as fast as `copyWithin` does. As Cornflakes' writer has it. */
const LOOP_BYTES = 8;
const COUNT_BYTES = 4;
const ENTRY_BYTES = 8;

/** Part of a library OS's memory, a quarter at most, filled with values that stay where they are. */
export class ValueMemory {
  readonly pieceBytes: number;
  readonly lengthBytes: number;
  private readonly blocks: Slice[];

  /** @throws ERR_DEMI_CALIBRATION when the memory is used up already */
  constructor(libraryOs: LibraryOs, lengthBytes: number) {
    const { pool } = libraryOs;
    this.pieceBytes = libraryOs.sliceBytes;
    this.blocks = [];
    const wantedBytes = Math.min(pool.region.lengthBytes >> 2, lengthBytes);
    for (let bytes = 0; bytes < wantedBytes; bytes += pool.slotSizeBytes) {
      const block = pool.alloc(this.pieceBytes);
      if (block === undefined)
        throw new DemiError('ERR_DEMI_CALIBRATION', 'the device has no memory to measure with');
      block.bytes().fill(bytes >> pool.slotShift);
      this.blocks.push(block);
    }
    this.lengthBytes = this.blocks.length * this.pieceBytes;
  }

  /** Slices of values of `valueBytes`, each in {@link piecesOf} pieces, several in a block where they fit. */
  carve(valueBytes: number): Slice[] {
    const { blocks, pieceBytes } = this;
    const most = MOST_VALUES * this.piecesOf(valueBytes);
    const pieces: Slice[] = [];
    const step = Math.ceil(valueBytes / VALUE_ALIGNMENT) * VALUE_ALIGNMENT;
    if (step <= pieceBytes >> 1) {
      for (const block of blocks) {
        for (let at = 0; at + valueBytes <= pieceBytes; at += step) {
          if (pieces.length === most) return pieces;
          pieces.push(block.sub(at, valueBytes));
        }
      }
      return pieces;
    }
    let left = valueBytes;
    for (const block of blocks) {
      const length = Math.min(left, pieceBytes);
      pieces.push(block.sub(0, length));
      left -= length;
      if (left === 0) left = valueBytes;
    }
    pieces.length -= pieces.length % this.piecesOf(valueBytes);
    return pieces;
  }

  piecesOf(valueBytes: number): number {
    return Math.ceil(valueBytes / this.pieceBytes);
  }

  release(): void {
    for (const block of this.blocks) block.release();
    this.blocks.length = 0;
  }
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
  private readonly pieces: Slice[];
  /** Index of each value's first piece, in an order that no prefetcher guesses. */
  private readonly order: Int32Array;
  private at: number;
  /** Pieces of the messages of one burst, one after the other, as whoever answers requests has looked them up. */
  private readonly chosen: Slice[];
  private next: number;

  constructor(memory: ValueMemory, fields: number, fieldBytes: number) {
    this.fields = fields;
    this.fieldBytes = fieldBytes;
    this.thresholdBytes = 0;
    this.headBytes = COUNT_BYTES + ENTRY_BYTES * fields;
    this.piecesPerField = memory.piecesOf(fieldBytes);
    this.pieces = memory.carve(fieldBytes);
    const values = Math.floor(this.pieces.length / this.piecesPerField);
    if (values < fields)
      throw new DemiError(
        'ERR_DEMI_CALIBRATION',
        `${fields} values of ${fieldBytes} bytes do not fit in the device's memory`,
      );
    this.order = shuffled(values, fields * fieldBytes + fields);
    for (let i = 0; i < values; i++) this.order[i] = this.order[i]! * this.piecesPerField;
    this.at = 0;
    this.chosen = [];
    this.next = 0;
  }

  /** Bytes of the whole message. */
  get lengthBytes(): number {
    return this.headBytes + this.fields * this.fieldBytes;
  }

  /** Looks up the values of the next `messages` messages: the slices come into the cache, their bytes do not. */
  choose(messages: number): void {
    const { chosen, fields, order, pieces, piecesPerField } = this;
    let count = 0;
    for (let i = 0; i < messages; i++) {
      if (this.at + fields > order.length) this.at = 0;
      for (let field = 0; field < fields; field++) {
        const from = order[this.at++]!;
        for (let p = 0; p < piecesPerField; p++) {
          const piece = pieces[from + p]!;
          if (piece.length !== 0) chosen[count++] = piece;
        }
      }
    }
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
    for (const piece of this.pieces) piece.release();
    this.pieces.length = 0;
  }
}

/** Another order for every message: two that go through the same values in step would warm the cache for each other. */
function shuffled(count: number, seed: number): Int32Array {
  const random = new SeededRandom(seed);
  const order = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const j = random.below(i + 1);
    order[i] = order[j]!;
    order[j] = i;
  }
  return order;
}
