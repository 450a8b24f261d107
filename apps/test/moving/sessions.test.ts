// Sessions as they travel: a damaged one is refused by name or restored as if some client had said so, and what has been saved is not
// executed until it is known where the connection is. MOVING_FUZZ_RUNS=n for longer runs.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Arrival, ArrivalHooks, MigratableHooks } from '@demikernel/capybara/host';
import { coroutines, DemiError, type Demikernel } from 'demikernel';
import { openSimulated, SeededRandom, SimulatedWorld } from 'demikernel/simulator';
import { HttpServer } from '../../src/http/server.ts';
import { KvServer } from '../../src/kv/server.ts';
import type { Mover } from '../../src/moving/session.ts';

const RUNS = Number(process.env['MOVING_FUZZ_RUNS'] ?? 2000);

/** Takes an agent's place: the test says when a connection is saved, stays, leaves and arrives. */
class StubMover implements Mover {
  arrivals: ArrivalHooks | undefined;
  readonly hooks: Map<number, MigratableHooks> = new Map();

  serve(_listener: number, hooks: ArrivalHooks): void {
    this.arrivals = hooks;
  }

  migratable(qd: number, hooks: MigratableHooks): void {
    this.hooks.set(qd, hooks);
  }

  forget(qd: number): void {
    this.hooks.delete(qd);
  }
}

/** A service, a client, and a second listener whose connections are given to the service as if they had arrived. */
class Stage {
  readonly world = new SimulatedWorld({ seed: 5, link: { delayUs: 5 } });
  readonly client: Demikernel = openSimulated(this.world, '10.0.0.1/24');
  readonly os: Demikernel = openSimulated(this.world, '10.0.0.2/24', { slots: 256 });
  readonly mover = new StubMover();
  private readonly side: number;
  private readonly http: HttpServer | undefined;

  constructor(kind: 'http' | 'kv') {
    const { mover, os } = this;
    const address = '10.0.0.2:80';
    const host = this.world.hosts[1]!;
    const before = host.afterPoll;
    if (kind === 'http') {
      const resources = { '/': { contentType: 'text/plain', body: 'x'.repeat(3000) } };
      this.http = new HttpServer(coroutines(os), { address, resources, mover, date: () => 'now' });
    } else {
      const server = new KvServer(os, { address, mover, limits: { memoryBytes: 1 << 20 }, startMs: 1e12 });
      host.afterPoll = () => (before?.() ?? 0) + server.serveReady();
    }
    this.side = os.socket('stream');
    os.bind(this.side, '10.0.0.2:81');
    os.listen(this.side);
  }

  connect(port: number): number {
    const qd = this.client.socket('stream');
    assert.equal(this.client.wait(this.client.connect(qd, `10.0.0.2:${port}`))!.errno, 0);
    this.world.runFor(50);
    return qd;
  }

  say(qd: number, text: string): void {
    assert.equal(this.client.wait(this.client.push(qd, Buffer.from(text, 'latin1')))!.errno, 0);
    this.world.runFor(100);
  }

  /** What has come; `undefined` behind it when the connection has ended. */
  hear(qd: number): string {
    let text = '';
    for (;;) {
      const pop = this.client.pop(qd);
      this.world.runFor(100);
      if (!this.client.isComplete(pop)) {
        this.client.cancel(pop);
        this.client.wait(pop);
        return text;
      }
      const { array, errno } = this.client.wait(pop)!;
      const bytes = array?.toBytes();
      array?.free();
      if (errno !== 0 || bytes === undefined || bytes.length === 0) return text;
      text += Buffer.from(bytes).toString('latin1');
    }
  }

  /** Ends the service: nothing may stay behind. */
  close(): void {
    this.http?.close();
    this.os.shutDown();
    assert.equal(this.os.libraryOs.pool.freeSlots, this.os.libraryOs.pool.slotCount);
  }

  /** A client's connection that the service has not accepted. */
  arrival(saved: Uint8Array): { client: number; arrival: Arrival } {
    const accept = this.os.accept(this.side);
    const client = this.connect(81);
    return { client, arrival: { qd: this.os.wait(accept)!.acceptedQd, saved, origin: 1 } };
  }

