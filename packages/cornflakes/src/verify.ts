// Whether a message may be read: every offset, length and count inside it, within the limits, fields of the kinds that
// the schema says. One walk over headers and tables, no allocation, no exception: it answers with a reason.

import {
  BAD_HEADER,
  BAD_UTF8,
  BROKEN_LIST,
  MIXED_VERSIONS,
  NOT_CANONICAL,
  OK,
  OUT_OF_BOUNDS,
  SEVERAL_OF_ONEOF,
  TOO_DEEP,
  TOO_LONG,
  TOO_MUCH_WORK,
  UNKNOWN_FIELD,
  WRONG_KIND,
} from './error.ts';
import type { FieldLayout, HeaderLayout } from './layout.ts';
import type { Source } from './source.ts';
import {
  KIND_BLOB,
  KIND_BLOBS,
  KIND_FIXED32,
  KIND_FIXED64,
  KIND_MESSAGE,
  KIND_MESSAGES,
  MAX_FIELD_NUMBER,
  MAX_FIELDS,
  MAX_PRESENCE_WORDS,
  population,
  SPARSE_ENTRY_BYTES,
  VERSION_EXTENDED,
  VERSION_REFERENCE,
} from './wire.ts';

/** How reading checks. */
export interface ReadOptions {
  /** `false` reads without a look; only for messages that this process wrote. Default `true`. */
  verify?: boolean;
  /** Also refuse what no writer produces: overlaps, gaps, empty lists, strings that are not UTF-8. Default `false`. */
  strict?: boolean;
  /** Messages within messages. Default 64, at most {@link MAX_DEPTH}. */
  maxDepth?: number;
  /** Bytes of a message. Default 64 MiB; at most 1 GiB − 1. */
  maxBytes?: number;
}

export const DEFAULT_MAX_DEPTH = 64;
/** Reading goes down by recursion, and the stack is not endless. */
export const MAX_DEPTH = 256;
export const DEFAULT_MAX_BYTES: number = 64 << 20;

/**
 * Verifies one message after the other.
 *
 * The work is bounded by the message's length: headers, tables and blobs together may not be longer than the message
 * itself, so one whose parts are shared to multiply the work of reading it is refused.
 */
export class Verifier {
  private lengthBytes: number;
  private budgetBytes: number;
  private version: number;
  private maxDepth: number;
  private strict: boolean;
  // Start and end of every part, in strict mode.
  private parts: number[];
  private readonly seen: Int32Array;

  constructor() {
    this.lengthBytes = 0;
    this.budgetBytes = 0;
    this.version = 0;
    this.maxDepth = DEFAULT_MAX_DEPTH;
    this.strict = false;
    this.parts = [];
    this.seen = new Int32Array(MAX_FIELDS / 32);
  }

  /** `OK`, or the reason why this is no message of that type. */
  verify(source: Source, layout: HeaderLayout, options: ReadOptions | undefined): number {
    let maxBytes = DEFAULT_MAX_BYTES;
    this.maxDepth = DEFAULT_MAX_DEPTH;
    this.strict = false;
    if (options !== undefined) {
      maxBytes = Math.min(options.maxBytes ?? DEFAULT_MAX_BYTES, 0x3fff_ffff);
      this.maxDepth = Math.min(options.maxDepth ?? DEFAULT_MAX_DEPTH, MAX_DEPTH);
      this.strict = options.strict ?? false;
    }
    if (source.lengthBytes > maxBytes) return TOO_LONG;
    if (source.lengthBytes < 8) return OUT_OF_BOUNDS;
    this.lengthBytes = source.lengthBytes;
    this.budgetBytes = source.lengthBytes;
    this.version = source.i32(0) >>> 24;
    const reason = this.message(source, layout, 0, 0);
    if (!this.strict) return reason;
    const parts = this.parts;
    this.parts = [];
    return reason === OK ? this.whole(parts) : reason;
  }

  private message(source: Source, layout: HeaderLayout | undefined, at: number, depth: number): number {
    if (depth > this.maxDepth) return TOO_DEEP;
    if (at > this.lengthBytes - 8) return OUT_OF_BOUNDS;
    const first = source.i32(at);
    if (first >>> 24 !== this.version) return MIXED_VERSIONS;
    const present = source.i32(at + 4);
    if (layout !== undefined && layout.words === 1 && (present & layout.unknown0) === 0) {
      if (first === 1) return this.plain(source, layout, at, present, at + 8, depth);
      const entries = at + 8 + layout.kindBytes;
      if (
        first === layout.extendedWord &&
        entries <= this.lengthBytes &&
        source.kindsAre(at + 8, layout.kinds)
      ) {
        return this.plain(source, layout, at, present, entries, depth);
      }
    }
    return this.general(source, layout, at, first, depth);
  }

