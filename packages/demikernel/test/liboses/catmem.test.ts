// Catmem beyond the conformance suite: queues of messages, names, sleeping and waking, lent memory, other processes and
// threads.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { closeDescriptor } from '@demikernel/native/kernel';
import {
  type DemiError,
  type Demikernel,
  EADDRINUSE,
  ECONNREFUSED,
  ECONNRESET,
  EMSGSIZE,
  type OpenOptions,
  open,
  PUSH_ACKED,
  promises,
} from '../../src/index.ts';
import { DEAD_PEERS, WAKE_UPS } from '../../src/liboses/catmem/memory-host.ts';

const VICTIM: URL = new URL('./catmem-victim.js', import.meta.url);
const MEMORY_BYTES = 4 << 20;

function openCatmem(options: Partial<OpenOptions> = {}): Promise<Demikernel> {
  return open({ libos: 'catmem', wait: 'interrupt', memoryBytes: MEMORY_BYTES, ...options } as OpenOptions);
}

/** Two library OSes with one connection between them. */
class Pair {
  readonly server: Demikernel;
  readonly client: Demikernel;
  serverQd: number;
  clientQd: number;

  constructor(server: Demikernel, client: Demikernel) {
    this.server = server;
    this.client = client;
    this.serverQd = -1;
    this.clientQd = -1;
  }

  static async open(
    type: 'stream' | 'message',
    address = '127.0.0.1:0',
    options: Partial<OpenOptions> = {},
  ): Promise<Pair> {
    const pair = new Pair(await openCatmem(options), await openCatmem(options));
    const { server, client } = pair;
    const listening = server.socket(type);
    server.bind(listening, address);
    server.listen(listening);
    pair.clientQd = client.socket(type);
    const accepting = server.accept(listening);
    const connecting = client.connect(pair.clientQd, server.getsockname(listening));
    pair.until(() => server.isComplete(accepting) && client.isComplete(connecting));
    assert.equal(client.wait(connecting)!.errno, 0);
    pair.serverQd = server.wait(accepting)!.acceptedQd;
    server.close(listening);
    return pair;
  }

  until(done: () => boolean): void {
    const deadlineMs = Date.now() + 10_000;
    while (!done()) {
      assert.ok(Date.now() < deadlineMs, 'still waiting');
      this.client.poll();
      this.server.poll();
    }
  }

  close(): void {
    this.client.shutDown();
    this.server.shutDown();
    for (const { libraryOs } of [this.client, this.server]) {
      assert.equal(libraryOs.pool.freeSlots, libraryOs.pool.slotCount);
    }
  }
}

describe('catmem: queues of messages', () => {
  test('messages keep their boundaries, empty ones too', async () => {
    const pair = await Pair.open('message');
    const { client, server } = pair;
    const lengths = [0, 1, 64, 4096, 4097, 50_000, 0, 300_000];
    const pushes = lengths.map((length, i) => client.push(pair.clientQd, new Uint8Array(length).fill(i)));
    for (const [i, length] of lengths.entries()) {
      const popping = server.pop(pair.serverQd);
      pair.until(() => server.isComplete(popping));
      const { array } = server.wait(popping)!;
      assert.ok(array!.count > 0, 'an empty message is not the end');
      assert.equal(array!.lengthBytes, length);
      assert.ok(array!.toBytes().every(byte => byte === i));
      array!.free();
    }
    for (const token of pushes) assert.equal(client.wait(token)!.errno, 0);
    client.close(pair.clientQd);
    const popping = server.pop(pair.serverQd);
    pair.until(() => server.isComplete(popping));
    assert.equal(server.wait(popping)!.array!.count, 0);
    pair.close();
  });

  test('a pop with a size gets the beginning of a message, and the rest is gone', async () => {
    const pair = await Pair.open('message');
    const { client, server } = pair;
    client.wait(client.push(pair.clientQd, new Uint8Array(9000).fill(1)));
    client.wait(client.push(pair.clientQd, new Uint8Array(10).fill(2)));
    const pops = [server.pop(pair.serverQd, 100), server.pop(pair.serverQd, 100)];
    pair.until(() => server.isComplete(pops[1]!));
    const arrays = pops.map(token => server.wait(token)!.array!);
    assert.deepEqual(
      arrays.map(array => [array.lengthBytes, array.toBytes()[0]]),
      [
        [100, 1],
        [10, 2],
      ],
    );
    for (const array of arrays) array.free();
    pair.close();
  });

  test('a message of too many pieces is EMSGSIZE, on a stream it goes through', async () => {
    const pieces = 600;
    for (const type of ['message', 'stream'] as const) {
      const pair = await Pair.open(type);
      const { client, server } = pair;
      const whole = client.alloc(pieces)!;
      const array = client.libraryOs.pool.array();
      for (let i = 0; i < pieces; i++) array.append(whole.segments[0]!.sub(i, 1));
      whole.free();
      const { errno } = client.wait(client.push(pair.clientQd, array))!;
      array.free();
      assert.equal(errno, type === 'message' ? EMSGSIZE : 0);
      const popping = server.pop(pair.serverQd);
      for (let turns = 0; turns < 100; turns++) pair.until(() => true);
      if (type === 'stream') {
        pair.until(() => server.isComplete(popping));
        const popped = server.wait(popping)!.array!;
        assert.equal(popped.lengthBytes, pieces);
        popped.free();
      }
      pair.close();
    }
  });

  test('other library OSes say that they have none', async () => {
    const os = await open({ libos: 'catnap' });
    assert.throws(() => os.socket('message'), { code: 'ERR_DEMI_UNSUPPORTED' });
    os.shutDown();
  });
});

