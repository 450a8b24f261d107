// Conformance: who owns which bytes, and until when.

import assert from 'node:assert/strict';
import type { Gatherable, ScatterGatherArray } from '../../src/index.ts';
import { pattern, refused, sameBytes } from './stage.ts';
import type { Behaviours } from './suite.ts';

export const memory: Behaviours = {
  'alloc gives what was asked for, and free takes it back': stage => {
    const { client } = stage;
    const { pool } = client.libraryOs;
    const free = pool.freeSlots;
    for (const lengthBytes of [0, 1, 1000, 5000, 100_000]) {
      const array = client.alloc(lengthBytes)!;
      assert.equal(array.lengthBytes, lengthBytes);
      array.copyFrom(pattern(lengthBytes));
      sameBytes(array.toBytes(), pattern(lengthBytes));
      client.free(array);
    }
    assert.equal(pool.freeSlots, free);
  },

  'an array is freed once': stage => {
    const { client } = stage;
    const array = client.alloc(10)!;
    array.free();
    refused(() => array.free(), 'ERR_DEMI_STALE_ARRAY');
  },

  'used up: alloc gives undefined, and something again after a free': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    const held: ScatterGatherArray[] = [];
    for (let array = client.alloc(100); array !== undefined; array = client.alloc(100)) held.push(array);
    assert.ok(held.length > 10);
    assert.equal(client.alloc(100), undefined);
    held.pop()!.free();
    const again = client.alloc(100);
    assert.notEqual(again, undefined);
    // The stack still works: it has a reserve that no application holds.
    if (server !== client) {
      const popping = server.pop(connected.serverQd);
      stage.success(client, client.push(connected.clientQd, again!), 'a push of the last memory');
      const { array } = stage.success(server, popping, 'its arrival');
      array!.free();
    }
    again!.free();
    for (const array of held) array.free();
    stage.disconnect(connected);
  },

  'push, then free at once': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    const array = client.alloc(200_000)!;
    array.copyFrom(pattern(200_000));
    const pushing = client.push(connected.clientQd, array);
    array.free();
    // What was freed must not be handed out while it is being sent.
    const scratch = client.alloc(200_000);
    scratch?.copyFrom(new Uint8Array(200_000));
    sameBytes(stage.receive(server, connected.serverQd, 200_000), pattern(200_000));
    stage.success(client, pushing);
    scratch?.free();
    stage.disconnect(connected);
  },

  'foreign bytes are the caller’s again at completion': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    const bytes = pattern(1000);
    stage.success(client, client.push(connected.clientQd, bytes));
    bytes.fill(0);
    sameBytes(stage.receive(server, connected.serverQd, 1000), pattern(1000));
    stage.disconnect(connected);
  },

  'one array to two connections, and twice to one': stage => {
    const { server, client } = stage;
    const first = stage.connect();
    const second = stage.connect(first.listeningQd);
    const array = client.alloc(5000)!;
    array.copyFrom(pattern(5000));
    const tokens = [first.clientQd, second.clientQd, first.clientQd].map(qd => client.push(qd, array));
    array.free();
    sameBytes(stage.receive(server, first.serverQd, 10_000), Buffer.concat([pattern(5000), pattern(5000)]));
    sameBytes(stage.receive(server, second.serverQd, 5000), pattern(5000));
    for (const token of tokens) stage.success(client, token);
    client.close(second.clientQd);
    server.close(second.serverQd);
    stage.disconnect(first);
  },

  'slices, and views of registered memory': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    const array = client.alloc(500)!;
    array.copyFrom(pattern(500));
    const slice = array.segments[0]!;
    const part = slice.sub(100, 200);
    const tokens = [
      client.push(connected.clientQd, part),
      client.push(connected.clientQd, slice.bytes().subarray(1, 3)),
    ];
    part.release();
    array.free();
    sameBytes(stage.receive(server, connected.serverQd, 200), pattern(500).subarray(100, 300));
    sameBytes(stage.receive(server, connected.serverQd, 2), pattern(500).subarray(1, 3));
    for (const token of tokens) stage.success(client, token);
    stage.disconnect(connected);
  },

  'something gatherable: fresh bytes, then shared ones': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    const body = client.alloc(3000)!;
    body.copyFrom(pattern(3000));
    const message: Gatherable = {
      copiedBytes: () => 4,
      write: into => void into.copyFrom(Uint8Array.of(1, 2, 3, 4)),
      gather: into => {
        for (let i = 0; i < body.count; i++) into.append(body.segments[i]!.share());
      },
    };
    const pushing = client.push(connected.clientQd, message);
    body.free();
    const received = stage.receive(server, connected.serverQd, 3004);
    sameBytes(received.subarray(0, 4), Uint8Array.of(1, 2, 3, 4));
    sameBytes(received.subarray(4), pattern(3000));
    stage.success(client, pushing);
    stage.disconnect(connected);
  },

  'many small slices in one push': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    const array = client.alloc(3000)!;
    array.copyFrom(pattern(3000));
    const whole = array.segments[0]!;
    const pieces = client.libraryOs.pool.array();
    const expected: Uint8Array[] = [];
    for (let at = 0; at + 3 <= Math.min(whole.length, 1500); at += 3) {
      pieces.append(whole.sub(at, 3));
      expected.push(whole.bytes().slice(at, at + 3));
    }
    const pushing = client.push(connected.clientQd, pieces);
    pieces.free();
    const bytes = Buffer.concat(expected);
    sameBytes(stage.receive(server, connected.serverQd, bytes.length), bytes);
    stage.success(client, pushing);
    array.free();
    stage.disconnect(connected);
  },

  'what was received outlives its result, its queue and later traffic': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    const kept: ScatterGatherArray[] = [];
    for (let i = 0; i < 20; i++) {
      const popping = server.pop(connected.serverQd);
      stage.success(client, client.push(connected.clientQd, pattern(700, i)));
      kept.push(stage.success(server, popping).array!);
    }
    stage.transfer(client, connected.clientQd, server, connected.serverQd, pattern(300_000));
    stage.disconnect(connected);
    kept.forEach((array, i) => {
      sameBytes(array.toBytes(), pattern(700, i));
      array.free();
    });
  },

  'what was received can be sent on': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    const sent = pattern(50_000);
    const pushing = client.push(connected.clientQd, sent);
    let echoed = 0;
    const tokens: number[] = [];
    while (echoed < sent.length) {
      const { array } = stage.success(server, server.pop(connected.serverQd));
      echoed += array!.lengthBytes;
      tokens.push(server.push(connected.serverQd, array!));
      array!.free();
    }
    sameBytes(stage.receive(client, connected.clientQd, sent.length), sent);
    stage.success(client, pushing);
    for (const token of tokens) stage.success(server, token);
    stage.disconnect(connected);
  },
};
