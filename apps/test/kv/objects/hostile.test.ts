// Clients of the object protocol that mean no good, on simulated hosts: each is counted and its connection closed, the others are
// served, and every slot is back at the end.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Coroutine, Coroutines } from 'demikernel';
import { SeededRandom } from 'demikernel/simulator';
import { loadCodec } from '../../../src/kv/objects/codecs.ts';
import { Outbox } from '../../../src/kv/objects/outbox.ts';
import {
  GET,
  GET_LIST,
  GET_M,
  MAX_KEY_BYTES,
  OBJECT_PROTOCOLS,
  type ObjectProtocol,
  PUT,
} from '../../../src/kv/objects/protocol.ts';
import { exchange, type PlainReply, type PlainRequest, pattern, Scribe } from './object-client.ts';
import { ADDRESS, leave, settle, type Town } from './town.ts';

const QUIET = { delayUs: 5 };

/** Sends bytes, in pieces, and waits until the server has ended the connection; how many bytes it answered. */
function* send(co: Coroutines, bytes: Uint8Array, pieceBytes: number): Coroutine<number> {
  const { os } = co;
  const qd = os.socket('stream');
  assert.equal((yield* co.connect(qd, ADDRESS)).errno, 0);
  os.setsockopt(qd, 'noDelay', true);
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    if ((yield* co.push(qd, bytes.slice(at, at + pieceBytes))).errno !== 0) break;
  }
  let answered = 0;
  for (;;) {
    const { array, errno } = yield* co.pop(qd);
    const count = array?.count ?? 0;
    answered += array?.lengthBytes ?? 0;
    array?.free();
    if (errno !== 0 || count === 0) break;
  }
  os.close(qd);
  return answered;
}

async function requestBytes(
  town: Town,
  protocol: ObjectProtocol,
  requests: readonly PlainRequest[],
): Promise<Buffer> {
  const { pool, sliceBytes } = town.far.libraryOs;
  const scribe = new Scribe(await loadCodec(protocol));
  const outbox = new Outbox(pool, sliceBytes, true);
  for (const [id, request] of requests.entries()) scribe.write(outbox, id, request);
  const array = outbox.take()!;
  const bytes = Buffer.from(array.toBytes());
  array.free();
  return bytes;
}

/** The replies to one client's requests. */
async function ask(
  town: Town,
  protocol: ObjectProtocol,
  requests: readonly PlainRequest[],
): Promise<PlainReply[]> {
  const { co } = town;
  const codec = await loadCodec(protocol);
  const task = co.spawn(() => exchange(co, ADDRESS, codec, requests, requests.length));
  const limitUs = town.world.nowUs + 60e6;
  assert.ok(town.world.run(() => task.done || town.world.nowUs > limitUs));
  assert.ok(task.done, 'no reply');
  return task.value as PlainReply[];
}

function statuses(replies: readonly PlainReply[]): number[] {
  return replies.map(reply => reply.status);
}

