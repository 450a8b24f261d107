// The house rules hold: packages, floors, koffi, purity; and dependencies are declared.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { importsOf, trespasses, whyNot } from '../src/rooms.ts';
import { filesUnder, packageFolders, WORKSPACE_ROOT } from '../src/test-files.ts';

test('no module imports what the design does not let it', () => {
  assert.deepEqual(
    trespasses().map(({ file, imports, why }) => `${file} imports ${imports}: ${why}`),
    [],
  );
});

test('what would break a rule is noticed', () => {
  const inside = (file: string, specifier: string): boolean => whyNot(file, specifier) !== undefined;
  const stack = 'packages/demikernel/src/inetstack/tcp/tcp-layer.ts';
  assert.ok(inside(stack, 'node:fs'));
  assert.ok(inside(stack, '@demikernel/native/kernel'));
  assert.ok(inside(stack, '../../devices/wire.ts'));
  assert.ok(inside(stack, '../../pdpix/open.ts'));
  assert.ok(inside(stack, '../../../../memory/src/slice.ts'));
  assert.ok(inside('packages/demikernel/src/liboses/catnap/catnap.ts', '../catpowder/catpowder.ts'));
  assert.ok(inside('packages/demikernel/src/runtime/queue.ts', 'koffi'));
  assert.ok(inside('packages/memory/src/slice.ts', '@demikernel/native/kernel'));
  assert.ok(!inside(stack, '../../runtime/queue.ts'));
  assert.ok(!inside('packages/native/src/kernel/library.ts', 'koffi'));
});

test('the reader of imports sees every form, and no comment', () => {
  const source = [
    "// import { a } from 'comment';",
    "/* import b from 'block'; */",
    "import { a } from 'one';",
    "import type { b } from './two.ts';",
    'import {',
    '  c,',
    '  type d,',
    "} from 'three';",
    "export { e } from './four.ts';",
    "export * from './five.ts';",
    "import 'six';",
    "const x = await import('seven');",
    "const y = createRequire(import.meta.url)('eight') as Y;",
    "const text = `import { y } from 'quoted';`;",
  ].join('\n');
  assert.deepEqual(importsOf(source).sort(), [
    './five.ts',
    './four.ts',
    './two.ts',
    'eight',
    'one',
    'seven',
    'six',
    'three',
  ]);
});

test('what a published package imports, it declares', () => {
  for (const folder of packageFolders().filter(each => each.startsWith('packages/'))) {
    const manifest = JSON.parse(readFileSync(join(WORKSPACE_ROOT, folder, 'package.json'), 'utf8')) as {
      dependencies?: Record<string, string>;
    };
    const declared = new Set(Object.keys(manifest.dependencies ?? {}));
    const used = new Set<string>();
    for (const file of filesUnder(WORKSPACE_ROOT, join(folder, 'src'), '.ts')) {
      for (const specifier of importsOf(readFileSync(join(WORKSPACE_ROOT, file), 'utf8'))) {
        if (specifier.startsWith('.') || isBuiltin(specifier)) continue;
        used.add(
          specifier
            .split('/')
            .slice(0, specifier.startsWith('@') ? 2 : 1)
            .join('/'),
        );
      }
    }
    assert.deepEqual([...used].sort(), [...declared].sort(), folder);
  }
});
