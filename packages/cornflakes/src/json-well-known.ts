// The JSON of google.protobuf's own types, which the proto3 mapping writes in forms of their own: times as RFC 3339, wrappers
// as their value, Struct as the object it stands for, Any as the message in it.

import { Buffer } from 'node:buffer';
import { DemiError } from '@demikernel/memory';
import { type AnyMessage, anyTypes, unknownType } from './any-types.ts';
import type { MessageList } from './fields/message-list.ts';
import { fieldFromJson, messageFromJson, messageToJson, nested, putProperty, scalarToJson } from './json.ts';
import type { JsonValue } from './json-value.ts';
import type { Message } from './message.ts';

type Accessors = Record<string, unknown>;

interface Form {
  toJson(accessors: Accessors, message: Message): JsonValue;
  fromJson(accessors: Accessors, json: JsonValue, path: string, message: Message): void;
}

const NANOS_PER_SECOND = 1_000_000_000;
/** 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z, as timestamp.proto has it. */
const FIRST_SECOND = -62_135_596_800n;
const LAST_SECOND = 253_402_300_799n;
/** About ten thousand years, as duration.proto has it. */
const LONGEST_SECONDS = 315_576_000_000n;

/** 0, 3, 6 or 9 digits, with the point. */
function fraction(nanos: number): string {
  if (nanos === 0) return '';
  const digits = String(nanos).padStart(9, '0');
  return `.${digits.replace(/(000){1,2}$/, '')}`;
}

function nanosOf(digits: string | undefined): number {
  return digits === undefined ? 0 : Number(digits.padEnd(9, '0'));
}

const timestamp: Form = {
  toJson(accessors) {
    const seconds = accessors['seconds'] as bigint;
    const nanos = accessors['nanos'] as number;
    if (seconds < FIRST_SECOND || seconds > LAST_SECOND || nanos < 0 || nanos >= NANOS_PER_SECOND) {
      throw bad('the message', 'a time of the years 1 to 9999');
    }
    return new Date(Number(seconds) * 1000).toISOString().replace('.000Z', `${fraction(nanos)}Z`);
  },
  fromJson(accessors, json, path) {
    const match =
      typeof json === 'string' &&
      /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(json);
    const milliseconds = match ? Date.parse(`${match[1]}${match[3]}`) : Number.NaN;
    if (!match || Number.isNaN(milliseconds)) throw bad(path, 'an RFC 3339 time');
    setTime(accessors, BigInt(milliseconds / 1000), nanosOf(match[2]));
  },
};

const duration: Form = {
  toJson(accessors) {
    const seconds = accessors['seconds'] as bigint;
    const nanos = accessors['nanos'] as number;
    const size = seconds < 0n ? -seconds : seconds;
    const opposed = (seconds > 0n && nanos < 0) || (seconds < 0n && nanos > 0);
    if (size > LONGEST_SECONDS || Math.abs(nanos) >= NANOS_PER_SECOND || opposed) {
      throw bad('the message', 'a duration');
    }
    const sign = seconds < 0n || nanos < 0 ? '-' : '';
    return `${sign}${size}${fraction(Math.abs(nanos))}s`;
  },
  fromJson(accessors, json, path) {
    const match = typeof json === 'string' && /^(-?)(\d{1,12})(?:\.(\d{1,9}))?s$/.exec(json);
    if (!match || BigInt(match[2]!) > LONGEST_SECONDS) throw bad(path, 'a duration');
    const sign = match[1] === '-' ? -1 : 1;
    setTime(accessors, BigInt(match[2]!) * BigInt(sign), nanosOf(match[3]) * sign);
  },
};

/** Zeros stay absent, as in a message that nobody has set. */
function setTime(accessors: Accessors, seconds: bigint, nanos: number): void {
  if (seconds !== 0n) accessors['seconds'] = seconds;
  if (nanos !== 0) accessors['nanos'] = nanos + 0;
}

