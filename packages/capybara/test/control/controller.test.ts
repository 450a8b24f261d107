// The controller over a model's tables: backends come and go by their heartbeats, and connections are ordered where they should be.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Controller, type ControllerOptions } from '../../src/control/controller.ts';
import { exposition } from '../../src/control/prometheus.ts';
import { statusOf } from '../../src/control/status.ts';
import { FlowTable, SwitchModel, SwitchTables } from '../../src/switch/index.ts';
import { decodeHeartbeat, encodeHeartbeat, type Heartbeat } from '../../src/tcpmig/heartbeat.ts';
import { FrameWriter } from '../switch/frames.ts';

const VIRTUAL = 0x0a000064;
const SYN = 2;
const ACK = 16;
const WALL_MS = 1_700_000_000_000;
const KEY = new Uint8Array(32).fill(7);

/** A fleet without a network: the model of the switch, and backends that say what they are told to. */
class Fleet {
  readonly tables: SwitchTables;
  readonly flows: FlowTable;
  readonly controller: Controller;
  readonly orders: string[];
  nowMs: number;
  private readonly model: SwitchModel;
  private readonly writer: FrameWriter;
  private sequence: number;

  constructor(options: Partial<ControllerOptions> = {}) {
    this.tables = new SwitchTables({ buckets: 256, cpus: 1 });
    this.tables.setSecrets(new Uint8Array(16).fill(1), new Uint8Array(16).fill(2));
    for (const port of [0, 1]) this.tables.setPort(port, Uint8Array.of(2, 0, 0, 0, 0, 0xa0 + port));
    this.tables.addService(VIRTUAL, 80);
    this.tables.policy = 'roundRobin';
    this.model = new SwitchModel({ tables: this.tables, roles: ['client', 'backend'] });
    this.flows = new FlowTable(this.tables);
    this.orders = [];
    this.nowMs = 1000;
    this.sequence = WALL_MS * 1000;
    this.writer = new FrameWriter();
    this.controller = new Controller({
      controlled: this,
      placeOf: ({ backend }) => (backend < 8 ? { port: 1 } : undefined),
      order: (flow, owner, target) =>
        this.orders.push(`${flow.clientPort}: ${owner.id}>${target} by ${owner.address & 255}`),
      ...options,
    });
  }

  beat(backend: number, more: Partial<Heartbeat> = {}): void {
    this.controller.heard(
      {
        backend,
        address: 0x0a00000a + backend,
        macAddress: Uint8Array.of(2, 0, 0, 0, 1, backend),
        accepting: true,
        draining: false,
        weight: 1,
        connections: 0,
        delayUs: 0,
        incarnation: 1,
        sequence: this.sequence++,
        ...more,
      },
      this.nowMs,
      WALL_MS,
    );
  }

  /** Time passes, with heartbeats of these, and the controller looks. */
  pass(ms: number, ...alive: number[]): void {
    this.nowMs += ms;
    this.tables.nowMs = this.nowMs;
    for (const id of alive) this.beat(id);
    this.controller.tick(this.nowMs);
  }

  /** Packets from a client. Returns the owner of the connection. */
  packets(clientPort: number, count: number, flags: number = ACK): number {
    const connection = { clientAddress: 0x0b000001, clientPort, virtualAddress: VIRTUAL, virtualPort: 80 };
    for (let i = 0; i < count; i++) {
      this.writer.ethernet(new Uint8Array(6), Uint8Array.of(2, 0, 0, 0, 9, 9), 0x0800);
      this.model.receive(0, this.writer.view, 0, this.writer.tcp(connection, flags, 0, false));
    }
    return this.flows.find(connection)!.owner;
  }

  state(id: number): string | undefined {
    return this.tables.backendState(id);
  }
}

