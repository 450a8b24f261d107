// Messages over PDPIX: framed on streams, longer than any packet, their values by reference while the application goes on with
// its memory as if nothing were under way.

import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { heapRegion, SlotPool } from '@demikernel/memory';
import type { Demikernel, ScatterGatherArray, WaitSet } from 'demikernel';
import { Deframer, debugging, Framed, OK } from '../../src/index.ts';
import { GetReq, GetResp } from '../contract/contract.ts';
import { catmemTown, catnapTown, connect, resultOf, simulatedTown, type Town, until } from './town.ts';

const LENGTHS = [0, 1, 100, 511, 512, 513, 1448, 2000, 9000, 40_000, 300_000];
const ROUNDS = 2;

function pattern(id: number, at: number): number {
  return (Math.imul(id + 1, 0x9e3779b1) ^ Math.imul(at, 0x85ebca6b)) >>> 24;
}

/** A value in memory of the library OS, filled with what only this `id` has. */
function filledValue(os: Demikernel, id: number, length: number): ScatterGatherArray {
  const value = os.alloc(length)!;
  value.copyFrom(Uint8Array.from({ length }, (_, at) => pattern(id, at)));
  return value;
}

/** Fills all memory that is free: whatever should not be free any more is damaged by it. */
function scribble(os: Demikernel): void {
  const { pool } = os.libraryOs;
  const taken: ScatterGatherArray[] = [];
  for (;;) {
    const array = pool.allocArray(pool.capacityBytes);
    if (array === undefined) break;
    array.segments[0]!.bytes().fill(0xee);
    taken.push(array);
  }
  for (const array of taken) array.free();
}

/** Answers every request with a value of the length that its id asks for, sent by reference and given up at once. */
class Server {
  readonly os: Demikernel;
  readonly qd: number;
  answered: number;
  private readonly deframer: Deframer;
  private readonly framed: Framed;
  private readonly sent: WaitSet;
  private popping: number;

  constructor(os: Demikernel, qd: number) {
    this.os = os;
    this.qd = qd;
    this.answered = 0;
    this.deframer = new Deframer();
    this.framed = new Framed();
    this.sent = os.waitSet();
    this.popping = os.pop(qd);
  }

  /** Handles what has arrived. */
  turn(): void {
    const { os, deframer, sent } = this;
    for (let result = sent.wait(0); result !== undefined; result = sent.wait(0)) {
      assert.equal(result.errno, 0);
    }
    if (!os.isComplete(this.popping)) return;
    const { array, errno } = os.wait(this.popping)!;
    assert.equal(errno, 0);
    deframer.add(array!);
    array!.free();
    for (let frame = deframer.next(); frame !== undefined; frame = deframer.next()) {
      const request = GetReq.acquire();
      assert.equal(request.tryRead(frame), OK);
      frame.free();
      this.answer(request.id);
      request.release();
    }
    this.popping = os.pop(this.qd);
  }

  private answer(id: number): void {
    const { os } = this;
    const value = filledValue(os, id, LENGTHS[id % LENGTHS.length]!);
    const reply = GetResp.acquire();
    reply.id = id;
    reply.val = value;
    value.free();
    const pushing = os.push(this.qd, this.framed.of(reply));
    reply.release();
    // The message and its value are given up; whether the bytes are on their way is the library OS's business.
    this.sent.add(pushing);
    scribble(os);
    this.answered++;
  }

  close(): void {
    this.os.cancel(this.popping);
    this.deframer.close();
  }
}

/** Asks for values of all lengths, some requests at a time, and looks at every byte. */
function ask(town: Town, qd: number, server: Server): void {
  const { client } = town;
  const deframer = new Deframer();
  const framed = new Framed();
  const asking = client.waitSet();
  const count = ROUNDS * LENGTHS.length;
  let asked = 0;
  let seen = 0;
  let popping = client.pop(qd);
  until(town, () => {
    while (asked < count && asked < seen + 3) {
      const request = GetReq.acquire();
      request.id = asked;
      request.key = `key ${asked}`;
      asking.add(client.push(qd, framed.of(request)));
      request.release();
      asked++;
    }
    server.turn();
    while (asking.wait(0) !== undefined);
    if (!client.isComplete(popping)) return seen === count;
    const { array, errno } = client.wait(popping)!;
    assert.equal(errno, 0);
    deframer.add(array!);
    array!.free();
    for (let frame = deframer.next(); frame !== undefined; frame = deframer.next(), seen++) {
      const reply = GetResp.read(frame, { strict: true });
      frame.free();
      assert.equal(reply.id, seen);
      const value = reply.valField.copy();
      assert.equal(value.length, LENGTHS[seen % LENGTHS.length]);
      for (let at = 0; at < value.length; at++) {
        if (value[at] !== pattern(seen, at)) assert.fail(`value ${seen} differs at ${at}`);
      }
      reply.release();
    }
    popping = client.pop(qd);
    return seen === count;
  });
  client.cancel(popping);
  deframer.close();
}

const TOWNS: Record<string, () => Town | Promise<Town>> = {
  'a wire that loses, doubles and reorders': () =>
    simulatedTown({ delayUs: 50, jitterUs: 30, lossRate: 0.05, duplicateRate: 0.03, reorderRate: 0.05 }),
  Catmem: catmemTown,
  'the kernel’s sockets': catnapTown,
};

