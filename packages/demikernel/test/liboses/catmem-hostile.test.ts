// A peer that scribbles over what it shares: indices, descriptors, states, returned ids. It may break its own connection and
// nothing else: no crash, no read outside its memory, no hang, no slot lost, and the next peer is served.
// CATMEM_SCRIBBLES says how many, CATMEM_SEED in which order.

import assert from 'node:assert/strict';
import { closeSync } from 'node:fs';
import { describe, test } from 'node:test';
import {
  AF_UNIX,
  closeDescriptor,
  connectSocket,
  createMemfd,
  F_SEAL_FUTURE_WRITE,
  F_SEAL_GROW,
  F_SEAL_SHRINK,
  mapDescriptor,
  openDescriptors,
  openSocket,
  SOCK_SEQPACKET,
  SocketAddress,
} from '@demikernel/native/kernel';
import { type Demikernel, ECONNRESET, open, type Result } from '../../src/index.ts';
import type { Connection } from '../../src/liboses/catmem/connection.ts';
import { Greeter, type Greeting } from '../../src/liboses/catmem/greeting.ts';
import { writeName } from '../../src/liboses/catmem/names.ts';
import { SeededRandom } from '../../src/runtime/random.ts';
import { parseSocketAddress } from '../../src/runtime/socket-address.ts';
import { blockWords, connectionBytes, RING_CAPACITY, returnedAt } from '../../src/shm/layout.ts';

const SCRIBBLES = Number(process.env['CATMEM_SCRIBBLES'] ?? 200_000);
const SEED = Number(process.env['CATMEM_SEED'] ?? 20261123);
const MOST_PER_CONNECTION = 400;
const MEMORY_BYTES = 1 << 20;
/** Turns in which a connection that is broken must have said so. */
const TURNS = 2000;

/** What the hostile end reaches into: its own library OS's connection, whose memory the victim shares. */
interface Insides {
  host: { connections: Connection[] };
}

function sharedWords(os: Demikernel): Int32Array {
  const { connections } = (os.libraryOs as unknown as Insides).host;
  return (connections[0] as unknown as { words: Int32Array }).words;
}

class Stage {
  readonly victim: Demikernel;
  readonly hostile: Demikernel;
  private readonly listening: number;
  private readonly random: SeededRandom;
  private readonly type: 'stream' | 'message';
  received: number;
  sentBack: number;

  constructor(victim: Demikernel, hostile: Demikernel, type: 'stream' | 'message', random: SeededRandom) {
    this.victim = victim;
    this.hostile = hostile;
    this.random = random;
    this.type = type;
    this.listening = victim.socket(type);
    this.received = 0;
    this.sentBack = 0;
    victim.bind(this.listening, '127.0.0.1:0');
    victim.listen(this.listening);
  }

  turn(): void {
    this.hostile.poll();
    this.victim.poll();
  }

  until(done: () => boolean, what: string): void {
    for (let turns = 0; !done(); turns++) {
      assert.ok(turns < 1_000_000, `still waiting for ${what}`);
      this.turn();
    }
  }

  connect(): { victimQd: number; hostileQd: number } {
    const { victim, hostile } = this;
    const hostileQd = hostile.socket(this.type);
    const accepting = victim.accept(this.listening);
    const connecting = hostile.connect(hostileQd, victim.getsockname(this.listening));
    this.until(() => victim.isComplete(accepting) && hostile.isComplete(connecting), 'a connection');
    assert.equal(hostile.wait(connecting)!.errno, 0);
    return { victimQd: victim.wait(accepting)!.acceptedQd, hostileQd };
  }

  /** What was received lies in the peer's memory, and can be read to its last byte. */
  check(result: Result): void {
    const { array } = result;
    if (array === undefined) return;
    for (let i = 0; i < array.count; i++) {
      const { offset, length, pool } = array.segments[i]!;
      assert.ok(offset >= 0 && length >= 0 && offset + length <= pool.region.lengthBytes);
      if (length > 0) void (pool.region.bytes[offset]! + pool.region.bytes[offset + length - 1]!);
      this.received++;
    }
    array.free();
  }

  /** One word somewhere, more often where it matters, to a value that might matter. */
  scribble(words: Int32Array): void {
    const { random } = this;
    const block = blockWords(RING_CAPACITY);
    const returns = returnedAt(RING_CAPACITY);
    const places = [0, 1, 2, 32, 33, 34, 35, 35, 36, 37, 38, 39, 39, returns, returns, returns + 1];
    const side = random.below(8) === 0 ? block : 0;
    const at = side + (random.below(4) === 0 ? random.below(block) : places[random.below(places.length)]!);
    const old = words[at]!;
    const values = [
      old + 1,
      old - 1,
      old + random.below(40),
      random.int32(),
      random.below(RING_CAPACITY),
      0,
      -1,
    ];
    words[at] = values[random.below(values.length)]!;
  }

