// A transfer both ways between two simulated hosts under conditions drawn from a seed: what the wire does, how the hosts
// are configured, how the applications read and write. The tests that run it are transfer.test.ts and determinism.test.ts.

import assert from 'node:assert/strict';
import type { TcpQueue } from '../../src/inetstack/tcp/tcp-queue.ts';
import {
  type LinkOptions,
  type SimulatedHostOptions,
  SimulatedWorld,
} from '../../src/liboses/simulator/index.ts';
import type { Operation } from '../../src/runtime/operation.ts';
import { SHUT_WR } from '../../src/runtime/queue.ts';
import { type Random, SeededRandom } from '../../src/runtime/random.ts';
import { Timer, type TimerOwner } from '../../src/runtime/timer-wheel.ts';
import { done, Peer } from '../inetstack/tcp/simulated-pair.ts';
import { assertNothingLeft, assertQuiet, type Counters, countersOf } from './ledger.ts';

/** Longer than any window and prime, so that no misplaced segment looks right. */
const PATTERN_BYTES = 1_048_573;
/** Simulated time without a byte after which a transfer counts as stuck: many of the longest retransmission time-outs. */
const STUCK_US = 1_200_000_000;

export interface TransferOptions {
  seed: number;
  /** Bytes each way. */
  bytes: number;
  /** Default: {@link conditionsOf} the seed. */
  conditions?: Conditions;
  /** Takes a capture of everything either host sends and receives. */
  capture?: (blocks: Uint8Array) => void;
}

export interface TransferReport {
  seed: number;
  conditions: Conditions;
  simulatedUs: number;
  steps: number;
  frames: number;
  wire: Record<string, number>;
  counters: Counters[];
}

/** What a seed stands for. */
export interface Conditions {
  link: LinkOptions;
  hosts: SimulatedHostOptions[];
  noDelay: boolean[];
  /** One in so many pops is followed by a pause; 0 for none. */
  pauseEvery: number[];
  pauseUs: number;
  popBytes: number[];
  pushBytes: number;
  /** When the clock begins: soon before one of its 32-bit excerpts wraps, for example. */
  startUs: number;
}

/** Microseconds after which int32 microseconds, ticks and milliseconds of the clock wrap. */
const WRAPS_US = [2 ** 31, 2 ** 32, 2 ** 31 * 64, 2 ** 31 * 1000, 2 ** 32 * 1000];

export function conditionsOf(seed: number): Conditions {
  const random = new SeededRandom(seed ^ 0x70_72_74);
  const delayUs = pick(random, [0, 5, 20, 100, 500]);
  const link: LinkOptions = {
    lossRate: pick(random, [0.001, 0.005, 0.01, 0.02]),
    reorderRate: pick(random, [0.001, 0.01, 0.05]),
    duplicateRate: pick(random, [0.001, 0.01, 0.03]),
    corruptRate: pick(random, [0, 0.001, 0.01]),
    delayUs,
    jitterUs: pick(random, [0, 10, 200]),
    bitsPerSecond: pick(random, [0, 0, 1e9, 1e10]),
  };
  const host = (): SimulatedHostOptions => ({
    debugMemory: false,
    slots: 2048,
    tcp: {
      receiveBufferBytes: pick(random, [6000, 16_384, 65_536, 262_144]),
      sendBufferBytes: pick(random, [8192, 65_536, 262_144]),
      timestamps: random.below(3) > 0,
      windowScaling: random.below(4) > 0,
      maximumSegmentBytes: pick(random, [0, 0, 0, 536, 1000]),
      timeWaitWithoutTimestampsUs: 1_000_000,
    },
    device: { segmentLimit: pick(random, [1, 2, 16]), copyThresholdBytes: pick(random, [0, 256, 4096]) },
  });
  return {
    link,
    hosts: [host(), host()],
    noDelay: [random.below(2) > 0, random.below(2) > 0],
    pauseEvery: [pick(random, [0, 0, 50, 500]), pick(random, [0, 0, 50, 500])],
    pauseUs: pick(random, [100, 2000, 20_000]),
    popBytes: [pick(random, [0, 0, 0, 700, 10_000]), pick(random, [0, 0, 0, 700, 10_000])],
    pushBytes: pick(random, [1000, 8192, 65_536]),
    startUs: 0,
  };
}

