// How each scalar type is kept, read and written by generated code.

import type { ScalarName } from '../schema/model.ts';

/** Strings and bytes are objects that hold copies or references; 64-bit integers are pairs of int32. */
export type Family = 'number' | 'int64' | 'object';

export interface ScalarCode {
  family: Family;
  /** The runtime's constant for the type. */
  constant: string;
  /** Type of the getter, and of the setter's argument. */
  get: string;
  set: string;
  /** Bytes of a singular field's entry in the header. */
  entryBytes: 4 | 8;
  zero: string;
  /** `value` brought into the type's range. */
  normalize(value: string): string;
  /** Reads at `p`. */
  load(source: string): string;
  /** Writes at `p`. */
  emit(value: string, at: string): string;
}

function int32(constant: string): ScalarCode {
  return {
    family: 'number',
    constant,
    get: 'number',
    set: 'number',
    entryBytes: 4,
    zero: '0',
    normalize: value => `${value} | 0`,
    load: source => `${source}.i32(p)`,
    emit: (value, at) => `w.u32(${at}, ${value});`,
  };
}

function uint32(constant: string): ScalarCode {
  return { ...int32(constant), normalize: value => `${value} >>> 0`, load: source => `${source}.u32(p)` };
}

const DOUBLE: ScalarCode = {
  ...int32('DOUBLE'),
  entryBytes: 8,
  normalize: value => value,
  load: source => `${source}.f64(p)`,
  emit: (value, at) => `w.f64(${at}, ${value});`,
};

/** Kept as the reference does, in eight bytes; rounded, so that writer and reader see the same value. */
const FLOAT: ScalarCode = {
  ...DOUBLE,
  constant: 'FLOAT',
  normalize: value => `Math.fround(${value})`,
  load: source => `Math.fround(${source}.f64(p))`,
};

const BOOL: ScalarCode = {
  ...int32('BOOL'),
  get: 'boolean',
  set: 'boolean',
  zero: 'false',
  normalize: value => value,
  load: source => `${source}.i32(p) !== 0`,
  emit: (value, at) => `w.u32(${at}, ${value} ? 1 : 0);`,
};

function int64(constant: string): ScalarCode {
  return {
    ...int32(constant),
    family: 'int64',
    get: 'bigint',
    set: 'bigint | number',
    entryBytes: 8,
  };
}

function object(constant: string, get: string, set: string): ScalarCode {
  return { ...int32(constant), family: 'object', get, set, entryBytes: 8 };
}

const CODES: Record<ScalarName, ScalarCode> = {
  int32: int32('INT32'),
  uint32: uint32('UINT32'),
  sint32: int32('SINT32'),
  fixed32: uint32('FIXED32'),
  sfixed32: int32('SFIXED32'),
  int64: int64('INT64'),
  uint64: int64('UINT64'),
  sint64: int64('SINT64'),
  fixed64: int64('FIXED64'),
  sfixed64: int64('SFIXED64'),
  float: FLOAT,
  double: DOUBLE,
  bool: BOOL,
  string: object('STRING', 'string', 'StringValue'),
  bytes: object('BYTES', 'Uint8Array', 'BytesValue'),
};

export function scalarCode(name: ScalarName): ScalarCode {
  return CODES[name];
}

/** Open, as proto3 has enums: any int32. */
export function enumCode(typeName: string): ScalarCode {
  return { ...int32('ENUM'), get: typeName, set: typeName };
}

export function isUnsigned64(name: ScalarName): boolean {
  return name === 'uint64' || name === 'fixed64';
}
