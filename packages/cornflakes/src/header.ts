// Headers that are not laid out as their type would write them: of another version of the schema, in the other format,
// with fields that the schema does not know or with sparse ones. Their known entries are copied into scratch, in order, so that
// generated code reads every header in one way.

import type { Internals } from './internals.ts';
import type { HeaderLayout } from './layout.ts';
import { SCRATCH_OFFSET } from './segments.ts';
import type { Source } from './source.ts';
import { UnknownFields } from './unknown-fields.ts';
import { KIND_FIXED32, MAX_FIELD_NUMBER, MAX_FIELDS, SPARSE_ENTRY_BYTES, VERSION_EXTENDED } from './wire.ts';

/** Where each known field's entry is, while a header is put in order; 0 is nowhere. Of no use afterwards. */
const places: Int32Array = new Int32Array(MAX_FIELDS);

/** Reads a header as it describes itself. Returns where the known entries now stand in the order of their numbers. */
export function enterInGeneral(
  source: Source,
  internals: Internals,
  layout: HeaderLayout,
  offset: number,
): number {
  const { fields } = layout;
  places.fill(0, 0, fields.length);
  const first = source.i32(offset);
  const words = first & 0xff;
  const extended = first >>> 24 === VERSION_EXTENDED;
  const kindsAt = offset + 4 + 4 * words;
  let p = kindsAt + 4 * ((first >>> 8) & 0xff);
  let lost = false;
  let bit = source.nextPresent(offset, words, 0);
  for (; bit >= 0 && !lost; bit = source.nextPresent(offset, words, bit + 1)) {
    const field = layout.fieldOf(bit + 1);
    if (field !== undefined) {
      places[field.index] = p;
      p += field.wide ? 8 : 4;
    } else if (extended) {
      const kind = (source.i32(kindsAt + 4 * (bit >> 3)) >>> ((bit & 7) * 4)) & 0xf;
      p += keepUnknown(source, internals, bit + 1, kind, p);
    } else {
      // Its size is not known, so neither is where the next one begins; verification saw that no known one follows.
      lost = true;
    }
  }
  internals.lost = lost;
  for (let left = extended ? (first >>> 16) & 0xff : 0; left > 0; left--, p += SPARSE_ENTRY_BYTES) {
    const tag = source.i32(p);
    const field = layout.fieldOf(tag & MAX_FIELD_NUMBER);
    if (field !== undefined) places[field.index] = p + 4;
    else keepUnknown(source, internals, tag & MAX_FIELD_NUMBER, tag >>> 29, p + 4);
  }
  putInOrder(source, layout);
  source.present0 = source.present[0]!;
  return SCRATCH_OFFSET;
}

/** Keeps an entry for writing; returns its size. */
function keepUnknown(source: Source, internals: Internals, number: number, kind: number, at: number): number {
  internals.unknown ??= new UnknownFields(source);
  const wide = kind !== KIND_FIXED32;
  internals.unknown.add(number, kind, source.i32(at), wide ? source.i32(at + 4) : 0);
  return wide ? 8 : 4;
}

function putInOrder(source: Source, layout: HeaderLayout): void {
  const { fields } = layout;
  const { present, scratchView } = source;
  present.fill(0, 0, layout.memoryWords);
  let to = 0;
  for (let i = 0; i < fields.length; i++) {
    const at = places[i]!;
    if (at === 0) continue;
    const field = fields[i]!;
    present[field.bit >> 5]! |= 1 << (field.bit & 31);
    scratchView.setInt32(to, source.i32(at), true);
    if (field.wide) scratchView.setInt32(to + 4, source.i32(at + 4), true);
    to += field.wide ? 8 : 4;
  }
}