  /** A header as its own type writes it: only pointers need a look. */
  private plain(
    source: Source,
    layout: HeaderLayout,
    at: number,
    present: number,
    entries: number,
    depth: number,
  ): number {
    const { wide0 } = layout;
    const end = entries + 4 * (population(present) + population(present & wide0));
    if (end > this.lengthBytes) return OUT_OF_BOUNDS;
    if (!this.spend(at, end - at)) return TOO_MUCH_WORK;
    const pointers = present & layout.pointers0;
    if (pointers !== 0) {
      const reason = this.pointers(source, layout, present, pointers, entries, depth);
      if (reason !== OK) return reason;
    }
    const { oneofs } = layout;
    for (let i = 0; i < oneofs.length; i++) {
      const chosen = present & oneofs[i]![0]!;
      if ((chosen & (chosen - 1)) !== 0) return SEVERAL_OF_ONEOF;
    }
    return OK;
  }

  /** Where the entries of a plain header point. */
  private pointers(
    source: Source,
    layout: HeaderLayout,
    present: number,
    pointers: number,
    p: number,
    depth: number,
  ): number {
    const { wide0, dense } = layout;
    while (pointers !== 0) {
      const lowest = present & -present;
      present ^= lowest;
      if ((pointers & lowest) !== 0) {
        pointers ^= lowest;
        const field = dense[31 - Math.clz32(lowest)]!;
        const reason = this.entry(source, field.kind, field, p, depth);
        if (reason !== OK) return reason;
      }
      p += (wide0 & lowest) === 0 ? 4 : 8;
    }
    return OK;
  }

  /** Any header: by its own description in the extended format, by the schema in the reference's. */
  private general(
    source: Source,
    layout: HeaderLayout | undefined,
    at: number,
    first: number,
    depth: number,
  ): number {
    const words = first & 0xff;
    const kindWords = (first >>> 8) & 0xff;
    const sparse = (first >>> 16) & 0xff;
    const extended = this.version === VERSION_EXTENDED;
    if (!extended && (this.version !== VERSION_REFERENCE || first !== words)) return BAD_HEADER;
    if (words === 0 || words > MAX_PRESENCE_WORDS || kindWords > 4 * words) return BAD_HEADER;
    const kindsAt = at + 4 + 4 * words;
    let p = kindsAt + 4 * kindWords;
    if (p > this.lengthBytes) return OUT_OF_BOUNDS;
    const { seen } = this;
    const memoryWords = layout === undefined ? 0 : layout.memoryWords;
    // Nested headers use `seen` too, so oneofs are looked at before any of them is.
    seen.fill(0, 0, memoryWords);
    const entries = p;
    for (let bit = source.nextPresent(at, words, 0); bit >= 0; bit = source.nextPresent(at, words, bit + 1)) {
      const field = layout?.fieldOf(bit + 1);
      let kind = 0;
      if (extended) {
        if (bit >= 8 * kindWords) return BAD_HEADER;
        kind = (source.i32(kindsAt + 4 * (bit >> 3)) >>> ((bit & 7) * 4)) & 0xf;
        if (kind < KIND_FIXED32 || kind > KIND_MESSAGES) return BAD_HEADER;
        if (field !== undefined && kind !== field.kind) return WRONG_KIND;
      } else {
        if (field === undefined) {
          if (this.knownFollows(source, layout!, at, bit, words)) return UNKNOWN_FIELD;
          break;
        }
        kind = field.kind;
      }
      if (field !== undefined) seen[field.bit >> 5]! |= 1 << (field.bit & 31);
      p += kind === KIND_FIXED32 ? 4 : 8;
    }
    const sparseAt = p;
    p += SPARSE_ENTRY_BYTES * sparse;
    if (p > this.lengthBytes) return OUT_OF_BOUNDS;
    if (!this.spend(at, p - at)) return TOO_MUCH_WORK;
    let previous = 0;
    for (let i = 0; i < sparse; i++) {
      const tag = source.i32(sparseAt + SPARSE_ENTRY_BYTES * i);
      const number = tag & MAX_FIELD_NUMBER;
      const kind = tag >>> 29;
      if (number <= previous || kind < KIND_FIXED32 || kind > KIND_MESSAGES) return BAD_HEADER;
      previous = number;
      if (
        number <= 32 * words &&
        (source.i32(at + 4 + 4 * ((number - 1) >> 5)) & (1 << ((number - 1) & 31))) !== 0
      ) {
        return BAD_HEADER;
      }
      const field = layout?.fieldOf(number);
      if (field === undefined) continue;
      if (field.kind !== kind) return WRONG_KIND;
      seen[field.bit >> 5]! |= 1 << (field.bit & 31);
    }
    if (layout !== undefined && !this.oneofsHold(layout)) return SEVERAL_OF_ONEOF;
    return this.entries(source, layout, at, first, entries, depth);
  }

