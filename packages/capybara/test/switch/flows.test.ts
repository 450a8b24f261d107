// The flow table from user space, with the model as the switch: ageing, claims after a restart, tables that are full.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_TIMEOUTS, FlowTable } from '../../src/switch/flows.ts';
import type { Geometry } from '../../src/switch/layout.ts';
import { DROP, PASS, REDIRECT, SwitchModel } from '../../src/switch/model.ts';
import { SwitchTables } from '../../src/switch/tables.ts';
import { type Connection, FrameWriter } from './frames.ts';

const VIRTUAL = 0x0a000064;
const FIN = 17;
const SYN = 2;
const ACK = 16;
const RST = 4;

/** A switch with two ports and two backends, and a writer of frames for it. */
function setUp(geometry: Geometry = { buckets: 64, cpus: 1 }) {
  const tables = new SwitchTables(geometry);
  tables.setSecrets(new Uint8Array(16).fill(1), new Uint8Array(16).fill(2));
  tables.setPort(0, Uint8Array.of(2, 0, 0, 0, 0, 0xa0));
  tables.setPort(1, Uint8Array.of(2, 0, 0, 0, 0, 0xa1));
  tables.addService(VIRTUAL, 80);
  for (let id = 0; id < 2; id++) {
    tables.setBackend(id, {
      macAddress: Uint8Array.of(2, 0, 0, 0, 1, id),
      address: 0x0a00000a + id,
      port: 1,
    });
  }
  const model = new SwitchModel({ tables, roles: ['client', 'backend'] });
  const flows = new FlowTable(tables);
  const writer = new FrameWriter();
  const client = (c: Connection, flags: number): number => {
    writer.ethernet(new Uint8Array(6), Uint8Array.of(2, 0, 0, 0, 9, 9), 0x0800);
    return model.receive(0, writer.view, 0, writer.tcp(c, flags, 0, false));
  };
  const server = (c: Connection, flags: number, id: number): number => {
    writer.ethernet(Uint8Array.of(2, 0, 0, 0, 9, 9), Uint8Array.of(2, 0, 0, 0, 1, id), 0x0800);
    return model.receive(1, writer.view, 0, writer.tcp(c, flags, 0, true));
  };
  return { tables, model, flows, writer, client, server };
}

const connection = (n: number): Connection => ({
  clientAddress: 0x0b000001 + (n >> 12),
  clientPort: 1024 + (n & 0xfff),
  virtualAddress: VIRTUAL,
  virtualPort: 80,
});

test('a connection goes to one backend, and its replies back', () => {
  const { model, flows, client, server, writer, tables } = setUp();
  const c = connection(1);
  assert.equal(client(c, SYN), REDIRECT);
  assert.equal(model.outPort, 1);
  const { owner } = flows.find(c)!;
  assert.deepEqual([...writer.bytes.subarray(0, 6)], [2, 0, 0, 0, 1, owner]);
  assert.deepEqual([...writer.bytes.subarray(6, 12)], [2, 0, 0, 0, 0, 0xa1]);
  assert.equal(server(c, SYN | ACK, owner), REDIRECT);
  assert.equal(model.outPort, 0);
  // The other backend has no say.
  assert.equal(server(c, ACK, 1 - owner), DROP);
  tables.fence = false;
  assert.equal(server(c, ACK, 1 - owner), REDIRECT);
  assert.equal(tables.readBackend(owner).connections, 1);
  assert.equal(tables.readBackend(owner).packets, 1);
});

test('ARP for the virtual address is answered, for others it is the kernel’s', () => {
  const { model, writer } = setUp();
  const mac = Uint8Array.of(2, 0, 0, 0, 9, 9);
  writer.ethernet(new Uint8Array(6).fill(255), mac, 0x0806);
  assert.equal(model.receive(0, writer.view, 0, writer.arp(1, mac, 0x0b000001, VIRTUAL)), REDIRECT);
  assert.equal(model.outPort, 0);
  assert.deepEqual([...writer.bytes.subarray(0, 12)], [...mac, 2, 0, 0, 0, 0, 0xa0]);
  assert.equal(writer.view.getUint16(20), 2);
  assert.equal(writer.view.getUint32(28), VIRTUAL);
  assert.equal(model.receive(0, writer.view, 0, writer.arp(1, mac, 0x0b000001, VIRTUAL + 1)), PASS);
});

test('entries live by what was seen of their end', () => {
  const { tables, flows, client, server } = setUp();
  const t = DEFAULT_TIMEOUTS;
  const both =
    (mine: number, theirs: number) =>
    (c: Connection, owner: number): void => {
      client(c, mine);
      server(c, theirs, owner);
    };
  const cases: [name: string, lifetimeMs: number, act: (c: Connection, owner: number) => void][] = [
    ['a SYN', t.embryonicMs, () => {}],
    ['an established one', t.establishedMs, c => client(c, ACK)],
    ['one the client finished', t.closingMs, c => client(c, FIN)],
    ['one somebody reset from outside', t.closingMs, c => client(c, RST)],
    ['one both finished', t.closedMs, both(FIN, FIN)],
    ['one its backend reset', t.closedMs, both(ACK, RST)],
    ['one its backend finished', t.closingMs, both(ACK, FIN)],
  ];
  for (const [i, [name, lifetimeMs, act]] of cases.entries()) {
    // The clock wraps at 32 bits, and that makes no difference.
    const start = 0x7fff_ff00 + i * 1_000_000_000;
    tables.nowMs = start;
    const c = connection(i);
    client(c, SYN);
    act(c, flows.find(c)!.owner);
    tables.nowMs = start + lifetimeMs;
    assert.equal(flows.sweep(), 0, name);
    tables.nowMs = start + lifetimeMs + 1;
    assert.equal(flows.sweep(), 1, name);
    assert.equal(flows.count(), 0);
  }
  assert.equal(tables.readBackend(0).connections + tables.readBackend(1).connections, 0);
});