describe('catmem: names', () => {
  test('a name that is no address: @text', async () => {
    const name = `@demikernel-test-${process.pid}`;
    const pair = await Pair.open('stream', name);
    assert.equal(pair.client.getpeername(pair.clientQd).toString(), name);
    assert.equal(pair.server.getsockname(pair.serverQd).toString(), name);
    pair.close();
  });

  test('streams and messages have ports of their own', async () => {
    const os = await openCatmem();
    const stream = os.socket('stream');
    os.bind(stream, '127.0.0.1:0');
    os.listen(stream);
    const message = os.socket('message');
    os.bind(message, os.getsockname(stream));
    const again = os.socket('message');
    assert.throws(() => os.bind(again, os.getsockname(stream)), { errno: EADDRINUSE });
    // Bound, but nobody listens there.
    const caller = os.socket('message');
    const refused = os.wait(os.connect(caller, os.getsockname(stream)));
    assert.equal(refused!.errno, ECONNREFUSED);
    os.shutDown();
  });
});

describe('catmem: memory that is lent', () => {
  test('what arrives lies in the sender’s memory; with receive: copy in our own', async () => {
    for (const receive of ['reference', 'copy'] as const) {
      const pair = await Pair.open('stream', undefined, { receive } as Partial<OpenOptions>);
      const { client, server } = pair;
      const popping = server.pop(pair.serverQd);
      client.wait(client.push(pair.clientQd, new Uint8Array(100)));
      pair.until(() => server.isComplete(popping));
      const array = server.wait(popping)!.array!;
      assert.equal(array.segments[0]!.pool === server.libraryOs.pool, receive === 'copy');
      assert.equal(array.segments[0]!.exclusive, receive === 'copy');
      array.free();
      pair.close();
    }
  });

  test('what came from a peer goes back to it without a copy, and on to others with one', async () => {
    const pair = await Pair.open('message', undefined, { memoryBytes: 1 << 20 } as Partial<OpenOptions>);
    const { client, server } = pair;
    const memory = server.libraryOs.pool;
    const sent = client.alloc(40_000)!;
    sent.copyFrom(Uint8Array.from({ length: 40_000 }, (_, i) => i % 251));
    let travelling = sent;
    for (let round = 0; round < 2000; round++) {
      const pushing = client.push(pair.clientQd, travelling);
      travelling.free();
      const there = server.pop(pair.serverQd);
      pair.until(() => server.isComplete(there));
      client.wait(pushing);
      const array = server.wait(there)!.array!;
      assert.notEqual(array.segments[0]!.pool, memory);
      const answering = server.push(pair.serverQd, array);
      array.free();
      assert.equal(memory.freeSlots, memory.slotCount, 'the service has used memory of its own');
      const back = client.pop(pair.clientQd);
      pair.until(() => client.isComplete(back));
      server.wait(answering);
      travelling = client.wait(back)!.array!;
      assert.equal(travelling.segments[0]!.pool, client.libraryOs.pool);
      assert.equal(travelling.lengthBytes, 40_000);
    }
    assert.ok(travelling.toBytes().every((byte, i) => byte === i % 251));
    pair.until(() => travelling.segments[0]!.exclusive);

    const queue = server.queue();
    const { errno } = client.wait(client.push(pair.clientQd, travelling))!;
    assert.equal(errno, 0);
    travelling.free();
    const popping = server.pop(pair.serverQd);
    pair.until(() => server.isComplete(popping));
    const lent = server.wait(popping)!.array!;
    server.wait(server.push(queue, lent));
    const copy = server.wait(server.pop(queue))!.array!;
    assert.equal(copy.segments[0]!.pool, memory);
    assert.deepEqual(copy.toBytes(), lent.toBytes());
    lent.free();
    copy.free();
    pair.close();
  });

  test('what a peer has sent back is read after its death; then everything is taken back', async () => {
    const pair = await Pair.open('stream');
    const { client, server } = pair;
    const pool = client.libraryOs.pool;
    for (let i = 0; i < 3; i++) {
      client.wait(client.push(pair.clientQd, Uint8Array.of(i, i)));
      const popping = server.pop(pair.serverQd);
      pair.until(() => server.isComplete(popping));
      const array = server.wait(popping)!.array!;
      server.wait(server.push(pair.serverQd, array));
      array.free();
    }
    // As if it had been killed: no word, its sockets are gone.
    const { connections } = (server.libraryOs as unknown as { host: { connections: { fd: number }[] } }).host;
    closeDescriptor(connections[0]!.fd);
    const until = Date.now() + 10_000;
    const dead = (): boolean =>
      (client.libraryOs as unknown as { host: { counters: Float64Array } }).host.counters[DEAD_PEERS] === 1;
    while (!dead()) {
      assert.ok(Date.now() < until);
      client.poll();
    }
    assert.equal(pool.freeSlots, pool.slotCount - 3);
    for (let i = 0; i < 3; i++) {
      const { errno, array } = client.wait(client.pop(pair.clientQd), 1_000_000)!;
      assert.equal(errno, 0);
      assert.deepEqual([...array!.toBytes()], [i, i]);
      array!.free();
    }
    assert.equal(client.wait(client.pop(pair.clientQd), 1_000_000)!.errno, ECONNRESET);
    client.poll();
    assert.equal(pool.freeSlots, pool.slotCount);
    client.shutDown();
    server.shutDown();
  });

  test('an application that keeps everything gets copies in the end, and stops nobody', async () => {
    const pair = await Pair.open('stream', undefined, { slotSizeBytes: 1024 } as Partial<OpenOptions>);
    const { client, server } = pair;
    const kept = [];
    for (let i = 0; i < 2000; i++) {
      if (i % 3 === 0) kept.shift()?.free();
      const popping = server.pop(pair.serverQd);
      const pushing = client.push(pair.clientQd, new Uint8Array(1).fill(i));
      pair.until(() => server.isComplete(popping));
      client.wait(pushing);
      const array = server.wait(popping)!.array!;
      assert.equal(array.toBytes()[0], i & 255);
      if (kept.length < 900) kept.push(array);
      else array.free();
    }
    for (const array of kept) array.free();
    pair.close();
  });
});