  /** The second walk over a general header: where its entries point. */
  private entries(
    source: Source,
    layout: HeaderLayout | undefined,
    at: number,
    first: number,
    p: number,
    depth: number,
  ): number {
    const words = first & 0xff;
    const extended = this.version === VERSION_EXTENDED;
    const kindsAt = at + 4 + 4 * words;
    for (let bit = source.nextPresent(at, words, 0); bit >= 0; bit = source.nextPresent(at, words, bit + 1)) {
      const field = layout?.fieldOf(bit + 1);
      if (!extended && field === undefined) break;
      const kind = extended ? (source.i32(kindsAt + 4 * (bit >> 3)) >>> ((bit & 7) * 4)) & 0xf : field!.kind;
      const reason = this.entry(source, kind, field, p, depth);
      if (reason !== OK) return reason;
      p += kind === KIND_FIXED32 ? 4 : 8;
    }
    for (let left = extended ? (first >>> 16) & 0xff : 0; left > 0; left--) {
      const tag = source.i32(p);
      const reason = this.entry(source, tag >>> 29, layout?.fieldOf(tag & MAX_FIELD_NUMBER), p + 4, depth);
      if (reason !== OK) return reason;
      p += SPARSE_ENTRY_BYTES;
    }
    return OK;
  }

  private knownFollows(
    source: Source,
    layout: HeaderLayout,
    at: number,
    bit: number,
    words: number,
  ): boolean {
    do {
      if (layout.fieldOf(bit + 1) !== undefined) return true;
      bit = source.nextPresent(at, words, bit + 1);
    } while (bit >= 0);
    return false;
  }

  private oneofsHold(layout: HeaderLayout): boolean {
    const { oneofs } = layout;
    for (let i = 0; i < oneofs.length; i++) {
      const mask = oneofs[i]!;
      let chosen = 0;
      for (let word = 0; word < mask.length; word++) chosen += population(mask[word]! & this.seen[word]!);
      if (chosen > 1) return false;
    }
    return true;
  }

  /** Where one entry points. */
  private entry(
    source: Source,
    kind: number,
    field: FieldLayout | undefined,
    p: number,
    depth: number,
  ): number {
    if (kind <= KIND_FIXED64) return OK;
    const size = source.u32(p);
    const offset = source.u32(p + 4);
    if (kind === KIND_BLOB) return this.blob(source, field, size, offset);
    if (kind === KIND_MESSAGE) {
      if (this.strict && size !== 0) return NOT_CANONICAL;
      return this.message(source, field?.layout, offset, depth + 1);
    }
    return this.table(source, kind, field, size, offset, depth);
  }

  /** A count and a table of parts. */
  private table(
    source: Source,
    kind: number,
    field: FieldLayout | undefined,
    count: number,
    offset: number,
    depth: number,
  ): number {
    // The table's size by division, because a product could wrap.
    if (offset > this.lengthBytes || count > (this.lengthBytes - offset) >>> 3) return OUT_OF_BOUNDS;
    if (!this.spend(offset, 8 * count)) return TOO_MUCH_WORK;
    if (this.strict && count === 0) return NOT_CANONICAL;
    const layout = field?.layout;
    for (let i = 0; i < count; i++) {
      const part = source.u32(offset + 8 * i + 4);
      const reason =
        kind === KIND_BLOBS
          ? this.blob(source, field, source.u32(offset + 8 * i), part)
          : this.message(source, layout, part, depth + 1);
      if (reason !== OK) return reason;
    }
    return OK;
  }

  private blob(source: Source, field: FieldLayout | undefined, size: number, offset: number): number {
    if (offset > this.lengthBytes || size > this.lengthBytes - offset) return OUT_OF_BOUNDS;
    if (!this.spend(offset, size)) return TOO_MUCH_WORK;
    if (field === undefined) return OK;
    // Elements have 1, 4 or 8 bytes.
    if (field.elementBytes > 1 && (size & (field.elementBytes - 1)) !== 0) return BROKEN_LIST;
    if (this.strict && field.isText && !source.isUtf8(offset, size)) return BAD_UTF8;
    return OK;
  }

  /** Counts a part of the message against its length. */
  private spend(offset: number, size: number): boolean {
    this.budgetBytes -= size;
    if (this.strict && size !== 0) this.parts.push(offset, offset + size);
    return this.budgetBytes >= 0;
  }

  /** Strict: the parts cover the message, each byte once. */
  private whole(parts: readonly number[]): number {
    const order: number[] = [];
    for (let i = 0; i < parts.length; i += 2) order.push(i);
    order.sort((a, b) => parts[a]! - parts[b]!);
    let at = 0;
    for (const i of order) {
      if (parts[i] !== at) return NOT_CANONICAL;
      at = parts[i + 1]!;
    }
    return at === this.lengthBytes ? OK : NOT_CANONICAL;
  }
}