/** Conditions nobody has: links that are hardly there, hosts with hardly any memory, packets of all sizes. */
export function harshConditionsOf(seed: number): Conditions {
  const random = new SeededRandom(seed ^ 0x68_72_73);
  const usual = conditionsOf(seed);
  const host = (): SimulatedHostOptions => ({
    slots: pick(random, [96, 160, 300]),
    reserveSlots: pick(random, [16, 40]),
    debugMemory: random.below(4) === 0,
    tcp: {
      ...usual.hosts[random.below(2)]!.tcp,
      receiveBufferBytes: pick(random, [2000, 6000, 65_536, 262_144]),
      maximumSegmentBytes: pick(random, [0, 0, 88, 300]),
      maximumSynRetransmits: 20,
      delayedAckUs: pick(random, [0, 500, 40_000]),
      ackEverySegments: pick(random, [1, 4, 64]),
      transmitBurst: pick(random, [1, 16]),
    },
    device: {
      mtuBytes: pick(random, [576, 1500, 1500, 1900]),
      ringFrames: pick(random, [4, 64, 1024]),
      segmentLimit: pick(random, [1, 2, 16]),
      copyThresholdBytes: pick(random, [0, 256]),
    },
  });
  return {
    ...usual,
    startUs: random.below(3) === 0 ? 0 : pick(random, WRAPS_US) - random.below(2_000_000),
    link: {
      lossRate: pick(random, [0.02, 0.08, 0.15]),
      reorderRate: pick(random, [0.05, 0.3]),
      duplicateRate: pick(random, [0.02, 0.3]),
      corruptRate: pick(random, [0, 0.05]),
      delayUs: pick(random, [0, 50, 3000]),
      jitterUs: pick(random, [0, 500]),
      bitsPerSecond: pick(random, [0, 0, 1e7, 1e9]),
      queueBytes: pick(random, [5000, 262_144]),
    },
    hosts: [host(), host()],
  };
}

function pick<T>(random: Random, choices: readonly T[]): T {
  return choices[random.below(choices.length)]!;
}

let sharedPattern: Buffer | undefined;

/** The stream's bytes, repeated without end. */
function patternBytes(): Buffer {
  if (sharedPattern === undefined) {
    sharedPattern = Buffer.alloc(PATTERN_BYTES);
    new SeededRandom(1).fill(sharedPattern);
  }
  return sharedPattern;
}

/** One end of a connection: pushes its bytes, checks the other's. */
export class End implements TimerOwner {
  readonly peer: Peer;
  readonly queue: TcpQueue;
  readonly total: number;
  readonly random: SeededRandom;
  readonly pushBytes: number;
  readonly popBytes: number;
  readonly pauseEvery: number;
  readonly pauseUs: number;
  readonly timer: Timer;
  readonly pattern: Buffer;
  pushed: number;
  popped: number;
  ended: boolean;
  private readonly pushes: Operation[];
  private pop: Operation | undefined;
  private shut: boolean;

  constructor(peer: Peer, queue: TcpQueue, side: number, seed: number, total: number, how: Conditions) {
    this.peer = peer;
    this.queue = queue;
    this.total = total;
    this.random = new SeededRandom(seed * 2 + side);
    this.pushBytes = how.pushBytes;
    this.popBytes = how.popBytes[side]!;
    this.pauseEvery = how.pauseEvery[side]!;
    this.pauseUs = how.pauseUs;
    this.timer = new Timer(this, 0);
    this.pattern = patternBytes();
    this.pushed = 0;
    this.popped = 0;
    this.ended = false;
    this.pushes = [];
    this.pop = undefined;
    this.shut = false;
    assert.equal(queue.setOption('noDelay', how.noDelay[side]!), 0);
  }

  onTimer(): void {}

  get over(): boolean {
    return this.ended && this.shut && this.pushes.length === 0;
  }

  turn(): number {
    return this.send() + this.receive();
  }

  private send(): number {
    let work = 0;
    while (this.pushes.length > 0 && done(this.pushes[0]!)) {
      assert.equal(this.peer.finish(this.pushes.shift()!), 0, 'a push failed');
      work++;
    }
    while (this.pushes.length < 4 && this.pushed < this.total) {
      const wanted = 1 + this.random.below(this.pushBytes);
      const start = this.pushed % PATTERN_BYTES;
      const length = Math.min(wanted, this.total - this.pushed, PATTERN_BYTES - start);
      const bytes = this.pattern.subarray(start, start + length);
      const push = this.peer.push(this.queue, bytes, 0, 1448);
      if (push === undefined) return work;
      this.pushed += length;
      this.pushes.push(push);
      work++;
    }
    if (!this.shut && this.pushed === this.total && this.pushes.length === 0) {
      this.shut = true;
      assert.equal(this.queue.shutdown(SHUT_WR), 0);
      work++;
    }
    return work;
  }

