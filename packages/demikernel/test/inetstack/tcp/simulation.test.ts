// Two stacks on a hostile wire under applications that do anything in any order, from a seed. What must hold: streams
// arrive byte for byte, every operation completes, and nothing is left. SEEDS=n runs n seeds, SEED=n one of them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LinkOptions } from '../../../src/devices/wire-link.ts';
import { STATE_NAMES } from '../../../src/inetstack/tcp/states.ts';
import type { TcpQueue } from '../../../src/inetstack/tcp/tcp-queue.ts';
import {
  ECANCELED,
  ECONNREFUSED,
  ECONNRESET,
  EHOSTUNREACH,
  EPIPE,
  ETIMEDOUT,
} from '../../../src/runtime/errno.ts';
import { type Operation, PUSH_ACKED } from '../../../src/runtime/operation.ts';
import { SHUT_WR } from '../../../src/runtime/queue.ts';
import { SeededRandom } from '../../../src/runtime/random.ts';
import { done, type Pair, type Peer, pair } from './simulated-pair.ts';

const SEEDS = Number(process.env['SEEDS'] ?? 60);
const FIRST = Number(process.env['SEED'] ?? 1);

/** The byte at a place of a stream: a function of the place, so that nobody has to remember it. */
function byteAt(place: number, salt: number): number {
  return (Math.imul(place + 1, 0x9e3779b1) ^ salt) >>> 24;
}

/** One direction of a connection: who pushes, who pops, how far both are. */
class End {
  readonly peer: Peer;
  readonly queue: TcpQueue;
  readonly random: SeededRandom;
  readonly salt: number;
  readonly total: number;
  pushed = 0;
  popped = 0;
  readonly pushes: Operation[] = [];
  pop: Operation | undefined;
  ended = false;
  broken = false;
  shut = false;
  closed = false;
  /** Closed before everything was accepted. */
  cut = false;
  other: End | undefined;

  constructor(peer: Peer, queue: TcpQueue, random: SeededRandom, salt: number, total: number) {
    this.peer = peer;
    this.queue = queue;
    this.random = random;
    this.salt = salt;
    this.total = total;
    // A reset may get lost, and only a probe tells who still waits.
    queue.setOption('keepAliveIdleUs', 1_000_000);
    queue.setOption('keepAliveIntervalUs', 1_000_000);
    queue.setOption('keepAlive', true);
  }

  /** One turn of the application; returns what it did. */
  turn(): number {
    if (this.closed) return 0;
    const work = this.collect();
    if (this.random.below(4) === 0) return work;
    if (this.broken) {
      this.closeNow();
      return work + 1;
    }
    return work + this.send() + this.receive() + this.finish();
  }

  private collect(): number {
    let work = 0;
    while (this.pushes.length > 0 && done(this.pushes[0]!)) {
      const errno = this.peer.finish(this.pushes.shift()!);
      if (errno !== 0) this.breakWith(errno);
      work++;
    }
    if (this.pop === undefined || !done(this.pop)) return work;
    const pop = this.pop;
    this.pop = undefined;
    if (pop.errno !== 0) {
      this.breakWith(this.peer.finish(pop));
      return work + 1;
    }
    const bytes = this.peer.bytes(pop);
    const salt = this.other?.salt ?? 0;
    for (let i = 0; i < bytes.length; i++) {
      assert.equal(bytes[i], byteAt(this.popped + i, salt), `byte ${this.popped + i} of the stream`);
    }
    this.popped += bytes.length;
    assert.ok(this.popped <= (this.other?.pushed ?? 0), 'more popped than pushed');
    if (bytes.length === 0) {
      this.ended = true;
      // A client whose server was never accepted sees nothing but the end.
      if (this.other?.cut !== true) {
        assert.equal(this.popped, this.other?.pushed ?? 0, 'the stream ended early');
      }
    }
    return work + 1;
  }

  private breakWith(errno: number): void {
    assert.ok([ECONNRESET, ETIMEDOUT, EPIPE].includes(errno), `errno ${errno}`);
    this.broken = true;
  }

