// `npm test` and `npm run test:full`: runs the test files of every package and says what passed, failed and was skipped.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { FULL_RUN_VARIABLE, installMissingPeers } from './peers.ts';
import { removeStaleNamespaces } from './stale-namespaces.ts';
import { listTestFiles, type TestFile } from './test-files.ts';
import { type FileOutcome, TestProcesses } from './test-process.ts';
import { TestSummary } from './test-summary.ts';

const HELP = `Usage: npm test -- [--full] [--timeout SECONDS] [FILTER…]

Runs the tests of every package; with filters, the test files whose path contains one of them.

  --full             install the programs that tests use as peers (apt-get, as root); a missing one fails a test
  --timeout SECONDS  longest time for one test file; default 180, with --full 600
  --list             name the test files and stop
  --help             this text

Without --full nothing is installed, and what cannot run here is skipped by name.`;

/** Test files that run at the same time when they do not mind. */
const CONCURRENCY = 2;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      full: { type: 'boolean', default: false },
      timeout: { type: 'string' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    say(HELP);
    return 0;
  }
  const files = listTestFiles(positionals);
  if (values.list) {
    for (const file of files) say(`${file.source}${file.alone ? '  (alone)' : ''}`);
    return 0;
  }
  if (files.length === 0) {
    say(`No test file's path contains ${positionals.join(' or ')}.`);
    return 1;
  }
  if (values.full) installMissingPeers(say);

  const timeoutMs = Number(values.timeout ?? (values.full ? 600 : 180)) * 1000;
  const scratch = mkdtempSync(join(tmpdir(), 'demikernel-tests-'));
  const environment = {
    ...process.env,
    // What somebody has measured on this machine is not what the tests expect.
    DEMIKERNEL_CALIBRATION: 'off',
    ...(values.full ? { [FULL_RUN_VARIABLE]: '1' } : {}),
  };
  const processes = new TestProcesses({ scratch, timeoutMs, environment });
  const summary = new TestSummary(files.length, say);
  const interruption = { signal: undefined as NodeJS.Signals | undefined };
  const onSignal = (signal: NodeJS.Signals): void => {
    if (interruption.signal === undefined) say(`\n${signal}: ending the tests that run`);
    interruption.signal = signal;
    void processes.endAll();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  const runNext = async (queue: TestFile[]): Promise<void> => {
    for (let file = queue.shift(); file !== undefined && !interruption.signal; file = queue.shift()) {
      const outcome: FileOutcome = await processes.run(file);
      if (interruption.signal === undefined) summary.add(outcome);
    }
  };
  try {
    const together = files.filter(file => !file.alone);
    await Promise.all(Array.from({ length: CONCURRENCY }, () => runNext(together)));
    await runNext(files.filter(file => file.alone));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
    for (const name of removeStaleNamespaces()) say(`removed ${name}, which a test left behind`);
  }
  const failed = summary.print();
  if (interruption.signal !== undefined) return interruption.signal === 'SIGINT' ? 130 : 143;
  return failed ? 1 : 0;
}

process.exitCode = await main();
