// What the documentation says must hold: its examples type-check against the packages, its links lead somewhere.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';
import { packageFolders, WORKSPACE_ROOT } from '../src/test-files.ts';

const ROOT = WORKSPACE_ROOT;

function markdownFiles(): string[] {
  const folders = [
    '.',
    'docs',
    'docs/calls',
    'apps',
    'bench',
    ...packageFolders().filter(folder => folder.startsWith('packages/')),
  ];
  return folders.flatMap(folder => {
    const path = join(ROOT, folder);
    return readdirSync(path)
      .filter(name => name.endsWith('.md'))
      .map(name => join(path, name));
  });
}

/** What the fragments of the call pages take for granted. */
const PRELUDE = `import { type Demikernel, type WaitSet, PUSH_ACKED, open, promises, coroutines } from 'demikernel';
declare const os: Demikernel, set: WaitSet, qd: number, listener: number;
void [PUSH_ACKED, open, promises, coroutines, os, set, qd, listener];
`;

/** The complete examples of a page: blocks that import something, and the fragments under "Example". */
function examples(text: string): string[] {
  const whole = [...text.matchAll(/```ts\n(import [\s\S]*?)```/g)].map(match => match[1]!);
  const fragments = [...text.matchAll(/## Example\n\n```ts\n(?!import )([\s\S]*?)```/g)].map(
    match => `${PRELUDE}{\n${match[1]}}\n`,
  );
  return [...whole, ...fragments];
}

test('every example of the documentation type-checks', () => {
  const folder = join(ROOT, 'lab/dist/documentation');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  let count = 0;
  for (const file of markdownFiles()) {
    for (const example of examples(readFileSync(file, 'utf8'))) {
      const name = relative(ROOT, file).replaceAll(/[^\w]/g, '-');
      writeFileSync(join(folder, `${name}-${count++}.mts`), `${example}\nexport {};\n`);
    }
  }
  assert.ok(count >= 8, `only ${count} examples were found`);
  const compilerOptions = {
    target: 'es2023',
    lib: ['es2023', 'esnext.disposable'],
    module: 'nodenext',
    types: ['node'],
    strict: true,
    noEmit: true,
    skipLibCheck: true,
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.mts'] }));
  try {
    execFileSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', folder], {
      encoding: 'utf8',
    });
  } catch (error) {
    assert.fail((error as { stdout: string }).stdout);
  }
});

test('every link of the documentation leads to a file', () => {
  const broken: string[] = [];
  for (const file of markdownFiles()) {
    for (const match of readFileSync(file, 'utf8').matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      const target = match[1]!;
      if (/^[a-z]+:/.test(target)) continue;
      if (!existsSync(resolve(dirname(file), target))) broken.push(`${relative(ROOT, file)}: ${target}`);
    }
  }
  assert.deepEqual(broken, []);
});
