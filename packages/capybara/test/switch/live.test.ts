// The switch between kernel hosts: connections are spread and stick, backends come and go, replies and ends are seen,
// and nobody on the clients' side gives orders.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { queryXdp } from '@demikernel/ebpf';
import * as kernel from '@demikernel/native/kernel';
import { Switch } from '../../src/switch/switch.ts';
import * as H from '../../src/tcpmig/header.ts';
import { Agent } from './agent.ts';
import { headerMac } from './frames.ts';
import * as T from './testbed.ts';

const PORT = 8088;
const BACKENDS = 3;
const HEADER_KEY = new Uint8Array(16).fill(7);
const HASH_KEY = new Uint8Array(16).fill(9);
const MAC = headerMac(HEADER_KEY);

const skip = T.testbedRefusal();
let bed: T.SwitchTestbed;
let balancer: Switch;

before(() => {
  if (skip !== undefined) return;
  bed = new T.SwitchTestbed(BACKENDS);
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

const agentOf = (id: number): Agent => new Agent(bed, id, MAC);

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
  const [staying = assert.fail()] = open(1);
  close(connections);
  waitFor(() => connections.every(({ fd }) => ((balancer.flows.find(keyOf(fd))?.flags ?? 0) & 2) !== 0));
  const now = Math.floor(performance.now());
  balancer.tick(now + 130_000, balancer.flows.capacity);
  for (const { fd } of connections) assert.equal(balancer.flows.find(keyOf(fd)), undefined);
  assert.equal(balancer.flows.find(keyOf(staying.fd))?.owner, staying.backend);
  balancer.tick(now, 0);
});

test('control messages from the clients’ side are dropped and counted', { skip }, () => {
  const [{ fd, backend } = assert.fail()] = open(1);
  const header = new H.MigrationHeader();
  Object.assign(header, keyOf(fd));
  header.stage = H.CLAIM_BACK;
  header.origin = header.sender = backend;
  header.target = (backend + 1) % BACKENDS;
  const bytes = Buffer.alloc(H.HEADER_BYTES);
  H.writeHeader(header, new DataView(bytes.buffer, bytes.byteOffset), 0, MAC);
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
  const other = (backend + 1) % BACKENDS;
  // The third one takes no new connections: it is not chosen.
  const third = (backend + 2) % BACKENDS;
  balancer.setState(third, 'draining');
  const [origin, target] = [agentOf(backend), agentOf(other)];
  const about = { ...keyOf(fd), origin: backend, identifierLow: 77 };
  origin.send(H.QUERY, about);
  const entry = origin.receive('switch');
  assert.deepEqual([entry.verdict, entry.entryOwner, entry.entryEpoch], [H.VERDICT_ENTRY, backend, 0]);
  // Who has not heard from this start of the switch is told of it, and asks again.
  target.boot = entry.boot ^ 1;
  target.send(H.COMMIT, { ...about, target: other });
  const stale = target.receive('switch');
  assert.deepEqual([stale.verdict, stale.boot, entry.boot !== 0], [H.VERDICT_STALE, entry.boot, true]);
  target.send(H.COMMIT, { ...about, target: other });
  assert.equal(target.receive('switch').verdict, H.VERDICT_LOST);

  origin.send(H.PREPARE, { ...about, target: H.ANY_BACKEND });
  const prepare = target.receive('peer');
  assert.deepEqual([prepare.stage, prepare.target, prepare.identifierLow], [H.PREPARE, other, 77]);
  const move = { ...about, target: other, epoch: prepare.epoch };
  target.send(H.PREPARE_ACK, move);
  assert.equal(origin.receive('peer').stage, H.PREPARE_ACK);
  assert.equal(balancer.flows.find(keyOf(fd))?.target, other);
  const { toTarget } = balancer.readCounters();
  kernel.libc().writeBuffer(fd, Buffer.from('?'), 1);
  waitFor(() => balancer.readCounters().toTarget > toTarget);
  target.send(H.COMMIT, move);
  const won = target.receive('switch');
  assert.deepEqual([won.verdict, won.entryOwner, won.entryEpoch], [H.VERDICT_OWNED, other, 1]);
  // A lost verdict is asked for again; the origin comes too late.
  target.send(H.COMMIT, move);
  assert.equal(target.receive('switch').verdict, H.VERDICT_OWNED);
  origin.send(H.CLAIM_BACK, move);
  assert.equal(origin.receive('switch').verdict, H.VERDICT_LOST);

  // And back again by name, given up by the target.
  target.send(H.PREPARE, { ...about, origin: other, target: backend });
  const again = origin.receive('peer');
  const return_ = { ...about, origin: other, target: backend, epoch: again.epoch };
  origin.send(H.PREPARE_ACK, return_);
  assert.equal(target.receive('peer').stage, H.PREPARE_ACK);
  origin.send(H.RELEASE, return_);
  const released = origin.receive('switch');
  assert.deepEqual([released.entryOwner, released.entryEpoch], [other, 2]);
  // Nobody takes a connection that is not his.
  origin.send(H.PREPARE, { ...about, target: other });
  const refused = origin.receive('switch');
  assert.deepEqual([refused.stage, refused.verdict], [H.REJECT, H.REASON_NOT_OWNER]);
  balancer.setState(third, 'active');
});

