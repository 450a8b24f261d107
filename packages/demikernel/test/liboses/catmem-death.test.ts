// Peers killed at random moments, SIGKILL: the survivor hears of it, leaks nothing, and serves the next one.
// CATMEM_KILLS says how many; CATMEM_SEED which moments.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openDescriptors } from '@demikernel/native/kernel';
import {
  type Demikernel,
  ECONNREFUSED,
  ECONNRESET,
  ENOBUFS,
  EPIPE,
  errnoName,
  OP_POP,
  open,
  type Result,
} from '../../src/index.ts';
import { SeededRandom } from '../../src/runtime/random.ts';

const KILLS = Number(process.env['CATMEM_KILLS'] ?? 40);
const SEED = Number(process.env['CATMEM_SEED'] ?? 20261123);
const VICTIM: string = fileURLToPath(new URL('./catmem-victim.js', import.meta.url));
/** Far above what it takes; a machine that is busy with something else is no failure. */
const DEADLINE_MS = 10_000;
const LONGEST_LIFE_MS = 12;
/** Most of a kill is starting the process that is killed: a tenth of a second, or two seconds where others are busy. */
const TIMEOUT_MS: number = 120_000 + KILLS * 2_000;
const EXPECTED: readonly number[] = [ECONNRESET, EPIPE, ECONNREFUSED];

