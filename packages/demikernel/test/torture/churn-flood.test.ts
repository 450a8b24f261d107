// Connections that never come: under a flood of SYNs memory, neighbours and time stay within bounds, connections go on, and
// honest clients get in.
//
// FLOOD_SEEDS=1-20 floods with other seeds.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ARP_COUNTERS } from '../../src/inetstack/arp/counters.ts';
import { SimulatedWorld } from '../../src/liboses/simulator/index.ts';
import type { Operation } from '../../src/runtime/operation.ts';
import type { Queue } from '../../src/runtime/queue.ts';
import { SeededRandom } from '../../src/runtime/random.ts';
import { done, Peer } from '../inetstack/tcp/simulated-pair.ts';
import { assertNothingLeft, assertQuiet } from './ledger.ts';
import { tcpFrame } from './segments.ts';

const SEEDS = seedsOf(process.env['FLOOD_SEEDS'] ?? '1-3');
const FLOOD_SYNS = 200_000;
/** SYNs in each step of 50 µs: 640,000 per second. */
const SYNS_PER_STEP = 32;
const STEP_US = 50;
const CHUNK_BYTES = 32_768;
const CLIENTS = 5;

function seedsOf(text: string): number[] {
  const [first, last = first] = text.split('-').map(Number);
  return Array.from({ length: last! - first! + 1 }, (_, i) => first! + i);
}

/** Sends on one end and receives on the other, for ever. */
class Stream {
  bytes: number;
  private push: Operation | undefined;
  private pop: Operation | undefined;
  private readonly from: Peer;
  private readonly fromQueue: Queue;
  private readonly to: Peer;
  private readonly toQueue: Queue;
  private readonly chunk: Uint8Array;

  constructor(from: Peer, fromQueue: Queue, to: Peer, toQueue: Queue) {
    this.bytes = 0;
    this.push = undefined;
    this.pop = undefined;
    this.from = from;
    this.fromQueue = fromQueue;
    this.to = to;
    this.toQueue = toQueue;
    this.chunk = new Uint8Array(CHUNK_BYTES);
  }

  turn(): void {
    const { from, to } = this;
    if (this.push !== undefined && done(this.push)) {
      assert.equal(from.finish(this.push), 0);
      this.push = undefined;
    }
    if (this.push === undefined) this.push = from.push(this.fromQueue, this.chunk, 0, 1400);
    if (this.pop !== undefined && done(this.pop)) {
      this.bytes += to.bytes(this.pop).length;
      this.pop = undefined;
    }
    if (this.pop === undefined) this.pop = to.pop(this.toQueue);
  }

  /** Gives up what waits, once both queues are closed. */
  end(): void {
    if (this.push !== undefined) this.from.finish(this.push);
    if (this.pop === undefined) return;
    this.pop.array?.free();
    this.to.finish(this.pop);
  }
}

class Scene {
  readonly world: SimulatedWorld;
  readonly client: Peer;
  readonly server: Peer;
  readonly hosts: Peer[];
  readonly listener: Queue;
  readonly streams: Stream[];
  readonly open: [Peer, Queue][];
  mostConnections: number;
  mostNeighbours: number;
  private readonly random: SeededRandom;
  private readonly onLink: boolean;

  /** @param onLink half of the flood claims to come from hosts of the link, else all of it comes through a router */
  constructor(seed: number, onLink: boolean) {
    this.world = new SimulatedWorld({ seed, link: { delayUs: 5 } });
    const { world } = this;
    this.client = new Peer(world, world.host('10.0.0.1/8'));
    this.server = new Peer(world, world.host('10.0.0.2/8', { gateway: '10.0.0.3' }));
    // What is sent to the flood's senders ends here.
    this.hosts = [this.client, this.server, new Peer(world, world.host('10.0.0.3/8'))];
    this.random = new SeededRandom(seed);
    this.onLink = onLink;
    this.streams = [];
    this.mostConnections = 0;
    this.mostNeighbours = 0;
    this.listener = this.server.listen(80, 16);
    this.open = [[this.server, this.listener]];
    world.runFor(1000);
  }

  /** Steps with so many SYNs each. */
  run(steps: number, synsPerStep: number): void {
    const { world, server } = this;
    const { stack } = server.host;
    for (let i = 0; i < steps; i++) {
      for (let syn = 0; syn < synsPerStep; syn++) this.floodOne();
      for (const stream of this.streams) stream.turn();
      world.step();
      world.clock.advance(STEP_US);
      this.mostConnections = Math.max(this.mostConnections, stack.tcp.connectionCount);
      this.mostNeighbours = Math.max(this.mostNeighbours, stack.arp.count);
    }
  }

