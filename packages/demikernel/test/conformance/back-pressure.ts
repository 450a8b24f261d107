// Conformance: every queue is bounded, in bytes and in operations.

import assert from 'node:assert/strict';
import { EAGAIN } from '../../src/index.ts';
import { pattern, sameBytes } from './stage.ts';
import type { Behaviours } from './suite.ts';

/** Operations after which a queue must have refused one more. */
const FAR_TOO_MANY = 20_000;

export const backPressure: Behaviours = {
  'a push stays pending while the peer does not read, and completes when it does': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    const block = client.alloc(65536)!;
    const bytes = pattern(65536);
    block.copyFrom(bytes);
    const { token, blocks } = stage.pushUntilPending(client, connected.clientQd, block);
    block.free();
    for (let read = 0; read <= blocks; read++) {
      sameBytes(stage.receive(server, connected.serverQd, bytes.length), bytes);
    }
    stage.success(client, token, 'the push that waited');
    stage.disconnect(connected);
  },

  'too many pushes: EAGAIN; those that wait are still sent, in order': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    const block = client.alloc(32768)!;
    block.copyFrom(pattern(32768));
    const tokens: number[] = [];
    let refusedToken = 0;
    while (refusedToken === 0 && tokens.length < FAR_TOO_MANY) {
      const token = client.push(connected.clientQd, block);
      if (!client.isComplete(token)) tokens.push(token);
      else {
        const { errno } = client.wait(token, 0)!;
        if (errno === EAGAIN) refusedToken = token;
        else assert.equal(errno, 0);
      }
    }
    block.free();
    assert.ok(refusedToken > 0, `${tokens.length} pushes wait and none was refused`);
    assert.ok(tokens.length > 1);
    // One more fits when one is done, and close ends the rest.
    while (!client.isComplete(tokens[0]!)) stage.receive(server, connected.serverQd, 32768);
    stage.success(client, tokens[0]!);
    client.close(connected.clientQd);
    for (const token of tokens.slice(1)) stage.result(client, token);
    server.close(connected.serverQd);
    server.close(connected.listeningQd);
    stage.idle(100);
  },

  'too many pops: EAGAIN; those that wait stay good': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    const tokens: number[] = [];
    let full = false;
    while (!full && tokens.length < FAR_TOO_MANY) {
      const token = server.pop(connected.serverQd);
      if (server.isComplete(token)) {
        stage.failure(server, token, EAGAIN);
        full = true;
      } else tokens.push(token);
    }
    assert.ok(full, `${tokens.length} pops wait and none was refused`);
    stage.success(client, client.push(connected.clientQd, pattern(10)));
    const { array } = stage.success(server, tokens[0]!);
    sameBytes(array!.toBytes(), pattern(10));
    array!.free();
    server.close(connected.serverQd);
    for (const token of tokens.slice(1)) stage.result(server, token);
    client.close(connected.clientQd);
    server.close(connected.listeningQd);
    stage.idle(20);
  },

  'too many accepts: EAGAIN': stage => {
    const { server } = stage;
    const listeningQd = stage.listen();
    const tokens: number[] = [];
    let full = false;
    while (!full && tokens.length < FAR_TOO_MANY) {
      const token = server.accept(listeningQd);
      if (server.isComplete(token)) {
        stage.failure(server, token, EAGAIN);
        full = true;
      } else tokens.push(token);
    }
    assert.ok(full, `${tokens.length} accepts wait and none was refused`);
    server.close(listeningQd);
    for (const token of tokens) stage.result(server, token);
  },

  'datagrams that nobody reads are dropped, not kept without bound': stage => {
    const reason = stage.notShown('datagrams');
    if (reason !== undefined) return reason;
    const { server, client } = stage;
    const to = stage.datagrams(server);
    const from = stage.datagrams(client);
    stage.exchange(client, from.qd, server, to.qd, pattern(100), to.address).array!.free();
    const freeBytes = server.libraryOs.pool.freeSlots;
    for (let i = 0; i < 20_000; i++) {
      const token = client.pushTo(from.qd, new Uint8Array(100), to.address);
      if (i % 8 === 0) stage.pair.drive();
      stage.result(client, token);
    }
    stage.idle();
    assert.ok(server.libraryOs.pool.freeSlots > freeBytes / 8, 'unread datagrams took the memory');
    for (let read = 0; ; read++) {
      const token = server.pop(to.qd);
      stage.idle(3);
      if (!server.isComplete(token)) {
        server.cancel(token);
        stage.result(server, token);
        assert.ok(read > 0);
        break;
      }
      stage.success(server, token).array!.free();
    }
    stage.exchange(client, from.qd, server, to.qd, pattern(9), to.address).array!.free();
    server.close(to.qd);
    client.close(from.qd);
    return undefined;
  },

  'ten thousand operations come and go without a trace': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    for (let i = 0; i < 5000; i++) {
      const popping = server.pop(connected.serverQd);
      stage.success(client, client.push(connected.clientQd, new Uint8Array([i])));
      const { array } = stage.success(server, popping);
      assert.equal(array!.toBytes()[0], i & 255);
      array!.free();
    }
    stage.disconnect(connected);
  },
};