  private receive(): number {
    let work = 0;
    while (!this.ended && !this.timer.armed) {
      if (this.pop === undefined) this.pop = this.peer.pop(this.queue, this.popBytes);
      if (!done(this.pop)) break;
      work++;
      this.take(this.pop);
      this.pop = undefined;
      if (this.pauseEvery > 0 && this.random.below(this.pauseEvery) === 0) {
        this.peer.host.runtime.timers.arm(this.timer, this.random.below(this.pauseUs));
      }
    }
    return work;
  }

  private take(pop: Operation): void {
    assert.equal(pop.errno, 0, 'a pop failed');
    const array = pop.array!;
    this.ended = array.count === 0;
    for (let i = 0; i < array.count; i++) {
      const { offset, length } = array.segments[i]!;
      this.check(array.pool.region.bytes, offset, length);
    }
    array.free();
    this.peer.finish(pop);
    if (this.ended) assert.equal(this.popped, this.total, 'the stream ended early');
  }

  private check(bytes: Uint8Array, offset: number, length: number): void {
    let at = offset;
    let left = length;
    while (left > 0) {
      const start = this.popped % PATTERN_BYTES;
      const piece = Math.min(left, PATTERN_BYTES - start);
      if (this.pattern.compare(bytes, at, at + piece, start, start + piece) !== 0) {
        assert.fail(`the stream is wrong between bytes ${this.popped} and ${this.popped + piece}`);
      }
      this.popped += piece;
      at += piece;
      left -= piece;
    }
    assert.ok(this.popped <= this.total, 'more arrives than was sent');
  }
}

/** Runs one transfer to its end and closes the books; throws when anything at all is wrong. */
export function runTransfer(options: TransferOptions): TransferReport {
  const { seed, bytes, capture } = options;
  const conditions = options.conditions ?? conditionsOf(seed);
  const world = new SimulatedWorld({ seed, link: conditions.link, startUs: conditions.startUs });
  const peers = conditions.hosts.map(
    (host, i) => new Peer(world, world.host(`10.0.0.${i + 1}/24`, { ...host, capture })),
  );
  const [a, b] = peers as [Peer, Peer];
  const listener = b.listen(80);
  const accept = b.accept(listener);
  const client = a.socket() as TcpQueue;
  const connect = a.connect(client, '10.0.0.2:80');
  world.run(() => done(accept) && done(connect));
  assert.equal(a.finish(connect), 0, 'the connection failed');
  const ends = [
    new End(a, client, 0, seed, bytes, conditions),
    new End(b, b.accepted(accept), 1, seed, bytes, conditions),
  ];
  for (const end of ends) end.peer.host.afterPoll = () => end.turn();
  let popped = 0;
  let progressUs = world.nowUs;
  const finished = world.run(() => {
    if (ends[0]!.popped + ends[1]!.popped !== popped) {
      popped = ends[0]!.popped + ends[1]!.popped;
      progressUs = world.nowUs;
    }
    return (ends[0]!.over && ends[1]!.over) || world.nowUs - progressUs > STUCK_US;
  });
  const state = ends.map(end => `${end.pushed} pushed, ${end.popped} popped`).join('; ');
  assert.ok(finished && world.nowUs - progressUs <= STUCK_US, `stuck since ${progressUs} µs: ${state}`);
  const simulatedUs = world.nowUs - conditions.startUs;
  for (const end of ends) {
    end.peer.host.afterPoll = undefined;
    end.peer.close(end.queue);
  }
  b.close(listener);
  // Long enough for every TIME-WAIT, retransmitted FIN and orphan.
  world.runFor(100_000_000);
  const report = {
    seed,
    conditions,
    simulatedUs,
    steps: world.steps,
    frames: peers.reduce((sum, peer) => sum + peer.host.device.counters.transmittedFrames, 0),
    wire: { ...world.wire.counters },
    counters: peers.map(peer => countersOf(peer.host.stack)),
  };
  assert.equal(world.wire.inFlight, 0);
  for (const peer of peers) assertQuiet(peer.host.stack, `host ${peer.host.device.name}`);
  for (const peer of peers) assertNothingLeft(peer.host.stack, `host ${peer.host.device.name}`);
  return report;
}