test('heartbeats reach a socket at the switch, forged ones do not', { skip }, () => {
  const control = bed.udp(bed.switch, T.SWITCH_ADDRESS, H.MIGRATION_PORT);
  const agent = agentOf(0);
  const { badMac } = balancer.readCounters();
  const bytes = Buffer.alloc(H.HEADER_BYTES);
  const header = new H.MigrationHeader();
  header.stage = H.HEARTBEAT;
  H.writeHeader(header, new DataView(bytes.buffer, bytes.byteOffset), 0, headerMac(HASH_KEY));
  agent.sendBytes(bytes);
  waitFor(() => balancer.readCounters().badMac > badMac);
  agent.send(H.HEARTBEAT, {});
  assert.ok(T.ready(control, kernel.POLLIN, 3_000_000));
  const got = Buffer.alloc(256);
  assert.equal(kernel.libc().readBuffer(control, got, got.length), H.HEADER_BYTES);
  assert.equal(got[H.AT_STAGE], H.HEARTBEAT);
});

test('a restarted switch waits for its backends before it sends packets astray', { skip }, () => {
  const connections = open(9);
  const claims = connections.map(({ fd, backend }) => ({ ...keyOf(fd), owner: backend, epoch: 3 }));
  balancer.close();
  balancer = kernel.runInNamespace(bed.switch, () => newSwitch(true));
  const one = connections[0]!;
  kernel.libc().writeBuffer(one.fd, Buffer.from('?'), 1);
  waitFor(() => balancer.readCounters().learning > 0);
  // One is named by a message, the others by what a heartbeat would say.
  const agent = agentOf(one.backend);
  agent.send(H.QUERY, keyOf(one.fd));
  assert.equal(agent.receive('switch').verdict, H.VERDICT_LEARNING);
  agent.send(H.RELEARN, { ...keyOf(one.fd), epoch: 3 });
  assert.equal(agent.receive('switch').verdict, H.VERDICT_OWNED);
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

test('a switch that is killed leaves its devices free', { skip }, async () => {
  balancer.close();
  const script = new URL('./holder.js', import.meta.url).pathname;
  const child = kernel.spawnInNamespace(bed.switch, process.execPath, [script, 'sc0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout!, 'data')) as [Buffer];
  assert.equal(line.toString(), 'attached\n');
  const programOf = (): number =>
    kernel.runInNamespace(bed.switch, () => queryXdp(kernel.linkIndex('sc0')).programId);
  assert.notEqual(programOf(), 0);
  child.kill('SIGKILL');
  await once(child, 'close');
  waitFor(() => programOf() === 0);
  balancer = kernel.runInNamespace(bed.switch, () => newSwitch());
});

function waitFor(condition: () => boolean): void {
  const until = performance.now() + 5000;
  while (!condition()) {
    assert.ok(performance.now() < until, 'it did not happen');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
  }
}
