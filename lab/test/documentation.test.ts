// What the documentation says must hold: its examples type-check and run, its links lead somewhere.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
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
  const whole = [...text.matchAll(/```ts\n(import [\s\S]*?)```/g)]
    .map(match => match[1]!)
    // What uses code that the reader generates from a schema of the page is tested beside the compiler.
    .filter(example => !example.includes("from './"));
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

test('the README’s service runs as it stands', { timeout: 30_000 }, async () => {
  const source = /```js\n(import [\s\S]*?)```/.exec(readFileSync(join(ROOT, 'README.md'), 'utf8'))![1]!;
  const program = join(ROOT, 'lab/dist/readme-service.mjs');
  // Another port than the reader's, who may have one running.
  writeFileSync(program, source.replace('127.0.0.1:7000', '127.0.0.1:17461'));
  const service = spawn(process.execPath, [program], { stdio: 'inherit' });
  try {
    assert.equal(await echoed('127.0.0.1', 17461, 'typed as written'), 'typed as written');
  } finally {
    service.kill('SIGINT');
    if (service.exitCode === null) await once(service, 'exit');
    rmSync(program);
  }
  assert.equal(service.exitCode, 0);
});

/** Sends a text and returns as much of what comes back; tries until somebody listens. */
async function echoed(host: string, port: number, text: string): Promise<string> {
  for (;;) {
    const socket = connect(port, host);
    try {
      await once(socket, 'connect');
    } catch {
      await setTimeout(20);
      continue;
    }
    socket.write(text);
    let answer = '';
    for await (const chunk of socket) {
      answer += String(chunk);
      if (answer.length >= text.length) break;
    }
    return answer;
  }
}

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
