// Schemas that others wrote: those that the parser's package carries, and the well-known types.

import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { describe, it } from 'node:test';
import { compile, SchemaError } from '../../src/compiler/index.ts';
import { build } from './build.ts';
import { memory, proto3 } from './sources.ts';

const PROTOBUFJS = path.dirname(createRequire(import.meta.url).resolve('protobufjs/package.json'));
const PUBLIC = [PROTOBUFJS].filter(existsSync);

describe('public schemas', () => {
  for (const root of PUBLIC) {
    const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(name =>
      name.endsWith('.proto'),
    );
    for (const name of files.sort()) {
      it(name, () => {
        try {
          const { files: modules } = compile({ files: [path.join(root, name)], importPaths: [root] });
          assert.ok(modules.some(module => module.name === name.replace('.proto', '.ts')));
        } catch (error) {
          // The only reason to refuse one: it is not proto3.
          assert.ok(error instanceof SchemaError);
          assert.match(error.message, /: (proto2 is|editions are) not supported/);
          assert.match(name, /(descriptor|plugin|json_enumvalue_options)\.proto$/);
        }
      });
    }
  }

  it('together with all well-known types, they type-check and run', async () => {
    const well = [
      'any',
      'api',
      'duration',
      'empty',
      'field_mask',
      'source_context',
      'struct',
      'timestamp',
      'type',
      'wrappers',
    ];
    const names = well.map(name => `google/protobuf/${name}.proto`);
    const user = proto3(
      ...names.map(name => `import "${name}";`),
      'import "google/api/annotations.proto";',
      'import "google/api/http.proto";',
      'message A {',
      '  google.protobuf.Any any = 1;',
      '  google.protobuf.Struct struct = 2;',
      '  repeated google.protobuf.Timestamp times = 3;',
      '  google.protobuf.StringValue text = 4;',
      '  google.protobuf.Type type = 5;',
      '  google.api.HttpRule rule = 6;',
      '  google.protobuf.NullValue nothing = 7;',
      '}',
    );
    const built = build([...names, 'user.proto'], memory({ 'user.proto': user }));
    try {
      const { A } = await built.import('user');
      const message = A!.acquire();
      const read = A!.read(message.toBytes());
      assert.deepEqual(read.toJSON(), {});
      read.release();
      message.release();
      assert.ok((await built.import('google/protobuf/api'))['Api']);
    } finally {
      built.remove();
    }
  });

  it('names of files and comments do no harm', async () => {
    const strange = 'it\'s a "file".proto';
    const files = {
      [strange]: proto3(
        '// */ export const x = \u2028 /*',
        'message A { bool b = 1 [json_name = "\\n\\"\'"]; }',
      ),
      'user.proto': `syntax = "proto3"; import ${JSON.stringify(strange)}; message B { A a = 1; }`,
    };
    const built = build(['user.proto'], memory(files));
    try {
      const { B } = await built.import('user');
      const message = B!.fromJSON({ a: { '\n"\'': true } });
      const read = B!.read(message.toBytes());
      assert.deepEqual(read.toJSON(), { a: { '\n"\'': true } });
      read.release();
      message.release();
    } finally {
      built.remove();
    }
  });
});
