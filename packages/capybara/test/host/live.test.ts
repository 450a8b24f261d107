// A client on the kernel's stack, the switch's program, and two backends of our own stack in one thread: an echoed stream, every byte
// checked, while its connection goes to and fro. MOVES=n for longer runs.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { configure } from '@demikernel/lab';
import * as kernel from '@demikernel/native/kernel';
import { Connection, coroutines, DemiError, type Demikernel, open, promises } from 'demikernel';
import { MigrationAgent } from '../../src/host/agent.ts';
import { Switch } from '../../src/switch/switch.ts';
import * as T from '../switch/testbed.ts';

const PORT = 8090;
const MOVES = Number(process.env['MOVES'] ?? 40);
const HEADER_KEY = new Uint8Array(16).fill(7);
const LIMIT_MS = 100_000;
const ownAddress = (id: number): string => `10.88.0.${20 + id}`;

const skip = T.testbedRefusal();

interface Backend {
  os: Demikernel;
  agent: MigrationAgent;
  echoed: number;
}

type Style = 'coroutines' | 'promises';

async function makeBackend(bed: T.SwitchTestbed, id: number, style: Style): Promise<Backend> {
  const namespace = bed.backends[id]!;
  configure(namespace, netlink => {
    // The address is our stack's.
    kernel.deleteAddress(netlink, kernel.linkIndex('lo'), T.VIRTUAL_ADDRESS, 32);
  });
  const os = await open({
    libos: 'catpowder',
    interface: 'eth0',
    namespace,
    address: `${ownAddress(id)}/24`,
    virtualAddresses: [T.VIRTUAL_ADDRESS],
    device: 'af-xdp',
    wait: 'spin',
    selfCheck: false,
    onNotice: () => {},
  });
  const listener = os.socket('stream');
  os.bind(listener, `${T.VIRTUAL_ADDRESS}:${PORT}`);
  os.listen(listener);
  const agent = new MigrationAgent({
    os,
    self: id,
    address: ownAddress(id),
    switchAddress: T.SWITCH_ADDRESS,
    addressOf: backend => T.addressNumber(ownAddress(backend)) | 0,
    headerKey: HEADER_KEY,
    fleetKey: new Uint8Array(32).fill(1),
  });
  const backend: Backend = { os, agent, echoed: 0 };
  if (style === 'coroutines') serveByCoroutines(backend, listener);
  else serveByPromises(backend, listener);
  return backend;
}

function serveByCoroutines(backend: Backend, listener: number): void {
  const { agent, os } = backend;
  const co = coroutines(os);
  const echo = (qd: number): void => {
    agent.migratable(qd, { save: () => new Uint8Array(0) });
    co.spawn(function* () {
      for (;;) {
        const { array, errno } = yield* co.pop(qd);
        if (errno !== 0 || array === undefined || array.count === 0) {
          array?.free();
          break;
        }
        backend.echoed += array.lengthBytes;
        yield* co.push(qd, array);
        array.free();
      }
      agent.forget(qd);
      os.close(qd);
    });
  };
  co.spawn(function* () {
    for (;;) {
      const { acceptedQd, errno } = yield* co.accept(listener);
      if (errno !== 0) return;
      echo(acceptedQd);
    }
  });
  agent.serve(listener, { arrived: ({ qd }) => echo(qd) });
}

function serveByPromises(backend: Backend, listener: number): void {
  const { agent, os } = backend;
  const p = promises(os);
  const echo = async (connection: Connection): Promise<void> => {
    let busy = false;
    agent.migratable(connection.qd, {
      readByPromises: true,
      mayLeave: () => !busy,
      save: () => new Uint8Array(0),
    });
    try {
      for (;;) {
        const array = await connection.read();
        if (array === undefined) break;
        busy = true;
        backend.echoed += array.lengthBytes;
        await connection.write(array);
        array.free();
        busy = false;
      }
    } catch (error) {
      if (!(error instanceof DemiError)) throw error; // the connection has left
    }
    agent.forget(connection.qd);
    connection.close();
  };
  const accept = async (): Promise<void> => {
    for (;;) {
      const { acceptedQd } = await p.accept(listener);
      echo(new Connection(p, acceptedQd)).catch(() => {});
    }
  };
  accept().catch(() => {}); // until the library OS is closed
  agent.serve(listener, { arrived: ({ qd }) => void echo(new Connection(p, qd)).catch(() => {}) });
}

