// The switch between kernel hosts: connections are spread and stick, backends come and go, replies and ends are seen,
// and nobody on the clients' side gives orders.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as kernel from '@demikernel/native/kernel';
import { Switch } from '../../src/switch/switch.ts';
import * as H from '../../src/tcpmig/header.ts';
import { headerMac } from './frames.ts';
import * as T from './testbed.ts';

const PORT = 8088;
const BACKENDS = 3;
const HEADER_KEY = new Uint8Array(16).fill(7);
const HASH_KEY = new Uint8Array(16).fill(9);

const skip = T.testbedRefusal();
let bed: T.SwitchTestbed;
let balancer: Switch;

before(() => {
  if (skip !== undefined) return;
  bed = new T.SwitchTestbed('sw', BACKENDS);
  balancer = kernel.runInNamespace(bed.switch, () => newSwitch());
  for (let id = 0; id < BACKENDS; id++) bed.listen(id, PORT);
});

after(() => {
  balancer?.close();
  bed?.close();
});

function newSwitch(learning = false): Switch {
  const made = new Switch({
    ports: [
      { interface: 'sc0', role: 'client' },
      ...bed.backends.map((_, id) => ({ interface: `sb${id}`, role: 'backend' as const })),
    ],
    headerKey: HEADER_KEY,
    hashKey: HASH_KEY,
    address: T.SWITCH_ADDRESS,
    connections: 4096,
    policy: 'roundRobin',
    mode: 'native',
    learning,
  });
  made.addService(T.VIRTUAL_ADDRESS, PORT);
  for (let id = 0; id < BACKENDS; id++) addBackend(made, id);
  return made;
}

function addBackend(to: Switch, id: number): void {
  to.addBackend(id, {
    macAddress: bed.macAddresses[id]!,
    interface: `sb${id}`,
    address: T.backendAddress(id),
  });
}

/** Opens `count` connections and returns them with the backend that answered each. */
function open(count: number): { fd: number; backend: number }[] {
  return Array.from({ length: count }, () => {
    const fd = bed.connect(PORT);
    assert.ok(fd >= 0, `connecting: ${kernel.errnoName(-fd)}`);
    const backend = bed.ask(fd);
    assert.ok(backend >= 0, `asking: ${kernel.errnoName(-backend)}`);
    return { fd, backend };
  });
}

function close(connections: readonly { fd: number }[]): void {
  for (const { fd } of connections) kernel.shutdownSocket(fd, kernel.SHUT_RDWR);
}

function localPort(fd: number): number {
  const name = new kernel.SocketAddress();
  assert.equal(kernel.socketName(fd, name), 0);
  return name.port;
}

const keyOf = (fd: number): Parameters<Switch['flows']['find']>[0] => ({
  clientAddress: T.addressNumber(T.CLIENT_ADDRESS),
  clientPort: localPort(fd),
  virtualAddress: T.addressNumber(T.VIRTUAL_ADDRESS),
  virtualPort: PORT,
});

test('connections are spread by each policy, and stick', { skip }, () => {
  for (const policy of ['roundRobin', 'leastLoaded', 'maglev'] as const) {
    balancer.tables.policy = policy;
    const connections = open(30);
    const counts = [0, 0, 0];
    for (const { backend } of connections) counts[backend]!++;
    if (policy === 'roundRobin') assert.deepEqual(counts, [10, 10, 10]);
    assert.ok(
      counts.every(count => count > 0),
      `${policy}: ${counts}`,
    );
    for (const { fd, backend } of connections) {
      assert.equal(bed.ask(fd), backend);
      const flow = balancer.flows.find(keyOf(fd));
      assert.equal(flow?.owner, backend);
      assert.ok(flow.packets >= 3 && flow.bytesIn > 0 && flow.bytesOut > 0);
    }
  }
  const total = [0, 1, 2].reduce((sum, id) => sum + balancer.readBackend(id).connections, 0);
  assert.equal(total, 90);
  assert.equal(balancer.flows.count(), 90);
  balancer.tables.policy = 'roundRobin';
});

test('connections survive other backends’ going, and draining', { skip }, () => {
  const connections = open(12);
  balancer.removeBackend(2);
  balancer.setState(1, 'draining');
  for (const { fd, backend } of connections.filter(each => each.backend !== 2)) {
    assert.equal(bed.ask(fd), backend);
  }
  // New ones go to the one that is left.
  assert.ok(open(6).every(({ backend }) => backend === 0));
  // Those of the one that went are reset, rather than left hanging.
  const orphan = connections.find(each => each.backend === 2)!;
  assert.equal(bed.ask(orphan.fd), -kernel.ECONNRESET);
  assert.ok(balancer.readCounters().ownerDown > 0);
  addBackend(balancer, 2);
  balancer.setState(1, 'active');
});

test('ends are seen, and entries age', { skip }, () => {
  const connections = open(3);
  close(connections);
  for (const { fd } of connections) assert.ok(((balancer.flows.find(keyOf(fd))?.flags ?? 0) & 2) !== 0);
  const before = balancer.flows.count();
  const now = Math.floor(performance.now());
  balancer.tick(now + 60_000, balancer.flows.capacity);
  assert.ok(balancer.flows.count() >= before - 1 - 30, 'established ones stay');
  balancer.tick(now + 130_000, balancer.flows.capacity);
  for (const { fd } of connections) assert.equal(balancer.flows.find(keyOf(fd)), undefined);
  balancer.tick(now, 0);
});

