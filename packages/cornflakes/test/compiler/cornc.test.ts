// The command: arguments, exit statuses, files written, --check, and --watch with a clean end.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { proto3 } from './sources.ts';

const COMMAND = fileURLToPath(new URL('../../../bin/cornc.js', import.meta.url));

interface Result {
  status: number | null;
  stdout: string;
  stderr: string;
}

describe('cornc', () => {
  let root: string;
  let directory: string;

  before(() => {
    root = mkdtempSync(path.join(tmpdir(), 'cornc-'));
  });
  after(() => {
    rmSync(root, { recursive: true });
  });
  beforeEach(() => {
    directory = mkdtempSync(path.join(root, 'case-'));
  });

  function write(name: string, text: string): void {
    mkdirSync(path.dirname(path.join(directory, name)), { recursive: true });
    writeFileSync(path.join(directory, name), text);
  }

  function cornc(...args: string[]): Result {
    const { status, stdout, stderr } = spawnSync(process.execPath, [COMMAND, ...args], {
      cwd: directory,
      encoding: 'utf8',
    });
    return { status, stdout, stderr };
  }

  function outputs(): string[] {
    const entries = readdirSync(path.join(directory, 'out'), { recursive: true, encoding: 'utf8' });
    return entries.filter(name => name.endsWith('.ts')).sort();
  }

  it('says how it is used', () => {
    const { status, stdout } = cornc('--help');
    assert.equal(status, 0);
    assert.match(stdout, /^Usage: cornc FILE/);
    assert.match(cornc('--version').stdout, /^\d+\.\d+\.\d+\n$/);
  });

  it('refuses wrong usage with status 2', () => {
    for (const args of [[], ['a.proto'], ['--nonsense'], ['a.proto', '--out', 'o', '--extension', 'mjs']]) {
      const { status, stderr } = cornc(...args);
      assert.equal(status, 2, args.join(' '));
      assert.match(stderr, /^cornc: .+\nTry 'cornc --help'.\n$/s);
    }
    assert.equal(cornc('--check', 'a.proto').status, 2);
  });

  it('writes a module per schema, in the folders of the imports, and only those needed', () => {
    write('api/a.proto', proto3('import "api/b.proto"; import "api/c.proto"; message A { B b = 1; }'));
    write('api/b.proto', proto3('message B { int32 x = 1; }'));
    write('api/c.proto', proto3('message C {}'));
    assert.deepEqual(cornc('api/a.proto', '--out', 'out'), { status: 0, stdout: '', stderr: '' });
    assert.deepEqual(outputs(), ['api/a.ts', 'api/b.ts']);
    assert.match(readFileSync(path.join(directory, 'out/api/a.ts'), 'utf8'), /from '\.\/b\.ts'/);
  });

  it('writes imports as asked', () => {
    write('a.proto', proto3('import "d/b.proto"; message A { B b = 1; }'));
    write('d/b.proto', proto3('message B {}'));
    const { status } = cornc('a.proto', '-o', 'out', '--extension', 'js', '--runtime', 'else/where');
    assert.equal(status, 0);
    const text = readFileSync(path.join(directory, 'out/a.ts'), 'utf8');
    assert.match(text, /import \{ B \} from '\.\/d\/b\.js';/);
    assert.match(text, /from 'else\/where';/);
  });

  it('searches import paths in order', () => {
    write('one/x.proto', proto3('message One {}'));
    write('two/x.proto', proto3('message Two {}'));
    write('two/y.proto', proto3('import "x.proto"; message Y { One one = 1; }'));
    const { status, stderr } = cornc('two/y.proto', '-I', 'one', '-I', 'two', '-o', 'out');
    assert.equal(stderr, '');
    assert.equal(status, 0);
    assert.deepEqual(outputs(), ['x.ts', 'y.ts']);
  });

  it('leaves unchanged modules alone, and writes the same bytes again', () => {
    write('a.proto', proto3('message A { map<string, A> m = 1; oneof o { bool b = 2; } }'));
    cornc('a.proto', '-o', 'out');
    const file = path.join(directory, 'out/a.ts');
    const { mtimeMs, ino } = statSync(file);
    const text = readFileSync(file, 'utf8');
    cornc('a.proto', '-o', 'out');
    assert.equal(statSync(file).mtimeMs, mtimeMs);
    assert.equal(statSync(file).ino, ino);
    assert.equal(readFileSync(file, 'utf8'), text);
  });

  it('reports every error with its place and writes nothing', () => {
    write('a.proto', proto3('message A { Nothing n = 1; int32 b = 1; }'));
    write('b.proto', proto3('message B {', '  int32 = 1;', '}'));
    const { status, stderr } = cornc('a.proto', 'b.proto', '--out', 'out');
    assert.equal(status, 1);
    assert.equal(stderr, "a.proto:2:38: number 1 is already used by 'n'\nb.proto:3:9: illegal name '='\n");
    assert.throws(() => readdirSync(path.join(directory, 'out')), { code: 'ENOENT' });
  });

  it('a file that is not there, and one that cannot be written, are errors without a stack', () => {
    const missing = cornc('none.proto', '-o', 'out');
    assert.deepEqual(missing, { status: 1, stdout: '', stderr: 'none.proto:1:1: no such file\n' });
    write('a.proto', proto3('message A {}'));
    write('out', 'a file where the directory should be');
    const { status, stderr } = cornc('a.proto', '-o', 'out');
    assert.equal(status, 1);
    assert.match(stderr, /^cornc: E[A-Z]+: /);
  });

  it('notes skipped services, unless told not to', () => {
    write('a.proto', proto3('service S {}'));
    assert.match(cornc('a.proto', '-o', 'out').stderr, /^a\.proto:2:9: note: service S is skipped/);
    assert.equal(cornc('a.proto', '-o', 'out', '--quiet').stderr, '');
  });

  it('--check compares files, and says by its status whether a change breaks', () => {
    write('old.proto', proto3('message A { bool a = 1; int32 b = 2; }'));
    write('same.proto', proto3('message A { bool a = 1; int32 b = 2; string c = 3; }'));
    write('new.proto', proto3('message A { bool a = 1; string b = 2; }'));
    assert.deepEqual(cornc('--check', 'old.proto', 'same.proto'), {
      status: 0,
      stdout: 'same.proto:2:45: compatible: A.c is new; old readers keep it unread\n1 change, 0 breaking\n',
      stderr: '',
    });
    assert.deepEqual(cornc('--check', 'old.proto', 'new.proto'), {
      status: 1,
      stdout: 'new.proto:2:25: breaking: A.b was int32 and is now string\n1 change, 1 breaking\n',
      stderr: '',
    });
  });

  it('--check compares directories, each with its own imports', () => {
    write('old/x/a.proto', proto3('import "x/b.proto"; message A { B b = 1; bool z = 2; }'));
    write('old/x/b.proto', proto3('message B { bool x = 1; }'));
    write('new/x/a.proto', proto3('import "x/b.proto"; message A { B b = 1; bool z = 2; }'));
    write('new/x/b.proto', proto3('message B { repeated bool x = 1; }'));
    const { status, stdout } = cornc('--check', 'old', 'new');
    assert.equal(status, 1);
    assert.equal(
      stdout,
      'new/x/b.proto:2:22: breaking: B.x was a single value and is now repeated\n1 change, 1 breaking\n',
    );
  });

  it('--watch compiles again, survives errors, and ends with Ctrl-C and status 0', async () => {
    write('a.proto', proto3('message First {}'));
    const child = spawn(process.execPath, [COMMAND, 'a.proto', '-o', 'out', '--watch'], { cwd: directory });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (part: string) => {
      said += part;
    });
    const ended = new Promise<[number | null, NodeJS.Signals | null]>(resolve => {
      child.on('exit', (...how) => resolve(how));
    });
    const output = path.join(directory, 'out/a.ts');
    try {
      await until(() => said.includes('compiled'));
      assert.match(readFileSync(output, 'utf8'), /class First /);
      write('a.proto', proto3('import "late/b.proto"; import "c.proto"; message First {}'));
      await until(() => said.includes("cannot find 'c.proto'"));
      write('late/b.proto', proto3(''));
      write('c.proto', proto3(''));
      await until(() => said.split('compiled').length === 3);
      write('late/b.proto', proto3('message {}'));
      await until(() => said.includes("late/b.proto:2:9: illegal type name '{'"));
      write('a.proto', proto3('message {}'));
      await until(() => said.includes("a.proto:2:9: illegal type name '{'"));
      write('a.proto', proto3('message Second {}'));
      await until(() => readFileSync(output, 'utf8').includes('class Second '));
    } finally {
      child.kill('SIGINT');
    }
    assert.deepEqual(await ended, [0, null]);
  });
});

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    assert.ok(tries < 1000, 'it did not happen');
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}
