// A writer is killed at random moments: what it was told is durable is there. DEMIKERNEL_LOG_KILLS says how often;
// default 12.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { EAGAIN, EBUSY, open } from '../../src/index.ts';
import { SeededRandom } from '../../src/simulator.ts';
import { checkLog, runAndKill } from './killed-writer.ts';

const KILLS = Number(process.env['DEMIKERNEL_LOG_KILLS'] ?? 12);
const SEED = Number(process.env['DEMIKERNEL_LOG_SEED'] ?? Date.now() % 1_000_000);
test('a writer killed at random loses nothing it was told is durable', { timeout: 1_800_000 }, async t => {
  try {
    const os = await open({ libos: 'catnap', storage: { libos: 'catcollar', directory: tmpdir() } });
    os.shutDown();
  } catch (error) {
    t.skip((error as Error).message);
    return;
  }
  const directory = mkdtempSync(join(tmpdir(), 'demikernel-kills-'));
  const storage = { libos: 'catcollar', directory, segmentBytes: 1 << 20 } as const;
  const random = new SeededRandom(SEED);
  let next = 1;
  try {
    for (let kill = 0; kill < KILLS; kill++) {
      const acknowledged = await runAndKill(storage, next, random.below(120));
      const { first, last } = await checkLog(storage);
      assert.ok(last >= acknowledged, `record ${acknowledged} was acknowledged, the log ends with ${last}`);
      assert.ok(first <= Math.max(1, acknowledged), 'more was dropped than was truncated');
      next = last + 1;
    }
    t.diagnostic(`${KILLS} kills, ${next - 1} records, seed ${SEED}`);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('two processes do not write one log', { timeout: 60_000 }, async t => {
  const directory = mkdtempSync(join(tmpdir(), 'demikernel-kills-'));
  const options = { libos: 'catnap', storage: { libos: 'catcollar', directory } } as const;
  try {
    const first = await open(options).catch((error: Error) => t.skip(error.message));
    if (first === undefined) return;
    const second = await open(options);
    const opened = first.wait(first.create('log'))!;
    assert.equal(opened.errno, 0);
    assert.ok([EBUSY, EAGAIN].includes(second.wait(second.open('log'))!.errno));
    first.shutDown();
    assert.equal(second.wait(second.open('log'))!.errno, 0);
    second.shutDown();
  } finally {
    rmSync(directory, { recursive: true });
  }
});