test('control messages from the clients’ side are dropped and counted', { skip }, () => {
  const [{ fd, backend } = assert.fail()] = open(1);
  const mac = headerMac(HEADER_KEY);
  const header = new H.MigrationHeader();
  Object.assign(header, keyOf(fd));
  header.stage = H.CLAIM_BACK;
  header.origin = header.sender = backend;
  header.target = (backend + 1) % BACKENDS;
  const bytes = Buffer.alloc(H.HEADER_BYTES);
  H.writeHeader(header, new DataView(bytes.buffer, bytes.byteOffset), 0, mac);
  const before = balancer.readCounters().forgedControl;
  const to = [T.SWITCH_ADDRESS, T.VIRTUAL_ADDRESS, T.backendAddress(0)];
  for (const [i, address] of to.entries()) {
    const socket = bed.udp(bed.client, T.CLIENT_ADDRESS, 30_000 + i, { address, port: H.MIGRATION_PORT });
    // The first one waits for ARP.
    assert.equal(kernel.libc().writeBuffer(socket, bytes, bytes.length), bytes.length);
  }
  waitFor(() => balancer.readCounters().forgedControl >= before + to.length);
  assert.equal(balancer.flows.find(keyOf(fd))?.epoch, 0);
  assert.equal(bed.ask(fd), backend);
});

test('orders from backends move an entry, and are answered', { skip }, () => {
  const [{ fd, backend } = assert.fail()] = open(1);
  const target = (backend + 1) % BACKENDS;
  const mac = headerMac(HEADER_KEY);
  const sockets = [backend, target].map(id =>
    bed.udp(bed.backends[id]!, T.backendAddress(id), H.MIGRATION_PORT, {
      address: T.SWITCH_ADDRESS,
      port: H.MIGRATION_PORT,
    }),
  );
  // Messages between hosts come from their own addresses: these sockets take them as well.
  const listeners = [backend, target].map(id =>
    bed.udp(bed.backends[id]!, T.VIRTUAL_ADDRESS, 1 + H.MIGRATION_PORT),
  );
  assert.equal(listeners.length, 2);
  const header = new H.MigrationHeader();
  Object.assign(header, keyOf(fd));
  header.origin = backend;
  header.target = target;
  header.identifierLow = 77;
  const bytes = Buffer.alloc(H.HEADER_BYTES);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const send = (from: number, stage: number, sender: number, epoch: number): void => {
    header.stage = stage;
    header.sender = sender;
    header.epoch = epoch;
    H.writeHeader(header, view, 0, mac);
    assert.equal(kernel.libc().writeBuffer(sockets[from]!, bytes, bytes.length), bytes.length);
  };
  const answer = Buffer.alloc(256);
  const receive = (at: number): H.MigrationHeader => {
    assert.ok(T.ready(sockets[at]!, kernel.POLLIN, 3_000_000), 'no answer');
    const got = kernel.libc().readBuffer(sockets[at]!, answer, answer.length);
    const h = new H.MigrationHeader();
    assert.ok(H.parseHeader(h, new DataView(answer.buffer, answer.byteOffset), 0, got, mac));
    return h;
  };
  send(0, H.QUERY, backend, 0);
  const entry = receive(0);
  assert.equal(entry.verdict, H.VERDICT_ENTRY);
  assert.equal(entry.entryOwner, backend);
  send(1, H.COMMIT, target, 0);
  assert.equal(receive(1).verdict, H.VERDICT_LOST);
  send(0, H.CLAIM_BACK, backend, 0);
  const back = receive(0);
  assert.equal(back.verdict, H.VERDICT_OWNED);
  assert.equal(back.entryEpoch, 1);
  assert.equal(bed.ask(fd), backend);
});

test('a restarted switch waits for its backends before it sends packets astray', { skip }, () => {
  const connections = open(9);
  const claims = connections.map(({ fd, backend }) => ({ ...keyOf(fd), owner: backend, epoch: 3 }));
  balancer.close();
  balancer = kernel.runInNamespace(bed.switch, () => newSwitch(true));
  const one = connections[0]!;
  kernel.libc().writeBuffer(one.fd, Buffer.from('?'), 1);
  waitFor(() => balancer.readCounters().learning > 0);
  assert.equal(balancer.flows.claimExisting(claims), claims.length);
  balancer.learned();
  for (const { fd, backend } of connections.slice(1)) assert.equal(bed.ask(fd), backend);
  assert.equal(bed.ask(one.fd), one.backend);
  assert.equal(balancer.flows.find(keyOf(one.fd))?.epoch, 3);
});

test('closing leaves nothing behind, and a second program is refused by name', { skip }, () => {
  assert.throws(() => kernel.runInNamespace(bed.switch, () => newSwitch()), { code: 'ERR_DEMI_EBPF_BUSY' });
  balancer.close();
  balancer.close();
  balancer = kernel.runInNamespace(bed.switch, () => newSwitch());
  assert.equal(
    balancer.modes.every(mode => mode === 'native'),
    true,
  );
  assert.throws(
    () => balancer.addBackend(9, { macAddress: bed.macAddresses[0]!, interface: 'sc0', address: '10.0.0.1' }),
    {
      code: 'ERR_DEMI_ARGUMENT',
    },
  );
});

function waitFor(condition: () => boolean): void {
  const until = performance.now() + 5000;
  while (!condition()) {
    assert.ok(performance.now() < until, 'it did not happen');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
  }
}