  /** The only connection's hooks. */
  get only(): MigratableHooks {
    const [hooks] = this.mover.hooks.values();
    return hooks!;
  }
}

const BEGINNINGS = {
  http: [
    '',
    'GET / HT',
    'GET / HTTP/1.1\r\nHost: a\r\nAcc',
    'POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\nhello',
    'POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel',
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  ],
  kv: [
    '',
    'PING',
    '*2\r\n$4\r\nECHO\r\n$5\r\nhe',
    `*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3000\r\n${'v'.repeat(1500)}`,
    'QUIT\r\n',
  ],
} as const;

/** Sessions of connections that have got so far. */
function sessions(kind: 'http' | 'kv'): Uint8Array[] {
  return BEGINNINGS[kind].map(text => {
    const stage = new Stage(kind);
    const qd = stage.connect(80);
    const { only } = stage;
    if (text !== '') stage.say(qd, text);
    if (kind === 'kv') assert.equal(only.mayLeave?.(), true);
    const saved = only.save();
    stage.world.close();
    return saved;
  });
}

function damaged(random: SeededRandom, good: Uint8Array): Uint8Array {
  const bytes = good.slice(0, random.below(5) === 0 ? random.below(good.length + 1) : good.length);
  for (let i = random.below(6); i >= 0 && bytes.length > 0; i--) {
    const at = random.below(bytes.length);
    bytes[at] = random.below(2) === 0 ? bytes[at]! ^ (1 << random.below(8)) : random.below(256);
  }
  return bytes;
}

for (const kind of ['http', 'kv'] as const) {
  test(`${kind}: damaged sessions are refused, or go on as some client's`, t => {
    const random = new SeededRandom(kind.length);
    const good = sessions(kind);
    let stage = new Stage(kind);
    let refused = 0;
    for (let run = 0; run < RUNS; run++) {
      if (run % 100 === 0) stage = new Stage(kind);
      const saved = run < good.length ? good[run]! : damaged(random, good[random.below(good.length)]!);
      const { arrivals } = stage.mover;
      const { arrival, client } = stage.arrival(saved);
      if (arrivals!.canGoOn!(saved)) {
        arrivals!.arrived(arrival);
        // Whatever it was in the middle of: it answers, waits for more, or ends.
        stage.say(client, '\r\n');
        stage.hear(client);
      } else {
        assert.ok(run >= good.length, 'a good session was refused');
        assert.throws(
          () => arrivals!.arrived(arrival),
          (error: unknown) =>
            error instanceof DemiError && /^ERR_DEMI_(SESSION|MALFORMED_MESSAGE)$/.test(error.code),
        );
        stage.os.close(arrival.qd);
        refused++;
      }
      stage.client.close(client);
      stage.world.runFor(20);
      if (run % 100 === 99) stage.close();
    }
    assert.ok(refused > RUNS / 10 && refused < RUNS, `${refused} refused`);
    t.diagnostic(`${RUNS} sessions, ${refused} refused`);
  });
}

test('kv: nothing is executed between the save and the news; then all of it, or none', () => {
  for (const end of ['stayed', 'left'] as const) {
    const stage = new Stage('kv');
    const qd = stage.connect(80);
    const { only } = stage;
    stage.say(qd, 'INCR n\r\n');
    assert.equal(stage.hear(qd), ':1\r\n');
    const saved = only.save();
    // A real agent holds this back; it must not matter when the pop was complete before.
    stage.say(qd, 'INCR n\r\nINCR n\r\n');
    assert.equal(stage.hear(qd), '');
    only[end]!();
    stage.world.runFor(100);
    assert.equal(stage.hear(qd), end === 'stayed' ? ':2\r\n:3\r\n' : '');
    const other = stage.connect(80);
    stage.say(other, 'GET n\r\n');
    assert.equal(stage.hear(other), end === 'stayed' ? '$1\r\n3\r\n' : '$1\r\n1\r\n');
    assert.ok(saved.length > 0);
  }
});