function startVictim(...args: string[]): ChildProcess {
  return spawn(process.execPath, [VICTIM, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function ready(victim: ChildProcess): Promise<void> {
  await once(victim.stdout!, 'data');
}

async function kill(victim: ChildProcess): Promise<void> {
  const gone = victim.exitCode === null && victim.signalCode === null ? once(victim, 'exit') : undefined;
  victim.kill('SIGKILL');
  await gone;
}

/** Turns the loop, letting Node's run too, until `done`. */
async function until(os: Demikernel, done: () => boolean, what: string): Promise<void> {
  const deadlineMs = Date.now() + DEADLINE_MS;
  while (!done()) {
    assert.ok(Date.now() < deadlineMs, `still waiting for ${what}`);
    for (let turns = 0; turns < 50 && !done(); turns++) os.poll();
    await new Promise(resolve => setImmediate(resolve));
  }
}

/** What a survivor has left when all its peers are gone. */
function accounts(os: Demikernel): object {
  const { pool, runtime } = os.libraryOs;
  return {
    freeSlots: pool.freeSlots,
    operations: runtime.operations.liveCount,
    queues: runtime.queues.liveCount,
    descriptors: [...openDescriptors().values()].filter(name => /memfd|socket|eventfd/.test(name)).length,
  };
}

/** Echoes on a connection, and pushes of its own, until it fails. Says how. */
class Survivor {
  failure: number;
  messages: number;
  private readonly os: Demikernel;
  private readonly qd: number;
  private readonly tokens: Set<number>;
  private readonly random: SeededRandom;

  constructor(os: Demikernel, qd: number, random: SeededRandom) {
    this.failure = 0;
    this.messages = 0;
    this.os = os;
    this.qd = qd;
    this.tokens = new Set([os.pop(qd)]);
    this.random = random;
  }

  get over(): boolean {
    return this.failure !== 0 && this.tokens.size === 0;
  }

  step(): void {
    const { os, tokens } = this;
    if (this.failure === 0 && tokens.size < 8) {
      tokens.add(os.push(this.qd, new Uint8Array(1 + this.random.below(20_000))));
    }
    for (const token of tokens) {
      if (!os.isComplete(token)) continue;
      tokens.delete(token);
      this.done(os.wait(token, 0)!);
    }
  }

  private done(result: Result): void {
    const { array, errno } = result;
    this.messages++;
    if (errno === 0 && result.opcode === OP_POP) {
      if (array!.count === 0) this.failure = -1;
      else if (this.failure === 0) this.tokens.add(this.os.pop(this.qd));
    }
    array?.free();
    // Memory that is used up for the moment says nothing of the peer.
    if (errno !== 0 && errno !== ENOBUFS) this.failure = errno;
  }
}

async function surviveOne(
  os: Demikernel,
  qd: number,
  victim: ChildProcess,
  random: SeededRandom,
): Promise<number> {
  const survivor = new Survivor(os, qd, random);
  const lifeMs = random.below(LONGEST_LIFE_MS * 1000) / 1000;
  const endMs = performance.now() + lifeMs;
  await until(
    os,
    () => {
      survivor.step();
      return survivor.over || performance.now() >= endMs;
    },
    'the moment of death',
  );
  await kill(victim);
  await until(
    os,
    () => {
      survivor.step();
      return survivor.over;
    },
    'the error',
  );
  assert.ok(EXPECTED.includes(survivor.failure), `ended with ${errnoName(survivor.failure)}`);
  os.close(qd);
  return survivor.messages;
}

describe('catmem: peers that are killed', () => {
  test(`${Math.ceil(KILLS / 2)} clients`, { timeout: TIMEOUT_MS }, async () => {
    const random = new SeededRandom(SEED);
    const os = await open({ libos: 'catmem', wait: 'spin', memoryBytes: 8 << 20, slotSizeBytes: 4096 });
    const listening = os.socket('stream');
    os.bind(listening, '127.0.0.1:0');
    os.listen(listening);
    const address = os.getsockname(listening).toString();
    const before = accounts(os);
    let messages = 0;
    for (let i = 0; i < KILLS / 2; i++) {
      const accepting = os.accept(listening);
      const victim = startVictim('call', address, String(i + 1));
      await ready(victim);
      if (i % 8 === 7) {
        // Killed at any point of the rendezvous: there may be no connection at all.
        await sleep(random.below(3));
        await kill(victim);
        for (let turns = 0; turns < 2000; turns++) os.poll();
        if (!os.isComplete(accepting)) {
          os.cancel(accepting);
          os.wait(accepting);
        } else os.close(os.wait(accepting)!.acceptedQd);
      } else {
        await until(os, () => os.isComplete(accepting), 'a connection');
        messages += await surviveOne(os, os.wait(accepting)!.acceptedQd, victim, random);
      }
      await until(os, () => os.libraryOs.pool.freeSlots === os.libraryOs.pool.slotCount, 'the slots');
      assert.deepEqual(accounts(os), before, `after peer ${i}`);
    }
    assert.ok(messages > KILLS, `only ${messages} messages`);
    os.shutDown();
  });

  test(`${Math.floor(KILLS / 2)} servers, on one port`, { timeout: TIMEOUT_MS }, async () => {
    const random = new SeededRandom(SEED + 1);
    const os = await open({ libos: 'catmem', wait: 'spin', memoryBytes: 8 << 20, slotSizeBytes: 4096 });
    const address = `127.0.0.1:${20_000 + (process.pid % 10_000)}`;
    const before = accounts(os);
    let messages = 0;
    for (let i = 0; i < Math.floor(KILLS / 2); i++) {
      const victim = startVictim('serve', address);
      await ready(victim);
      const qd = os.socket('stream');
      const connecting = os.connect(qd, address);
      await until(os, () => os.isComplete(connecting), 'the connection');
      assert.equal(os.wait(connecting)!.errno, 0);
      messages += await surviveOne(os, qd, victim, random);
      await until(os, () => os.libraryOs.pool.freeSlots === os.libraryOs.pool.slotCount, 'the slots');
      assert.deepEqual(accounts(os), before, `after peer ${i}`);
    }
    assert.ok(messages > KILLS, `only ${messages} messages`);
    os.shutDown();
  });

  test('a death is noticed within milliseconds, asleep or awake', async () => {
    for (const wait of ['spin', 'interrupt'] as const) {
      const os = await open({ libos: 'catmem', wait, memoryBytes: 1 << 20 });
      const address = `127.0.0.1:${20_000 + (process.pid % 10_000)}`;
      const noticedMs: number[] = [];
      for (let i = 0; i < 5; i++) {
        const victim = startVictim('serve', address);
        await ready(victim);
        const qd = os.socket('stream');
        assert.equal(os.wait(os.connect(qd, address))!.errno, 0);
        const popping = os.pop(qd);
        victim.kill('SIGKILL');
        const start = performance.now();
        // Blocks this thread: nothing but the library OS can notice.
        const result = os.wait(popping, DEADLINE_MS * 1000);
        noticedMs.push(performance.now() - start);
        assert.equal(result?.errno, ECONNRESET);
        os.close(qd);
        await kill(victim);
      }
      // The kernel takes its time to take a whole Node process apart, more so on a busy machine.
      assert.ok(Math.min(...noticedMs) < 500, `${wait}: noticed after ${noticedMs.join(', ')} ms`);
      os.shutDown();
    }
  });
});
