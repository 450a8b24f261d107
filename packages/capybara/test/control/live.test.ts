// A fleet as it is run: the switch with its controller, three backends that announce themselves, kernel clients. Backends are
// drained, die and come back while their connections are in use, all by the commands' own interface.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import * as kernel from '@demikernel/native/kernel';
import { command } from '../../src/cli/command.ts';
import { ask, askStatus } from '../../src/cli/verb.ts';
import { Balancer } from '../../src/control/balancer.ts';
import type { FleetStatus } from '../../src/control/status.ts';
import { Announcer } from '../../src/host/announcing.ts';
import { type Backend, FLEET_KEY, HEADER_KEY, makeBackend, ownAddress, PORT } from '../host/stack-backend.ts';
import * as T from '../switch/testbed.ts';

const BACKENDS = 3;
const CLIENTS = 9;
const LIMIT_MS = 60_000;
const skip = T.testbedRefusal();

/** A client that sends numbered bytes and checks the echo. */
class Client {
  readonly fd: number;
  sent: number;
  received: number;
  private readonly out: Buffer;
  private readonly back: Buffer;

  constructor(fd: number) {
    this.fd = fd;
    this.sent = 0;
    this.received = 0;
    this.out = Buffer.alloc(600);
    this.back = Buffer.alloc(4096);
  }

  turn(): void {
    assert.equal(kernel.socketError(this.fd), 0, 'a client was reset');
    if (this.sent - this.received < 2000) {
      const length = 1 + (this.sent % 500);
      for (let i = 0; i < length; i++) this.out[i] = (this.sent + i) % 251;
      const wrote = kernel.libc().writeBuffer(this.fd, this.out, length);
      if (wrote > 0) this.sent += wrote;
    }
    const got = kernel.libc().readBuffer(this.fd, this.back, this.back.length);
    assert.notEqual(got, 0, 'a client’s connection was ended');
    for (let i = 0; i < got; i++) {
      if (this.back[i] !== (this.received + i) % 251) assert.fail(`byte ${this.received + i} is wrong`);
    }
    if (got > 0) this.received += got;
  }
}

class Fleet {
  readonly bed: T.SwitchTestbed;
  readonly backends: Backend[];
  readonly announcers: Announcer[];
  readonly clients: Client[];
  readonly path: string;
  private readonly folder: string;
  private readonly closing: (() => void)[];
  private readonly endMs: number;

  constructor() {
    this.bed = new T.SwitchTestbed(BACKENDS, { ownPrograms: true });
    this.closing = [() => this.bed.close()];
    this.folder = mkdtempSync(join(tmpdir(), 'demi-fleet-'));
    this.path = join(this.folder, 'orders');
    this.backends = [];
    this.announcers = [];
    this.clients = [];
    this.endMs = Date.now() + LIMIT_MS;
  }

  async start(): Promise<void> {
    for (let id = 0; id < BACKENDS; id++) {
      const backend = await makeBackend(this.bed, id, 'coroutines');
      this.closing.push(() => backend.os.shutDown());
      this.backends.push(backend);
    }
    const ids = Array.from({ length: BACKENDS }, (_, id) => id);
    const balancer = kernel.runInNamespace(
      this.bed.switch,
      () =>
        new Balancer({
          fleet: {
            services: [{ address: T.VIRTUAL_ADDRESS, port: PORT }],
            ports: [
              { interface: 'sc0', role: 'client' },
              ...ids.map(id => ({ interface: `sb${id}`, role: 'backend' as const })),
            ],
            address: T.SWITCH_ADDRESS,
            headerKey: HEADER_KEY,
            hashKey: new Uint8Array(16),
            fleetKey: FLEET_KEY,
            spread: 'roundRobin',
            connections: 256,
            policy: { proactive: false },
            dryRun: false,
            backends: ids.map(number => ({ number, interface: `sb${number}` })),
          },
          tickMs: 20,
        }),
    );
    this.closing.push(() => balancer.close());
    await balancer.operate({ path: this.path });
    for (const id of ids) this.announce(id);
    await this.until(async () => (await this.status()).backends.length === BACKENDS);
  }

  announce(id: number): void {
    const { agent, os } = this.backends[id]!;
    this.announcers[id] = new Announcer({
      agent,
      runtime: os.libraryOs.runtime,
      address: T.addressNumber(ownAddress(id)),
      macAddress: kernel.parseMacAddress(this.bed.macAddresses[id]!),
      fleetKey: FLEET_KEY,
      intervalUs: 50_000,
    });
  }

