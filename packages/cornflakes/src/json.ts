// The proto3 JSON mapping (protobuf.dev/programming-guides/json), by a type's list of fields. For people, logs and tests: it
// allocates as it likes.

import { Buffer } from 'node:buffer';
import { DemiError } from '@demikernel/memory';
import type { BytesList, StringList } from './fields/bytes-list.ts';
import type { MessageList } from './fields/message-list.ts';
import type { BigIntList, NumberList } from './fields/scalar-lists.ts';
import type { JsonValue } from './json-value.ts';
import { nullIsValue, wellKnownForm } from './json-well-known.ts';
import type { FieldDescriptor } from './layout.ts';
import type { Message } from './message.ts';
import { DEFAULT_MAX_DEPTH, MAX_DEPTH } from './verify.ts';
import {
  BOOL,
  BYTES,
  DOUBLE,
  ENUM,
  FIXED32,
  FIXED64,
  FLOAT,
  INT64,
  MAP,
  MESSAGE,
  REPEATED,
  SFIXED64,
  SINGULAR,
  STRING,
  UINT32,
  UINT64,
} from './wire.ts';

/** A message's accessors by name. */
type Accessors = Record<string, unknown>;

function is64(type: number): boolean {
  return type >= INT64 && type <= SFIXED64;
}

// Messages within messages, the outermost included, that are being read or printed.
let depth = 0;

/**
 * Goes one message deeper: JSON, and an Any in an Any, may be nested as deep as an enemy likes. What is made from JSON is no deeper than
 * its readers allow unless told otherwise. @throws ERR_DEMI_JSON
 */
export function nested<T>(path: string, work: () => T, limit: number = DEFAULT_MAX_DEPTH): T {
  if (depth > limit) throw badJson(path, `nested at most ${limit} deep`);
  depth++;
  try {
    return work();
  } finally {
    depth--;
  }
}

export function messageToJson(message: Message): JsonValue {
  return nested('', () => printed(message), MAX_DEPTH);
}

function printed(message: Message): JsonValue {
  const form = wellKnownForm(message.type.name);
  if (form !== undefined) return form.toJson(message as unknown as Accessors, message);
  const json: { [key: string]: JsonValue } = {};
  const accessors = message as unknown as Accessors;
  for (const field of message.type.fields) {
    const value = fieldToJson(accessors, field);
    if (value !== undefined) putProperty(json, field.jsonName ?? field.name, value);
  }
  return json;
}

/** Not by assignment: `__proto__` is a name like any other. */
export function putProperty(json: { [key: string]: JsonValue }, name: string, value: JsonValue): void {
  Object.defineProperty(json, name, { value, enumerable: true, configurable: true, writable: true });
}

function fieldToJson(accessors: Accessors, field: FieldDescriptor): JsonValue | undefined {
  const { name, type, label = SINGULAR } = field;
  if (label === SINGULAR) {
    if (accessors[`has${capital(name)}`] !== true) return undefined;
    const value = accessors[name];
    const explicit = field.optional === true || field.oneof !== undefined || type === MESSAGE;
    if (!explicit && isDefault(value)) return undefined;
    return type === MESSAGE ? messageToJson(value as Message) : scalarToJson(value, field);
  }
  const list = accessors[name] as Iterable<unknown> & { length: number };
  if (list.length === 0) return undefined;
  if (label === MAP) return mapToJson(list as MessageList<Message>);
  const values: JsonValue[] = [];
  for (const value of list) {
    values.push(type === MESSAGE ? messageToJson(value as Message) : scalarToJson(value, field));
  }
  return values;
}

function isDefault(value: unknown): boolean {
  if (value instanceof Uint8Array) return value.length === 0;
  return value === 0 ? !Object.is(value, -0) : value === 0n || value === '' || value === false;
}

function mapToJson(entries: MessageList<Message>): JsonValue {
  const json: { [key: string]: JsonValue } = {};
  for (const entry of entries) {
    const accessors = entry as unknown as Accessors;
    const valueField = entry.type.fields[1]!;
    const value =
      valueField.type === MESSAGE
        ? accessors['hasValue']
          ? messageToJson(accessors['value'] as Message)
          : {}
        : scalarToJson(accessors['value'], valueField);
    putProperty(json, String(accessors['key']), value);
  }
  return json;
}

export function scalarToJson(value: unknown, field: FieldDescriptor): JsonValue {
  const { type } = field;
  if (is64(type)) return String(value);
  if (type === BYTES) {
    const bytes = value as Uint8Array;
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
  }
  if (type === ENUM) return field.enum?.names.get(value as number) ?? (value as number);
  if (type === BOOL) return Boolean(value);
  if (typeof value === 'number' && !Number.isFinite(value)) {
    return Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity';
  }
  return value as JsonValue;
}

/** Fills an empty message. @throws ERR_DEMI_JSON naming the field */
export function messageFromJson(message: Message, json: JsonValue, path = ''): void {
  nested(path, () => fillFromJson(message, json, path));
}

function fillFromJson(message: Message, json: JsonValue, path: string): void {
  const form = wellKnownForm(message.type.name);
  if (form !== undefined) {
    form.fromJson(message as unknown as Accessors, json, path.replace(/\.$/, ''), message);
    return;
  }
  if (json === null || typeof json !== 'object' || Array.isArray(json)) throw badJson(path, 'an object');
  const accessors = message as unknown as Accessors;
  const oneofs = new Set<string>();
  for (const name of Object.keys(json)) {
    const field = message.type.fields.find(candidate => namesOf(candidate).includes(name));
    if (field === undefined) throw badJson(`${path}${name}`, 'a field of the schema');
    const value = json[name]!;
    if (value === null && !nullIsValue(field.message?.().name)) continue;
    if (field.oneof !== undefined) {
      if (oneofs.has(field.oneof)) throw badJson(`${path}${name}`, `the only field of ${field.oneof}`);
      oneofs.add(field.oneof);
    }
    fieldFromJson(accessors, field, value, `${path}${name}`);
  }
}

