// The applications on simulated hosts: no socket, no clock, no privilege; the same on every run with the same seed.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { type Coroutine, type Coroutines, coroutines, type Demikernel, errnoName } from 'demikernel';
import { type LinkOptions, openSimulated, SimulatedWorld } from 'demikernel/simulator';
import { playEndings, startReporter } from '../src/close.ts';
import { hexLines, startDump } from '../src/dump.ts';
import { startEchoClient } from '../src/echo-client.ts';
import { EchoServer } from '../src/echo-server.ts';
import { HttpServer } from '../src/http/server.ts';
import { generatePackets } from '../src/packet-generator.ts';
import { ping, pong } from '../src/ping-pong.ts';
import { Popper, Pusher } from '../src/push-pop.ts';
import { Relay } from '../src/relay.ts';
import { measureWaits, timeoutHolds } from '../src/wait.ts';

const LOSSY: LinkOptions = {
  delayUs: 20,
  jitterUs: 10,
  lossRate: 0.02,
  duplicateRate: 0.02,
  reorderRate: 0.02,
};
const CLEAN: LinkOptions = { delayUs: 5 };

/** Two hosts; what is to be taken back at the end. */
class Town {
  readonly world: SimulatedWorld;
  readonly hosts: Demikernel[];

  constructor(link: LinkOptions, seed = 7) {
    this.world = new SimulatedWorld({ seed, link });
    this.hosts = [];
  }

  host(prefix: string): Demikernel {
    const os = openSimulated(this.world, prefix);
    this.hosts.push(os);
    return os;
  }

  /** Lets an application that handles its wait set run whenever its host does. */
  serve(os: Demikernel, application: () => number): void {
    const host = this.world.hosts[this.hosts.indexOf(os)]!;
    const before = host.afterPoll;
    host.afterPoll = () => (before?.() ?? 0) + application();
  }

  /** Runs until `done`; fails when the world comes to rest, or ten minutes of its time are over. */
  run(done: () => boolean): void {
    const limitUs = this.world.nowUs + 600e6;
    assert.ok(
      this.world.run(() => done() || this.world.nowUs > limitUs),
      'the world came to rest',
    );
    assert.ok(this.world.nowUs <= limitUs, 'took too long');
  }

  close(): void {
    for (const os of this.hosts) {
      os.shutDown();
      const { pool, runtime } = os.libraryOs;
      assert.equal(pool.freeSlots, pool.slotCount, 'slots are missing');
      assert.equal(runtime.queues.liveCount, 0, 'queues are left');
    }
  }
}

let town: Town;
let near: Demikernel;
let far: Demikernel;

function settle(link: LinkOptions, seed?: number): void {
  town = new Town(link, seed);
  near = town.host('10.0.0.1/24');
  far = town.host('10.0.0.2/24');
}

beforeEach(() => settle(LOSSY));
afterEach(() => town.close());

describe('echo', () => {
  const measure = (protocol: 'tcp' | 'udp', seed: number): string => {
    settle(LOSSY, seed);
    const server = new EchoServer(near, { protocol, address: '10.0.0.1:7' });
    town.serve(near, () => server.serveReady());
    const co = coroutines(far);
    const options = { protocol, address: '10.0.0.1:7', sizeBytes: 700, connections: 8, count: 40 };
    const roundTrips = startEchoClient(co, options);
    town.run(() => co.liveCount === 0);
    assert.equal(roundTrips.count + roundTrips.lost, 320);
    if (protocol === 'tcp') assert.equal(roundTrips.lost, 0);
    return String(roundTrips);
  };

  for (const protocol of ['tcp', 'udp'] as const) {
    test(`${protocol}, through loss and reordering, the same for the same seed`, () => {
      const first = measure(protocol, 3);
      town.close();
      assert.equal(measure(protocol, 3), first);
      town.close();
      assert.notEqual(measure(protocol, 4), first);
    });
  }

  test('messages larger than every buffer', () => {
    const server = new EchoServer(near, { protocol: 'tcp', address: '10.0.0.1:7' });
    town.serve(near, () => server.serveReady());
    const co = coroutines(far);
    const options = {
      protocol: 'tcp',
      address: '10.0.0.1:7',
      sizeBytes: 2_000_000,
      connections: 1,
      count: 1,
    } as const;
    const roundTrips = startEchoClient(co, options);
    town.run(() => co.liveCount === 0);
    assert.equal(roundTrips.count, 1);
  });
});

