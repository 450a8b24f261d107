// The proto3 JSON mapping where it is not plain: names, numbers, bad input, and the forms of google.protobuf's own types.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type AnyMessage, anyTypes, type JsonValue, MAX_DEPTH, type Message } from '../../src/index.ts';
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
import "google/protobuf/any.proto";
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
  google.protobuf.Any thing = 13;
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

test('an Any shows the message in it when its type is known, and what it is when not', async () => {
  const url = 'type.googleapis.com/';
  const timestamps = await built.import('google/protobuf/timestamp');
  anyTypes.add(All.type, timestamps['Timestamp']!.type);
  const known: JsonValue[] = [
    { thing: { '@type': `${url}wkt.All`, mask: 'a.b', flag: true } },
    { thing: { '@type': `${url}google.protobuf.Timestamp`, value: '2026-11-23T07:00:00Z' } },
    { thing: { '@type': `${url}wkt.All`, thing: { '@type': `${url}wkt.All`, big: '5' } } },
    { thing: { typeUrl: `${url}nobody.Knows`, value: 'AAEC' } },
    { thing: {} },
  ];
  for (const json of known) {
    const message = All.fromJSON(json);
    assert.deepEqual(message.toJSON(), json);
    assert.deepEqual(All.read(message.toBytes()).toJSON(), json);
    message.release();
  }
  for (const thing of [
    { '@type': `${url}nobody.Knows` },
    { '@type': 7 },
    { '@type': `${url}wkt.All`, nothing: 1 },
    { nothing: 1 },
    'x',
  ] as JsonValue[]) {
    assert.throws(() => All.fromJSON({ thing }), { code: 'ERR_DEMI_JSON' });
  }
  const inner = Everything.acquire();
  inner.name = 'packed';
  const any = All.acquire() as Message & { mutableThing(): AnyMessage };
  anyTypes.pack(any.mutableThing(), inner);
  inner.release();
  assert.equal(anyTypes.unpack(any.mutableThing()), undefined, 'nobody added it');
  anyTypes.add(Everything.type);
  const unpacked = anyTypes.unpack(any.mutableThing()) as Everything;
  assert.equal(unpacked.name, 'packed');
  unpacked.release();
  any.mutableThing().value = Uint8Array.of(1, 2, 3);
  assert.throws(() => any.toJSON(), { code: 'ERR_DEMI_MALFORMED_MESSAGE' });
  any.release();
});

test('JSON nested deeper than readers allow is refused by name, whatever holds it', () => {
  const deep = (levels: number, wrap: (inner: JsonValue) => JsonValue, seed: JsonValue): JsonValue => {
    let json = seed;
    for (let i = 0; i < levels; i++) json = wrap(json);
    return json;
  };
  const inner = (json: JsonValue): JsonValue => ({ inner: json });
  const fits = Everything.fromJSON(deep(64, inner, { small: 1 }));
  assert.equal(Everything.read(fits.toBytes()).inner!.hasSmall, false);
  fits.release();
  const list = (json: JsonValue): JsonValue => [json];
  const object = (json: JsonValue): JsonValue => ({ a: json });
  for (const levels of [65, 100_000]) {
    assert.throws(() => Everything.fromJSON(deep(levels, inner, {})), { code: 'ERR_DEMI_JSON' });
    assert.throws(() => All.fromJSON({ list: deep(levels, list, 1) }), { code: 'ERR_DEMI_JSON' });
    assert.throws(() => All.fromJSON({ details: deep(levels, object, {}) }), { code: 'ERR_DEMI_JSON' });
    assert.throws(() => All.fromJSON({ any: deep(levels, object, 1) }), { code: 'ERR_DEMI_JSON' });
  }
  // After a failure as before it.
  assert.deepEqual(Everything.fromJSON({ inner: { small: 2 } }).toJSON(), { inner: { small: 2 } });
});

test('as deep as readers can be told to go, a message is read, printed and written', () => {
  const message = Everything.acquire();
  let inner = message;
  for (let i = 0; i < MAX_DEPTH; i++) inner = inner.mutableInner();
  const bytes = message.toBytes();
  const read = Everything.read(bytes, { maxDepth: 1_000_000 });
  assert.ok(JSON.stringify(read.toJSON()).length > 9 * MAX_DEPTH);
  assert.deepEqual(read.toBytes(), bytes);
  read.release();
  inner.mutableInner();
  assert.throws(() => Everything.read(message.toBytes(), { maxDepth: 1_000_000 }), {
    code: 'ERR_DEMI_MALFORMED_MESSAGE',
  });
  message.release();
});
