// The wire format's constants: scalar types, entry kinds, the layout of a header's first word. docs/wire-format.md has
// it byte by byte; nothing here reads or writes.

/** Types of fields, as the schema names them. */
export const INT32 = 1;
export const UINT32 = 2;
export const SINT32 = 3;
export const FIXED32 = 4;
export const SFIXED32 = 5;
export const INT64 = 6;
export const UINT64 = 7;
export const SINT64 = 8;
export const FIXED64 = 9;
export const SFIXED64 = 10;
export const FLOAT = 11;
export const DOUBLE = 12;
export const BOOL = 13;
export const ENUM = 14;
export const STRING = 15;
export const BYTES = 16;
export const MESSAGE = 17;

/** Labels of fields. */
export const SINGULAR = 0;
export const REPEATED = 1;
/** A list of entry messages: field 1 is the key, field 2 the value. */
export const MAP = 2;

/** Kinds of entries: all that skipping, verifying and moving a field needs to know. */
export const KIND_NONE = 0;
/** Four bytes of value. */
export const KIND_FIXED32 = 1;
/** Eight bytes of value. */
export const KIND_FIXED64 = 2;
/** u32 size, u32 offset of that many bytes: string, bytes, packed scalars. */
export const KIND_BLOB = 3;
/** u32 zero, u32 offset of a header. */
export const KIND_MESSAGE = 4;
/** u32 count, u32 offset of a table of (u32 size, u32 offset). */
export const KIND_BLOBS = 5;
/** u32 count, u32 offset of a table of (u32 header bytes, u32 offset of a header). */
export const KIND_MESSAGES = 6;

/** The reference's format: first word = number of presence words. */
export const VERSION_REFERENCE = 0;
/**
 * The extended format: bits 0–7 presence words, 8–15 kind words, 16–23 sparse entries, 24–31 the version.
 */
export const VERSION_EXTENDED = 1;

export const MAX_PRESENCE_WORDS = 8;
export const MAX_SPARSE_ENTRIES = 255;
/** u32 (kind << 29 | field number), then eight bytes of entry. */
export const SPARSE_ENTRY_BYTES = 12;
export const MAX_FIELD_NUMBER = 0x1fff_ffff;
/** Fields that one message type can have. */
export const MAX_FIELDS = 2048;
/** A table entry, and every entry that is not a 32-bit scalar. */
export const ENTRY_BYTES = 8;

/** Kind of the entry of a field. */
export function kindOf(type: number, label: number): number {
  if (type === MESSAGE) return label === SINGULAR ? KIND_MESSAGE : KIND_MESSAGES;
  if (type === STRING || type === BYTES) return label === SINGULAR ? KIND_BLOB : KIND_BLOBS;
  if (label !== SINGULAR) return KIND_BLOB;
  return isWide(type) ? KIND_FIXED64 : KIND_FIXED32;
}

/** Whether a scalar takes eight bytes as a field of its own; `float` does, as the reference has it. */
export function isWide(type: number): boolean {
  return (type >= INT64 && type <= SFIXED64) || type === FLOAT || type === DOUBLE;
}

/** Bytes of one element of a packed list. */
export function packedBytes(type: number): number {
  if (type === BOOL) return 1;
  return (type >= INT64 && type <= SFIXED64) || type === DOUBLE ? 8 : 4;
}

/** Whether the reference's format has this field. */
export function isReferenceField(type: number, label: number, number: number): boolean {
  if (number > 32 || label === MAP) return false;
  if (type === STRING || type === BYTES || type === MESSAGE) return true;
  return (
    label === SINGULAR &&
    (type === INT32 || type === UINT32 || type === INT64 || type === UINT64 || type === FLOAT)
  );
}

/** Bits that are set in a 32-bit word. */
export function population(word: number): number {
  word -= (word >>> 1) & 0x5555_5555;
  word = (word & 0x3333_3333) + ((word >>> 2) & 0x3333_3333);
  return Math.imul((word + (word >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}
