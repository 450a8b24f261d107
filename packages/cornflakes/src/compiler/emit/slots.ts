// Which presence bit a field gets, and how many presence words a message writes.
// The rules are the wire format's; readers take any number of words, so the choice is only about size.

import type { Field } from '../schema/model.ts';

/** A message writes at most this many words; fields beyond are sparse. */
const MAX_WORDS = 8;
/** A further word pays from this many fields on: each saves the tag of a sparse entry. */
const MIN_FIELDS_PER_WORD = 4;

export interface Slot {
  /** Which of `present0`, `present1`, … */
  word: number;
  /** The bit in it, in hexadecimal. */
  mask: string;
  /** The bit's index in its word. */
  bit: number;
  /** With a bit of its own on the wire; otherwise a tagged entry. */
  dense: boolean;
}

export interface Slots {
  /** Words on the wire. */
  words: number;
  /** Words in the object: those on the wire and those for sparse fields. At least 1. */
  presentWords: number;
  of: Map<Field, Slot>;
}

/** @param fields In the order of their numbers. */
export function assignSlots(fields: readonly Field[]): Slots {
  const words = denseWords(fields);
  const of = new Map<Field, Slot>();
  let presentWords = words;
  let next = 32 * words;
  for (const field of fields) {
    const dense = field.number <= 32 * words;
    const index = dense ? field.number - 1 : next++;
    const bit = index & 31;
    of.set(field, { word: index >> 5, mask: hexMask(1 << bit), bit, dense });
    presentWords = Math.max(presentWords, (index >> 5) + 1);
  }
  return { words, presentWords, of };
}

function denseWords(fields: readonly Field[]): number {
  let words = 1;
  while (words < MAX_WORDS && fieldsInWord(fields, words) >= MIN_FIELDS_PER_WORD) words++;
  return words;
}

function fieldsInWord(fields: readonly Field[], word: number): number {
  return fields.filter(field => (field.number - 1) >>> 5 === word).length;
}

/** An int32 mask as an unsigned hexadecimal literal. */
export function hexMask(mask: number): string {
  return `0x${(mask >>> 0).toString(16)}`;
}
