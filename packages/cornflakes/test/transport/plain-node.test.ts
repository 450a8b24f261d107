// Messages without Demikernel: their pieces handed to Node's own sockets and files, values in registered memory among them.

import assert from 'node:assert/strict';
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writevSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { type AddressInfo, createServer, connect as netConnect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { heapRegion, type ScatterGatherArray, SlotPool } from '@demikernel/memory';
import { PREFIX_BYTES } from '../../src/index.ts';
import { Batch } from '../contract/contract.ts';
import { assertBalanced } from '../runtime/support.ts';

describe('the pieces of a message', () => {
  let pool: SlotPool;
  let values: ScatterGatherArray[];
  let message: Batch;
  let pieces: Uint8Array[];

  beforeEach(() => {
    pool = new SlotPool(heapRegion(1 << 20), { slotSizeBytes: 4096 });
    values = [100, 600, 9000].map((length, i) => {
      const value = pool.allocArray(length)!;
      value.copyFrom(new Uint8Array(length).fill(i + 1));
      return value;
    });
    message = Batch.acquire();
    message.id = 42;
    message.note = 'in pieces';
    for (const value of values) message.vals.add(value);
    pieces = message.toIovec();
  });

  afterEach(() => {
    message.release();
    for (const value of values) value.free();
    assertBalanced(pool);
  });

  function check(bytes: Uint8Array): void {
    const read = Batch.read(bytes, { strict: true });
    assert.equal(read.id, 42);
    assert.equal(read.note, 'in pieces');
    assert.deepEqual(
      [...read.vals].map(value => [value.length, value[0], value.at(-1)]),
      [
        [100, 1, 1],
        [600, 2, 2],
        [9000, 3, 3],
      ],
    );
    read.release();
  }

  test('are what was copied, and views of what was not', () => {
    // 600 bytes in one slot, 9000 in three.
    assert.equal(pieces.length, 1 + 1 + 3);
    for (const piece of pieces.slice(1)) assert.equal(piece.buffer, pool.region.buffer);
    check(Buffer.concat(pieces));
  });

  test('leave through a corked socket behind their length', async () => {
    const server = createServer(socket => {
      socket.cork();
      const prefix = Buffer.alloc(PREFIX_BYTES);
      prefix.writeUInt32LE(message.measuredBytes);
      socket.write(prefix);
      for (const piece of pieces) socket.write(piece);
      socket.uncork();
      socket.end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = netConnect((server.address() as AddressInfo).port, '127.0.0.1');
    const received: Buffer[] = [];
    for await (const part of socket) received.push(part as Buffer);
    server.close();
    await once(server, 'close');
    const all = Buffer.concat(received);
    assert.equal(all.readUInt32LE(), all.length - PREFIX_BYTES);
    check(all.subarray(PREFIX_BYTES));
  });

  test('leave as one datagram', async () => {
    const receiver: DatagramSocket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(receiver, 'listening');
    const sender = createSocket('udp4');
    const arriving = once(receiver, 'message') as Promise<[Buffer]>;
    try {
      sender.send(pieces, receiver.address().port, '127.0.0.1');
      const [datagram] = await arriving;
      check(datagram);
    } finally {
      sender.close();
      receiver.close();
    }
  });

  test('are written to a file by one writev', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'cornflakes-'));
    const path = join(directory, 'message');
    try {
      const file = await open(path, 'w+');
      try {
        const { bytesWritten } = await file.writev(pieces);
        assert.equal(bytesWritten, message.byteLength());
        check(readFileSync(path));
        await file.truncate(0);
        assert.equal(writevSync(file.fd, pieces, 0), message.byteLength());
        check(readFileSync(path));
      } finally {
        await file.close();
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