  private send(): number {
    if (this.shut || this.pushes.length > 3 || this.random.below(3) === 0) return 0;
    const left = this.total - this.pushed;
    if (left === 0) {
      this.shut = true;
      this.queue.shutdown(SHUT_WR);
      return 1;
    }
    const length = Math.min(left, 1 + this.random.below(this.random.below(3) === 0 ? 20_000 : 300));
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = byteAt(this.pushed + i, this.salt);
    const flags = this.random.below(4) === 0 ? PUSH_ACKED : 0;
    const slice = this.random.below(2) === 0 ? undefined : 1 + this.random.below(1500);
    const push = this.peer.push(this.queue, bytes, flags, slice ?? 1448);
    if (push === undefined) return 0;
    this.pushed += length;
    this.pushes.push(push);
    return 1;
  }

  private receive(): number {
    if (this.ended || this.pop !== undefined || this.random.below(3) === 0) return 0;
    this.pop = this.peer.pop(this.queue, this.random.below(2) === 0 ? 0 : 1 + this.random.below(5000));
    return 1;
  }

  private finish(): number {
    if (!this.ended || !this.shut || this.pushes.length > 0) return 0;
    this.closeNow();
    return 1;
  }

  closeNow(): void {
    this.closed = true;
    this.peer.close(this.queue);
    if (this.pop !== undefined) {
      assert.equal(done(this.pop), true);
      if (this.pop.array !== undefined) this.pop.array.free();
      this.peer.finish(this.pop);
      this.pop = undefined;
    }
    for (const push of this.pushes) {
      assert.equal(done(push), true);
      if (this.peer.finish(push) === ECANCELED) this.cut = true;
    }
    this.pushes.length = 0;
  }
}

/** Options drawn from the seed: links from perfect to terrible, small and large buffers, with and without options. */
function draw(random: SeededRandom): {
  link: LinkOptions;
  tcp: object;
  connections: number;
  aborts: boolean;
} {
  const bad = random.below(4);
  const link: LinkOptions =
    bad === 0
      ? { delayUs: random.below(100) }
      : {
          lossRate: random.below(10) / 100,
          duplicateRate: random.below(10) / 100,
          reorderRate: random.below(20) / 100,
          corruptRate: random.below(5) / 100,
          delayUs: random.below(200),
          jitterUs: random.below(100),
          bitsPerSecond: random.below(2) === 0 ? 0 : 50_000_000 + random.below(1_000_000_000),
        };
  const tcp = {
    receiveBufferBytes: random.below(3) === 0 ? 2000 + random.below(6000) : 65_536 + random.below(200_000),
    sendBufferBytes: random.below(3) === 0 ? 1000 + random.below(6000) : 65_536,
    timestamps: random.below(4) !== 0,
    windowScaling: random.below(4) !== 0,
    delayedAckUs: 200 + random.below(1000),
    timeWaitWithoutTimestampsUs: 2_000_000,
  };
  return { link, tcp, connections: 1 + random.below(4), aborts: random.below(4) === 0 };
}

