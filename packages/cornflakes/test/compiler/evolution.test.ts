// Old and new readers and writers of one schema: what --check calls compatible is read by the other side, and what the
// other side does not know survives its reading and writing.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { compareSources } from '../../src/compiler/index.ts';
import { type JsonValue, tuning } from '../../src/index.ts';
import { type Built, build, type GeneratedModule } from './build.ts';
import { memory, proto3 } from './sources.ts';

interface Case {
  name: string;
  old: string;
  new: string;
  /** What a new writer writes, and how an old reader sees it; `undefined` when it refuses. */
  forward: [JsonValue, JsonValue | undefined];
  /** What an old writer writes, and how a new reader sees it. */
  backward: [JsonValue, JsonValue | undefined];
  /** Whether old programs lose what they do not know (reference format). */
  loses?: boolean;
  /** How an old reader sees what a new writer writes when it writes the extended format, if not as in `forward`. */
  extended?: JsonValue;
}

const CASES: Case[] = [
  {
    name: 'new fields at the end, the front and in holes',
    old: 'message A { bool b = 2; string d = 4; repeated int32 x = 40; }',
    new: 'message A { string a = 1; bool b = 2; int64 c = 3; string d = 4; map<int32, A> e = 5; repeated int32 x = 40; bytes y = 41; }',
    forward: [
      { a: 'new', b: true, c: '-5', d: 'kept', e: { 1: { b: true } }, x: [1, 2], y: 'AQID' },
      { b: true, d: 'kept', x: [1, 2] },
    ],
    backward: [
      { b: true, d: 'kept', x: [3] },
      { b: true, d: 'kept', x: [3] },
    ],
  },
  {
    name: 'fields that went',
    old: 'message A { string a = 1; bool b = 2; A c = 3; double tagged = 1000; }',
    new: 'message A { bool b = 2; reserved 1, 3, 1000; }',
    forward: [{ b: true }, { b: true }],
    backward: [{ a: 'x', b: true, c: { a: 'y', c: {} }, tagged: 1.5 }, { b: true }],
  },
  {
    name: 'more presence words',
    old: 'message A { bool a = 1; bool b = 100; }',
    new: 'message A { bool a = 1; bool c = 33; bool d = 34; bool e = 35; bool f = 36; bool b = 100; }',
    forward: [
      { a: true, c: true, d: true, f: true, b: true },
      { a: true, b: true },
    ],
    backward: [
      { a: true, b: true },
      { a: true, b: true },
    ],
  },
  {
    name: 'the reference format, extended at the end',
    old: 'message A { uint32 a = 1; string b = 2; }',
    new: 'message A { uint32 a = 1; string b = 2; bytes c = 3; }',
    forward: [
      { a: 7, b: 'x', c: 'AAEC' },
      { a: 7, b: 'x' },
    ],
    backward: [
      { a: 7, b: 'x' },
      { a: 7, b: 'x' },
    ],
    loses: true,
  },
  {
    name: 'the reference format, given up',
    old: 'message A { uint32 a = 1; string b = 3; }',
    new: 'message A { uint32 a = 1; bool c = 2; string b = 3; }',
    forward: [
      { a: 7, b: 'x', c: true },
      { a: 7, b: 'x' },
    ],
    backward: [
      { a: 7, b: 'x' },
      { a: 7, b: 'x' },
    ],
  },
  {
    name: 'the reference format, a field among the others: breaks',
    old: 'message A { uint32 a = 1; string c = 3; }',
    new: 'message A { uint32 a = 1; bytes b = 2; string c = 3; }',
    forward: [{ a: 7, b: 'AA==', c: 'x' }, undefined],
    extended: { a: 7, c: 'x' },
    backward: [
      { a: 7, c: 'x' },
      { a: 7, c: 'x' },
    ],
  },
  {
    name: 'types with the same bytes',
    old: 'message A { bool k = 9; int32 a = 1; repeated uint64 b = 2; map<sint32, fixed32> c = 3; }',
    new: 'message A { bool k = 9; sfixed32 a = 1; repeated fixed64 b = 2; map<int32, uint32> c = 3; }',
    forward: [
      { k: true, a: -1, b: ['1', '18446744073709551615'], c: { '-3': 4294967295 } },
      { k: true, a: -1, b: ['1', '18446744073709551615'], c: { '-3': 4294967295 } },
    ],
    backward: [
      { a: 5, b: ['2'], c: { 1: 2 } },
      { a: 5, b: ['2'], c: { 1: 2 } },
    ],
  },
  {
    name: 'a type of another kind: breaks',
    old: 'message A { bool k = 9; int32 a = 1; }',
    new: 'message A { bool k = 9; string a = 1; }',
    forward: [{ k: true, a: 'x' }, undefined],
    backward: [{ k: true, a: 3 }, undefined],
  },
  {
    name: 'one to many: breaks',
    old: 'message A { bool k = 9; string a = 1; }',
    new: 'message A { bool k = 9; repeated string a = 1; }',
    forward: [{ a: ['x', 'y'] }, undefined],
    backward: [{ a: 'x' }, undefined],
  },
  {
    name: 'optional, and alone in a oneof',
    old: 'message A { bool a = 1; bool b = 2; }',
    new: 'message A { optional bool a = 1; oneof o { bool b = 2; } }',
    forward: [{ a: false, b: true }, { b: true }],
    backward: [
      { a: true, b: true },
      { a: true, b: true },
    ],
  },
  {
    name: 'values of an enum',
    old: 'enum E { Z = 0; A = 1; } message A { E e = 1; repeated E l = 2; }',
    new: 'enum E { Z = 0; A = 1; B = 2; } message A { E e = 1; repeated E l = 2; }',
    forward: [
      { e: 'B', l: ['A', 'B'] },
      { e: 2, l: ['A', 2] },
    ],
    backward: [{ e: 'A' }, { e: 'A' }],
  },
  {
    name: 'members of a oneof',
    old: 'message A { oneof o { bool a = 1; string b = 2; } }',
    new: 'message A { oneof o { bool a = 1; string b = 2; uint32 c = 3; } }',
    forward: [{ c: 0 }, {}],
    backward: [{ b: '' }, { b: '' }],
  },
  {
    name: 'new fields in nested messages, lists and maps',
    old: 'message A { B one = 1; repeated B many = 2; map<string, B> named = 3; } message B { bool x = 2; }',
    new: 'message A { B one = 1; repeated B many = 2; map<string, B> named = 3; } message B { string w = 1; bool x = 2; repeated B y = 3; }',
    forward: [
      { one: { w: 'w' }, many: [{ x: true, y: [{ w: 'deep' }] }], named: { k: { w: 'v', x: true } } },
      { one: {}, many: [{ x: true }], named: { k: { x: true } } },
    ],
    backward: [
      { one: { x: true }, many: [{}], named: { k: {} } },
      { one: { x: true }, many: [{}], named: { k: {} } },
    ],
  },
];