const fieldMask: Form = {
  toJson(accessors) {
    return [...(accessors['paths'] as Iterable<string>)]
      .map(path => path.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()))
      .join(',');
  },
  fromJson(accessors, json, path) {
    if (typeof json !== 'string') throw bad(path, 'a list of paths');
    const paths = accessors['paths'] as { add(value: string): void };
    for (const part of json === '' ? [] : json.split(',')) {
      paths.add(part.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`));
    }
  },
};

const wrapper: Form = {
  toJson(accessors, message) {
    // Without presence: a wrapper is nothing but its value, the default too.
    return scalarToJson(accessors['value'], message.type.fields[0]!);
  },
  fromJson(accessors, json, path, message) {
    fieldFromJson(accessors, message.type.fields[0]!, json, path);
  },
};

const struct: Form = {
  toJson(accessors) {
    const json: { [key: string]: JsonValue } = {};
    for (const entry of accessors['fields'] as MessageList<Message>) {
      const { key, value } = entry as unknown as { key: string; value: Message | undefined };
      putProperty(
        json,
        key,
        value === undefined ? null : valueForm.toJson(value as unknown as Accessors, value),
      );
    }
    return json;
  },
  fromJson(accessors, json, path) {
    if (json === null || typeof json !== 'object' || Array.isArray(json)) throw bad(path, 'an object');
    for (const key of Object.keys(json)) {
      const entry = (accessors['fields'] as MessageList<Message>).add() as unknown as {
        key: string;
        mutableValue(): Message;
      };
      entry.key = key;
      const value = entry.mutableValue();
      const where = `${path}.${key}`;
      // An entry, and the value in it.
      nested(where, () => fillValue(value, json[key]!, where));
    }
  },
};

const listValue: Form = {
  toJson(accessors) {
    const values: JsonValue[] = [];
    for (const value of accessors['values'] as MessageList<Message>) {
      values.push(valueForm.toJson(value as unknown as Accessors, value));
    }
    return values;
  },
  fromJson(accessors, json, path) {
    if (!Array.isArray(json)) throw bad(path, 'an array');
    json.forEach((element, i) => {
      fillValue((accessors['values'] as MessageList<Message>).add(), element, `${path}[${i}]`);
    });
  },
};

const valueForm: Form = {
  toJson(accessors) {
    if (accessors['hasNumberValue'] === true) {
      const number = accessors['numberValue'] as number;
      if (!Number.isFinite(number)) throw bad('the message', 'a number of JSON');
      return number;
    }
    if (accessors['hasStringValue'] === true) return accessors['stringValue'] as string;
    if (accessors['hasBoolValue'] === true) return accessors['boolValue'] as boolean;
    if (accessors['hasStructValue'] === true) return part(struct, accessors['structValue']);
    if (accessors['hasListValue'] === true) return part(listValue, accessors['listValue']);
    return null;
  },
  fromJson(accessors, json, path) {
    if (json === null) accessors['nullValue'] = 0;
    else if (typeof json === 'number') accessors['numberValue'] = json;
    else if (typeof json === 'string') accessors['stringValue'] = json;
    else if (typeof json === 'boolean') accessors['boolValue'] = json;
    else {
      const [form, name] = Array.isArray(json)
        ? ([listValue, 'mutableListValue'] as const)
        : ([struct, 'mutableStructValue'] as const);
      const message = (accessors[name] as () => Message).call(accessors);
      nested(path, () => form.fromJson(message as unknown as Accessors, json, path, message));
    }
  },
};

function fillValue(value: Message, json: JsonValue, path: string): void {
  nested(path, () => valueForm.fromJson(value as unknown as Accessors, json, path, value));
}

const AT_TYPE = '@type';

const any: Form = {
  toJson(accessors) {
    const { typeUrl, value } = accessors as unknown as AnyMessage;
    const message = anyTypes.unpack({ typeUrl, value });
    if (message === undefined) return bare(typeUrl, value);
    try {
      const json: { [key: string]: JsonValue } = { [AT_TYPE]: typeUrl };
      const inner = messageToJson(message);
      if (wellKnownForm(message.type.name) !== undefined) json['value'] = inner;
      else for (const [name, one] of Object.entries(inner!)) putProperty(json, name, one);
      return json;
    } finally {
      message.release();
    }
  },
  fromJson(accessors, json, path, message) {
    if (json === null || typeof json !== 'object' || Array.isArray(json)) throw bad(path, 'an object');
    const { [AT_TYPE]: typeUrl, ...rest } = json;
    if (typeUrl === undefined) {
      for (const name of Object.keys(rest)) {
        const field = message.type.fields.find(candidate => candidate.name === name);
        if (field === undefined) throw bad(`${path}.${name}`, 'a field of Any');
        fieldFromJson(accessors, field, rest[name]!, `${path}.${name}`);
      }
      return;
    }
    if (typeof typeUrl !== 'string') throw bad(`${path}.${AT_TYPE}`, 'a string');
    const type = anyTypes.find(typeUrl);
    if (type === undefined) throw unknownType(path, typeUrl);
    const inner = type.acquire();
    try {
      if (wellKnownForm(type.name) === undefined) messageFromJson(inner, rest, `${path}.`);
      else messageFromJson(inner, rest['value'] ?? null, `${path}.value`);
      accessors['typeUrl'] = typeUrl;
      accessors['value'] = inner.toBytes();
    } finally {
      inner.release();
    }
  },
};

/** Of a type that nobody added, an Any is shown as what it is. */
function bare(typeUrl: string, value: Uint8Array): JsonValue {
  const json: { [key: string]: JsonValue } = {};
  if (typeUrl !== '') json['typeUrl'] = typeUrl;
  if (value.length !== 0) {
    json['value'] = Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64');
  }
  return json;
}

function part(form: Form, message: unknown): JsonValue {
  return form.toJson(message as Accessors, message as Message);
}

const PREFIX = 'google.protobuf.';

const forms: ReadonlyMap<string, Form> = new Map([
  ['Any', any],
  ['Timestamp', timestamp],
  ['Duration', duration],
  ['FieldMask', fieldMask],
  ['Struct', struct],
  ['ListValue', listValue],
  ['Value', valueForm],
  ...['Double', 'Float', 'Int64', 'UInt64', 'Int32', 'UInt32', 'Bool', 'String', 'Bytes'].map(
    name => [`${name}Value`, wrapper] as const,
  ),
]);

/** The form of a message type of google.protobuf that has one of its own. */
export function wellKnownForm(typeName: string): Form | undefined {
  return typeName.startsWith(PREFIX) ? forms.get(typeName.slice(PREFIX.length)) : undefined;
}

/** Whether JSON's null is a value of this type, and not the absence of one. */
export function nullIsValue(typeName: string | undefined): boolean {
  return typeName === `${PREFIX}Value`;
}

function bad(path: string, expected: string): DemiError {
  return new DemiError('ERR_DEMI_JSON', `${path === '' ? 'the message' : path} is not ${expected}`);
}
