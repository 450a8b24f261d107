// How the header of one message type is laid out: masks and kinds, made once per type from the schema's fields. The
// verifier and the general header reader go by it; generated code has the same knowledge written out.

import { DemiError } from '@demikernel/memory';
import type { Message } from './message.ts';
import type { EnumType, MessageType } from './message-type.ts';
import {
  isReferenceField,
  isWide,
  KIND_BLOB,
  kindOf,
  MAX_FIELDS,
  MAX_PRESENCE_WORDS,
  packedBytes,
  SINGULAR,
  STRING,
  VERSION_EXTENDED,
} from './wire.ts';

/** One field of a message type, as generated code states it. */
export interface FieldDescriptor {
  /** 1 to 2^29 − 1. */
  readonly number: number;
  /** Of the accessor. */
  readonly name: string;
  /** One of the type constants. */
  readonly type: number;
  /** `SINGULAR` (default), `REPEATED` or `MAP`. */
  readonly label?: number;
  /** For `MESSAGE`: a function, because types may refer to one another in circles. */

  readonly message?: () => MessageType<Message>;
  readonly enum?: EnumType;
  /** Name of the oneof this belongs to. */
  readonly oneof?: string;
  /** Declared `optional`: JSON shows it when it is present, default or not. */
  readonly optional?: boolean;
  /** Where it differs from `name`. */
  readonly jsonName?: string;
  /** The schema's name, where it is not the snake case of `name`. */
  readonly protoName?: string;
}

/** What the verifier wants to know of a field. */
export class FieldLayout {
  readonly descriptor: FieldDescriptor;
  readonly number: number;
  /** Place among the type's fields, which stand in the order of their numbers. */
  readonly index: number;
  readonly kind: number;
  readonly wide: boolean;
  /** Number of its presence bit. */
  readonly bit: number;
  /** Bytes of an element when this is a packed list, else 0. */
  readonly elementBytes: number;
  readonly isText: boolean;
  private child: HeaderLayout | undefined;

  constructor(descriptor: FieldDescriptor, index: number, bit: number) {
    const { type, label = SINGULAR } = descriptor;
    this.descriptor = descriptor;
    this.number = descriptor.number;
    this.index = index;
    this.kind = kindOf(type, label);
    this.wide = label !== SINGULAR || this.kind >= KIND_BLOB || isWide(type);
    this.bit = bit;
    this.elementBytes = this.kind === KIND_BLOB && label !== SINGULAR ? packedBytes(type) : 0;
    this.isText = type === STRING;
    this.child = undefined;
  }

  /** Layout of the messages in this field; `undefined` when it has none. */
  get layout(): HeaderLayout | undefined {
    if (this.child === undefined) this.child = this.descriptor.message?.().layout;
    return this.child;
  }
}

export class HeaderLayout {
  readonly name: string;
  /** Presence words that a writer writes. */
  readonly words: number;
  /** Presence words in memory: those of sparse fields too. */
  readonly memoryWords: number;
  readonly fields: readonly FieldLayout[];
  /** Presence bits of word 0 that no dense field has. */
  readonly unknown0: number;
  /** Dense fields of word 0 whose entry takes eight bytes. */
  readonly wide0: number;
  /** Dense fields of word 0 whose entry points somewhere. */
  readonly pointers0: number;
  /** Kinds of the fields 1 to 8 · n, a nibble each. */
  readonly kinds: Int32Array;
  readonly kindBytes: number;
  /** First word of an extended header without sparse entries. */
  readonly extendedWord: number;
  /** Per oneof, its presence bits in each word. */
  readonly oneofs: readonly Int32Array[];
  /** Field by number − 1, for numbers that can be dense. */
  readonly dense: readonly (FieldLayout | undefined)[];
  private readonly sparse: ReadonlyMap<number, FieldLayout>;
  private needsExtended: boolean | undefined;

  constructor(name: string, words: number, descriptors: readonly FieldDescriptor[]) {
    const fields: FieldLayout[] = [];
    const dense: (FieldLayout | undefined)[] = new Array<FieldLayout | undefined>(32 * words).fill(undefined);
    const sparse = new Map<number, FieldLayout>();
    let nextBit = 32 * words;
    let last = 0;
    let unknown0 = -1;
    let wide0 = 0;
    let pointers0 = 0;
    if (descriptors.length > MAX_FIELDS || words < 1 || words > MAX_PRESENCE_WORDS) {
      throw new DemiError(
        'ERR_DEMI_SCHEMA',
        `${name} has ${descriptors.length} fields, more than ${MAX_FIELDS}`,
      );
    }
    for (const descriptor of descriptors) {
      const isDense = descriptor.number <= 32 * words;
      const field = new FieldLayout(descriptor, fields.length, isDense ? descriptor.number - 1 : nextBit++);
      fields.push(field);
      if (!isDense) {
        sparse.set(field.number, field);
        continue;
      }
      dense[field.number - 1] = field;
      last = field.number;
      if (field.bit >= 32) continue;
      unknown0 &= ~(1 << field.bit);
      if (field.wide) wide0 |= 1 << field.bit;
      if (field.kind >= KIND_BLOB) pointers0 |= 1 << field.bit;
    }
    const kinds = new Int32Array((last + 7) >> 3);
    for (let i = 0; i < last; i++) kinds[i >> 3]! |= (dense[i]?.kind ?? 0) << ((i & 7) * 4);
    this.name = name;
    this.words = words;
    this.memoryWords = Math.max(words, (nextBit + 31) >> 5);
    this.fields = fields;
    this.unknown0 = unknown0;
    this.wide0 = wide0;
    this.pointers0 = pointers0;
    this.kinds = kinds;
    this.kindBytes = 4 * kinds.length;
    this.extendedWord = words | (kinds.length << 8) | (VERSION_EXTENDED << 24);
    this.oneofs = oneofMasks(fields, this.memoryWords);
    this.dense = dense;
    this.sparse = sparse;
    this.needsExtended = undefined;
  }

  /** The field with a number, wherever it is kept. */
  fieldOf(number: number): FieldLayout | undefined {
    return number <= this.dense.length ? this.dense[number - 1] : this.sparse.get(number);
  }

  /** Whether this type, or one that it can contain, has what the reference's format does not. */
  get extended(): boolean {
    this.needsExtended ??= reachesExtension(this, new Set());
    return this.needsExtended;
  }
}

function reachesExtension(layout: HeaderLayout, seen: Set<HeaderLayout>): boolean {
  if (seen.has(layout)) return false;
  seen.add(layout);
  for (const field of layout.fields) {
    const { type, label = SINGULAR, number, oneof, optional } = field.descriptor;
    if (!isReferenceField(type, label, number) || oneof !== undefined || optional) return true;
    if (field.layout !== undefined && reachesExtension(field.layout, seen)) return true;
  }
  return false;
}

function oneofMasks(fields: readonly FieldLayout[], words: number): Int32Array[] {
  const masks = new Map<string, Int32Array>();
  for (const field of fields) {
    const { oneof } = field.descriptor;
    if (oneof === undefined) continue;
    let mask = masks.get(oneof);
    if (mask === undefined) masks.set(oneof, (mask = new Int32Array(words)));
    mask[field.bit >> 5]! |= 1 << (field.bit & 31);
  }
  return [...masks.values()];
}