  private floodOne(): void {
    const { random, server, onLink } = this;
    const { address, device, pool } = server.host;
    const net = onLink && random.below(2) === 0 ? 0x0a000000 : 0x0b000000;
    const source = net | random.below(0x1000000);
    const port = 1024 + random.below(60_000);
    const frame = tcpFrame(device.macAddress, source, address, port, 80, random.int32(), 2);
    const offset = device.reserve(frame.length);
    if (offset < 0) return;
    pool.region.bytes.set(frame, offset);
    device.commit();
  }

  /** Connects; returns the steps that it took. */
  connect(synsPerStep: number): number {
    const { client, server } = this;
    const accept = server.accept(this.listener);
    const queue = client.socket();
    const connect = client.connect(queue, '10.0.0.2:80');
    let steps = 0;
    for (; steps < 2000 && !(done(connect) && done(accept)); steps++) this.run(1, synsPerStep);
    assert.ok(done(connect) && done(accept), 'the client does not get in');
    assert.equal(client.finish(connect), 0);
    const served = server.accepted(accept);
    assert.equal(served.remoteAddress.ipv4, client.host.address);
    this.open.push([client, queue], [server, served]);
    this.streams.push(new Stream(client, queue, server, served), new Stream(server, served, client, queue));
    return steps;
  }

  bytes(): number {
    return this.streams.reduce((sum, stream) => sum + stream.bytes, 0);
  }

  end(): void {
    for (const [peer, queue] of this.open) peer.close(queue);
    for (const stream of this.streams) stream.end();
    this.world.runFor(300_000_000);
    for (const { host } of this.hosts) assertQuiet(host.stack, host.device.name);
    for (const { host } of this.hosts) assertNothingLeft(host.stack, host.device.name);
  }
}

for (const onLink of [true, false]) {
  const from = onLink ? 'from the link and beyond' : 'through a router';
  for (const seed of SEEDS) {
    test(`a flood of ${FLOOD_SYNS} SYNs ${from}, seed ${seed}`, t => {
      const scene = new Scene(seed, onLink);
      const { server } = scene;
      const { stack, pool } = server.host;
      scene.connect(0);
      scene.run(1000, 0);
      const undisturbed = scene.bytes();
      const startMs = Date.now();
      scene.run(1000, SYNS_PER_STEP);
      const flooded = scene.bytes() - undisturbed;
      scene.run(FLOOD_SYNS / SYNS_PER_STEP - 1000, SYNS_PER_STEP);
      t.diagnostic(
        `${((Date.now() - startMs) * 1000) / FLOOD_SYNS} µs per SYN, at most ${scene.mostConnections} half-open, ${scene.mostNeighbours} neighbours, ${pool.slotCount - pool.freeSlots} slots`,
      );
      t.diagnostic(`${flooded} bytes while it lasted, ${undisturbed} before`);
      assert.ok(flooded > undisturbed / 4, `${flooded} bytes under the flood, ${undisturbed} without`);
      assert.ok(scene.mostConnections <= 1025, `${scene.mostConnections} connections`);
      assert.ok(scene.mostNeighbours <= 512, `${scene.mostNeighbours} neighbours`);
      const requests = stack.arp.counters[ARP_COUNTERS.indexOf('requestsSent')]!;
      assert.ok(requests < 5000, `${requests} questions for neighbours`);

      const steps = Array.from({ length: CLIENTS }, () => scene.connect(SYNS_PER_STEP));
      t.diagnostic(
        `clients get in within ${steps} steps, cookies taken: ${server.counter('synCookieTaken')}`,
      );
      // The first SYN is answered: none has to be repeated, which would take a second.
      for (const taken of steps) assert.ok(taken * STEP_US < 100_000, `${taken} steps`);
      if (!onLink) assert.equal(server.counter('synCookieTaken'), CLIENTS);
      const before = scene.streams.map(stream => stream.bytes);
      scene.run(1000, SYNS_PER_STEP);
      for (const [i, stream] of scene.streams.entries()) {
        assert.ok(stream.bytes > before[i]!, `stream ${i} has come to rest`);
      }
      scene.end();
    });
  }
}