describe('objects, hostile clients', () => {
  for (const protocol of OBJECT_PROTOCOLS) {
    test(`${protocol}: nonsense ends its connection and nobody else's`, async () => {
      const town = await settle(protocol, 21, { link: QUIET });
      const { service } = town.server;
      const random = new SeededRandom(5);
      const { co } = town;
      const good = await requestBytes(town, protocol, [
        { operation: PUT, keys: ['k'], values: [pattern(900, 1), pattern(20, 2)] },
        { operation: GET_M, keys: ['k', 'l', 'm'] },
      ]);
      await ask(town, protocol, [{ operation: PUT, keys: ['kept'], values: [pattern(300, 3)] }]);
      const tooLong = Buffer.alloc(64, 0xff);
      const noise = Buffer.from(Array.from({ length: 200 }, () => random.below(256)));
      noise.writeUInt32LE(100, 0);
      const bad = [tooLong, noise, Buffer.concat([noise, good])];
      for (const bytes of bad) {
        const malformed = service.malformed;
        const task = co.spawn(() => send(co, bytes, 100));
        const limitUs = town.world.nowUs + 10e6;
        assert.ok(town.world.run(() => task.done || town.world.nowUs > limitUs));
        assert.ok(task.done, `the connection stays open after ${bad.indexOf(bytes)}, ${service.malformed}`);
        assert.equal(service.malformed, malformed + 1);
        assert.equal(task.value, 0, 'answered');
      }
      const replies = await ask(town, protocol, [{ operation: GET, keys: ['kept'] }]);
      assert.equal(replies[0]!.values[0]!.length, 300);
      assert.equal(town.server.starved, 0);
      leave(town);
    });

    test(`${protocol}: requests without sense are answered so`, async () => {
      const town = await settle(protocol, 22, { link: QUIET });
      const long = 'x'.repeat(MAX_KEY_BYTES + 1);
      const values = [pattern(70_000, 1), pattern(70_000, 2)];
      const most = Array.from({ length: 12 }, () => 'big');
      const replies = await ask(town, protocol, [
        { operation: 9, keys: ['k'] },
        { operation: GET, keys: [] },
        { operation: GET_LIST, keys: [] },
        { operation: PUT, keys: [] },
        { operation: PUT, keys: [long], values: [pattern(1, 1)] },
        { operation: GET, keys: [long] },
        { operation: PUT, keys: ['k'], values },
        { operation: GET, keys: ['k'] },
        { operation: PUT, keys: ['big'], values: [pattern(60_000, 3)] },
        { operation: GET_M, keys: most },
        { operation: GET_M, keys: [] },
        { operation: PUT, keys: ['k'] },
        { operation: GET, keys: ['k'] },
      ]);
      assert.deepEqual(statuses(replies), [4, 4, 4, 4, 3, 1, 3, 1, 0, 3, 0, 0, 0]);
      leave(town);
    });
  }

  test('a reply that no datagram holds says so', async () => {
    const town = await settle('raw', 26, { link: QUIET, socketType: 'datagram' });
    const values = [30_000, 30_000, 30_000].map(pattern);
    const puts = values.map((value, i) => ({ operation: PUT, keys: [`${i}`], values: [value] }));
    const codec = await loadCodec('raw');
    const asked = [
      ...puts,
      { operation: GET_M, keys: ['0', '1', '2'] },
      { operation: GET_M, keys: ['0', '1'] },
    ];
    const task = town.co.spawn(() => exchange(town.co, ADDRESS, codec, asked, 1, 'datagram'));
    const limitUs = town.world.nowUs + 10e6;
    assert.ok(town.world.run(() => task.done || town.world.nowUs > limitUs));
    const replies = task.value as PlainReply[];
    assert.deepEqual(statuses(replies), [0, 0, 0, 3, 0]);
    assert.equal(replies[4]!.values[1]!.length, 30_000);
    leave(town);
  });

  test('a store that is full says so, and keeps what it has', async () => {
    const town = await settle('raw', 23, { link: QUIET, slots: 1024 });
    const fill = Array.from({ length: 60 }, (_, i) => ({
      operation: PUT,
      keys: [`key ${i}`],
      values: [pattern(30_000, i)],
    }));
    const stored = statuses(await ask(town, 'raw', fill));
    const full = stored.indexOf(2);
    assert.ok(full > 5 && full < 40, `${full} values fit`);
    const gets = await ask(
      town,
      'raw',
      fill.slice(0, 10).map(({ keys }) => ({ operation: GET, keys })),
    );
    assert.deepEqual(
      gets.map(reply => Buffer.from(reply.values[0]!, 'latin1')),
      fill.slice(0, 10).map(({ values }) => Buffer.from(values[0]!)),
    );
    leave(town);
  });

  test('messages that never end take no slot from the others for long', async () => {
    const town = await settle('raw', 24, { link: QUIET, slots: 1024 });
    const { co, far, near, server, world } = town;
    await ask(town, 'raw', [{ operation: PUT, keys: ['k'], values: [pattern(5000, 1)] }]);
    const qds: number[] = [];
    for (let i = 0; i < 8; i++) {
      co.spawn(function* () {
        const qd = far.socket('stream');
        qds.push(qd);
        yield* co.connect(qd, ADDRESS);
        const bytes = Buffer.alloc(300_000, 1);
        bytes.writeUInt32LE(900_000, 0);
        for (let at = 0; at < bytes.length; at += 5000) {
          if ((yield* co.push(qd, bytes.subarray(at, at + 5000))).errno !== 0) break;
        }
      });
    }
    const limitUs = world.nowUs + 5e6;
    world.run(() => world.nowUs > limitUs);
    assert.ok(server.starved > 0, 'nobody had to go');
    const replies = await ask(town, 'raw', [{ operation: GET, keys: ['k'] }]);
    assert.equal(replies[0]!.values[0]!.length, 5000);
    assert.ok(near.libraryOs.pool.freeSlots > 100);
    for (const qd of qds) far.close(qd);
    co.abandonAll();
    leave(town);
  });

  test('a client that does not read is not read from, and holds a bounded number of slots', async () => {
    const town = await settle('cornflakes', 25, { link: QUIET });
    const { co, far, near, server, world } = town;
    await ask(town, 'cornflakes', [{ operation: PUT, keys: ['big'], values: [pattern(60_000, 1)] }]);
    const bytes = await requestBytes(
      town,
      'cornflakes',
      Array.from({ length: 500 }, () => ({ operation: GET, keys: ['big'] })),
    );
    const qd = far.socket('stream');
    const deaf = co.spawn(function* () {
      yield* co.connect(qd, ADDRESS);
      for (let at = 0; at < bytes.length; at += 5000) {
        if ((yield* co.push(qd, bytes.subarray(at, at + 5000))).errno !== 0) break;
      }
    });
    const limitUs = world.nowUs + 2e6;
    world.run(() => world.nowUs > limitUs);
    assert.ok(
      server.service.answered < 100,
      `${server.service.answered} replies for a client that reads none`,
    );
    assert.ok(near.libraryOs.pool.freeSlots > near.libraryOs.pool.slotCount / 4);
    const replies = await ask(town, 'cornflakes', [{ operation: GET, keys: ['big'] }]);
    assert.equal(replies[0]!.values[0]!.length, 60_000);
    far.close(qd);
    assert.ok(world.run(() => deaf.done));
    leave(town);
  });
});
