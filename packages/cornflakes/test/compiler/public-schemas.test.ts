// Schemas that others wrote: those that the parser's package carries, the well-known types, and collections that Debian packages.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { describe, it } from 'node:test';
import { requirePeer } from '@demikernel/lab';
import { compile, SchemaError } from '../../src/compiler/index.ts';
import type { JsonValue } from '../../src/index.ts';
import { build } from './build.ts';
import { memory, proto3 } from './sources.ts';

interface Collection {
  /** Its name among the peers; `undefined` for what is always here. */
  peer: string | undefined;
  /** Folder of the schemas to compile. */
  folder: string;
  /** Where imports are searched, the root of the folder's own names first. */
  importPaths: string[];
  /** At least so many of them are proto3. */
  compiled: number;
}

const PROTOBUFJS = path.dirname(createRequire(import.meta.url).resolve('protobufjs/package.json'));
const GO = '/usr/share/gocode/src';
const GOOGLEAPIS = `${GO}/github.com/gogo/googleapis`;
const GRPC = '/usr/share/grpc-proto';
const GITALY = `${GO}/gitlab.com/gitlab-org/gitaly-proto`;
// A package of the same name on which Google's interfaces depend: half of its schemas are proto2, the other half import it.
const GOGO = `${GO}/github.com/gogo/protobuf`;

const COLLECTIONS: Collection[] = [
  { peer: undefined, folder: PROTOBUFJS, importPaths: [PROTOBUFJS], compiled: 5 },
  {
    peer: 'schemas of Protocol Buffers',
    folder: '/usr/include/google',
    importPaths: ['/usr/include'],
    compiled: 10,
  },
  { peer: 'schemas of gRPC', folder: GRPC, importPaths: [GRPC, GOOGLEAPIS], compiled: 25 },
  { peer: 'schemas of Gitaly', folder: GITALY, importPaths: [GITALY], compiled: 19 },
  { peer: 'schemas of Google’s interfaces', folder: GOOGLEAPIS, importPaths: [GOOGLEAPIS], compiled: 22 },
  { peer: 'schemas of Google’s interfaces', folder: GOGO, importPaths: [GOGO, GO], compiled: 60 },
];

/** Everything that may be wrong with a public schema: it is not proto3, or needs a file that its package does not have. */
const EXCUSED =
  /: (proto2 is not supported|editions are not supported|no syntax statement|cannot find ')|is proto2$/m;

function schemasIn({ folder, importPaths: [root] }: Collection): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.proto'))
    .map(name => path.relative(root!, path.join(folder, name)))
    .sort();
}

describe('public schemas', () => {
  for (const collection of COLLECTIONS) {
    it(`${collection.peer ?? 'schemas of the parser'}, ${path.basename(collection.folder)}`, t => {
      const { peer, folder, importPaths, compiled } = collection;
      // Everyday runs, too, read what is here.
      if (peer !== undefined && requirePeer(t, peer) === undefined) return;
      if (!existsSync(folder)) return t.skip(`${folder} is missing`);
      let count = 0;
      for (const name of schemasIn(collection)) {
        try {
          const { files } = compile({ files: [path.join(importPaths[0]!, name)], importPaths });
          assert.ok(files.some(module => module.name === name.replace('.proto', '.ts')));
          count++;
        } catch (error) {
          assert.ok(error instanceof SchemaError, name);
          assert.match(error.message, EXCUSED, name);
        }
      }
      assert.ok(count >= compiled, `${count} were compiled`);
    });
  }

  it('what is made of them type-checks, and values survive', async t => {
    for (const peer of ['schemas of gRPC', 'schemas of Gitaly', 'schemas of Google’s interfaces']) {
      if (requirePeer(t, peer) === undefined) return;
    }
    const roots = [GRPC, GITALY, GOOGLEAPIS];
    const find = (name: string): { path: string; text: string } | undefined => {
      const file = roots.map(root => path.join(root, name)).find(existsSync);
      return file === undefined ? undefined : { path: file, text: readFileSync(file, 'utf8') };
    };
    const names = COLLECTIONS.filter(({ folder }) => roots.includes(folder))
      .flatMap(schemasIn)
      // One imports what its package lacks; the others are inputs of a linter's tests.
      .filter(name => !/meshca|testdata/.test(name));
    const built = build(names, find);
    try {
      const { LoadBalanceResponse } = await built.import('grpc/lb/v1/load_balancer');
      const json: JsonValue = {
        serverList: {
          servers: [{ ipAddress: 'CgAAAQ==', port: 443, loadBalanceToken: 'token' }, { drop: true }],
        },
      };
      const message = LoadBalanceResponse!.fromJSON(json);
      const read = LoadBalanceResponse!.read(message.toBytes());
      assert.deepEqual(read.toJSON(), json);
      read.release();
      message.release();
      const { PostalAddress } = await built.import('google/type/postal_address');
      assert.ok(PostalAddress);
    } finally {
      built.remove();
    }
  });

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
