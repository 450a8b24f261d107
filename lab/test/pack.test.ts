// What npm would publish: packed, installed in an empty folder, type-checked, run; and imported where nothing works.
// Needs no network: koffi comes from this workspace. Runs alone.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { packageFolders, WORKSPACE_ROOT } from '../src/test-files.ts';

interface Manifest {
  name: string;
  exports: Record<string, unknown>;
  bin?: Record<string, string>;
}

interface PackedFile {
  path: string;
}

const PUBLISHED = packageFolders().filter(folder => folder.startsWith('packages/'));

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(WORKSPACE_ROOT, folder, 'package.json'), 'utf8')) as Manifest;
}

/** What a user can import. */
const ENTRIES: string[] = PUBLISHED.flatMap(folder => {
  const { name, exports } = manifestOf(folder);
  return Object.keys(exports)
    .filter(entry => entry !== './package.json')
    .map(entry => name + entry.slice(1));
});

function run(
  command: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = process.env,
): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, env, encoding: 'utf8' });
  assert.equal(status, 0, `${command} ${args.join(' ')}\n${stdout}${stderr}`);
  return stdout;
}

describe('the published packages', () => {
  let folder: string;
  const packed = new Map<string, PackedFile[]>();

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'demikernel-pack-'));
    const modules = join(folder, 'node_modules');
    for (const source of PUBLISHED) {
      const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
      const output = run('npm', args, join(WORKSPACE_ROOT, source));
      const [{ filename, files }] = JSON.parse(output) as [{ filename: string; files: PackedFile[] }];
      const { name } = manifestOf(source);
      packed.set(name, files);
      const target = join(modules, name);
      mkdirSync(target, { recursive: true });
      run('tar', ['xzf', join(folder, filename), '--strip-components=1', '-C', target], folder);
    }
    for (const each of ['koffi', '@koromix', 'protobufjs', '@protobufjs', 'long']) {
      const from = join(WORKSPACE_ROOT, 'node_modules', each);
      if (existsSync(from)) cpSync(from, join(modules, each), { recursive: true, dereference: true });
    }
    mkdirSync(join(modules, '@types'), { recursive: true });
    for (const each of ['@types/node', 'undici-types']) {
      const from = join(WORKSPACE_ROOT, 'node_modules', each);
      if (existsSync(from)) symlinkSync(from, join(modules, each));
    }
    writeFileSync(join(folder, 'package.json'), '{ "type": "module", "private": true }\n');
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  test('hold what is run, what is read, and no test', () => {
    for (const [name, files] of packed) {
      const paths = files.map(file => file.path);
      assert.ok(
        paths.some(path => path.startsWith('dist/src/') && path.endsWith('.js')),
        `${name}: compiled code`,
      );
      assert.ok(
        paths.some(path => path.startsWith('dist/src/') && path.endsWith('.d.ts')),
        `${name}: declarations`,
      );
      assert.ok(
        paths.some(path => path.startsWith('src/') && path.endsWith('.ts')),
        `${name}: sources`,
      );
      assert.deepEqual(
        paths.filter(path => /(^|\/)test\/|\.test\.|tsbuildinfo|node_modules/.test(path)),
        [],
        name,
      );
    }
  });

  test('every entry can be imported', () => {
    const script = `for (const entry of ${JSON.stringify(ENTRIES)}) await import(entry);`;
    run(process.execPath, ['--input-type=module', '-e', script], folder);
  });

  for (const platform of ['linux', 'darwin']) {
    test(`every entry can be imported without koffi's library, platform ${platform}; open says what is missing`, () => {
      const script = `
        const { Module } = await import('node:module');
        const load = Module._load;
        Module._load = function (name, ...rest) {
          if (/koffi/.test(name)) throw new Error('koffi is not here');
          return load.call(this, name, ...rest);
        };
        Object.defineProperty(process, 'platform', { value: '${platform}' });
        for (const entry of ${JSON.stringify(ENTRIES)}) await import(entry);
        const { open } = await import('demikernel');
        await open({ libos: 'catnap' }).then(() => console.log('opened'), error => console.log(error.code, error.message));`;
      const output = run(process.execPath, ['--input-type=module', '-e', script], folder);
      assert.match(
        output,
        platform === 'linux' ? /^ERR_DEMI_PLATFORM .*koffi/ : /^ERR_DEMI_PLATFORM .*darwin/,
      );
    });
  }

  test('a program type-checks against the declarations, strictly', () => {
    writeFileSync(
      join(folder, 'program.ts'),
      `import { DemiError } from '@demikernel/memory';
import { type Coroutine, coroutines, type Demikernel, open, promises, type Result } from 'demikernel';
${ENTRIES.map((entry, i) => `import * as entry${i} from '${entry}';`).join('\n')}
export const entries: object[] = [${ENTRIES.map((_, i) => `entry${i}`).join(', ')}];
const os: Demikernel = await open({ libos: 'catnap', wait: 'interrupt' });
const qd: number = os.socket('datagram');
os.bind(qd, '127.0.0.1:0');
const pushed: Result | undefined = os.wait(os.pushTo(qd, new Uint8Array([7]), os.getsockname(qd)));
const co = coroutines(os);
function* receive(): Coroutine<number> {
  const { array } = yield* co.pop(qd);
  const first: number = array!.toBytes()[0]!;
  array!.free();
  return first;
}
const task = co.spawn(receive);
co.run();
try {
  os.pop(-1);
} catch (error) {
  if (!(error instanceof DemiError)) throw error;
}
await promises(os).close();
console.log(pushed?.errno, task.value);
// @ts-expect-error a library OS that does not exist
void (() => open({ libos: 'catfish' }));
`,
    );
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          target: 'es2023',
          lib: ['es2023', 'esnext.disposable'],
          module: 'nodenext',
          strict: true,
          noUncheckedIndexedAccess: true,
          exactOptionalPropertyTypes: true,
          skipLibCheck: false,
          types: ['node'],
          outDir: 'out',
        },
        files: ['program.ts'],
      }),
    );
    run(process.execPath, [join(WORKSPACE_ROOT, 'node_modules/typescript/bin/tsc'), '-p', '.'], folder);
  });

  test('and runs', t => {
    if (process.platform !== 'linux' || process.arch !== 'x64') {
      t.skip('Linux on x86-64 only');
      return;
    }
    assert.equal(run(process.execPath, [join(folder, 'out/program.js')], folder), '0 7\n');
  });

  test('the command answers --help, from its installed place', () => {
    for (const source of PUBLISHED) {
      const { name, bin = {} } = manifestOf(source);
      for (const [command, path] of Object.entries(bin)) {
        const output = run(process.execPath, [join(folder, 'node_modules', name, path), '--help'], folder);
        assert.match(output, new RegExp(command));
      }
    }
  });
});
