// A target host and its peer, both busy with everything (churn.ts), and forged frames between them.

import assert from 'node:assert/strict';
import type { WireDevice } from '../../src/devices/wire-device.ts';
import { SimulatedWorld } from '../../src/liboses/simulator/index.ts';
import type { Frame } from '../../src/runtime/packet-device.ts';
import { SeededRandom } from '../../src/runtime/random.ts';
import { Peer } from '../inetstack/tcp/simulated-pair.ts';
import { assertBalanced } from './books.ts';
import { Churn } from './churn.ts';
import { Forge, FrameRing } from './forge.ts';
import { assertNothingLeft, assertQuiet, type Counters, countersOf } from './ledger.ts';

const SLOTS = 4096;
const FEW_SLOTS = 256;
/** Time after the end in which every timer of a connection, a fragment or a neighbour is over. */
const SETTLE_US = 400_000_000;

export class FuzzStage {
  readonly world: SimulatedWorld;
  readonly target: Peer;
  readonly peer: Peer;
  /** Frames forged and given to the target's device. */
  injected: number;
  /** Frames that the device had no room for. */
  refused: number;
  /** Frames that the target's stack has taken. */
  taken: number;
  mostConnections: number;
  fewestFreeSlots: number;
  private readonly random: SeededRandom;
  private readonly forge: Forge;
  private readonly churns: Churn[];

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
    this.world = new SimulatedWorld({ seed, link: { delayUs: 3 } });
    const options = {
      // Every fourth stage is short of memory, every second one has nothing but sequence numbers to go by.
      slots: seed % 4 === 3 ? FEW_SLOTS : SLOTS,
      tcp: {
        timestamps: seed % 2 === 0,
        windowScaling: seed % 8 < 6,
        timeWaitWithoutTimestampsUs: 2_000_000,
        maximumTimeWait: 64,
        orphanUs: 5_000_000,
        synBacklog: 256,
      },
      arp: { neighbours: 64 },
      // Silent about what it does not know, as beside a kernel.
      sharedAddress: seed % 5 === 4,
    };
    this.target = new Peer(this.world, this.world.host('10.0.0.1/8', options));
    this.peer = new Peer(this.world, this.world.host('10.0.0.2/8', options));
    const toTarget = new FrameRing();
    const fromTarget = new FrameRing();
    record(this.peer.host.device, toTarget);
    record(this.target.host.device, fromTarget);
    this.forge = new Forge(this.random, toTarget, fromTarget);
    this.churns = [
      new Churn(this.target, new SeededRandom(seed + 1), '10.0.0.2'),
      new Churn(this.peer, new SeededRandom(seed + 2), '10.0.0.1'),
    ];
    this.injected = 0;
    this.refused = 0;
    this.taken = 0;
    this.mostConnections = 0;
    this.fewestFreeSlots = SLOTS;
    const { stack } = this.target.host;
    const poll = stack.poll.bind(stack);
    stack.poll = () => {
      const count = poll();
      this.taken += count;
      return count;
    };
  }

  /** Some forged frames, a turn of both applications and both hosts, and a moment of time. */
  turn(): void {
    const { random, world, target } = this;
    const frames = random.below(3) === 0 ? random.below(20) : random.below(3);
    for (let i = 0; i < frames; i++) if (this.forge.next()) this.inject();
    for (const churn of this.churns) churn.turn();
    world.step();
    world.step();
    const pace = random.below(4000);
    // Long enough now and then for a time-out, TIME-WAIT, a fragment's life, a neighbour's age.
    if (pace === 0) world.clock.advance(random.below(30_000_000));
    else if (pace < 20) world.clock.advance(random.below(200_000));
    else world.clock.advance(random.below(100));
    const { tcp, pool } = target.host.stack;
    if (tcp.connectionCount > this.mostConnections) this.mostConnections = tcp.connectionCount;
    if (pool.freeSlots < this.fewestFreeSlots) this.fewestFreeSlots = pool.freeSlots;
  }

  private inject(): void {
    const { device, pool } = this.target.host;
    const { bytes, length } = this.forge;
    const offset = device.reserve(length);
    this.injected++;
    if (offset < 0) {
      this.refused++;
      return;
    }
    pool.region.bytes.set(bytes.subarray(0, length), offset);
    device.commit();
  }

  /** Asserts what must hold at any moment. */
  check(): void {
    const { stack } = this.target.host;
    assertBalanced(this.taken, countersOf(stack));
    assert.ok(stack.arp.count <= 64, `${stack.arp.count} neighbours`);
    // Those of open queues, two listeners' half-open and unaccepted ones, and those that outlive their queues.
    const bound =
      stack.runtime.queues.liveCount + 2 * 256 + 9 + stack.tcp.orphanCount + stack.tcp.timeWait.count;
    assert.ok(stack.tcp.connectionCount <= bound, `${stack.tcp.connectionCount} connections, not ${bound}`);
    assert.ok(stack.tcp.timeWait.count <= 64);
    assert.ok(stack.input.reassembly.count <= 64, `${stack.input.reassembly.count} datagrams under way`);
  }

  /** Operations that both applications have finished. */
  get completed(): number {
    return this.churns.reduce((sum, churn) => sum + churn.completed, 0);
  }

  get counters(): Counters {
    return countersOf(this.target.host.stack);
  }

  /** Ends both applications, lets every timer run out, and closes the books. */
  finish(): void {
    for (const churn of this.churns) churn.stop();
    this.world.runFor(SETTLE_US);
    this.check();
    for (const { host } of [this.target, this.peer]) assertQuiet(host.stack, host.device.name);
    for (const { host } of [this.target, this.peer]) {
      assertNothingLeft(host.stack, host.device.name);
      assert.equal(host.stack.input.reassembly.count, 0);
      assert.equal(host.stack.udp.heldSlots, 0);
    }
  }
}

/** Keeps copies of what a device sends. */
function record(device: WireDevice, ring: FrameRing): void {
  const transmit = device.transmit.bind(device);
  device.transmit = (frame: Frame): void => {
    let at = ring.place;
    const start = at;
    for (let i = 0; i < frame.count; i++) {
      const offset = frame.offset[i]!;
      const length = frame.length[i]!;
      ring.bytes.set(device.pool.region.bytes.subarray(offset, offset + length), at);
      at += length;
    }
    ring.commit(at - start);
    transmit(frame);
  };
}