for (const protocol of ['tcp', 'udp'] as const) {
  test(`ping-pong, ${protocol}`, () => {
    const options = { protocol, address: '10.0.0.1:9', count: 100 };
    const serving = coroutines(near);
    const asking = coroutines(far);
    serving.spawn(() => pong(serving, options, () => {}));
    // An answer that is lost is asked for again; one that comes twice would be counted as wrong.
    if (protocol === 'udp') {
      town.close();
      settle(CLEAN);
      const again = coroutines(near);
      again.spawn(() => pong(again, options, () => {}));
      const co = coroutines(far);
      const counting = co.spawn(() => ping(co, options));
      town.run(() => counting.done);
      assert.equal(counting.value, 100);
      return;
    }
    const counting = asking.spawn(() => ping(asking, options));
    town.run(() => counting.done && serving.liveCount === 0);
    assert.equal(counting.value, 100);
  });
}

test('push-pop, tcp', () => {
  const popper = new Popper(near, { protocol: 'tcp', address: '10.0.0.1:9' });
  const pusher = new Pusher(far, { protocol: 'tcp', address: '10.0.0.1:9', sizeBytes: 3000, messages: 300 });
  town.serve(near, () => popper.runReady());
  town.serve(far, () => pusher.runReady());
  town.run(() => popper.done && pusher.done);
  assert.equal(pusher.tally.messages, 300);
  assert.equal(popper.tally.bytes, 900_000);
});

test('pktgen and dump: the rate is kept, to the datagram', () => {
  town.close();
  settle(CLEAN);
  const lines: string[] = [];
  const dumping = coroutines(near);
  const { counts } = startDump(dumping, {
    protocol: 'udp',
    address: '10.0.0.1:9',
    hex: true,
    print: line => lines.push(line),
  });
  const co = coroutines(far);
  const generated = { sent: 0, refused: 0 };
  const options = { address: '10.0.0.1:9', sizeBytes: 32, packetsPerSecond: 1000, durationUs: 500_000 };
  const generating = co.spawn(() => generatePackets(co, options, generated));
  town.run(() => generating.done);
  town.world.runFor(1000);
  assert.ok(generated.sent >= 495 && generated.sent <= 500, `${generated.sent}`);
  assert.deepEqual([counts.messages, counts.bytes], [generated.sent, generated.sent * 32]);
  assert.match(lines[0]!, /^10\.0\.0\.2:\d+ {2}32 bytes$/);
  assert.match(lines[4]!, /^00000000 {2}00 00 00 01 00/);
});

test('hex lines', () => {
  assert.deepEqual(hexLines(new Uint8Array(0)), []);
  assert.deepEqual(hexLines(Buffer.from('A\n')), [`00000000  41 0a${' '.repeat(42)}  |A.|`]);
  assert.equal(hexLines(new Uint8Array(17)).length, 2);
});

test('close: what is seen of every ending', () => {
  town.close();
  settle(CLEAN);
  const seen: string[] = [];
  const serving = coroutines(near);
  startReporter(serving, '10.0.0.1:9', (ending, what) => seen.push(`${ending}: ${what}`));
  const co = coroutines(far);
  const playing = co.spawn(() => playEndings(co, '10.0.0.1:9', 1));
  town.run(() => playing.done && seen.length === 4);
  assert.deepEqual(seen.sort(), [
    'close with an operation outstanding: end of stream',
    'close: end of stream',
    'half-close: end of stream',
    'reset: ECONNRESET',
  ]);
});

