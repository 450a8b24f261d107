// Two simulated hosts and the calls that TCP tests make over and over.

import assert from 'node:assert/strict';
import type { TcpQueue } from '../../../src/inetstack/tcp/tcp-queue.ts';
import {
  type SimulatedHost,
  type SimulatedHostOptions,
  SimulatedWorld,
  type SimulatedWorldOptions,
} from '../../../src/liboses/simulator/index.ts';
import {
  OP_ACCEPT,
  OP_COMPLETE,
  OP_CONNECT,
  OP_POP,
  OP_PUSH,
  type Operation,
} from '../../../src/runtime/operation.ts';
import type { Queue } from '../../../src/runtime/queue.ts';
import { parseSocketAddress } from '../../../src/runtime/socket-address.ts';

/** The application of one host. */
export class Peer {
  readonly host: SimulatedHost;
  readonly world: SimulatedWorld;

  constructor(world: SimulatedWorld, host: SimulatedHost) {
    this.world = world;
    this.host = host;
  }

  socket(): Queue {
    const queue = this.host.libos.createSocket('stream');
    assert.ok(this.host.runtime.queues.add(queue) >= 0);
    return queue;
  }

  listen(port: number, backlog = 16): Queue {
    const queue = this.socket();
    assert.equal(queue.bind(parseSocketAddress(`*:${port}`)), 0);
    assert.equal(queue.listen(backlog), 0);
    return queue;
  }

  accept(queue: Queue): Operation {
    const operation = this.host.runtime.operations.issue(OP_ACCEPT, queue.qd);
    queue.accept(operation);
    return operation;
  }

  accepted(operation: Operation): TcpQueue {
    const qd = operation.acceptedQd;
    this.finish(operation);
    return this.host.runtime.queues.lookup(qd) as TcpQueue;
  }

  connect(queue: Queue, to: string): Operation {
    const operation = this.host.runtime.operations.issue(OP_CONNECT, queue.qd);
    operation.address.copyFrom(parseSocketAddress(to));
    queue.connect(operation);
    return operation;
  }

  /** Pushes bytes; `undefined` when the pool has no slots for them. */
  push(queue: Queue, bytes: Uint8Array, flags = 0, sliceBytes?: number): Operation | undefined {
    const array = this.host.pool.allocArray(bytes.length, sliceBytes);
    if (array === undefined) return undefined;
    array.copyFrom(bytes);
    const operation = this.host.runtime.operations.issue(OP_PUSH, queue.qd);
    operation.array = array;
    operation.flags = flags;
    operation.sizeBytes = bytes.length;
    queue.push(operation);
    return operation;
  }

  pop(queue: Queue, sizeBytes = 0): Operation {
    const operation = this.host.runtime.operations.issue(OP_POP, queue.qd);
    operation.sizeBytes = sizeBytes;
    queue.pop(operation);
    return operation;
  }

  /** Takes the bytes of a complete pop. */
  bytes(operation: Operation): Uint8Array {
    assert.equal(operation.state, OP_COMPLETE);
    assert.equal(operation.errno, 0);
    const array = operation.array!;
    const bytes = array.toBytes();
    array.free();
    this.finish(operation);
    return bytes;
  }

  /** Retires a complete operation; returns its errno. */
  finish(operation: Operation): number {
    assert.equal(operation.state, OP_COMPLETE);
    const { errno } = operation;
    this.host.runtime.operations.retire(operation);
    return errno;
  }

  close(queue: Queue): void {
    if (queue.qd >= 0) this.host.runtime.queues.remove(queue.qd);
    queue.close();
  }

  counter(name: string): number {
    const index = TCP_COUNTERS.indexOf(name as (typeof TCP_COUNTERS)[number]);
    assert.ok(index >= 0, name);
    return this.host.stack.tcp.counters[index]!;
  }

  /** Asserts that nothing is left of any connection. */
  assertClean(what = ''): void {
    const { tcp } = this.host.stack;
    assert.equal(tcp.connectionCount, 0, `connections left ${what}`);
    assert.equal(this.host.usedSlots, 0, `slots left ${what}`);
    assert.equal(this.host.runtime.operations.liveCount, 0, `operations left ${what}`);
    assert.equal(tcp.orphanCount, 0, `orphans left ${what}`);
    assert.equal(tcp.timeWait.count, 0, `time-wait left ${what}`);
  }
}

import { TCP_COUNTERS } from '../../../src/inetstack/tcp/counters.ts';

export function done(operation: Operation): boolean {
  return operation.state === OP_COMPLETE;
}

export interface Pair {
  world: SimulatedWorld;
  a: Peer;
  b: Peer;
}

export function pair(
  options: SimulatedWorldOptions = {},
  hostA: SimulatedHostOptions = {},
  hostB: SimulatedHostOptions = hostA,
): Pair {
  const world = new SimulatedWorld(options);
  const a = new Peer(world, world.host('10.0.0.1/24', hostA));
  const b = new Peer(world, world.host('10.0.0.2/24', hostB));
  return { world, a, b };
}

/** A connection from `a` to port 80 of `b`. */
export function connected(p: Pair): { client: TcpQueue; server: TcpQueue; listener: Queue } {
  const listener = p.b.listen(80);
  const accept = p.b.accept(listener);
  const client = p.a.socket() as TcpQueue;
  const connect = p.a.connect(client, '10.0.0.2:80');
  assert.ok(p.world.run(() => done(accept) && done(connect)));
  assert.equal(p.a.finish(connect), 0);
  return { client, server: p.b.accepted(accept), listener };
}

/** Bytes that differ from place to place, by a seed. */
export function pattern(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let x = (seed * 0x9e3779b1) | 1;
  for (let i = 0; i < length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    bytes[i] = x;
  }
  return bytes;
}