describe('catmem: address space', () => {
  test('peers that come and go take no more of it', async () => {
    const os = await openCatmem();
    const listening = os.socket('stream');
    os.bind(listening, '127.0.0.1:0');
    os.listen(listening);
    const peer = await openCatmem();
    const mapped = (): number =>
      Number(/^VmSize:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'latin1'))![1]);
    const visit = (): void => {
      const accepting = os.accept(listening);
      const qd = peer.socket('stream');
      const connecting = peer.connect(qd, os.getsockname(listening));
      while (!os.isComplete(accepting) || !peer.isComplete(connecting)) {
        os.poll();
        peer.poll();
      }
      peer.wait(connecting);
      peer.close(qd);
      os.close(os.wait(accepting)!.acceptedQd);
      for (let turns = 0; turns < 500; turns++) {
        peer.poll();
        os.poll();
      }
    };
    for (let i = 0; i < 20; i++) visit();
    const beforeKb = mapped();
    for (let i = 0; i < 200; i++) visit();
    const grownKb = mapped() - beforeKb;
    assert.ok(grownKb < 100 * (MEMORY_BYTES >> 10), `${grownKb} KiB more after 200 connections`);
    peer.shutDown();
    os.shutDown();
  });
});

describe('catmem: sleeping', () => {
  // By a futex, or where there is none by a descriptor: the other end must know which.
  for (const way of ['futex', 'descriptor'] as const) {
    test(`two loops that sleep at once wake each other, thousands of times: by ${way}`, async () => {
      const child = spawn(
        process.execPath,
        [fileURLToPath(VICTIM), 'serve', `@demikernel-sleep-${way}-${process.pid}`, '1', 'interrupt'],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      );
      await once(child.stdout!, 'data');
      const os = await openCatmem();
      if (way === 'descriptor') Object.assign(os.libraryOs, { makeWaiter: undefined });
      const qd = os.socket('stream');
      assert.equal(os.wait(os.connect(qd, `@demikernel-sleep-${way}-${process.pid}`))!.errno, 0);
      for (let i = 0; i < 5000; i++) {
        const pushing = os.push(qd, Uint8Array.of(i));
        assert.ok(os.isComplete(pushing));
        const popped = os.wait(os.pop(qd), 5_000_000);
        assert.ok(popped !== undefined, `round trip ${i} was slept through`);
        assert.equal(popped.array!.toBytes()[0], i & 255);
        popped.array!.free();
        assert.equal(os.wait(pushing)!.errno, 0);
      }
      const { counters } = (os.libraryOs as unknown as { host: { counters: Float64Array } }).host;
      assert.ok(counters[WAKE_UPS]! > 0, 'nobody was woken');
      os.close(qd);
      os.shutDown();
      child.kill('SIGTERM');
      const [code] = (await once(child, 'exit')) as [number];
      assert.equal(code, 0);
    });
  }

  test('promises: a free long after the last turn still gives the slots back to a sender that waits', async () => {
    const server = promises(await openCatmem());
    const client = promises(await openCatmem());
    const name = `@demikernel-promises-${process.pid}`;
    const listener = server.listen(name);
    const [connection, out] = await Promise.all([listener.accept(), client.connect(name)]);
    const bytes = 3 << 20;
    const writing = out.write(new Uint8Array(bytes));
    let received = 0;
    while (received < bytes) {
      const array = await connection.read();
      received += array!.lengthBytes;
      await new Promise(resolve => setTimeout(resolve, 2));
      array!.free();
    }
    await writing;
    await out.write(Uint8Array.of(1), { acked: true });
    out.close();
    connection.close();
    listener.close();
    await client.close();
    await server.close();
  });

  test('acknowledged means in the memory that the peer sees', async () => {
    const pair = await Pair.open('stream');
    const { client, server } = pair;
    const token = client.push(pair.clientQd, Uint8Array.of(7), PUSH_ACKED);
    assert.ok(client.isComplete(token));
    client.wait(token);
    // No further turn of the client's.
    const popping = server.pop(pair.serverQd);
    const result = server.wait(popping, 5_000_000)!;
    assert.equal(result.array!.toBytes()[0], 7);
    result.array!.free();
    pair.close();
  });
});