function byteAt(place: number): number {
  return Math.imul(place + 1, 0x9e3779b1) >>> 24;
}

async function run(style: Style, t: TestContext): Promise<void> {
  const bed = new T.SwitchTestbed(2, { ownPrograms: true });
  const closing: (() => void)[] = [() => bed.close()];
  try {
    const backends = [await makeBackend(bed, 0, style), await makeBackend(bed, 1, style)];
    for (const { os } of backends) closing.push(() => os.shutDown());
    const balancer = kernel.runInNamespace(
      bed.switch,
      () =>
        new Switch({
          ports: [
            { interface: 'sc0', role: 'client' },
            { interface: 'sb0', role: 'backend' },
            { interface: 'sb1', role: 'backend' },
          ],
          headerKey: HEADER_KEY,
          hashKey: new Uint8Array(16),
          address: T.SWITCH_ADDRESS,
          connections: 64,
          policy: 'roundRobin',
          mode: 'native',
        }),
    );
    closing.push(() => balancer.close());
    balancer.addService(T.VIRTUAL_ADDRESS, PORT);
    for (const id of [0, 1]) {
      balancer.addBackend(id, {
        macAddress: bed.macAddresses[id]!,
        interface: `sb${id}`,
        address: ownAddress(id),
      });
    }
    const turn = async (): Promise<void> => {
      if (style === 'promises') await setImmediate();
      else for (const { os } of backends) os.poll();
    };
    const fd = kernel.runInNamespace(bed.client, () => kernel.openSocket(kernel.AF_INET, kernel.SOCK_STREAM));
    closing.push(() => kernel.closeDescriptor(fd));
    const name = new kernel.SocketAddress();
    name.setIpv4(T.addressNumber(T.VIRTUAL_ADDRESS), PORT);
    const connected = kernel.connectSocket(fd, name);
    assert.ok(connected === 0 || connected === -kernel.EINPROGRESS, `connect: ${connected}`);
    const limitMs = Date.now() + LIMIT_MS;
    const out = Buffer.alloc(4096);
    const back = Buffer.alloc(65_536);
    let sent = 0;
    let received = 0;
    let moving = false;
    let startUs = 0;
    const times: number[] = [];
    while (times.length < MOVES || received < sent) {
      assert.ok(Date.now() < limitMs, `${times.length} moves, ${sent} sent, ${received} back`);
      await turn();
      assert.equal(kernel.socketError(fd), 0, 'the client was reset');
      if (times.length < MOVES && sent - received < 30_000) {
        const length = 1 + (sent % 3000);
        for (let i = 0; i < length; i++) out[i] = byteAt(sent + i);
        const wrote = kernel.libc().writeBuffer(fd, out, length);
        if (wrote > 0) sent += wrote;
      }
      const got = kernel.libc().readBuffer(fd, back, back.length);
      for (let i = 0; i < got; i++) {
        if (back[i] !== byteAt(received + i)) assert.fail(`byte ${received + i} is wrong`);
      }
      if (got > 0) received += got;
      if (moving || times.length >= MOVES) continue;
      for (const [id, { agent }] of backends.entries()) {
        const [qd] = agent.connections;
        if (qd === undefined) continue;
        moving = agent.move(qd, 1 - id, outcome => {
          moving = false;
          if (outcome === 'moved') times.push(performance.now() * 1000 - startUs);
        });
        if (moving) startUs = performance.now() * 1000;
        break;
      }
    }
    assert.equal(received, sent);
    for (const { agent, echoed } of backends) {
      assert.ok(echoed > 0);
      assert.equal(agent.counters.lost, 0);
    }
    times.sort((a, b) => a - b);
    const p50 = times[times.length >> 1]!;
    t.diagnostic(`${times.length} moves under ${sent} bytes; from move to moved: p50 ${p50.toFixed(0)} µs`);
    for (const { agent } of backends) closing.push(() => agent.close());
  } finally {
    for (const close of closing.reverse()) close();
  }
}

for (const style of ['coroutines', 'promises'] as const) {
  test(
    `a live connection of the kernel moves between two stacks, served by ${style}`,
    { skip, timeout: 110_000 },
    t => run(style, t),
  );
}
