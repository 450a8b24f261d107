// A writer that is killed, and the check of what it leaves: on whatever storage.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { open, type StorageOptions } from '../../src/index.ts';
import { idOf } from '../log/machine.ts';

const WRITER = fileURLToPath(new URL('./log-writer.js', import.meta.url));

/** Runs a writer from a record number on and kills it; how many records it was told are durable. */
export async function runAndKill(storage: StorageOptions, firstId: number, afterMs: number): Promise<number> {
  const args = [WRITER, JSON.stringify(storage), String(firstId), String(firstId * 7 + 1)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
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
export async function checkLog(storage: StorageOptions): Promise<{ first: number; last: number }> {
  const os = await open({ libos: 'catnap', storage });
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
