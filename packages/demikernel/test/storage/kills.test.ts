// A writer is killed at random moments: what it was told is durable is there. DEMIKERNEL_LOG_KILLS says how often;
// default 12.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { EAGAIN, EBUSY, open } from '../../src/index.ts';
import { SeededRandom } from '../../src/simulator.ts';
import { idOf } from '../log/machine.ts';

const KILLS = Number(process.env['DEMIKERNEL_LOG_KILLS'] ?? 12);
const SEED = Number(process.env['DEMIKERNEL_LOG_SEED'] ?? Date.now() % 1_000_000);
const WRITER = fileURLToPath(new URL('./log-writer.js', import.meta.url));

/** Runs a writer from a record number on and kills it; how many records it was told are durable. */
async function runAndKill(directory: string, firstId: number, afterMs: number): Promise<number> {
  const child = spawn(process.execPath, [WRITER, directory, String(firstId), String(firstId * 7 + 1)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let bytes = 0;
  let last = firstId - 1;
  let rest = Buffer.alloc(0);
  child.stdout.on('data', (chunk: Buffer) => {
    if (bytes === 0) setTimeout(() => child.kill('SIGKILL'), afterMs);
    bytes += chunk.length;
    rest = Buffer.concat([rest, chunk]);
    for (; rest.length >= 4; rest = rest.subarray(4)) {
      assert.equal(rest.readUInt32LE(0), last + 1);
      last++;
    }
  });
  const signal = await new Promise(resolve => child.on('close', (_code, how) => resolve(how)));
  assert.equal(signal, 'SIGKILL', 'the writer ended by itself');
  return last;
}

/** The first and last record of the log; fails when they are not what was pushed, without a hole. */
async function check(directory: string): Promise<{ first: number; last: number }> {
  const os = await open({ libos: 'catnap', storage: { libos: 'catcollar', directory } });
  try {
    const opened = os.wait(os.open('log'))!;
    assert.equal(opened.errno, 0, 'the log cannot be opened');
    let first = 0;
    let last = 0;
    for (;;) {
      const token = os.pop(opened.acceptedQd);
      const popped = os.wait(token, 20_000);
      if (popped === undefined) break;
      assert.equal(popped.errno, 0);
      const id = idOf(popped.array!.toBytes());
      popped.array!.free();
      if (first === 0) first = id;
      else assert.equal(id, last + 1, 'a record is missing, or comes twice');
      last = id;
    }
    return { first, last };
  } finally {
    os.shutDown();
  }
}

test('a writer killed at random loses nothing it was told is durable', { timeout: 1_800_000 }, async t => {
  try {
    const os = await open({ libos: 'catnap', storage: { libos: 'catcollar', directory: tmpdir() } });
    os.shutDown();
  } catch (error) {
    t.skip((error as Error).message);
    return;
  }
  const directory = mkdtempSync(join(tmpdir(), 'demikernel-kills-'));
  const random = new SeededRandom(SEED);
  let next = 1;
  try {
    for (let kill = 0; kill < KILLS; kill++) {
      const acknowledged = await runAndKill(directory, next, random.below(120));
      const { first, last } = await check(directory);
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
