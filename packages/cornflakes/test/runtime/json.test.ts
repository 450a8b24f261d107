// The proto3 JSON mapping where it is not plain: names, numbers, bad input, and the forms of google.protobuf's own types.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { JsonValue } from '../../src/index.ts';
import { type Built, build, type GeneratedClass } from '../compiler/build.ts';
import { memory } from '../compiler/sources.ts';
import { Everything } from '../contract/contract.ts';

const SCHEMA = `syntax = "proto3";
package wkt;
import "google/protobuf/timestamp.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/wrappers.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/empty.proto";
message All {
  google.protobuf.Timestamp at = 1;
  google.protobuf.Duration took = 2;
  google.protobuf.Struct details = 3;
  google.protobuf.Value any = 4;
  google.protobuf.ListValue list = 5;
  google.protobuf.Int64Value big = 6;
  google.protobuf.BoolValue flag = 7;
  google.protobuf.BytesValue data = 8;
  google.protobuf.FieldMask mask = 9;
  google.protobuf.Empty empty = 10;
  repeated google.protobuf.Timestamp times = 11;
  map<string, google.protobuf.Value> values = 12;
}`;

let built: Built;
let All: GeneratedClass;

before(async () => {
  built = build(['all.proto'], memory({ 'all.proto': SCHEMA }));
  All = (await built.import('all'))['All']!;
});
after(() => built?.remove());

test('well-known types have forms of their own, which come back', () => {
  const json: JsonValue = {
    at: '2026-11-23T07:00:00.000000001Z',
    took: '-1.500s',
    details: { a: 1, b: [true, null, 'x', { c: {} }], __proto__x: 'y' },
    any: null,
    list: [1, [2], {}],
    big: '9007199254740993',
    flag: false,
    data: '',
    mask: 'user.displayName,photo',
    empty: {},
    times: ['1969-12-31T23:59:59Z', '1970-01-01T00:00:00Z'],
    values: { none: null, some: 1.5 },
  };
  const message = All.fromJSON(json);
  assert.deepEqual(JSON.parse(JSON.stringify(message)), json);
  assert.deepEqual(JSON.parse(JSON.stringify(All.read(message.toBytes()))), json);
});

test('offsets of times are understood', () => {
  const message = All.fromJSON({ at: '2026-11-23T09:00:00.25+02:00' });
  assert.deepEqual(message.toJSON(), { at: '2026-11-23T07:00:00.250Z' });
});

const refused: [string, JsonValue, string][] = [
  ['a time that is none', { at: 'yesterday' }, 'at is not an RFC 3339 time'],
  ['a duration without its unit', { took: '5' }, 'took is not a duration'],
  ['a mask that is no string', { mask: ['a'] }, 'mask is not a list of paths'],
  ['a struct that is none', { details: [] }, 'details is not an object'],
];
for (const [name, json, message] of refused) {
  test(`refused: ${name}`, () => assert.throws(() => All.fromJSON(json), { code: 'ERR_DEMI_JSON', message }));
}

const bad: [string, JsonValue, string][] = [
  ['an unknown name', { what: 1 }, 'what is not a field of the schema'],
  ["a prototype's name", { constructor: 1 }, 'constructor is not a field of the schema'],
  ['an array for an object', [], 'the message is not an object'],
  ['a fraction', { small: 1.5 }, 'small is not a 32-bit integer'],
  ['too large', { count: 2 ** 32 }, 'count is not an unsigned 32-bit integer'],
  ['too large for 64 bits', { when: '9223372036854775808' }, 'when is not a 64-bit integer'],
  ['an unknown enum name', { color: 'PINK' }, 'color is not a value of contract.Color'],
  ['no base64', { data: '***' }, 'data is not base64'],
  ['in a list', { points: [{}, { x: 'a' }] }, 'points[1].x is not a number'],
  ['in a map', { counts: { a: {} } }, 'counts["a"] is not a number'],
  ['two of a oneof', { number: 1, text: 'x' }, 'text is not the only field of choice'],
];
for (const [name, json, message] of bad) {
  test(`refused: ${name}`, () => {
    assert.throws(() => Everything.fromJSON(json), { code: 'ERR_DEMI_JSON', message });
  });
}

test('other ways to write the same', () => {
  const message = Everything.fromJSON({
    small: '5',
    count: 5.0,
    when: 7,
    exact: 'NaN',
    ratio: '-Infinity',
    data: '_-8',
    color: 77,
    maybe: null,
    flags: [true],
  });
  assert.deepEqual(message.toJSON(), {
    small: 5,
    count: 5,
    when: '7',
    exact: 'NaN',
    ratio: '-Infinity',
    data: '/+8=',
    color: 77,
    flags: [true],
  });
});

test('names with __proto__ are names like others', () => {
  const message = Everything.fromJSON(JSON.parse('{"counts":{"__proto__":1}}') as JsonValue);
  assert.equal(message.getCounts('__proto__'), 1);
  assert.equal(JSON.stringify(message), '{"counts":{"__proto__":1}}');
  assert.throws(() => Everything.fromJSON(JSON.parse('{"__proto__":1}') as JsonValue), {
    code: 'ERR_DEMI_JSON',
  });
});
