// Conformance: peers that reset, vanish, or close with something unread.

import assert from 'node:assert/strict';
import { ECONNRESET, EPIPE, ETIMEDOUT } from '../../src/index.ts';
import { pattern, sameBytes } from './stage.ts';
import type { Behaviours } from './suite.ts';

export const peerDeath: Behaviours = {
  'a reset ends a pop that waits with ECONNRESET': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    const popping = server.pop(connected.serverQd);
    client.setsockopt(connected.clientQd, 'lingerUs', 0);
    client.close(connected.clientQd);
    stage.failure(server, popping, ECONNRESET);
    // From here on the connection is over, whatever is tried.
    const after = stage.result(server, server.push(connected.serverQd, new Uint8Array(1)));
    assert.ok([EPIPE, ECONNRESET].includes(after.errno));
    const popped = stage.result(server, server.pop(connected.serverQd));
    assert.ok(popped.errno !== 0 || popped.array!.count === 0);
    popped.array?.free();
    server.close(connected.serverQd);
    server.close(connected.listeningQd);
  },

  'a reset ends a push that waits': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    const block = client.alloc(65536)!;
    const { token } = stage.pushUntilPending(client, connected.clientQd, block);
    block.free();
    server.setsockopt(connected.serverQd, 'lingerUs', 0);
    server.close(connected.serverQd);
    stage.failure(client, token, ECONNRESET, EPIPE);
    client.close(connected.clientQd);
    server.close(connected.listeningQd);
    stage.idle(50);
  },

  'what arrived before the end is still there': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    stage.success(client, client.push(connected.clientQd, pattern(3000)));
    client.close(connected.clientQd);
    stage.idle(50);
    sameBytes(stage.receive(server, connected.serverQd, 3000), pattern(3000));
    stage.receiveEnd(server, connected.serverQd);
    server.close(connected.serverQd);
    server.close(connected.listeningQd);
  },

  'pushing to a peer that has closed fails in the end': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    server.close(connected.serverQd);
    let errno = 0;
    for (let i = 0; i < 1000 && errno === 0; i++) {
      errno = stage.result(client, client.push(connected.clientQd, pattern(1000))).errno;
      stage.idle(5);
    }
    assert.ok([EPIPE, ECONNRESET].includes(errno), 'pushes to nobody went on and on');
    client.close(connected.clientQd);
    server.close(connected.listeningQd);
    stage.idle(20);
  },

  'a peer that vanishes: ETIMEDOUT': stage => {
    const reason = stage.notShown('vanished-peer');
    if (reason !== undefined) return reason;
    assert.ok(stage.pair.cut !== undefined);
    const { server, client } = stage;
    const connected = stage.connect();
    client.setsockopt(connected.clientQd, 'userTimeoutUs', 500_000);
    stage.pair.cut(true);
    const popping = client.pop(connected.clientQd);
    stage.success(client, client.push(connected.clientQd, pattern(100)));
    stage.failure(client, popping, ETIMEDOUT);
    client.close(connected.clientQd);
    stage.pair.cut(false);
    server.setsockopt(connected.serverQd, 'lingerUs', 0);
    server.close(connected.serverQd);
    server.close(connected.listeningQd);
    stage.idle(50);
    return undefined;
  },
};