describe('evolution', () => {
  let built: Built;

  before(() => {
    const files: Record<string, string> = {};
    CASES.forEach((one, at) => {
      files[`old${at}.proto`] = proto3(`package old${at};`, one.old);
      files[`new${at}.proto`] = proto3(`package new${at};`, one.new);
    });
    built = build(Object.keys(files), memory(files));
  });
  after(() => built.remove());

  CASES.forEach((one, at) => {
    it(one.name, async () => {
      const [older, newer] = [await built.import(`old${at}`), await built.import(`new${at}`)];
      check(newer, older, one.forward, one.loses === true);
      check(older, newer, one.backward, false);
      tuning.alwaysExtended = true;
      try {
        check(newer, older, [one.forward[0], one.extended ?? one.forward[1]], false);
        check(older, newer, one.backward, false);
      } finally {
        tuning.alwaysExtended = false;
      }
      const breaks = one.forward[1] === undefined || one.backward[1] === undefined;
      const changes = compareSources(
        { importNames: ['a.proto'], find: memory({ 'a.proto': proto3(one.old) }) },
        { importNames: ['a.proto'], find: memory({ 'a.proto': proto3(one.new) }) },
      );
      assert.equal(
        changes.some(change => change.breaking),
        breaks,
        '--check says the same',
      );
    });
  });
});

function check(
  writer: GeneratedModule,
  reader: GeneratedModule,
  [written, seen]: [JsonValue, JsonValue | undefined],
  loses: boolean,
): void {
  const message = writer['A']!.fromJSON(written);
  const bytes = message.toBytes();
  message.release();
  if (seen === undefined) {
    assert.throws(() => reader['A']!.read(bytes), { code: 'ERR_DEMI_MALFORMED_MESSAGE' });
    return;
  }
  const read = reader['A']!.read(bytes);
  assert.deepEqual(read.toJSON(), seen);
  const passedOn = read.toBytes();
  read.release();
  const back = writer['A']!.read(passedOn);
  assert.deepEqual(back.toJSON(), loses ? seen : written, 'what the reader does not know survives');
  back.release();
}
