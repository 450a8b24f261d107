// How a connection gets its local port, up to the last one and beyond.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TcpConnection } from '../../../src/inetstack/tcp/connection.ts';
import { Demultiplexer } from '../../../src/inetstack/tcp/demultiplexer.ts';
import { MAX_PROBES, Ports } from '../../../src/inetstack/tcp/ports.ts';
import { EADDRINUSE, EADDRNOTAVAIL } from '../../../src/runtime/errno.ts';
import { SeededRandom } from '../../../src/runtime/random.ts';

const FIRST = 49_152;
const LAST = 65_535;
const SPAN = LAST - FIRST + 1;
const LOCAL = 0x0a000001;
const REMOTE = 0x0a000002;
const HASH = 0x1234_5678;

class Scene {
  readonly table: Demultiplexer;
  readonly ports: Ports;
  /** Looks into the table. */
  probes: number;

  constructor(first = FIRST, last = LAST) {
    this.table = new Demultiplexer(new SeededRandom(1));
    this.ports = new Ports(new SeededRandom(2), first, last, undefined);
    this.probes = 0;
    const find = this.table.find.bind(this.table);
    this.table.find = (remote, local, ports) => {
      this.probes++;
      return find(remote, local, ports);
    };
  }

  /** A connection's port, or a negative errno. */
  open(remote = REMOTE, remotePort = 80, hash = HASH): number {
    const port = this.ports.connect(this.table, LOCAL, remote, remotePort, hash);
    if (port > 0) this.table.add(connection(port, remote, remotePort));
    return port;
  }

  close(port: number, remote = REMOTE, remotePort = 80): void {
    this.table.remove(this.table.find(remote, LOCAL, (port << 16) | remotePort)!);
    this.ports.release(port);
  }
}

function connection(port: number, remoteAddress: number, remotePort: number): TcpConnection {
  return { localAddress: LOCAL, remoteAddress, ports: (port << 16) | remotePort } as TcpConnection;
}

test('every port is given once, then there is none, at a bounded cost', () => {
  const scene = new Scene();
  const seen = new Set<number>();
  for (let i = 0; i < SPAN; i++) {
    scene.probes = 0;
    const port = scene.open();
    assert.ok(port >= FIRST && port <= LAST);
    assert.equal(scene.probes, 1, 'the next port is free');
    seen.add(port);
  }
  assert.equal(seen.size, SPAN);
  for (let i = 0; i < 100; i++) {
    scene.probes = 0;
    assert.equal(scene.open(), -EADDRNOTAVAIL);
    assert.equal(scene.probes, MAX_PROBES);
  }
});

test('one free port among all is found by searches that go on where the last one ended', () => {
  const scene = new Scene();
  for (let i = 0; i < SPAN; i++) scene.open();
  const random = new SeededRandom(3);
  for (let i = 0; i < 20; i++) {
    const free = FIRST + random.below(SPAN);
    scene.close(free);
    let port = -1;
    let tries = 0;
    for (; port < 0; tries++) port = scene.open();
    assert.equal(port, free);
    assert.ok(tries <= SPAN / MAX_PROBES + 1, `${tries}`);
  }
});

test('ports that come free in the order they were taken are found at once', () => {
  const scene = new Scene();
  const open: number[] = [];
  for (let i = 0; i < SPAN; i++) open.push(scene.open());
  scene.probes = 0;
  for (let i = 0; i < 1000; i++) {
    scene.close(open.shift()!);
    const port = scene.open();
    assert.ok(port > 0);
    open.push(port);
  }
  assert.ok(scene.probes <= 3000);
});

test('two destinations may have the same port, and bound ports are nobody’s', () => {
  const scene = new Scene(60_000, 60_002);
  assert.equal(scene.ports.bind(0, 60_001), 60_001);
  const first = [scene.open(), scene.open()].sort();
  assert.deepEqual(first, [60_000, 60_002]);
  assert.equal(scene.open(), -EADDRNOTAVAIL);
  const second = [scene.open(REMOTE, 81, ~HASH >>> 1), scene.open(REMOTE, 81, ~HASH >>> 1)].sort();
  assert.deepEqual(second, first);
});

test('a reservation that is refused is an error of its own', () => {
  const table = new Demultiplexer(new SeededRandom(1));
  let asked = 0;
  const ports = new Ports(new SeededRandom(2), FIRST, LAST, {
    reserve: () => {
      asked++;
      return -EADDRINUSE;
    },
    release: () => {},
  });
  assert.equal(ports.connect(table, LOCAL, REMOTE, 80, HASH), -EADDRINUSE);
  assert.equal(asked, MAX_PROBES);
});

test('destinations begin at places of their own', () => {
  const scene = new Scene();
  const random = new SeededRandom(5);
  const begun = new Set<number>();
  for (let i = 0; i < 1000; i++) begun.add(scene.open(REMOTE + i, 80, random.int32() >>> 1));
  assert.ok(begun.size > 900, `${begun.size}`);
});