  connect(): Promise<void> {
    for (let i = 0; i < CLIENTS; i++) {
      const fd = kernel.runInNamespace(this.bed.client, () =>
        kernel.openSocket(kernel.AF_INET, kernel.SOCK_STREAM),
      );
      this.closing.push(() => kernel.closeDescriptor(fd));
      const name = new kernel.SocketAddress();
      name.setIpv4(T.addressNumber(T.VIRTUAL_ADDRESS), PORT);
      const result = kernel.connectSocket(fd, name);
      assert.ok(result === 0 || result === -kernel.EINPROGRESS, `connect: ${result}`);
      this.clients.push(new Client(fd));
    }
    return this.until(() => this.clients.every(client => client.received > 0));
  }

  status(): Promise<FleetStatus> {
    return this.during(askStatus(this.path));
  }

  /** Waits for an answer while the fleet works. */
  async during<T>(answer: Promise<T>): Promise<T> {
    let waiting = true;
    const ended = answer.finally(() => {
      waiting = false;
    });
    ended.catch(() => {});
    while (waiting) await this.turn();
    return ended;
  }

  /** Lets everybody work until it is so; every client must get on meanwhile. */
  async until(isSo: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await isSo())) {
      assert.ok(Date.now() < this.endMs, 'it never came about');
      for (let i = 0; i < 50; i++) await this.turn();
    }
  }

  async everybodyGetsOn(): Promise<void> {
    const before = this.clients.map(client => client.received);
    await this.until(() => this.clients.every((client, i) => client.received > before[i]! + 2000));
  }

  close(): void {
    for (const announcer of this.announcers) announcer.close();
    for (const close of this.closing.reverse()) close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async turn(): Promise<void> {
    for (const { os } of this.backends) os.poll();
    for (const client of this.clients) client.turn();
    await setImmediate();
  }
}

function connectionsOf(status: FleetStatus, id: number): number {
  return status.backends.find(each => each.id === id)!.connections;
}

test('a fleet is drained, loses a backend and gets it back, in use', {
  skip,
  timeout: 90_000,
}, async (t: TestContext) => {
  const fleet = new Fleet();
  try {
    await fleet.start();
    await fleet.connect();
    const first = await fleet.status();
    assert.deepEqual(
      first.backends.map(each => [each.id, each.state, each.connections]),
      [0, 1, 2].map(id => [id, 'active', CLIENTS / BACKENDS]),
    );

    // By the command, which ends when the backend is empty.
    const status = await fleet.during(command.run(['drain', '0', '--socket', fleet.path]));
    assert.equal(status, 0);
    await fleet.everybodyGetsOn();
    const drained = await fleet.status();
    assert.equal(connectionsOf(drained, 0), 0);
    assert.equal(drained.backends[0]!.state, 'draining');
    assert.equal(drained.counters.moved, CLIENTS / BACKENDS);
    assert.ok(drained.migrations.every(each => each.reason === 'drain' && each.outcome === 'moved'));

    // Back to work, and one connection comes back by order.
    await fleet.during(ask(fleet.path, 'POST', '/undrain?backend=0'));
    const { client } = drained.busiest[0]!;
    assert.equal(await fleet.during(command.run(['move', client, '--to', '0', '--socket', fleet.path])), 0);
    await fleet.until(async () => connectionsOf(await fleet.status(), 0) === 1);
    await fleet.everybodyGetsOn();

    // The backend wishes to end: it says so itself, and its own count falls to nothing.
    fleet.announcers[1]!.drain();
    await fleet.until(() => fleet.backends[1]!.agent.connections.length === 0);
    await fleet.everybodyGetsOn();
    // It falls silent, is taken out, and comes back.
    fleet.announcers[1]!.close();
    await fleet.until(async () => (await fleet.status()).backends[1]!.state === 'down');
    await fleet.everybodyGetsOn();
    fleet.announce(1);
    await fleet.until(async () => (await fleet.status()).backends[1]!.state === 'active');
    const last = await fleet.status();
    assert.equal(last.counters.deaths, 1);
    assert.equal(last.backends[1]!.returns, 1);
    assert.match(
      await fleet.during(ask(fleet.path, 'GET', '/metrics')),
      /demikernel_capybara_deaths_total 1/,
    );
    const bytes = fleet.clients.reduce((sum, each) => sum + each.received, 0);
    t.diagnostic(`${last.counters.moved} connections moved under ${bytes} echoed bytes`);
  } finally {
    fleet.close();
  }
});