describe('catmem: threads', () => {
  test('a worker of the same process is a peer like any other', async () => {
    const name = `@demikernel-worker-${process.pid}`;
    const worker = new Worker(
      `
      import { workerData, parentPort } from 'node:worker_threads';
      const { open } = await import(workerData.entry);
      const os = await open({ libos: 'catmem', wait: 'adaptive', memoryBytes: 1 << 20 });
      const qd = os.socket('stream');
      os.wait(os.connect(qd, workerData.name));
      for (let i = 0; i < 1000; i++) {
        os.wait(os.push(qd, Uint8Array.of(i, i >> 8)));
        os.wait(os.pop(qd)).array.free();
      }
      os.close(qd);
      os.shutDown();
      parentPort.postMessage('done');
      `,
      { eval: true, workerData: { name, entry: new URL('../../src/index.js', import.meta.url).href } },
    );
    const os = await openCatmem();
    const qd = os.socket('stream');
    os.bind(qd, name);
    os.listen(qd);
    const async = promises(os);
    const connection = await async.accept(qd);
    let messages = 0;
    for (;;) {
      const { array } = await async.pop(connection.acceptedQd);
      if (array!.count === 0) {
        array!.free();
        break;
      }
      messages++;
      await async.push(connection.acceptedQd, array!);
      array!.free();
    }
    assert.equal(messages, 1000);
    await once(worker, 'exit');
    await async.close();
  });
});

test('catmem: a datagram socket is refused by name', async () => {
  const os = await openCatmem();
  assert.throws(
    () => os.socket('datagram'),
    (error: DemiError) => error.code === 'ERR_DEMI_UNSUPPORTED',
  );
  os.shutDown();
});
