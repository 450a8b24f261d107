// Conformance: bytes through a stream, in order and whole, and its two ends.

import assert from 'node:assert/strict';
import { EPIPE, OP_POP, OP_PUSH, PUSH_ACKED, SHUT_RD, SHUT_RDWR, SHUT_WR } from '../../src/index.ts';
import { pattern, sameBytes, textOf } from './stage.ts';
import type { Behaviours } from './suite.ts';

/** One byte to one mebibyte, and both sides of every size at which something changes. */
const SIZES_BYTES = [
  1,
  2,
  3,
  63,
  64,
  535,
  536,
  1023,
  1024,
  1447,
  1448,
  1449,
  1460,
  1461,
  1919,
  1920,
  1921,
  2048,
  2897,
  4095,
  4096,
  4097,
  9000,
  16384,
  32767,
  65535,
  65536,
  65537,
  262144,
  1 << 20,
];

export const streams: Behaviours = {
  'messages of 1 byte to 1 MiB arrive whole, both ways': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    for (const sizeBytes of SIZES_BYTES) {
      stage.transfer(client, connected.clientQd, server, connected.serverQd, pattern(sizeBytes, sizeBytes));
      stage.transfer(
        server,
        connected.serverQd,
        client,
        connected.clientQd,
        pattern(sizeBytes, sizeBytes + 1),
      );
    }
    stage.disconnect(connected);
  },

  'both directions at once': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    const up = pattern(1 << 20, 1);
    const down = pattern(1 << 20, 2);
    const pushes = [client.push(connected.clientQd, up), server.push(connected.serverQd, down)];
    sameBytes(stage.receive(server, connected.serverQd, up.length), up);
    sameBytes(stage.receive(client, connected.clientQd, down.length), down);
    stage.success(client, pushes[0]!, 'push');
    stage.success(server, pushes[1]!, 'push');
    stage.disconnect(connected);
  },

  'results say what they are of': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    const popping = server.pop(connected.serverQd);
    const pushed = stage.success(client, client.push(connected.clientQd, new Uint8Array(10)));
    assert.deepEqual([pushed.opcode, pushed.qd, pushed.lengthBytes], [OP_PUSH, connected.clientQd, 10]);
    assert.equal(pushed.array, undefined);
    const popped = stage.success(server, popping);
    assert.deepEqual(
      [popped.opcode, popped.qd, popped.token, popped.lengthBytes],
      [OP_POP, connected.serverQd, popping, 10],
    );
    popped.array!.free();
    stage.disconnect(connected);
  },

  'an empty push completes and sends nothing': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    stage.success(client, client.push(connected.clientQd, new Uint8Array(0)));
    stage.transfer(client, connected.clientQd, server, connected.serverQd, pattern(3));
    stage.disconnect(connected);
  },

  'pushes are sent in order, however many wait': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    const messages = Array.from({ length: 300 }, (_, i) => pattern((i * 37) % 3000, i));
    const tokens = messages.map(message => client.push(connected.clientQd, message));
    const expected = Buffer.concat(messages);
    sameBytes(stage.receive(server, connected.serverQd, expected.length), expected);
    for (const token of tokens) stage.success(client, token, 'push');
    stage.disconnect(connected);
  },

  'pops complete in order, and share nothing': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    const pops = [0, 1, 2, 3].map(() => server.pop(connected.serverQd, 5));
    for (const [i, token] of pops.entries()) {
      stage.success(client, client.push(connected.clientQd, Buffer.from(`msg ${i}`)));
      const { array } = stage.success(server, token, `pop ${i}`);
      assert.equal(textOf(array), `msg ${i}`);
    }
    stage.disconnect(connected);
  },

  'a pop takes at most what it asks for and leaves the rest': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    const sent = pattern(10_000);
    stage.success(client, client.push(connected.clientQd, sent));
    const got: Uint8Array[] = [];
    for (let total = 0; total < sent.length; ) {
      const wanted = [1, 7, 1000, 4000][got.length % 4]!;
      const { array } = stage.success(server, server.pop(connected.serverQd, wanted), 'pop');
      assert.ok(array!.lengthBytes >= 1 && array!.lengthBytes <= wanted);
      got.push(array!.toBytes());
      total += array!.lengthBytes;
      array!.free();
    }
    sameBytes(Buffer.concat(got), sent);
    stage.disconnect(connected);
  },

  'half-close: the client ends its half and still hears the server': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    stage.success(client, client.push(connected.clientQd, pattern(5000)));
    client.shutdown(connected.clientQd, SHUT_WR);
    sameBytes(stage.receive(server, connected.serverQd, 5000), pattern(5000));
    stage.receiveEnd(server, connected.serverQd);
    stage.receiveEnd(server, connected.serverQd);
    stage.transfer(server, connected.serverQd, client, connected.clientQd, pattern(100_000, 2));
    stage.failure(client, client.push(connected.clientQd, new Uint8Array(1)), EPIPE);
    server.close(connected.serverQd);
    stage.receiveEnd(client, connected.clientQd);
    client.close(connected.clientQd);
    server.close(connected.listeningQd);
  },

  'half-close: the server ends its half and still hears the client': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    const popping = client.pop(connected.clientQd);
    server.shutdown(connected.serverQd, SHUT_WR);
    const { array } = stage.success(client, popping, 'the end for a pop that waits');
    assert.equal(array!.count, 0);
    array!.free();
    stage.transfer(client, connected.clientQd, server, connected.serverQd, pattern(100_000, 3));
    client.close(connected.clientQd);
    stage.receiveEnd(server, connected.serverQd);
    server.close(connected.serverQd);
    server.close(connected.listeningQd);
  },

  'both end their halves at the same time': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    server.shutdown(connected.serverQd, SHUT_WR);
    client.shutdown(connected.clientQd, SHUT_WR);
    stage.receiveEnd(server, connected.serverQd);
    stage.receiveEnd(client, connected.clientQd);
    stage.disconnect(connected);
  },

  'after SHUT_RD a pop is at the end': stage => {
    const { server } = stage;
    const connected = stage.connect();
    const popping = server.pop(connected.serverQd);
    server.shutdown(connected.serverQd, SHUT_RD);
    const { array } = stage.success(server, popping, 'the pop that waited');
    assert.equal(array!.count, 0);
    array!.free();
    stage.receiveEnd(server, connected.serverQd);
    stage.disconnect(connected);
  },

  'SHUT_RDWR ends both halves': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    client.shutdown(connected.clientQd, SHUT_RDWR);
    stage.receiveEnd(server, connected.serverQd);
    stage.receiveEnd(client, connected.clientQd);
    stage.failure(client, client.push(connected.clientQd, new Uint8Array(1)), EPIPE);
    stage.disconnect(connected);
  },

  'an acknowledged push completes when the peer has everything': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    const first = client.push(connected.clientQd, pattern(20_000), PUSH_ACKED);
    const second = client.push(connected.clientQd, pattern(1, 2), PUSH_ACKED);
    const { lengthBytes } = stage.success(client, first, 'acknowledged push');
    assert.equal(lengthBytes, 20_000);
    stage.success(client, second, 'acknowledged push');
    sameBytes(stage.receive(server, connected.serverQd, 20_000), pattern(20_000));
    assert.equal(stage.receive(server, connected.serverQd, 1)[0], pattern(1, 2)[0]);
    stage.disconnect(connected);
  },

  'what was pushed before close still arrives, then the end': stage => {
    const { server, client } = stage;
    for (const sizeBytes of [1, 100_000]) {
      const connected = stage.connect();
      const sent = pattern(sizeBytes, 5);
      const pushing = client.push(connected.clientQd, sent);
      const received: Uint8Array[] = [];
      // Read while the push is pending, close when it is complete.
      while (!client.isComplete(pushing)) {
        const popping = server.pop(connected.serverQd);
        stage.until(() => server.isComplete(popping) || client.isComplete(pushing), 'progress');
        if (!server.isComplete(popping)) {
          server.cancel(popping);
        }
        const { array } = stage.result(server, popping);
        if (array !== undefined) received.push(array.toBytes());
        array?.free();
      }
      stage.success(client, pushing);
      client.close(connected.clientQd);
      const head = Buffer.concat(received);
      const rest = stage.receive(server, connected.serverQd, sizeBytes - head.length);
      sameBytes(Buffer.concat([head, rest]), sent);
      stage.receiveEnd(server, connected.serverQd);
      server.close(connected.serverQd);
      server.close(connected.listeningQd);
    }
  },
};