  /** What the hostile end has got goes back, by reference: the victim's own memory in the hostile end's words. */
  sendBack(hostileQd: number): void {
    const { hostile } = this;
    hostile.poll();
    const popping = hostile.pop(hostileQd);
    if (!hostile.isComplete(popping)) hostile.cancel(popping);
    const { array } = hostile.wait(popping, 0)!;
    if (array === undefined) return;
    if (array.count > 0) {
      const pushing = hostile.push(hostileQd, array);
      if (!hostile.isComplete(pushing)) hostile.cancel(pushing);
      hostile.wait(pushing, 0);
      this.sentBack++;
    }
    array.free();
  }

  /** A connection from beginning to end. Returns the scribbles. */
  run(): number {
    const { victim, hostile, random } = this;
    const { victimQd, hostileQd } = this.connect();
    const words = sharedWords(hostile);
    let scribbles = 0;
    let over = false;
    const tokens = new Set([victim.pop(victimQd)]);
    // Honest traffic first: something is on its way both ways.
    for (let i = random.below(4); i > 0; i--) {
      const token = hostile.push(hostileQd, new Uint8Array(random.below(9000)));
      if (hostile.isComplete(token)) hostile.wait(token);
      else hostile.cancel(token);
    }
    hostile.poll();
    const most = 1 + random.below(MOST_PER_CONNECTION);
    while (!over && scribbles < most) {
      this.scribble(words);
      scribbles++;
      if (random.below(3) === 0) tokens.add(victim.push(victimQd, new Uint8Array(random.below(9000))));
      if (random.below(2) === 0) victim.poll();
      if (random.below(8) === 0) this.sendBack(hostileQd);
      for (const token of tokens) {
        if (!victim.isComplete(token)) continue;
        tokens.delete(token);
        const result = victim.wait(token, 0)!;
        if (result.errno !== 0 || result.array?.count === 0) over = true;
        else if (result.array !== undefined) tokens.add(victim.pop(victimQd));
        this.check(result);
      }
    }
    victim.close(victimQd);
    for (const token of tokens) this.check(victim.wait(token, 0)!);
    // The hostile end is an honest library OS that was written over: it may believe anything, so it is cut off.
    hostile.close(hostileQd);
    for (const connection of [...(hostile.libraryOs as unknown as Insides).host.connections])
      connection.destroy();
    for (
      let turns = 0;
      turns < TURNS && victim.libraryOs.pool.freeSlots < victim.libraryOs.pool.slotCount;
      turns++
    ) {
      victim.poll();
    }
    assert.equal(victim.libraryOs.pool.freeSlots, victim.libraryOs.pool.slotCount, 'slots are missing');
    return scribbles;
  }
}

function descriptorCount(): number {
  return [...openDescriptors().values()].filter(name => /memfd|socket/.test(name)).length;
}

describe('catmem: a peer that scribbles', () => {
  for (const type of ['stream', 'message'] as const) {
    test(`${SCRIBBLES / 2} times over a ${type}`, { timeout: 600_000 }, async () => {
      const options = { libos: 'catmem', wait: 'spin', memoryBytes: MEMORY_BYTES } as const;
      const victim = await open(options);
      const hostile = await open(options);
      const stage = new Stage(victim, hostile, type, new SeededRandom(SEED));
      const before = descriptorCount();
      for (let done = 0; done < SCRIBBLES / 2; ) done += stage.run();
      for (let turns = 0; turns < TURNS; turns++) victim.poll();
      assert.equal(descriptorCount(), before, 'descriptors are left');
      assert.ok(stage.received > 0, 'nothing came through at all');
      assert.ok(stage.sentBack > 0, 'nothing was sent back');
      const { operations, queues } = victim.libraryOs.runtime;
      assert.equal(operations.liveCount, 0);
      assert.equal(queues.liveCount, 1);
      // The next peer is served.
      const { victimQd, hostileQd } = stage.connect();
      const popping = victim.pop(victimQd);
      hostile.wait(hostile.push(hostileQd, Uint8Array.of(1, 2, 3)));
      stage.until(() => victim.isComplete(popping), 'an honest message');
      const { array } = victim.wait(popping)!;
      assert.deepEqual([...array!.toBytes()], [1, 2, 3]);
      array!.free();
      victim.shutDown();
      hostile.shutDown();
    });
  }
});

/** What a stranger can send instead of a greeting. */
interface Lie {
  name: string;
  lengthBytes?: number;
  seals?: number;
  capacity?: number;
  kind?: Greeting['kind'];
  /** How many of the three descriptors. */
  count?: number;
  noise?: boolean;
}

const PAGE_BYTES = 4096;
const RING_BYTES = Math.ceil(connectionBytes(RING_CAPACITY) / PAGE_BYTES) * PAGE_BYTES;
const SEALED = F_SEAL_SHRINK | F_SEAL_GROW;

const LIES: readonly Lie[] = [
  { name: 'rings that can shrink', seals: F_SEAL_GROW },
  { name: 'rings that are too small', lengthBytes: PAGE_BYTES },
  { name: 'rings of another capacity', capacity: 1 << 30 },
  { name: 'too few descriptors', count: 1 },
  { name: 'no descriptors', count: 0 },
  { name: 'the wrong kind', kind: 'message' },
  { name: 'rings that cannot be written', seals: SEALED | F_SEAL_FUTURE_WRITE },
  { name: 'noise', noise: true },
];