test('wait', () => {
  assert.deepEqual(
    measureWaits(near, { queues: 8, count: 100 }).map(({ name }) => name),
    ['waitAny', 'waitNextN', 'wait set'],
  );
  assert.ok(timeoutHolds(near, 10_000));
});

test('udp-relay: three hosts, more clients than it remembers', () => {
  town.close();
  settle(CLEAN);
  const middle = town.host('10.0.0.3/24');
  const target = new EchoServer(near, { protocol: 'udp', address: '10.0.0.1:7' });
  const relay = new Relay(middle, { listen: '10.0.0.3:9', target: '10.0.0.1:7', clients: 3 });
  town.serve(near, () => target.serveReady());
  town.serve(middle, () => relay.runReady());
  const co = coroutines(far);
  const options = {
    protocol: 'udp',
    address: '10.0.0.3:9',
    sizeBytes: 300,
    connections: 3,
    count: 50,
  } as const;
  let roundTrips = startEchoClient(co, options);
  town.run(() => co.liveCount === 0);
  assert.deepEqual([roundTrips.count, roundTrips.lost], [150, 0]);
  roundTrips = startEchoClient(co, { ...options, count: 5 });
  town.run(() => co.liveCount === 0);
  assert.deepEqual([roundTrips.count, roundTrips.lost], [15, 0]);
  assert.equal(relay.counters.evicted, 3);
  assert.equal(relay.counters.forward, relay.counters.back);
});

describe('http', () => {
  const DATE = 'Thu, 01 Jan 1970 00:00:00 GMT';
  const serve = (co: Coroutines): HttpServer =>
    new HttpServer(co, {
      address: '10.0.0.1:80',
      resources: {
        '/': { contentType: 'text/plain', body: 'hi' },
        '/big': { contentType: 'x/y', body: new Uint8Array(50_000) },
      },
      date: () => DATE,
      idleTimeoutUs: 5_000_000,
    });

  /** Sends text, and gathers what comes back until the server ends. */
  function* talk(co: Coroutines, text: string, end: boolean): Coroutine<string> {
    const qd = co.os.socket('stream');
    assert.equal((yield* co.connect(qd, '10.0.0.1:80')).errno, 0);
    assert.equal((yield* co.push(qd, Buffer.from(text))).errno, 0);
    if (end) co.os.shutdown(qd, 1);
    let answer = '';
    for (;;) {
      const { errno, array } = yield* co.pop(qd);
      assert.equal(errnoName(errno), errnoName(0));
      const bytes = Buffer.from(array!.toBytes());
      array!.free();
      if (bytes.length === 0) break;
      answer += bytes.toString('latin1');
    }
    co.os.close(qd);
    return answer;
  }

  const ask = (text: string, end = true): string => {
    const serving = coroutines(near);
    const server = serve(serving);
    const asking = coroutines(far);
    const talking = asking.spawn(() => talk(asking, text, end));
    town.run(() => talking.done);
    if (talking.error !== undefined) throw talking.error;
    server.close();
    town.world.runFor(1000);
    return String(talking.value);
  };

  test('an answer, byte for byte', () => {
    assert.equal(
      ask('GET / HTTP/1.1\r\nHost: a\r\n\r\n'),
      `HTTP/1.1 200 OK\r\nDate: ${DATE}\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi`,
    );
  });

  test('fifty pipelined requests through a lossy wire', () => {
    const answer = ask('GET /big HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(50));
    assert.equal(answer.match(/HTTP\/1\.1 200 OK/g)!.length, 50);
    assert.equal(answer.length, 50 * (50_000 + answer.indexOf('\r\n\r\n') + 4));
  });

  test('an idle connection is closed', () => {
    assert.equal(ask('GET / HT', false), '');
    assert.ok(town.world.nowUs >= 5_000_000);
  });
});