describe('backends', () => {
  test('come by a heartbeat, go without one, and come back', () => {
    const fleet = new Fleet();
    fleet.beat(0);
    assert.equal(fleet.state(0), 'active');
    fleet.pass(300);
    assert.equal(fleet.state(0), 'active');
    fleet.pass(100);
    assert.equal(fleet.state(0), 'down');
    assert.equal(fleet.controller.counters.deaths, 1);
    fleet.pass(1000, 0);
    assert.equal(fleet.state(0), 'active');
    assert.equal(fleet.controller.backends(fleet.nowMs)[0]!.returns, 1);
  });

  test('may not all register; old heartbeats are replays', () => {
    const fleet = new Fleet();
    fleet.beat(9);
    assert.equal(fleet.controller.counters.unknown, 1);
    fleet.beat(0, { sequence: (WALL_MS - 31_000) * 1000 });
    fleet.beat(0, { sequence: (WALL_MS + 31_000) * 1000 });
    assert.equal(fleet.state(0), undefined);
    fleet.beat(0, { sequence: WALL_MS * 1000 + 10 });
    fleet.beat(0, { sequence: WALL_MS * 1000 + 10, draining: true });
    fleet.beat(0, { sequence: WALL_MS * 1000 + 9, draining: true });
    assert.equal(fleet.state(0), 'active');
    assert.equal(fleet.controller.counters.replayed, 4);
  });

  test('change their weight and address; one that accepts nothing keeps what it has', () => {
    const fleet = new Fleet();
    fleet.beat(0);
    fleet.beat(1);
    const owner = fleet.packets(5000, 3, SYN);
    fleet.beat(owner, { accepting: false });
    assert.equal(fleet.state(owner), 'draining');
    fleet.pass(100, 1 - owner);
    fleet.beat(owner, { accepting: false });
    fleet.pass(0);
    assert.deepEqual(fleet.orders, []);
    for (let port = 6000; port < 6010; port++) assert.equal(fleet.packets(port, 1, SYN), 1 - owner);
    fleet.beat(1, { weight: 3 });
    assert.equal(fleet.controller.backends(fleet.nowMs)[1]!.weight, 3);
  });

  test('that are dead can be forgotten', () => {
    const fleet = new Fleet();
    fleet.beat(3);
    assert.throws(() => fleet.controller.remove(3), { code: 'ERR_DEMI_ARGUMENT' });
    fleet.pass(400);
    fleet.controller.remove(3);
    assert.equal(fleet.state(3), undefined);
    assert.throws(() => fleet.controller.drain(3), { code: 'ERR_DEMI_ARGUMENT' });
  });
});

