// What an agent refuses, forgets and gives back: no listener, no room, an application that says no, forged messages, the end.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Demikernel } from 'demikernel';
import { SeededRandom } from 'demikernel/simulator';
import { SimulatedWorld } from 'demikernel/stack';
import type { AgentOptions } from '../../src/host/agent.ts';
import type { ArrivalHooks, MigratableHooks } from '../../src/host/hooks.ts';
import { MIGRATION_PORT } from '../../src/tcpmig/header.ts';
import {
  configure,
  FLEET_KEY,
  openBackend,
  openClient,
  openSwitch,
  type SimulatedBackend,
  VIRTUAL,
} from '../tcpmig/simulated-fleet.ts';
import { keyOf, type SwitchOnWire } from '../tcpmig/switch-on-wire.ts';

const TIMING = { transferUs: 20_000, expectUs: 40_000 };

class Pair {
  readonly world = new SimulatedWorld({ seed: 3, link: { delayUs: 5 } });
  readonly switch: SwitchOnWire;
  readonly from: SimulatedBackend;
  readonly to: SimulatedBackend;
  readonly client: Demikernel;
  readonly clientQd: number;
  readonly qd: number;
  outcome = '';
  reason = -1;

  /** @param otherKey the fleet key of the second backend, when it is not of the fleet */
  constructor(options: Partial<AgentOptions> = {}, otherKey: Uint8Array = FLEET_KEY) {
    this.switch = openSwitch(this.world);
    const backends = [0, 1].map(id =>
      openBackend(this.world, this.switch, id, {
        fleetKey: id === 0 ? FLEET_KEY : otherKey,
        timing: TIMING,
        random: new SeededRandom(id + 1),
        ...options,
      }),
    );
    configure(this.switch, backends);
    this.client = openClient(this.world, this.switch).os;
    this.clientQd = this.client.socket('stream');
    const accepts = backends.map(({ os, listener }) => os.accept(listener));
    const connected = this.client.connect(this.clientQd, VIRTUAL);
    assert.equal(this.client.wait(connected)!.errno, 0);
    this.world.runFor(1000);
    const at = backends[0]!.os.isComplete(accepts[0]!) ? 0 : 1;
    this.from = backends[at]!;
    this.to = backends[1 - at]!;
    this.qd = this.from.os.wait(accepts[at]!)!.acceptedQd;
    this.to.os.cancel(accepts[1 - at]!);
    this.to.os.wait(accepts[1 - at]!);
  }

  serve(hooks: Partial<ArrivalHooks> = {}): this {
    this.to.agent.serve(this.to.listener, { arrived: () => {}, ...hooks });
    return this;
  }

  let(hooks: Partial<MigratableHooks> = {}): this {
    this.from.agent.migratable(this.qd, { save: () => new Uint8Array(0), ...hooks });
    return this;
  }

  /** Tries to move the connection and returns what became of it. */
  move(): string {
    const begun = this.from.agent.move(this.qd, this.to.agent.self, (outcome, reason) => {
      this.outcome = outcome;
      this.reason = reason;
    });
    if (!begun) return 'not begun';
    assert.ok(this.world.run(() => this.outcome !== '' && this.to.agent.moving === 0));
    return this.reason > 0 ? `${this.outcome} (${this.reason})` : this.outcome;
  }

  /** Whether the connection works where it is. */
  works(at: SimulatedBackend, qd: number): void {
    const pop = at.os.pop(qd);
    this.client.wait(this.client.push(this.clientQd, Buffer.from('hello')));
    const { array, errno } = at.os.wait(pop)!;
    assert.equal(errno, 0);
    assert.equal(Buffer.from(array!.toBytes()).toString(), 'hello');
    array!.free();
  }
}

test('nobody listens there: refused, and the connection works on', () => {
  const p = new Pair().let();
  assert.equal(p.move(), 'stayed (19)');
  p.works(p.from, p.qd);
  assert.equal(p.to.agent.counters.refused, 1);
  p.world.close();
});

test('the application at the target, or too many arrivals, say no', () => {
  const no = new Pair().let().serve({ mayArrive: () => false });
  assert.equal(no.move(), 'stayed (23)');
  no.works(no.from, no.qd);
  const full = new Pair({ maximumArrivals: 0 }).let().serve();
  assert.equal(full.move(), 'stayed (16)');
  full.works(full.from, full.qd);
});

test('a state that is too large, or from another fleet', () => {
  const large = new Pair({ maximumStateBytes: 100 }).let().serve();
  assert.equal(large.move(), 'stayed (21)');
  large.works(large.from, large.qd);
  const stayed: string[] = [];
  const p = new Pair({}, keyOf(9, 32));
  p.let({ stayed: () => stayed.push('stayed'), save: () => new Uint8Array(5000) }).serve();
  assert.equal(p.move(), 'stayed (22)');
  assert.deepEqual(stayed, ['stayed']);
  p.works(p.from, p.qd);
});

test('a version that does not understand what was saved leaves the connection where it is', () => {
  const errors: unknown[] = [];
  const p = new Pair({ onHookError: error => errors.push(error) }).let({ save: () => Buffer.from('new') });
  let arrived = 0;
  const arrive = { arrived: () => arrived++ };
  p.serve({ ...arrive, canGoOn: saved => Buffer.from(saved).toString() === 'old' });
  assert.equal(p.move(), 'stayed (23)');
  p.outcome = '';
  p.serve({
    ...arrive,
    canGoOn: () => {
      throw new Error('no such format');
    },
  });
  assert.equal(p.move(), 'stayed (23)');
  assert.match(String(errors), /no such format/);
  p.works(p.from, p.qd);
  p.outcome = '';
  p.serve({ ...arrive, canGoOn: saved => Buffer.from(saved).toString() === 'new' });
  assert.equal(p.move(), 'moved');
  assert.equal(arrived, 1);
});