for (const [name, open] of Object.entries(TOWNS)) {
  test(`framed messages longer than a packet: ${name}`, async () => {
    const town = await open();
    const { serverQd, clientQd } = connect(town, 'stream');
    const server = new Server(town.server, serverQd);
    try {
      ask(town, clientQd, server);
      assert.equal(server.answered, ROUNDS * LENGTHS.length);
      server.close();
      town.client.close(clientQd);
      town.server.close(serverQd);
    } finally {
      town.close();
    }
  });
}

test('queues of messages need no frame: Catmem', async () => {
  const town = await catmemTown();
  const { serverQd, clientQd } = connect(town, 'message');
  const { client, server } = town;
  for (const length of LENGTHS) {
    const value = filledValue(client, 5, length);
    const message = GetResp.acquire();
    message.id = length;
    message.val = value;
    value.free();
    const pushing = client.push(clientQd, message);
    message.release();
    scribble(client);
    const { array } = resultOf(town, server, server.pop(serverQd));
    const read = GetResp.read(array!);
    array!.free();
    assert.equal(read.id, length);
    assert.deepEqual(
      read.valField.copy(),
      Uint8Array.from({ length }, (_, at) => pattern(5, at)),
    );
    read.release();
    assert.equal(resultOf(town, client, pushing).errno, 0);
  }
  client.close(clientQd);
  server.close(serverQd);
  town.close();
});

test('a value in memory that the device does not know is copied on the way', async () => {
  for (const open of Object.values(TOWNS)) {
    const town = await open();
    const { serverQd, clientQd } = connect(town, 'stream');
    const { client, server } = town;
    const foreign = new SlotPool(heapRegion(1 << 16), { slotSizeBytes: 4096 });
    const value = foreign.allocArray(9000)!;
    value.copyFrom(Uint8Array.from({ length: 9000 }, (_, at) => pattern(3, at)));
    const message = GetResp.acquire();
    message.val = value;
    assert.equal(message.valField.referred, true);
    const pushing = server.push(serverQd, new Framed(message));
    message.release();
    const deframer = new Deframer();
    let frame: ScatterGatherArray | undefined;
    while (frame === undefined) {
      const { array } = resultOf(town, client, client.pop(clientQd));
      deframer.add(array!);
      array!.free();
      frame = deframer.next();
    }
    const read = GetResp.read(frame);
    frame.free();
    assert.deepEqual(
      read.valField.copy(),
      Uint8Array.from({ length: 9000 }, (_, at) => pattern(3, at)),
    );
    read.release();
    deframer.close();
    assert.equal(resultOf(town, server, pushing).errno, 0);
    client.close(clientQd);
    server.close(serverQd);
    town.close();
    value.free();
    assert.equal(foreign.freeSlots, foreign.slotCount);
  }
});

describe('values by reference on TCP', () => {
  afterEach(() => debugging.disable());

  test('are held until the peer has acknowledged them, however often they are lost', () => {
    const town = simulatedTown({ delayUs: 1000, lossRate: 0.4 }, 5);
    const { serverQd, clientQd } = connect(town, 'stream');
    const { client, server } = town;
    const { pool } = server.libraryOs;
    const value = filledValue(server, 1, 1400);
    const { slot } = value.segments[0]!;
    const message = GetResp.acquire();
    message.val = value;
    value.free();
    const pushing = server.push(serverQd, new Framed(message));
    message.release();
    assert.equal(resultOf(town, server, pushing).errno, 0);
    // Taken over, but neither the message nor the array is there any more: this reference is the send queue's.
    assert.ok(pool.references[slot]! > 0);
    const generation = pool.generations[slot];
    const popping = client.pop(clientQd);
    until(town, () => client.isComplete(popping));
    const { array } = client.wait(popping)!;
    until(town, () => pool.generations[slot] !== generation);
    const deframer = new Deframer();
    deframer.add(array!);
    array!.free();
    const frame = deframer.next()!;
    const read = GetResp.read(frame);
    frame.free();
    assert.deepEqual(
      read.valField.copy(),
      Uint8Array.from({ length: 1400 }, (_, at) => pattern(1, at)),
    );
    read.release();
    deframer.close();
    client.close(clientQd);
    server.close(serverQd);
    town.close();
  });

  test('and overwritten meanwhile are found by debug mode, with the place they were sent from', () => {
    const town = simulatedTown({ delayUs: 1000 });
    const { serverQd, clientQd } = connect(town, 'stream');
    const { client, server } = town;
    debugging.enable();
    const popping = client.pop(clientQd);
    for (const overwrite of [false, true]) {
      const value = filledValue(server, 1, 1400);
      const message = GetResp.acquire();
      message.val = value;
      const pushing = server.push(serverQd, new Framed(message));
      message.release();
      assert.equal(resultOf(town, server, pushing).errno, 0);
      if (overwrite) value.segments[0]!.bytes()[700]! ^= 1;
      const { slot } = value.segments[0]!;
      until(town, () => server.libraryOs.pool.references[slot] === 1);
      value.free();
      assert.equal(debugging.findings.length, overwrite ? 1 : 0);
    }
    const [finding] = debugging.findings;
    assert.equal(finding!.kind, 'changed-in-flight');
    assert.match(finding!.stack, /streams\.test/);
    assert.deepEqual(debugging.leaks(), []);
    resultOf(town, client, popping).array!.free();
    client.close(clientQd);
    server.close(serverQd);
    town.close();
  });
});
