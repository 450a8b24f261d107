// Many connections that share a small pool on a lossy wire: nobody starves, nobody waits for ever, every byte arrives.
//
// CROWD_SEEDS=n runs more of them, CROWD_FIRST=n begins at another seed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TcpQueue } from '../../src/inetstack/tcp/tcp-queue.ts';
import { SimulatedWorld } from '../../src/liboses/simulator/index.ts';
import { SeededRandom } from '../../src/runtime/random.ts';
import { done, Peer } from '../inetstack/tcp/simulated-pair.ts';
import { assertNothingLeft, assertQuiet } from './ledger.ts';
import { conditionsOf, End } from './transfer.ts';

const SEEDS = Number(process.env['CROWD_SEEDS'] ?? 6);
const FIRST = Number(process.env['CROWD_FIRST'] ?? 1);
const STUCK_US = 1_200_000_000;

interface Crowd {
  world: SimulatedWorld;
  peers: [Peer, Peer];
  ends: End[];
}

function assemble(seed: number): Crowd {
  const random = new SeededRandom(seed);
  const conditions = conditionsOf(seed);
  const world = new SimulatedWorld({ seed, link: { ...conditions.link, delayUs: 10 } });
  const connections = 8 + random.below(56);
  const bytes = 5000 + random.below(30_000);
  const host = (address: string): Peer =>
    new Peer(
      world,
      world.host(address, {
        ...conditions.hosts[random.below(2)],
        slots: 192 + random.below(400),
        reserveSlots: 16 + random.below(48),
        queues: 256,
      }),
    );
  const peers: [Peer, Peer] = [host('10.0.0.1/24'), host('10.0.0.2/24')];
  const [a, b] = peers;
  const listener = b.listen(80, 64);
  const ends: End[] = [];
  for (let i = 0; i < connections; i++) {
    const accept = b.accept(listener);
    const client = a.socket() as TcpQueue;
    const connect = a.connect(client, '10.0.0.2:80');
    world.run(() => done(accept) && done(connect));
    assert.equal(a.finish(connect), 0);
    const how = { ...conditions, pushBytes: 1000 + random.below(8000) };
    ends.push(new End(a, client, 0, seed + i, bytes, how));
    ends.push(new End(b, b.accepted(accept), 1, seed + i, bytes, how));
  }
  b.close(listener);
  return { world, peers, ends };
}

function run(seed: number): { connections: number; simulatedUs: number } {
  const { world, peers, ends } = assemble(seed);
  for (const peer of peers) {
    const own = ends.filter(end => end.peer === peer);
    peer.host.afterPoll = () => {
      let work = 0;
      for (const end of own) if (!end.over) work += end.turn();
      return work;
    };
  }
  let popped = 0;
  let progressUs = world.nowUs;
  world.run(() => {
    const now = ends.reduce((sum, end) => sum + end.popped, 0);
    if (now !== popped) {
      popped = now;
      progressUs = world.nowUs;
    }
    return ends.every(end => end.over) || world.nowUs - progressUs > STUCK_US;
  });
  const simulatedUs = world.nowUs;
  const waiting = ends.filter(end => !end.over).length;
  const free = peers.map(peer => peer.host.pool.freeSlots).join(' and ');
  assert.equal(waiting, 0, `${waiting} of ${ends.length} ends wait for ever; ${free} slots free`);
  for (const end of ends) end.peer.close(end.queue);
  for (const peer of peers) peer.host.afterPoll = undefined;
  world.runFor(100_000_000);
  for (const peer of peers) assertQuiet(peer.host.stack, peer.host.device.name);
  for (const peer of peers) assertNothingLeft(peer.host.stack, peer.host.device.name);
  return { connections: ends.length / 2, simulatedUs };
}

test(`${SEEDS} crowds on small pools`, t => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    const startMs = Date.now();
    try {
      const { connections, simulatedUs } = run(seed);
      t.diagnostic(
        `seed ${seed}: ${connections} connections, ${Math.round(simulatedUs / 1000)} simulated ms, ${Date.now() - startMs} ms`,
      );
    } catch (error) {
      const again = `CROWD_FIRST=${seed} CROWD_SEEDS=1 node --test packages/demikernel/dist/test/torture/crowd.test.js`;
      throw new Error(`seed ${seed} fails: ${(error as Error).stack}\nagain with: ${again}`);
    }
  }
});
