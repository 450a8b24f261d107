// What is wrong with a schema is said with file, line and column.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compileSources } from '../../src/compiler/index.ts';
import { errorsOf, memory, proto3 } from './sources.ts';

interface Case {
  name: string;
  schema: string;
  others?: Record<string, string>;
  errors: string[];
}

const CASES: Case[] = [
  { name: 'an empty file', schema: '', errors: ['1:1 the file is empty'] },
  {
    name: 'no syntax statement',
    schema: '\n  message A {}',
    errors: [
      '2:3 no syntax statement, so this is proto2, which is not supported; begin with syntax = "proto3";',
    ],
  },
  {
    name: 'an edition',
    schema: 'edition = "2023"; message A {}',
    errors: ['1:1 editions are not supported; write syntax = "proto3";'],
  },
  {
    name: 'proto2 and everything of it',
    schema: [
      'syntax = "proto2";',
      'message X {',
      '  required int32 a = 1;',
      '  optional group G = 2 { }',
      '  extensions 3 to 4;',
      '}',
      'extend X { optional int32 b = 3; }',
    ].join('\n'),
    errors: [
      '1:10 proto2 is not supported; write syntax = "proto3";',
      "3:3 'required' is proto2, which is not supported",
      '4:12 groups are not supported; declare a message and a field of its type',
      '5:3 extensions are not supported',
      '7:8 extensions are not supported',
    ],
  },
  {
    name: 'a missing number',
    schema: proto3('message A {', '  int32 a = ;', '}'),
    errors: ["3:13 illegal id ';'"],
  },
  {
    name: 'a missing semicolon',
    schema: proto3('message A {', '  int32 a = 1', '  int32 b = 2;', '}'),
    errors: ["4:3 ';' expected, not 'int32'"],
  },
  {
    name: 'the end of the file in a message',
    schema: proto3('message A {', '  int32 a = 1;'),
    errors: ['3:15 unexpected end of file'],
  },
  {
    name: 'a stray brace',
    schema: proto3('message A {}', '}'),
    errors: ["3:1 illegal token '}'"],
  },
  {
    name: 'an unterminated comment',
    schema: proto3('message A {} /* and'),
    errors: ['3:1 illegal comment'],
  },
  {
    name: 'numbers out of range, reserved or taken',
    schema: proto3(
      'message A {',
      '  int32 a = 0;',
      '  int32 b = 536870912;',
      '  int32 c = 19500;',
      '  int32 d = 0x7;',
      '  oneof o { int32 e = 07; }',
      '}',
    ),
    errors: [
      '3:13 field numbers go from 1 to 536870911',
      '4:13 field numbers go from 1 to 536870911',
      '5:13 field numbers 19000 to 19999 are reserved by Protocol Buffers',
      "7:23 number 7 is already used by 'd'",
    ],
  },
  {
    name: 'a number the message reserves',
    schema: proto3('message B { int32 x = 5; }', 'message A {', '  reserved 4 to 6;', '  int32 a = 5;', '}'),
    errors: ['5:13 id 5 is reserved in Type A'],
  },
  {
    name: 'a name the message reserves',
    schema: proto3('message A {', '  reserved "old";', '  int32 old = 5;', '}'),
    errors: ["4:9 name 'old' is reserved in Type A"],
  },
  {
    name: 'a name declared twice',
    schema: proto3('message A {', '  int32 a = 1;', '  message a {}', '}'),
    errors: ["4:11 'a' is declared twice; first in line 3, column 9"],
  },
  {
    name: 'a name that JavaScript keeps',
    schema: proto3('message A { int32 __proto__ = 1; }'),
    errors: ["2:19 '__proto__' cannot be used as a name"],
  },
  {
    name: 'two fields with one name in JSON',
    schema: proto3('message A { int32 foo_bar = 1; string fooBar = 2; }'),
    errors: ["2:39 'fooBar' and 'foo_bar' are both 'fooBar' in JSON"],
  },
  {
    name: 'a type nobody declares',
    schema: proto3('message A {', '  repeated Missing b = 1;', '  map<int32, .a.Other> c = 2;', '}'),
    errors: ["3:12 'Missing' is not declared", "4:14 '.a.Other' is not declared"],
  },
  {
    name: 'a type declared elsewhere',
    schema: proto3('import "b.proto";', 'message A { c.C c = 1; }'),
    others: { 'b.proto': proto3('import "c.proto";'), 'c.proto': proto3('package c; message C {}') },
    errors: ["3:13 'c.C' is not declared here; c.proto declares it and is not imported"],
  },
  {
    name: 'a type of descriptor.proto',
    schema: proto3(
      'import "google/protobuf/descriptor.proto";',
      'message A { google.protobuf.FileOptions o = 1; }',
    ),
    errors: [
      "3:13 'google.protobuf.FileOptions' is not supported: google/protobuf/descriptor.proto is proto2",
    ],
  },
  {
    name: 'a type of an imported proto2 file',
    schema: proto3('import "old.proto";', 'message A { old.Thing t = 1; string s = 2 [(old.note) = "x"]; }'),
    others: { 'old.proto': 'syntax = "proto2"; package old; message Thing { required int32 x = 1; }' },
    errors: ["3:13 'old.Thing' is not supported: old.proto is proto2"],
  },
  {
    name: 'an import that is not there',
    schema: proto3('import "dir/none.proto";'),
    errors: ["2:8 cannot find 'dir/none.proto' under any import path"],
  },
  {
    name: 'imports in a circle',
    schema: proto3('import "b.proto";'),
    others: { 'b.proto': proto3('', 'import "t.proto";') },
    errors: ['b.proto:3:8 imports go in a circle: t.proto -> b.proto -> t.proto'],
  },
  {
    name: 'an error in an imported file',
    schema: proto3('import "b.proto";'),
    others: { 'b.proto': proto3('message A {', '  float = 3;', '}') },
    errors: ["b.proto:3:9 illegal name '='"],
  },
  {
    name: 'one type in two files',
    schema: proto3('import "b.proto";', 'message A {}'),
    others: { 'b.proto': proto3('message A {}') },
    errors: ["3:9 'A' is already declared in b.proto"],
  },
  {
    name: 'a key that no map can have',
    schema: proto3('message A {', '  map<float, int32> m = 1;', '}'),
    errors: ["3:7 illegal type 'float'"],
  },
  {
    name: 'an enum that does not begin with 0',
    schema: proto3('enum E {', '  ONE = 1;', '}'),
    errors: ['3:3 the first value of a proto3 enum must be 0'],
  },
  {
    name: 'an enum without values',
    schema: proto3('enum E {}'),
    errors: ['2:6 enum E needs at least one value'],
  },
  {
    name: 'an enum value twice without allow_alias',
    schema: proto3('enum E { A = 0;', '  B = 0; }'),
    errors: ['3:7 duplicate id 0 in Enum E; option allow_alias = true permits it'],
  },
];