describe('connections', () => {
  /** Two backends with so many connections each, all equally busy, one backend's ten times as much. */
  function skewed(options: Partial<ControllerOptions> = {}): Fleet {
    const fleet = new Fleet({ policy: { coolDownUs: 100_000 }, ...options });
    fleet.beat(0);
    fleet.beat(1);
    for (let port = 5000; port < 5020; port++) fleet.packets(port, 1, SYN);
    for (let i = 0; i < 10; i++) {
      for (let port = 5000; port < 5020; port++) {
        fleet.packets(port, fleet.packets(port, 1) === 0 ? 20 : 1);
      }
      fleet.pass(100, 0, 1);
    }
    return fleet;
  }

  test('of a backend that has too much are ordered away', () => {
    const fleet = skewed();
    assert.ok(fleet.orders.length > 0);
    assert.ok(
      fleet.orders.every(order => /: 0>1 by 10$/.test(order)),
      fleet.orders.join(),
    );
    assert.ok(
      fleet.controller.events.every(each => each.reason === 'overload' || each.reason === 'rebalance'),
    );
  });

  test('are not, in a dry run, which says what it would do', () => {
    const fleet = skewed({ dryRun: true });
    assert.deepEqual(fleet.orders, []);
    assert.ok(fleet.controller.plan.moves.length > 0);
    fleet.controller.drain(0);
    fleet.pass(100, 0, 1);
    assert.equal(fleet.orders.length, 10);
  });

  test('leave a backend that is drained, by an operator or by its own wish', () => {
    for (const drain of [
      (fleet: Fleet) => fleet.controller.drain(0),
      (fleet: Fleet) => fleet.beat(0, { draining: true }),
    ]) {
      const fleet = new Fleet({ policy: { proactive: false } });
      fleet.beat(0);
      fleet.beat(1);
      const mine = [5000, 5001, 5002, 5003].filter(port => fleet.packets(port, 1, SYN) === 0);
      drain(fleet);
      fleet.pass(10, 1);
      assert.deepEqual(
        fleet.orders.sort(),
        mine.map(port => `${port}: 0>1 by 10`),
      );
      assert.equal(fleet.state(0), 'draining');
      // The orders have no effect here: after a second they are given again.
      const before = fleet.orders.length;
      for (let i = 0; i < 12; i++) {
        fleet.beat(0, { draining: drain.length === 1 && fleet.orders.length > 0 });
        fleet.pass(100, 1);
      }
      assert.ok(fleet.orders.length > before);
      assert.equal(fleet.controller.counters.stayed, before);
    }
  });

  test('of the dead are not ordered about', () => {
    const fleet = new Fleet();
    fleet.beat(0);
    fleet.beat(1);
    for (let port = 5000; port < 5010; port++) fleet.packets(port, 1, SYN);
    fleet.pass(400, 1);
    fleet.controller.drain(0);
    fleet.pass(100, 1);
    assert.deepEqual(fleet.orders, []);
  });

  test('move by order, and the switch’s entry says that they have', () => {
    const fleet = new Fleet({ policy: { proactive: false } });
    fleet.beat(0);
    fleet.beat(1);
    const owner = fleet.packets(5000, 1, SYN);
    fleet.pass(100, 0, 1);
    assert.throws(() => fleet.controller.move('11.0.0.1:5001', 1 - owner), { code: 'ERR_DEMI_ARGUMENT' });
    assert.throws(() => fleet.controller.move('11.0.0.1:5000', 5), { code: 'ERR_DEMI_ARGUMENT' });
    fleet.controller.move('11.0.0.1:5000', 1 - owner);
    fleet.pass(100, 0, 1);
    assert.deepEqual(fleet.orders, [`5000: ${owner}>${1 - owner} by ${10 + owner}`]);
    assert.equal(fleet.controller.events[0]!.outcome, 'underWay');
    const flow = fleet.flows.find({
      clientAddress: 0x0b000001,
      clientPort: 5000,
      virtualAddress: VIRTUAL,
      virtualPort: 80,
    })!;
    fleet.flows.claimExisting([{ ...flow, owner: 1 - owner, epoch: flow.epoch + 1 }]);
    fleet.pass(100, 0, 1);
    assert.equal(fleet.controller.events[0]!.outcome, 'moved');
    assert.equal(fleet.controller.counters.moved, 1);
  });

  test('the fleet as JSON and as metrics', () => {
    const fleet = skewed();
    const paths = fleet.tables.readCounters();
    const status = statusOf(fleet.controller, paths, false, fleet.nowMs);
    assert.equal(status.connections, 20);
    assert.equal(status.backends.length, 2);
    assert.ok(status.busiest[0]!.load > status.busiest.at(-1)!.load);
    assert.deepEqual(JSON.parse(JSON.stringify(status.counters)), fleet.controller.counters);
    const text = exposition({ controller: fleet.controller, backends: status.backends, paths });
    assert.match(text, /^demikernel_capybara_backend_connections\{backend="0"\} 10$/m);
    assert.match(text, /^demikernel_capybara_backend_state\{backend="1",state="active"\} 1$/m);
    // Text exposition format: every line is a comment or a sample.
    for (const line of text.trimEnd().split('\n')) {
      assert.match(line, /^(# TYPE [a-z_]+ (counter|gauge)|[a-z_]+(\{([a-z]+="\w+",?)+\})? [\d.e+-]+)$/);
    }
  });
});

describe('heartbeats', () => {
  const heartbeat: Heartbeat = {
    backend: 7,
    address: 0xc0a80102,
    macAddress: Uint8Array.of(2, 1, 2, 3, 4, 5),
    accepting: true,
    draining: true,
    weight: 2.5,
    connections: 70_000,
    delayUs: 1234,
    incarnation: 0xfedcba98,
    sequence: WALL_MS * 1000 + 1,
  };

  test('are read as they were written', () => {
    assert.deepEqual(decodeHeartbeat(encodeHeartbeat(heartbeat, KEY), KEY), heartbeat);
  });

  test('under another key, with any bit changed, of another length: nothing', () => {
    const bytes = encodeHeartbeat(heartbeat, KEY);
    assert.equal(decodeHeartbeat(bytes, new Uint8Array(32)), undefined);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const bad = bytes.slice();
      bad[bit >> 3]! ^= 1 << (bit & 7);
      assert.equal(decodeHeartbeat(bad, KEY), undefined);
    }
    for (let length = 0; length < bytes.length; length++) {
      assert.equal(decodeHeartbeat(bytes.subarray(0, length), KEY), undefined);
    }
  });
});
