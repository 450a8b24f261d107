// The key-value service on simulated hosts: through loss and reordering, with a log that lives on, and with a client that
// does not read. Every slot is back at the end.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Coroutine, type Coroutines, coroutines, type Demikernel } from 'demikernel';
import { MemoryDisk, MemoryStorage, openSimulated, SeededRandom, SimulatedWorld } from 'demikernel/simulator';
import { KvServer, type KvServerOptions } from '../../src/kv/server.ts';
import { leaveNothing } from './leave.ts';
import { encode } from './raw-client.ts';

const LINK = { delayUs: 20, jitterUs: 10, lossRate: 0.02, duplicateRate: 0.01, reorderRate: 0.02 };
const ADDRESS = '10.0.0.1:6379';

interface Town {
  world: SimulatedWorld;
  near: Demikernel;
  far: Demikernel;
  server: KvServer;
}

function settle(seed: number, options: Partial<KvServerOptions> = {}, disk?: MemoryDisk): Town {
  const world = new SimulatedWorld({ seed, link: LINK });
  const storage = disk === undefined ? {} : { storage: new MemoryStorage(disk) };
  const near = openSimulated(world, '10.0.0.1/24', storage);
  const far = openSimulated(world, '10.0.0.2/24');
  const server = new KvServer(near, { address: ADDRESS, startMs: 1_000_000, ...options });
  const host = world.hosts[0]!;
  const before = host.afterPoll;
  host.afterPoll = () => (before?.() ?? 0) + server.serveReady();
  return { world, near, far, server };
}

/** Sends bytes, and takes the answer until it has the length of what is expected, or is another. */
function* converse(co: Coroutines, requests: Buffer, wanted: string): Coroutine<string> {
  const { os } = co;
  const qd = os.socket('stream');
  const connected = yield* co.connect(qd, ADDRESS);
  assert.equal(connected.errno, 0);
  const pushing = co.spawn(() => send(co, qd, requests));
  let answer = '';
  while (answer.length < wanted.length && wanted.startsWith(answer)) {
    const { array, errno } = yield* co.pop(qd);
    if (errno !== 0 || array === undefined || array.count === 0) {
      array?.free();
      break;
    }
    answer += Buffer.from(array.toBytes()).toString('latin1');
    array.free();
  }
  assert.ok(pushing.done || answer !== wanted);
  os.close(qd);
  return answer;
}

function* send(co: Coroutines, qd: number, bytes: Buffer): Coroutine<void> {
  for (let at = 0; at < bytes.length; at += 10_000) {
    const { errno } = yield* co.push(qd, bytes.subarray(at, at + 10_000));
    assert.equal(errno, 0);
  }
}

/** Commands of one client, and what it must hear. */
function script(client: number, count: number): { requests: Buffer; wanted: string } {
  const parts: Buffer[] = [];
  let wanted = '';
  for (let i = 0; i < count; i++) {
    const key = `client ${client} key ${i % 7}`;
    const value = `${client}.${i}`.padEnd((i * 977) % 9000, 'v');
    parts.push(encode(['SET', key, value]), encode(['GET', key]), encode(['INCR', `count ${client}`]));
    wanted += `+OK\r\n$${value.length}\r\n${value}\r\n:${i + 1}\r\n`;
  }
  return { requests: Buffer.concat(parts), wanted };
}

function runClients(town: Town, clients: number, count: number): void {
  const co = coroutines(town.far);
  const tasks = Array.from({ length: clients }, (_, client) => {
    const { requests, wanted } = script(client, count);
    return { wanted, task: co.spawn(() => converse(co, requests, wanted)) };
  });
  const limitUs = town.world.nowUs + 600e6;
  assert.ok(town.world.run(() => co.liveCount === 0 || town.world.nowUs > limitUs));
  for (const { task, wanted } of tasks) assert.equal(task.value, wanted);
}

describe('kv, simulated', () => {
  for (const seed of [1, 2, 3]) {
    test(`pipelined commands of several clients through loss, seed ${seed}`, () => {
      const town = settle(seed);
      runClients(town, 6, 60);
      assert.equal(town.server.store.size, 6 * 8);
      assert.equal(town.server.starved, 0);
      leaveNothing(town.far, town.near);
    });
  }

  test('with a log: the next server has it all', () => {
    const disk = new MemoryDisk({ random: new SeededRandom(5), segmentBytes: 4 << 20, latencyPolls: 20 });
    const first = settle(4, { appendOnly: 'kv' }, disk);
    runClients(first, 3, 40);
    leaveNothing(first.far, first.near);
    const second = settle(5, { appendOnly: 'kv' }, disk);
    assert.equal(second.server.store.size, 3 * 8);
    const co = coroutines(second.far);
    const task = co.spawn(() => converse(co, encode(['GET', 'count 2']), '$2\r\n40\r\n'));
    assert.ok(second.world.run(() => task.done));
    assert.equal(task.value, '$2\r\n40\r\n');
    leaveNothing(second.far, second.near);
  });

  test('a client that does not read is not read from, and holds a bounded number of slots', () => {
    const town = settle(6);
    const { far, near, server, world } = town;
    const co = coroutines(far);
    const value = 'x'.repeat(100_000);
    const prepare = co.spawn(() => converse(co, encode(['SET', 'big', value]), '+OK\r\n'));
    assert.ok(world.run(() => prepare.done));
    const qd = far.socket('stream');
    const connecting = co.spawn(function* () {
      yield* co.connect(qd, ADDRESS);
      yield* send(co, qd, Buffer.concat(Array.from({ length: 3000 }, () => encode(['GET', 'big']))));
    });
    const limitUs = world.nowUs + 2e6;
    world.run(() => world.nowUs > limitUs);
    assert.ok(server.store.hits < 100, `${server.store.hits} replies for a client that reads none`);
    assert.ok(near.libraryOs.pool.freeSlots > near.libraryOs.pool.slotCount / 2);
    const other = co.spawn(() => converse(co, encode(['PING']), '+PONG\r\n'));
    assert.ok(world.run(() => other.done));
    assert.equal(other.value, '+PONG\r\n');
    far.close(qd);
    assert.ok(world.run(() => connecting.done));
    leaveNothing(town.far, town.near);
  });
});