describe('errors', () => {
  for (const { name, schema, others, errors } of CASES) {
    it(name, () => {
      assert.deepEqual(errorsOf(schema, others), errors);
    });
  }

  it('messages nested too deep end in an error', () => {
    const depth = 5000;
    const schema = proto3('message A {'.repeat(depth) + '}'.repeat(depth));
    assert.match(errorsOf(schema).join(), /messages nest deeper than 100/);
  });

  it('more fields than a message can have', () => {
    const fields = Array.from({ length: 2049 }, (_, at) => `int32 f${at} = ${1 + at};`);
    assert.deepEqual(errorsOf(proto3(`message A { ${fields.join(' ')} }`)), [
      '2:9 message A has 2049 fields, more than 2048',
    ]);
  });

  it('a file that was asked for and is not there', () => {
    assert.throws(() => compileSources(['x.proto'], memory({})), {
      code: 'ERR_DEMI_SCHEMA',
      message: 'x.proto:1:1: no such file',
    });
  });
});

describe('notes', () => {
  it('tell of proto2 files that are imported for their options', () => {
    const others = {
      'options.proto':
        '// No syntax.\npackage o; extend google.protobuf.FieldOptions { optional bool fast = 50001; }',
    };
    const schema = proto3('import "options.proto";', 'message A { bool b = 1 [(o.fast) = true]; }');
    const { files, notes } = compileSources(['t.proto'], memory({ ...others, 't.proto': schema }));
    assert.deepEqual(
      files.map(file => file.name),
      ['t.ts'],
    );
    assert.deepEqual(
      notes.map(({ line, column, message }) => `${line}:${column} ${message}`),
      ['2:8 options.proto is proto2: its options are skipped, its types cannot be used'],
    );
  });

  it('more tagged fields than one message can carry at once', () => {
    const fields = Array.from({ length: 256 }, (_, at) => `int32 f${at} = ${1000 + at};`);
    const schema = proto3(`message A { ${fields.join(' ')} }`);
    const { notes } = compileSources(['t.proto'], memory({ 't.proto': schema }));
    assert.deepEqual(
      notes.map(note => note.message),
      ['message A has 256 fields that need tags; at most 255 of them can be present at once'],
    );
  });

  it('services and custom options are noted, and nothing else', () => {
    const schema = proto3(
      'import "google/protobuf/descriptor.proto";',
      'extend google.protobuf.FieldOptions { string unit = 50000; }',
      'message A { int32 length = 1 [(unit) = "m"]; }',
      'service S {',
      '  rpc Get(A) returns (stream A) { option (x) = { y: "}" }; }',
      '}',
    );
    const { files, notes } = compileSources(['t.proto'], memory({ 't.proto': schema }));
    assert.deepEqual(
      notes.map(({ line, column, message }) => `${line}:${column} ${message}`),
      ['3:8 custom options are skipped', '5:9 service S is skipped: only messages are compiled'],
    );
    assert.deepEqual(
      files.map(file => file.name),
      ['t.ts'],
    );
  });
});
