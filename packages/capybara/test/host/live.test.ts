// A client on the kernel's stack, the switch's program, and two backends of our own stack in one thread: an echoed stream, every byte
// checked, while its connection goes to and fro. MOVES=n for longer runs.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import * as kernel from '@demikernel/native/kernel';
import { Switch } from '../../src/switch/switch.ts';
import * as T from '../switch/testbed.ts';
import { HEADER_KEY, makeBackend, ownAddress, PORT, type Style } from './stack-backend.ts';

const MOVES = Number(process.env['MOVES'] ?? 40);
const LIMIT_MS = 100_000;

const skip = T.testbedRefusal();

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