function namesOf(field: FieldDescriptor): string[] {
  const snake = field.name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`);
  return [field.jsonName ?? field.name, field.protoName ?? snake];
}

export function fieldFromJson(
  accessors: Accessors,
  field: FieldDescriptor,
  json: JsonValue,
  path: string,
): void {
  const { name, type, label = SINGULAR } = field;
  if (label === MAP) {
    mapFromJson(accessors[name] as MessageList<Message>, json, path);
  } else if (label === REPEATED) {
    if (!Array.isArray(json)) throw badJson(path, 'an array');
    json.forEach((element, i) => {
      addFromJson(accessors[name], field, element, `${path}[${i}]`);
    });
  } else if (type === MESSAGE) {
    const mutable = accessors[`mutable${capital(name)}`] as () => Message;
    messageFromJson(mutable.call(accessors), json, `${path}.`);
  } else {
    accessors[name] = scalarFromJson(field, json, path);
  }
}

function addFromJson(list: unknown, field: FieldDescriptor, json: JsonValue, path: string): void {
  if (field.type === MESSAGE) {
    messageFromJson((list as MessageList<Message>).add(), json, `${path}.`);
    return;
  }
  const value = scalarFromJson(field, json, path);
  if (field.type === STRING) (list as StringList).add(value as string);
  else if (field.type === BYTES) (list as BytesList).add(value as Uint8Array);
  else if (is64(field.type)) (list as BigIntList).add(value as bigint);
  else (list as NumberList).add(value as number | boolean);
}

function mapFromJson(entries: MessageList<Message>, json: JsonValue, path: string): void {
  if (json === null || typeof json !== 'object' || Array.isArray(json)) throw badJson(path, 'an object');
  for (const key of Object.keys(json)) {
    const entry = entries.add();
    const accessors = entry as unknown as Accessors;
    const [keyField, valueField] = entry.type.fields;
    const where = `${path}[${JSON.stringify(key)}]`;
    const plain = keyField!.type === BOOL ? key === 'true' || (key === 'false' ? false : key) : key;
    accessors['key'] = scalarFromJson(keyField!, plain, where);
    nested(where, () => fieldFromJson(accessors, valueField!, json[key]!, where));
  }
}

function scalarFromJson(field: FieldDescriptor, json: JsonValue, path: string): unknown {
  const { type } = field;
  if (type === STRING) {
    if (typeof json !== 'string') throw badJson(path, 'a string');
    return json;
  }
  if (type === BOOL) {
    if (typeof json !== 'boolean') throw badJson(path, 'true or false');
    return json;
  }
  if (type === BYTES) return bytesFromJson(json, path);
  if (type === FLOAT || type === DOUBLE) return doubleFromJson(json, path);
  if (type === ENUM && typeof json === 'string') {
    const number = field.enum?.numbers.get(json);
    if (number === undefined) throw badJson(path, `a value of ${field.enum?.name}`);
    return number;
  }
  return is64(type) ? bigFromJson(type, json, path) : intFromJson(type, json, path);
}

function bytesFromJson(json: JsonValue, path: string): Uint8Array {
  // Standard and URL-safe alphabets, with and without padding.
  if (typeof json !== 'string' || !/^[A-Za-z0-9+/_-]*={0,2}$/.test(json)) throw badJson(path, 'base64');
  return new Uint8Array(Buffer.from(json, 'base64'));
}

function doubleFromJson(json: JsonValue, path: string): number {
  if (json === 'NaN') return Number.NaN;
  if (json === 'Infinity') return Number.POSITIVE_INFINITY;
  if (json === '-Infinity') return Number.NEGATIVE_INFINITY;
  const number = typeof json === 'string' && json.trim() !== '' ? Number(json) : json;
  if (typeof number !== 'number' || !Number.isFinite(number)) throw badJson(path, 'a number');
  return number;
}

function intFromJson(type: number, json: JsonValue, path: string): number {
  const number = doubleFromJson(json, path);
  const unsigned = type === UINT32 || type === FIXED32;
  if (!Number.isInteger(number) || (unsigned ? number >>> 0 : number | 0) !== number) {
    throw badJson(path, unsigned ? 'an unsigned 32-bit integer' : 'a 32-bit integer');
  }
  return number;
}

function bigFromJson(type: number, json: JsonValue, path: string): bigint {
  const unsigned = type === UINT64 || type === FIXED64;
  let value: bigint;
  if (typeof json === 'string' && /^-?\d+$/.test(json)) value = BigInt(json);
  else {
    const number = doubleFromJson(json, path);
    if (!Number.isInteger(number)) throw badJson(path, 'a whole number');
    value = BigInt(number);
  }
  if ((unsigned ? BigInt.asUintN(64, value) : BigInt.asIntN(64, value)) !== value) {
    throw badJson(path, unsigned ? 'an unsigned 64-bit integer' : 'a 64-bit integer');
  }
  return value;
}

function capital(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

function badJson(path: string, expected: string): DemiError {
  return new DemiError('ERR_DEMI_JSON', `${path === '' ? 'the message' : path} is not ${expected}`);
}
