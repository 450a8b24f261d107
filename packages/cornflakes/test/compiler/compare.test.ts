// What --check says of each kind of change.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compareSources } from '../../src/compiler/index.ts';
import { memory, proto3 } from './sources.ts';

interface Case {
  name: string;
  before: string;
  after: string;
  /** `!` before a breaking one, `=` before a compatible one. */
  changes: string[];
}

const CASES: Case[] = [
  {
    name: 'nothing',
    before: 'message A { int32 a = 1; }',
    after: '// Comments, order and spaces are nothing.\nmessage A {\n  int32 a = 1;\n}',
    changes: [],
  },
  {
    name: 'a new field, in the extended format',
    before: 'message A { int32 a = 1; bool c = 5; }',
    after: 'message A { int32 a = 1; int32 b = 3; bool c = 5; }',
    changes: ['=2:32 A.b is new; old readers keep it unread'],
  },
  {
    name: 'a new field behind the others, in the reference format',
    before: 'message A { int32 a = 1; }',
    after: 'message A { int32 a = 1; string b = 2; }',
    changes: ['=2:33 A.b is new; old readers drop it (reference format)'],
  },
  {
    name: 'a new field among the others, in the reference format',
    before: 'message A { int32 a = 1; string c = 3; }',
    after: 'message A { int32 a = 1; string b = 2; string c = 3; }',
    changes: ['!2:37 A.b is new and stands before c: in the reference format old readers reject it'],
  },
  {
    name: 'a field gone, unreserved and reserved',
    before: 'message A { bool a = 1; int32 b = 2; int32 c = 3; }',
    after: 'message A { bool a = 1; reserved 3; }',
    changes: [
      '!2:31 A.b is gone; reserve its number 2, or it may be used again',
      '=2:44 A.c is gone and its number reserved',
    ],
  },
  {
    name: 'a field gone from the middle of the reference format',
    before: 'message A { int32 a = 1; int32 b = 2; }',
    after: 'message A { reserved 1; int32 b = 2; }',
    changes: ['!2:19 A.a is gone from before b: in the reference format new readers reject old messages'],
  },
  {
    name: 'the format',
    before: 'message A { int32 a = 1; }',
    after: 'message A { int32 a = 1; bool b = 2; }',
    changes: ['=2:31 A.b is new; old readers keep it unread', '=2:9 A is now written in the extended format'],
  },
  {
    name: 'another number',
    before: 'message A { bool a = 1; }',
    after: 'message A { bool a = 2; }',
    changes: ['!2:22 A.a was number 1 and is now 2'],
  },
  {
    name: 'another name',
    before: 'message A { bool old_name = 1; }',
    after: 'message A { bool new_name = 1; }',
    changes: ['!2:18 A.new_name was called old_name: the wire has no names, JSON and programs do'],
  },
  {
    name: 'another name, the same in JSON',
    before: 'message A { bool old_name = 1; }',
    after: 'message A { bool new_name = 1 [json_name = "oldName"]; }',
    changes: ['=2:18 A.new_name was called old_name'],
  },
  {
    name: 'types with the same bytes',
    before: 'message A { bool x = 9; int32 a = 1; fixed64 b = 2; }',
    after: 'message A { bool x = 9; sint32 a = 1; uint64 b = 2; }',
    changes: ['=2:25 A.a was int32 and is now sint32', '=2:39 A.b was fixed64 and is now uint64'],
  },
  {
    name: 'types with other bytes or meaning',
    before: 'message A { bool x = 9; int32 a = 1; string b = 2; float c = 3; int32 d = 4; }',
    after: 'message A { bool x = 9; int64 a = 1; bytes b = 2; double c = 3; uint32 d = 4; }',
    changes: [
      '!2:25 A.a was int32 and is now int64',
      '!2:38 A.b was string and is now bytes',
      '!2:51 A.c was float and is now double',
      '!2:65 A.d was int32 and is now uint32',
    ],
  },
  {
    name: 'one to many, and to a map',
    before: 'message A { bool x = 9; string a = 1; repeated A b = 2; }',
    after: 'message A { bool x = 9; repeated string a = 1; map<int32, A> b = 2; }',
    changes: ['!2:34 A.a was a single value and is now repeated', '!2:59 A.b was repeated and is now a map'],
  },
  {
    name: 'types of a map',
    before: 'message A { map<int32, bool> a = 1; map<string, bool> b = 2; }',
    after: 'message A { map<sint32, bool> a = 1; map<string, int32> b = 2; }',
    changes: [
      '=2:25 A.a was map<int32, bool> and is now map<sint32, bool>',
      '!2:50 A.b was map<string, bool> and is now map<string, int32>',
    ],
  },
  {
    name: 'optional',
    before: 'message A { bool a = 1; optional bool b = 2; }',
    after: 'message A { optional bool a = 1; bool b = 2; }',
    changes: ['=2:27 A.a is now optional', '=2:39 A.b is no longer optional'],
  },
  {
    name: 'oneofs',
    before:
      'message A { bool a = 1; bool b = 2; bool c = 3; oneof o { bool d = 4; } oneof p { bool e = 5; } }',
    after:
      'message A { oneof n { bool a = 1; } oneof m { bool b = 2; bool c = 3; } bool d = 4; oneof q { bool e = 5; } }',
    changes: [
      '=2:28 A.a is now alone in oneof n',
      '!2:52 A.b is now in oneof m: setting another member clears it',
      '!2:64 A.c is now in oneof m: setting another member clears it',
      '!2:78 A.d has left oneof o: readers may find it beside other members',
      '=2:100 A.e was in oneof p and is now in q',
    ],
  },
  {
    name: 'reserved numbers and names used again',
    before: 'message A { bool x = 9; reserved 1 to 3; reserved "old"; }',
    after: 'message A { bool x = 9; bool a = 2; bool old = 4; }',
    changes: ['!2:34 A.a uses the reserved number 2', '!2:42 A.old uses a reserved name'],
  },
  {
    name: 'types that come and go',
    before: 'message A {} message B { message C {} } enum E { Z = 0; }',
    after: 'message A {} message D {} enum F { Z = 0; }',
    changes: [
      '=2:22 message D is new',
      '=2:32 enum F is new',
      '!2:22 message B is gone',
      '!2:34 message B.C is gone',
      '!2:46 enum E is gone',
    ],
  },
  {
    name: 'another message type in a field',
    before: 'message A { B b = 1; bool x = 2; } message B {} message C {}',
    after: 'message A { C b = 1; bool x = 2; } message B {} message C {}',
    changes: ['!2:13 A.b was B and is now C'],
  },
  {
    name: 'values of an enum',
    before: 'enum E { Z = 0; A = 1; B = 2; C = 3; D = 4; }',
    after: 'enum E { reserved 4; reserved "D"; Z = 0; A = 5; X = 2; Y = 7; }',
    changes: [
      '!2:43 E.A was 1 and is now 5',
      "!2:50 E: 2 was B and is also or only X, JSON's name of it",
      '=2:57 E.Y is new; old readers keep it as a number',
      '!2:31 E.C is gone; reserve its number and its name, or they may be used again',
      '=2:38 E.D is gone and reserved',
    ],
  },
  {
    name: 'a type with the name of an imported one',
    before: 'import "google/protobuf/empty.proto"; message Empty { bool a = 1; }',
    after: 'import "google/protobuf/empty.proto"; message Empty { int32 a = 1; bool b = 2; }',
    changes: ['!2:55 Empty.a was bool and is now int32', '=2:73 Empty.b is new; old readers keep it unread'],
  },
  {
    name: 'the package',
    before: 'package a.v1; message A { A a = 1; bool b = 2; }',
    after: 'package a.v2; message A { A a = 1; bool b = 2; }',
    changes: ["=1:1 package 'a.v1' is now 'a.v2'", '=2:27 a.v2.A.a was a.v1.A and is now a.v2.A'],
  },
];

function changesOf(before: string, after: string): string[] {
  const changes = compareSources(
    { importNames: ['t.proto'], find: memory({ 't.proto': proto3(before) }) },
    { importNames: ['t.proto'], find: memory({ 't.proto': proto3(after) }) },
  );
  return changes.map(
    ({ breaking, message, position }) =>
      `${breaking ? '!' : '='}${position.line}:${position.column} ${message}`,
  );
}

describe('changes', () => {
  for (const { name, before, after, changes } of CASES) {
    it(name, () => {
      assert.deepEqual(changesOf(before, after), changes);
    });
  }
});