test('a sweep in parts visits everything once', () => {
  const { tables, flows, client } = setUp();
  for (let n = 0; n < 50; n++) client(connection(n), SYN);
  tables.nowMs = 1_000_000;
  let freed = 0;
  for (let part = 0; part < 16; part++) freed += flows.sweep(DEFAULT_TIMEOUTS, flows.capacity / 16);
  assert.equal(freed, 50);
});

test('claims fill a table that was lost, newer epochs win, and hostile ones do nothing', () => {
  const { tables, flows, client } = setUp();
  const claims = Array.from({ length: 40 }, (_, n) => ({ ...connection(n), owner: n & 1, epoch: n }));
  assert.equal(flows.claimExisting(claims), 40);
  assert.equal(flows.claimExisting(claims), 40);
  assert.equal(tables.readBackend(0).connections, 20);
  for (const { owner, epoch, ...c } of claims) {
    assert.equal(client(c, ACK), REDIRECT);
    assert.equal(flows.find(c)?.owner, owner);
    assert.equal(flows.find(c)?.epoch, epoch);
  }
  const c = connection(5);
  assert.equal(flows.claimExisting([{ ...c, owner: 0, epoch: 5 }]), 0);
  assert.equal(flows.claimExisting([{ ...c, owner: 0, epoch: 4 }]), 0);
  assert.equal(flows.claimExisting([{ ...c, owner: 0, epoch: 6 }]), 1);
  assert.equal(flows.find(c)?.owner, 0);
  for (const owner of [2, 255, 256, -1, 1.5, Number.NaN])
    assert.equal(flows.claimExisting([{ ...connection(90), owner, epoch: 1 }]), 0);
  assert.ok(flows.remove(c));
  assert.ok(!flows.remove(c));
  assert.equal(tables.readBackend(0).connections, 20);
});

test('the table fills to three quarters before connections go without an entry, and those still stick', () => {
  const { tables, flows, client, writer, model } = setUp({ buckets: 256, cpus: 1 });
  tables.policy = 'roundRobin';
  let n = 0;
  while (tables.readCounters().tableFull === 0) client(connection(n++), SYN);
  assert.ok(flows.count() > flows.capacity * 0.6, `full at ${flows.count()} of ${flows.capacity}`);
  const c = connection(n - 1);
  const first = writer.bytes[5];
  for (let i = 0; i < 10; i++) {
    assert.equal(client(c, ACK), REDIRECT);
    assert.equal(writer.bytes[5], first);
  }
  while (flows.count() < flows.capacity && n < 60_000) client(connection(n++), SYN);
  assert.equal(
    model.tables.readBackend(0).connections + model.tables.readBackend(1).connections,
    flows.count(),
  );
});

test('weights steer the least-loaded choice', () => {
  const { tables, client } = setUp({ buckets: 1024, cpus: 1 });
  tables.policy = 'leastLoaded';
  tables.setWeight(1, 3);
  for (let n = 0; n < 400; n++) client(connection(n), SYN);
  assert.equal(tables.readBackend(0).connections, 100);
  assert.equal(tables.readBackend(1).connections, 300);
  tables.setReportedLoad(1, 1000);
  for (let n = 400; n < 500; n++) client(connection(n), SYN);
  assert.equal(tables.readBackend(0).connections, 200);
});

test('misuse throws', () => {
  const { tables } = setUp();
  const argument = { code: 'ERR_DEMI_ARGUMENT' };
  assert.throws(() => new SwitchTables({ buckets: 3, cpus: 1 }), argument);
  assert.throws(() => new SwitchTables({ buckets: 4, cpus: 1 }, new ArrayBuffer(64)), argument);
  assert.throws(() => tables.setBackend(256, { macAddress: new Uint8Array(6), address: 0 }), argument);
  assert.throws(() => tables.setBackend(1, { macAddress: new Uint8Array(5), address: 0 }), argument);
  assert.throws(() => tables.setWeight(0, 0), argument);
  assert.throws(() => tables.setPort(64, new Uint8Array(6)), argument);
  assert.throws(() => tables.addService(VIRTUAL, 65_536), argument);
  assert.throws(() => tables.setBackendState(77, 'down'), argument);
  assert.throws(() => tables.setSecrets(new Uint8Array(8), new Uint8Array(16)), argument);
  for (let i = 1; i < 8; i++) tables.addService(VIRTUAL + i, 80);
  assert.throws(() => tables.addService(VIRTUAL + 8, 80), argument);
  assert.ok(tables.removeAddress(VIRTUAL + 1));
  tables.addService(VIRTUAL + 8, 80);
  assert.ok(tables.removeService(VIRTUAL + 8, 80));
  assert.ok(!tables.removeService(VIRTUAL + 8, 80));
});
