// The committed code of the object protocol is what our compiler makes of the committed schema. The other serializations' compilers
// are no part of a test run; apps/schemas/generate.sh runs all of them.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { compile } from '@demikernel/cornflakes/compiler';

const APPS = fileURLToPath(new URL('../../../../', import.meta.url));

test('cornc makes of kv.proto what is committed, below the line that says how', () => {
  const schemas = `${APPS}schemas`;
  const { files } = compile({ files: [`${schemas}/kv.proto`], importPaths: [schemas] });
  const committed = readFileSync(`${APPS}src/kv/objects/generated/cornflakes.ts`, 'utf8');
  assert.equal(files.length, 1);
  assert.equal(committed.slice(committed.indexOf('\n') + 1), files[0]!.text);
});
