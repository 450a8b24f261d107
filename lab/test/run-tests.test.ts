// The test runner's own tests: every way in which a test file can end, and that nothing of it is left. Runs alone.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { findProgram, PEERS } from '../src/peers.ts';
import { filesUnder, listTestFiles, packageFolders, WORKSPACE_ROOT } from '../src/test-files.ts';
import { type FileOutcome, TestProcesses } from '../src/test-process.ts';
import { TestSummary } from '../src/test-summary.ts';

const FILES: Record<string, string> = {
  good: `test('one', () => {}); test('two', () => {});`,
  bad: `test('fine', () => {}); test('wrong', () => { throw new Error('planned'); });`,
  skips: `test('no peer', t => t.skip('wrk is missing')); test('later', { todo: true }, () => {});`,
  nested: `describe('suite', () => { test('inner', () => {}); test('deep', async t => { await t.test('leaf', () => { throw new Error('leaf'); }); }); });`,
  crashes: `process.exit(3);`,
  dies: `process.kill(process.pid, 'SIGKILL');`,
  hangs: `const child = spawn('sleep', ['1000']); console.log('child ' + child.pid); setInterval(() => {}, 1000);`,
  leaves: `spawn('sleep', ['1001'], { stdio: 'inherit' }).unref(); test('leaves a child', () => {}); setTimeout(() => process.exit(0), 200);`,
};
const HEAD = `import { describe, test } from 'node:test'; import { spawn } from 'node:child_process';\n`;

describe('the test runner', () => {
  let root: string;
  const outcomes = new Map<string, FileOutcome>();

  before(async () => {
    root = mkdtempSync(join(tmpdir(), 'demikernel-lab-'));
    const folder = join(root, 'packages/one');
    mkdirSync(join(folder, 'test'), { recursive: true });
    mkdirSync(join(folder, 'dist/test'), { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    for (const [name, source] of Object.entries(FILES)) {
      writeFileSync(join(folder, `test/${name}.test.ts`), source);
      writeFileSync(join(folder, `dist/test/${name}.test.js`), HEAD + source);
    }
    writeFileSync(join(folder, 'test/absent.test.ts'), '// never compiled');
    writeFileSync(join(folder, 'dist/test/stale.test.js'), HEAD + FILES['bad']);
    const processes = new TestProcesses({ scratch: root, timeoutMs: 5000, environment: process.env });
    const files = listTestFiles([], root);
    await Promise.all(files.map(async file => outcomes.set(file.source, await processes.run(file))));
  });

  after(() => rmSync(root, { recursive: true, force: true }));

  const of = (name: string): FileOutcome => outcomes.get(`packages/one/test/${name}.test.ts`)!;
  const kinds = (name: string): string[] =>
    of(name).records.map(record => `${record.name}: ${record.outcome}`);

  test('files are those of the sources', () => {
    assert.equal(outcomes.size, Object.keys(FILES).length + 1);
    assert.match(of('absent').trouble, /not compiled/);
    assert.deepEqual(
      listTestFiles(['go', 'dies'], root).map(file => file.source),
      ['packages/one/test/dies.test.ts', 'packages/one/test/good.test.ts'],
    );
  });

  test('passes, failures and skips, with their reasons', () => {
    assert.deepEqual(kinds('good'), ['one: pass', 'two: pass']);
    assert.deepEqual(kinds('bad'), ['fine: pass', 'wrong: fail']);
    assert.match(of('bad').records[1]!.failure, /planned/);
    assert.deepEqual(kinds('skips'), ['no peer: skip', 'later: todo']);
    assert.equal(of('skips').records[0]!.reason, 'wrk is missing');
    for (const name of ['good', 'bad', 'skips', 'nested']) assert.equal(of(name).trouble, '');
  });

  test('files that crash, die or hang have failed', () => {
    assert.match(of('crashes').trouble, /exited with 3/);
    assert.match(of('dies').trouble, /SIGKILL/);
    assert.match(of('hangs').trouble, /did not end/);
  });

  test('nothing is left of them', () => {
    for (const seconds of ['1000', '1001']) {
      const { stdout } = spawnSync(
        'sh',
        ['-c', `cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c 'sleep ${seconds} '`],
        {
          encoding: 'utf8',
        },
      );
      // The shell that looks has the words in its own command line, once.
      assert.ok(Number(stdout) <= 1, `sleep ${seconds} is still there`);
    }
  });

  test('the summary counts leaves, names skips and failures', () => {
    const lines: string[] = [];
    const summary = new TestSummary(outcomes.size, line => lines.push(line));
    for (const outcome of outcomes.values()) summary.add(outcome);
    assert.equal(summary.print(), true);
    const text = lines.join('\n');
    // good 2, bad 1, nested 1, leaves 1; bad, leaf, and five files as a whole.
    assert.match(lines.at(-1)!, /^5 passed, 6 failed, 2 skipped \(9 files/);
    assert.match(text, /skips\.test\.ts: no peer: wrk is missing/);
    assert.match(text, /nested\.test\.ts: leaf/);
    assert.match(text, /bad\.test\.ts: wrong/);
  });
});

test('every peer that a full run installs is used by some test', () => {
  const sources = packageFolders()
    .flatMap(folder => filesUnder(WORKSPACE_ROOT, join(folder, 'test'), '.ts'))
    .filter(file => file !== 'lab/test/run-tests.test.ts')
    .map(file => readFileSync(join(WORKSPACE_ROOT, file), 'utf8'))
    .join('\n');
  for (const { program } of PEERS)
    assert.ok(sources.includes(`'${program}'`), `${program} is used by no test`);
});

test('programs are found where they are', () => {
  assert.match(findProgram('sh') ?? '', /\/sh$/);
  assert.equal(findProgram('no-such-program-anywhere'), undefined);
});