function run(seed: number): void {
  const random = new SeededRandom(seed);
  const { link, tcp, connections, aborts } = draw(random);
  const p: Pair = pair(
    { seed, link, framesInFlight: 1024 },
    {
      slots: 2048,
      tcp,
      debugMemory: false,
      device: { segmentLimit: 1 + random.below(4), copyThresholdBytes: 1 + random.below(1000) },
    },
  );
  const { world, a, b } = p;
  const listener = b.listen(80, 8);
  const ends: End[] = [];
  let waiting = 0;
  const accepts: Operation[] = [];
  const connects: { queue: TcpQueue; operation: Operation }[] = [];
  for (let i = 0; i < connections; i++) {
    accepts.push(b.accept(listener));
    const queue = a.socket() as TcpQueue;
    if (random.below(2) === 0) queue.setOption('noDelay', true);
    connects.push({ queue, operation: a.connect(queue, '10.0.0.2:80') });
    waiting++;
  }
  const clients = new Map<number, End>();
  const early = new Map<number, End>();
  const total = (): number =>
    random.below(4) === 0 ? 0 : random.below(random.below(5) === 0 ? 1_000_000 : 100_000);
  a.host.afterPoll = () => {
    let work = 0;
    for (let i = connects.length - 1; i >= 0; i--) {
      const { queue, operation } = connects[i]!;
      if (!done(operation)) continue;
      connects.splice(i, 1);
      waiting--;
      const errno = a.finish(operation);
      if (errno !== 0) {
        assert.ok([ETIMEDOUT, ECONNREFUSED, EHOSTUNREACH].includes(errno), `connect: ${errno}`);
        a.close(queue);
        continue;
      }
      const end = new End(a, queue, random, random.int32(), total());
      ends.push(end);
      const { port } = queue.localAddress;
      clients.set(port, end);
      join(end, early.get(port));
      work++;
    }
    for (const end of ends) if (end.peer === a) work += end.turn();
    return work;
  };
  b.host.afterPoll = () => {
    let work = 0;
    for (let i = accepts.length - 1; i >= 0; i--) {
      if (!done(accepts[i]!)) continue;
      const queue = b.accepted(accepts.splice(i, 1)[0]!);
      const end = new End(b, queue, random, random.int32(), total());
      ends.push(end);
      const { port } = queue.remoteAddress;
      early.set(port, end);
      join(clients.get(port), end);
      work++;
    }
    for (const end of ends) if (end.peer === b) work += end.turn();
    return work;
  };
  const abortAtUs = aborts ? 1000 + random.below(200_000) : Number.POSITIVE_INFINITY;
  let aborted = false;
  const limitUs = 1_200_000_000;
  const finished = (): boolean => {
    if (!aborted && world.nowUs >= abortAtUs && ends.length > 0) {
      aborted = true;
      const victim = ends[random.below(ends.length)]!;
      if (!victim.closed) {
        if (random.below(2) === 0) victim.queue.setOption('lingerUs', 0);
        victim.closeNow();
      }
    }
    assert.ok(world.nowUs < limitUs, 'it does not end');
    return waiting === 0 && ends.every(end => end.closed);
  };
  // The applications toss coins, so a world at rest may only want another throw.
  for (let rests = 0; !world.run(finished); rests++) {
    assert.ok(rests < 200, `the world came to rest: ${ends.map(describe).join('; ')}`);
    world.clock.advance(1000);
  }
  if (process.env['VERBOSE'] !== undefined) {
    const names = [
      'sent',
      'retransmitted',
      'fastRetransmit',
      'retransmitTimeout',
      'spuriousTimeout',
      'fastPath',
      'outOfOrder',
      'windowProbe',
      'coalesced',
      'dropReassemblyFull',
      'dropReceiveMemory',
    ];
    const bytes = ends.map(end => `${end.popped}/${end.pushed}${end.broken ? '!' : ''}`);
    console.log(
      seed,
      world.nowUs,
      JSON.stringify(link),
      bytes.join(' '),
      names.map(n => `${n}=${a.counter(n)}+${b.counter(n)}`).join(' '),
    );
  }
  for (const operation of accepts) if (!done(operation)) listener.cancel(operation);
  for (const operation of accepts) if (operation.errno === ECANCELED) b.finish(operation);
  b.close(listener);
  a.host.afterPoll = undefined;
  b.host.afterPoll = undefined;
  world.runFor(120_000_000);
  a.assertClean('at a');
  b.assertClean('at b');
}

function describe(end: End): string {
  const c = end.queue.state;
  if (end.closed || c === undefined) return 'closed';
  const { state, sndWnd, cwnd, timerMode, sndUna, sndNxt, sndMax, sendQueue, receiveQueue, rcvNxt, rcvAdv } =
    c;
  const send = `una+${sndNxt - sndUna}+${sndMax - sndUna} queue ${sendQueue.bytes} wnd ${sndWnd} cwnd ${cwnd}`;
  const receive = `queue ${receiveQueue.bytes} window ${rcvAdv - rcvNxt}`;
  return `${STATE_NAMES[state]} timer ${timerMode} send ${send} receive ${receive} ${c.waitingPop === undefined ? 'no pop' : 'a pop'}`;
}

function join(client: End | undefined, server: End | undefined): void {
  if (client === undefined || server === undefined) return;
  client.other = server;
  server.other = client;
}

test(`${SEEDS} seeds of two stacks on a hostile wire`, () => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    try {
      run(seed);
    } catch (error) {
      const why = error instanceof Error ? error.stack : String(error);
      throw new Error(`seed ${seed} (SEED=${seed} SEEDS=1): ${why}`, { cause: error });
    }
  }
});
