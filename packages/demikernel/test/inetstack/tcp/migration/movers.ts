// A client and two backends with one virtual address; who gets the client's packets is the client's neighbour entry: the switch of
// these tests. Streams in both directions whose every byte is a function of its place.

import assert from 'node:assert/strict';
import {
  type ArrivingConnection,
  type ConnectionName,
  type DepartingConnection,
  type Expected,
  expectConnection,
  exportConnection,
} from '../../../../src/inetstack/tcp/migration/connections.ts';
import type { TcpQueue } from '../../../../src/inetstack/tcp/tcp-queue.ts';
import {
  type SimulatedHostOptions,
  SimulatedWorld,
  type SimulatedWorldOptions,
} from '../../../../src/liboses/simulator/index.ts';
import { EBUSY, ECANCELED } from '../../../../src/runtime/errno.ts';
import type { Operation } from '../../../../src/runtime/operation.ts';
import type { Queue } from '../../../../src/runtime/queue.ts';
import { SHUT_WR } from '../../../../src/runtime/queue.ts';
import type { Random } from '../../../../src/runtime/random.ts';
import { parseIpv4 } from '../../../../src/runtime/socket-address.ts';
import { done, Peer } from '../simulated-pair.ts';

export const VIRTUAL = '10.0.0.100';
const VIRTUAL_ADDRESS = parseIpv4(VIRTUAL)!;

export interface Backend {
  peer: Peer;
  listener: Queue;
}

export interface Fleet {
  world: SimulatedWorld;
  client: Peer;
  backends: Backend[];
}

export function fleet(
  options: SimulatedWorldOptions = {},
  host: SimulatedHostOptions = {},
  count = 2,
): Fleet {
  const world = new SimulatedWorld(options);
  const client = new Peer(world, world.host('10.0.0.1/24', host));
  const backends: Backend[] = [];
  for (let i = 0; i < count; i++) {
    const own = `10.0.0.${2 + i}/24`;
    const peer = new Peer(world, world.host(own, { ...host, virtualAddresses: [VIRTUAL_ADDRESS] }));
    backends.push({ peer, listener: peer.listen(80) });
  }
  return { world, client, backends };
}

/** Sends the client's packets to a backend from here on. */
export function direct(f: Fleet, backend: Backend): void {
  f.client.host.stack.arp.addPermanent(VIRTUAL_ADDRESS, backend.peer.host.device.macAddress);
}

export function connectTo(f: Fleet, backend: Backend): { client: TcpQueue; server: TcpQueue } {
  direct(f, backend);
  const accept = backend.peer.accept(backend.listener);
  const client = f.client.socket() as TcpQueue;
  const connect = f.client.connect(client, `${VIRTUAL}:80`);
  assert.ok(f.world.run(() => done(accept) && done(connect)));
  assert.equal(f.client.finish(connect), 0);
  return { client, server: backend.peer.accepted(accept) };
}

export function leave(backend: Backend, queue: TcpQueue): DepartingConnection {
  return exportConnection(backend.peer.host.libos, queue.qd);
}

export function expectAt(backend: Backend, name: ConnectionName, heldPackets = 256): Expected {
  return expectConnection(backend.peer.host.libos, backend.listener.qd, name, { heldPackets });
}

export function queueAt(backend: Backend, arriving: ArrivingConnection): TcpQueue {
  return backend.peer.host.runtime.queues.lookup(arriving.qd) as TcpQueue;
}

/** The byte at a place of a stream. */
export function byteAt(place: number, salt: number): number {
  return (Math.imul(place + 1, 0x9e3779b1) ^ salt) >>> 24;
}

/** One end of a connection: pushes its stream, checks the other's. The application state that moves with a connection. */
export class End {
  peer: Peer;
  queue: TcpQueue;
  readonly random: Random;
  readonly salt: number;
  readonly otherSalt: number;
  readonly total: number;
  pushed = 0;
  popped = 0;
  ended = false;
  shut = false;
  private readonly pushes: { operation: Operation; bytes: number }[] = [];
  private waiting: Operation | undefined;

  constructor(peer: Peer, queue: TcpQueue, random: Random, salt: number, otherSalt: number, total: number) {
    this.peer = peer;
    this.queue = queue;
    this.random = random;
    this.salt = salt;
    this.otherSalt = otherSalt;
    this.total = total;
  }

  get finished(): boolean {
    return this.shut && this.ended && this.pushes.length === 0;
  }

  turn(): number {
    let work = this.collect();
    if (this.random.below(3) === 0) return work;
    if (!this.shut && this.pushed < this.total && this.pushes.length < 4) {
      const length = Math.min(this.total - this.pushed, 1 + this.random.below(4000));
      const bytes = new Uint8Array(length);
      for (let i = 0; i < length; i++) bytes[i] = byteAt(this.pushed + i, this.salt);
      const operation = this.peer.push(this.queue, bytes);
      if (operation !== undefined) {
        this.pushes.push({ operation, bytes: length });
        this.pushed += length;
        work++;
      }
    }
    if (!this.shut && this.pushed === this.total && this.pushes.length === 0) {
      const errno = this.queue.shutdown(SHUT_WR);
      assert.ok(errno === 0 || errno === EBUSY);
      if (errno === 0) this.shut = true;
      work++;
    }
    if (this.waiting === undefined && !this.ended) {
      this.waiting = this.peer.pop(this.queue, this.random.below(3) === 0 ? 1 + this.random.below(2000) : 0);
      work++;
    }
    return work;
  }

  private collect(): number {
    let work = 0;
    while (this.pushes.length > 0 && done(this.pushes[0]!.operation)) {
      assert.equal(this.peer.finish(this.pushes.shift()!.operation), 0, 'a push failed');
      work++;
    }
    if (this.waiting !== undefined && done(this.waiting)) {
      assert.equal(this.waiting.errno, 0, 'a pop failed');
      const bytes = this.peer.bytes(this.waiting);
      this.waiting = undefined;
      if (bytes.length === 0) this.ended = true;
      for (let i = 0; i < bytes.length; i++) {
        assert.equal(bytes[i], byteAt(this.popped + i, this.otherSalt), `byte ${this.popped + i}`);
      }
      this.popped += bytes.length;
      work++;
    }
    return work;
  }

  /** The connection is elsewhere now: what waited here was cancelled, and none of it was done. */
  moveTo(peer: Peer, queue: TcpQueue): void {
    for (const { operation, bytes } of this.pushes) {
      assert.ok(done(operation), 'a push is left behind');
      if (this.peer.finish(operation) === ECANCELED) this.pushed -= bytes;
    }
    this.pushes.length = 0;
    if (this.waiting !== undefined) {
      assert.ok(done(this.waiting), 'a pop is left behind');
      if (this.waiting.errno === 0) this.collect();
      else assert.equal(this.peer.finish(this.waiting), ECANCELED);
      this.waiting = undefined;
    }
    this.peer = peer;
    this.queue = queue;
  }
}
