// Runs inside the guest: the test files that need its devices, one after the other. By hand:
// npm run guest -- node lab/dist/src/guest/run-guest-tests.js [--json] [FILTER…]

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { FULL_RUN_VARIABLE } from '../peers.ts';
import { GUEST_TEST_ENDING, listTestFiles } from '../test-files.ts';
import { TestProcesses } from '../test-process.ts';
import { TestSummary } from '../test-summary.ts';

/** One file of a guest that is emulated by a busy machine. */
const FILE_TIMEOUT_MS = 400_000;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: 'boolean', default: false } },
  });
  if (process.env['DEMIKERNEL_GUEST'] !== '1') {
    say('These tests run in the guest: npm run guest -- node lab/dist/src/guest/run-guest-tests.js');
    return 1;
  }
  const files = listTestFiles(positionals, undefined, GUEST_TEST_ENDING);
  const scratch = mkdtempSync(join(tmpdir(), 'demikernel-guest-tests-'));
  // Nothing is skipped in here: the guest has what its tests need.
  const environment = { ...process.env, [FULL_RUN_VARIABLE]: '1' };
  const processes = new TestProcesses({ scratch, timeoutMs: FILE_TIMEOUT_MS, environment });
  const summary = new TestSummary(files.length, values.json ? () => {} : say);
  for (const file of files) {
    const outcome = await processes.run(file);
    summary.add(outcome);
    if (values.json) say(JSON.stringify(outcome));
  }
  rmSync(scratch, { recursive: true, force: true });
  return summary.print() ? 1 : 0;
}

process.exitCode = await main();