describe('catmem: strangers at the door', () => {
  for (const lie of LIES) {
    test(lie.name, async () => {
      const os = await open({ libos: 'catmem', wait: 'spin', memoryBytes: MEMORY_BYTES });
      const listening = os.socket('stream');
      os.bind(listening, '127.0.0.1:0');
      os.listen(listening);
      const accepting = os.accept(listening);
      const before = descriptorCount();
      const fd = openSocket(AF_UNIX, SOCK_SEQPACKET);
      const address = new SocketAddress();
      writeName(address, 'stream', parseSocketAddress(os.getsockname(listening).toString()));
      assert.equal(connectSocket(fd, address), 0);
      const descriptors = [PAGE_BYTES, PAGE_BYTES, lie.lengthBytes ?? RING_BYTES].map((lengthBytes, i) =>
        createMemfd({ name: 'lie', lengthBytes, seals: i === 2 ? (lie.seals ?? SEALED) : SEALED }),
      );
      const greeter = new Greeter();
      if (lie.noise === true) for (let i = 0; i < 5; i++) greeter.ring(fd);
      else {
        greeter.send(fd, {
          kind: lie.kind ?? 'stream',
          capacity: lie.capacity ?? RING_CAPACITY,
          ipv4: 0,
          port: 0,
          descriptors: descriptors.slice(0, lie.count ?? 3),
        });
      }
      for (let turns = 0; turns < TURNS; turns++) os.poll();
      assert.equal(os.isComplete(accepting), false, 'it was let in');
      assert.equal(greeter.drain(fd) <= 0, true);
      closeDescriptor(fd);
      for (const each of descriptors) closeSync(each);
      for (let turns = 0; turns < TURNS; turns++) os.poll();
      assert.equal(descriptorCount(), before, 'descriptors are left');
      greeter.close();
      os.shutDown();
      os.wait(accepting, 0);
    });
  }

  test('many that knock and say nothing keep nobody out', async () => {
    const os = await open({ libos: 'catmem', wait: 'spin', memoryBytes: MEMORY_BYTES });
    const listening = os.socket('stream');
    os.bind(listening, '127.0.0.1:0');
    os.listen(listening, 4);
    const before = descriptorCount();
    const address = new SocketAddress();
    writeName(address, 'stream', parseSocketAddress(os.getsockname(listening).toString()));
    const silent: number[] = [];
    for (let i = 0; i < 40; i++) {
      const fd = openSocket(AF_UNIX, SOCK_SEQPACKET);
      assert.equal(connectSocket(fd, address), 0);
      silent.push(fd);
      for (let turns = 0; turns < TURNS; turns++) os.poll();
    }
    const accepting = os.accept(listening);
    const honest = os.socket('stream');
    const connecting = os.connect(honest, os.getsockname(listening));
    for (
      let turns = 0;
      turns < 1_000_000 && !(os.isComplete(accepting) && os.isComplete(connecting));
      turns++
    ) {
      os.poll();
    }
    assert.equal(os.wait(connecting, 0)?.errno, 0);
    os.close(os.wait(accepting, 0)!.acceptedQd);
    os.close(honest);
    for (const fd of silent) closeDescriptor(fd);
    for (let turns = 0; turns < 5 * TURNS; turns++) os.poll();
    assert.equal(descriptorCount(), before, 'descriptors are left');
    os.shutDown();
  });

  test('a peer that rings without end is heard to its end', async () => {
    const options = { libos: 'catmem', wait: 'spin', memoryBytes: MEMORY_BYTES } as const;
    const victim = await open(options);
    const hostile = await open(options);
    const stage = new Stage(victim, hostile, 'stream', new SeededRandom(SEED));
    const { victimQd } = stage.connect();
    const { connections } = (hostile.libraryOs as unknown as Insides).host;
    const { fd } = connections[0] as unknown as { fd: number };
    const greeter = new Greeter();
    for (let i = 0; i < 1000; i++) greeter.ring(fd);
    const popping = victim.pop(victimQd);
    for (let turns = 0; turns < TURNS; turns++) victim.poll();
    for (let i = 0; i < 1000; i++) greeter.ring(fd);
    closeDescriptor(fd);
    for (let turns = 0; turns < 100 * TURNS && !victim.isComplete(popping); turns++) victim.poll();
    assert.equal(victim.wait(popping, 0)?.errno, ECONNRESET);
    greeter.close();
    victim.shutDown();
  });

  test('our memory cannot be written by those who get it', async () => {
    const os = await open({ libos: 'catmem', wait: 'spin', memoryBytes: MEMORY_BYTES });
    const { poolFd, bellFd } = (os.libraryOs as unknown as { host: { poolFd: number; bellFd: number } }).host;
    assert.throws(() => mapDescriptor({ fd: poolFd, lengthBytes: MEMORY_BYTES }), { errnoName: 'EPERM' });
    assert.throws(() => mapDescriptor({ fd: bellFd, lengthBytes: PAGE_BYTES }), { errnoName: 'EPERM' });
    os.shutDown();
  });
});