test('the application at the origin says no: before it is asked for, and at the last moment', () => {
  const never = new Pair().let({ mayLeave: () => false }).serve();
  assert.equal(never.move(), 'not begun');
  let asked = 0;
  const late = new Pair().let({ mayLeave: () => asked++ === 0 }).serve();
  assert.equal(late.move(), 'stayed');
  late.works(late.from, late.qd);
  assert.equal(late.move(), 'not begun');
  asked = 0;
  late.outcome = '';
  assert.equal(late.move(), 'stayed', 'and it may be asked again');
  late.works(late.from, late.qd);
});

test('hooks: what was saved arrives, who left is told', () => {
  const heard: string[] = [];
  const p = new Pair();
  p.let({
    save: () => Buffer.from('saved'),
    left: () => heard.push('left'),
    stayed: () => heard.push('stayed'),
  });
  p.serve({
    arrived: ({ qd, saved, origin }) => {
      heard.push(`arrived ${Buffer.from(saved).toString()} from ${origin === p.from.agent.self}`);
      p.to.agent.migratable(qd, { save: () => saved });
    },
  });
  assert.equal(p.move(), 'moved');
  assert.deepEqual(heard.sort(), ['arrived saved from true', 'left']);
  p.works(p.to, p.to.agent.connections[0]!);
  p.from.os.close(p.qd);
  assert.deepEqual(p.from.agent.connections, []);
  assert.equal(p.move(), 'not begun');
});

test('an application that fails on arrival: its connection is reset, not kept by nobody', () => {
  const errors: unknown[] = [];
  const p = new Pair({ onHookError: error => errors.push(error) }).let().serve({
    arrived: () => {
      throw new Error('no such session');
    },
  });
  assert.equal(p.move(), 'moved');
  const pop = p.client.pop(p.clientQd);
  p.world.runFor(10_000);
  assert.equal(p.client.wait(pop)!.errno, 104);
  assert.match(String(errors), /no such session/);
  assert.equal(p.to.agent.counters.hookErrors, 1);
});

test('an application that fails to save keeps its connection', () => {
  const errors: unknown[] = [];
  const p = new Pair({ onHookError: error => errors.push(error) }).serve().let({
    save: () => {
      throw new Error('cannot save');
    },
  });
  assert.equal(p.move(), 'stayed');
  assert.match(String(errors), /cannot save/);
  p.works(p.from, p.qd);
});

test('a connection that ends while it is to move', () => {
  const p = new Pair().let().serve();
  assert.ok(
    p.from.agent.move(p.qd, p.to.agent.self, outcome => {
      p.outcome = outcome;
    }),
  );
  p.from.agent.forget(p.qd);
  p.from.os.close(p.qd);
  assert.ok(p.world.run(() => p.outcome !== '' && p.to.agent.moving === 0));
  assert.equal(p.outcome, 'stayed');
  assert.deepEqual(p.from.agent.connections, []);
  assert.equal(p.to.host.stack.tcp.holdings.count, 0);
});

test('forged, truncated and random datagrams are counted and dropped', () => {
  const p = new Pair().let().serve();
  const random = new SeededRandom(5);
  const { client, world } = p;
  const socket = client.socket('datagram');
  const to = `10.0.0.${10 + p.to.agent.self}:${MIGRATION_PORT}`;
  const { overheard } = p.switch;
  assert.equal(p.move(), 'moved');
  const before = p.to.agent.socket.counters.received;
  let sent = 0;
  for (let i = 0; i < 300; i++) {
    // A message that was heard on the wire, behind its headers; or anything.
    const heard = overheard[random.below(overheard.length)]!.slice(42);
    const bytes = random.below(2) === 0 ? heard : heard.map(() => random.below(256));
    const cut = bytes.slice(0, random.below(4) === 0 ? 1 + random.below(bytes.length) : bytes.length);
    if (cut.length >= 64) cut[random.below(64)]! ^= 1 << random.below(8);
    assert.equal(client.wait(client.pushTo(socket, cut, to))!.errno, 0);
    sent++;
    world.runFor(10);
  }
  world.runFor(1000);
  assert.equal(p.to.agent.socket.counters.forged, sent);
  assert.equal(p.to.agent.socket.counters.received, before);
  assert.equal(p.to.agent.moving, 0);
});

test('an agent that is closed in the middle leaves nothing', () => {
  const p = new Pair().let().serve();
  p.switch.onMessage = stage => (stage === 6 ? 'drop' : 'pass');
  assert.ok(p.from.agent.move(p.qd, p.to.agent.self));
  p.world.runFor(5000);
  assert.equal(p.to.agent.moving, 1);
  for (const { agent, os, host, listener } of [p.from, p.to]) {
    agent.close();
    agent.close();
    os.close(listener);
    if (agent === p.from.agent) os.close(p.qd);
    p.world.runFor(1000);
    host.libos.close();
    assert.equal(host.usedSlots, 0);
    assert.equal(os.libraryOs.runtime.operations.liveCount, 0);
    assert.equal(os.libraryOs.runtime.timers.armedCount, 0);
  }
});
