// Fields that a schema does not know, kept so that a message which is read, changed and written loses nothing. They are
// moved by what the extended format says of them: the kinds of their entries.

import type { Source } from './source.ts';
import {
  ENTRY_BYTES,
  KIND_BLOB,
  KIND_BLOBS,
  KIND_FIXED32,
  KIND_FIXED64,
  KIND_MESSAGE,
  SPARSE_ENTRY_BYTES,
} from './wire.ts';
import type { Writer } from './writer.ts';

/** The unknown fields of one message, as entries that point into what it was read from. They are written as sparse ones. */
export class UnknownFields {
  readonly source: Source;
  count: number;
  private readonly numbers: number[];
  private readonly kinds: number[];
  private readonly firsts: number[];
  private readonly seconds: number[];

  constructor(source: Source) {
    this.source = source;
    this.count = 0;
    this.numbers = [];
    this.kinds = [];
    this.firsts = [];
    this.seconds = [];
  }

  /** Keeps an entry, in the order of the numbers. */
  add(number: number, kind: number, first: number, second: number): void {
    let at = this.count++;
    // Dense ones come first, so this is at its place but for a sparse entry with a low number.
    while (at > 0 && this.numbers[at - 1]! > number) {
      this.numbers[at] = this.numbers[at - 1]!;
      this.kinds[at] = this.kinds[at - 1]!;
      this.firsts[at] = this.firsts[at - 1]!;
      this.seconds[at] = this.seconds[at - 1]!;
      at--;
    }
    this.numbers[at] = number;
    this.kinds[at] = kind;
    this.firsts[at] = first;
    this.seconds[at] = second;
  }

  /** Number of the `index`-th unknown field. */
  numberAt(index: number): number {
    return this.numbers[index]!;
  }

  measure(w: Writer): void {
    for (let i = 0; i < this.count; i++) {
      measureEntry(w, this.source, this.kinds[i]!, this.firsts[i]!, this.seconds[i]!);
    }
  }

  /** Writes the fields from `index` on with numbers below `limit` as sparse entries; returns the next index. */
  emit(w: Writer, p: number, index: number, limit: number): number {
    while (index < this.count && this.numbers[index]! < limit) {
      const kind = this.kinds[index]!;
      w.u32(p, (kind << 29) | this.numbers[index]!);
      emitEntry(w, p + 4, this.source, kind, this.firsts[index]!, this.seconds[index]!);
      p += SPARSE_ENTRY_BYTES;
      index++;
    }
    return index;
  }
}

function measureEntry(w: Writer, source: Source, kind: number, first: number, second: number): void {
  if (kind <= KIND_FIXED64) return;
  const offset = second >>> 0;
  if (kind === KIND_BLOB) {
    w.measureSource(source, first);
    return;
  }
  if (kind === KIND_MESSAGE) {
    measureHeader(w, source, offset);
    return;
  }
  w.headBytes += ENTRY_BYTES * first;
  for (let i = 0; i < first; i++) {
    const at = offset + ENTRY_BYTES * i;
    if (kind === KIND_BLOBS) w.measureSource(source, source.i32(at));
    else measureHeader(w, source, source.u32(at + 4));
  }
}

function measureHeader(w: Writer, source: Source, at: number): void {
  const end = endOfHeader(source, at);
  w.headBytes += end - at;
  walk(source, at, measureWalked, w, 0);
}

function measureWalked(w: Writer, _to: number, source: Source, kind: number, p: number): void {
  if (kind > KIND_FIXED64) measureEntry(w, source, kind, source.i32(p), source.i32(p + 4));
}

function emitEntry(w: Writer, p: number, source: Source, kind: number, first: number, second: number): void {
  if (kind <= KIND_FIXED64) {
    w.u32(p, first);
    w.u32(p + 4, second);
    return;
  }
  const offset = second >>> 0;
  if (kind === KIND_BLOB) {
    w.emitSource(p, source, offset, first);
    return;
  }
  w.u32(p, kind === KIND_MESSAGE ? 0 : first);
  w.u32(p + 4, w.headBytes);
  if (kind === KIND_MESSAGE) {
    emitHeader(w, source, offset);
    return;
  }
  const table = w.headBytes;
  w.headBytes += ENTRY_BYTES * first;
  for (let i = 0; i < first; i++) {
    const from = offset + ENTRY_BYTES * i;
    const to = table + ENTRY_BYTES * i;
    if (kind === KIND_BLOBS) {
      w.emitSource(to, source, source.u32(from + 4), source.i32(from));
      continue;
    }
    const header = w.headBytes;
    emitHeader(w, source, source.u32(from + 4));
    w.u32(to, w.headBytes - header);
    w.u32(to + 4, header);
  }
}

function emitHeader(w: Writer, source: Source, at: number): void {
  const to = w.headBytes;
  const size = endOfHeader(source, at) - at;
  w.headBytes += size;
  for (let i = 0; i < size; i += 4) w.u32(to + i, source.i32(at + i));
  walk(source, at, emitWalked, w, to - at);
}

function emitWalked(w: Writer, shift: number, source: Source, kind: number, p: number): void {
  if (kind > KIND_FIXED64) emitEntry(w, p + shift, source, kind, source.i32(p), source.i32(p + 4));
}

type Visit = (w: Writer, shift: number, source: Source, kind: number, p: number) => void;

/** Visits the entries of a header of the extended format; returns where it ends. */
function walk(source: Source, at: number, visit: Visit, w: Writer, shift: number): number {
  const first = source.i32(at);
  const words = first & 0xff;
  const kindsAt = at + 4 + 4 * words;
  let p = kindsAt + 4 * ((first >>> 8) & 0xff);
  for (let bit = source.nextPresent(at, words, 0); bit >= 0; bit = source.nextPresent(at, words, bit + 1)) {
    const kind = (source.i32(kindsAt + 4 * (bit >> 3)) >>> ((bit & 7) * 4)) & 0xf;
    visit(w, shift, source, kind, p);
    p += kind === KIND_FIXED32 ? 4 : 8;
  }
  for (let left = (first >>> 16) & 0xff; left > 0; left--) {
    visit(w, shift, source, source.i32(p) >>> 29, p + 4);
    p += SPARSE_ENTRY_BYTES;
  }
  return p;
}

function endOfHeader(source: Source, at: number): number {
  const first = source.i32(at);
  const words = first & 0xff;
  const kindsAt = at + 4 + 4 * words;
  let p = kindsAt + 4 * ((first >>> 8) & 0xff) + SPARSE_ENTRY_BYTES * ((first >>> 16) & 0xff);
  for (let bit = source.nextPresent(at, words, 0); bit >= 0; bit = source.nextPresent(at, words, bit + 1)) {
    const kind = (source.i32(kindsAt + 4 * (bit >> 3)) >>> ((bit & 7) * 4)) & 0xf;
    p += kind === KIND_FIXED32 ? 4 : 8;
  }
  return p;
}
