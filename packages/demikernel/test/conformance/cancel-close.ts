// Conformance: taking operations back, and what close does to those that are outstanding.

import assert from 'node:assert/strict';
import { ECANCELED } from '../../src/index.ts';
import { pattern, refused, sameBytes } from './stage.ts';
import type { Behaviours } from './suite.ts';

export const cancelAndClose: Behaviours = {
  'a pending pop is taken back, and loses nothing': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    const [first, second, third] = [0, 1, 2].map(() => server.pop(connected.serverQd)) as [
      number,
      number,
      number,
    ];
    assert.equal(server.cancel(second), true);
    const { array } = stage.failure(server, second, ECANCELED);
    assert.equal(array, undefined);
    stage.success(client, client.push(connected.clientQd, pattern(10)));
    const popped = stage.success(server, first);
    sameBytes(popped.array!.toBytes(), pattern(10));
    popped.array!.free();
    assert.equal(server.cancel(third), true);
    stage.failure(server, third, ECANCELED);
    stage.transfer(client, connected.clientQd, server, connected.serverQd, pattern(10, 2));
    stage.disconnect(connected);
  },

  'a pending accept is taken back, and the next one gets the connection': stage => {
    const { server, client } = stage;
    const listeningQd = stage.listen();
    const token = server.accept(listeningQd);
    assert.equal(server.cancel(token), true);
    stage.failure(server, token, ECANCELED);
    const clientQd = client.socket('stream');
    stage.success(client, client.connect(clientQd, stage.addressOf(listeningQd)));
    const { acceptedQd } = stage.success(server, server.accept(listeningQd));
    stage.disconnect({ listeningQd, serverQd: acceptedQd, clientQd });
  },

  'a connect is taken back, or has happened': stage => {
    const { server, client } = stage;
    const listeningQd = stage.listen();
    const qd = client.socket('stream');
    const token = client.connect(qd, stage.addressOf(listeningQd));
    const taken = client.cancel(token);
    if (taken) stage.failure(client, token, ECANCELED);
    else stage.success(client, token);
    client.close(qd);
    server.close(listeningQd);
    stage.idle(50);
  },

  'a complete operation is not taken back': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    const popping = server.pop(connected.serverQd);
    stage.success(client, client.push(connected.clientQd, pattern(10)));
    stage.until(() => server.isComplete(popping), 'the pop');
    assert.equal(server.cancel(popping), false);
    const { array } = stage.success(server, popping);
    sameBytes(array!.toBytes(), pattern(10));
    array!.free();
    stage.disconnect(connected);
  },

  'a token is unknown once its result has been taken': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    const token = client.push(connected.clientQd, pattern(10));
    stage.success(client, token);
    refused(() => client.cancel(token), 'ERR_DEMI_TOKEN');
    refused(() => client.wait(token, 0), 'ERR_DEMI_TOKEN');
    refused(() => client.isComplete(token), 'ERR_DEMI_TOKEN');
    refused(() => client.cancel(0), 'ERR_DEMI_TOKEN');
    refused(() => client.cancel(-1), 'ERR_DEMI_TOKEN');
    stage.receive(server, connected.serverQd, 10);
    stage.disconnect(connected);
  },

  'close completes every outstanding token exactly once': stage => {
    const { server } = stage;
    const connected = stage.connect();
    const set = server.waitSet();
    const tokens = new Set<number>();
    const issue = (token: number): void => {
      tokens.add(token);
      set.add(token);
    };
    for (let i = 0; i < 5; i++) issue(server.pop(connected.serverQd));
    for (let i = 0; i < 3; i++) issue(server.accept(connected.listeningQd));
    const datagrams = stage.supports('datagrams') ? stage.datagrams(server) : undefined;
    for (let i = 0; i < 4 && datagrams !== undefined; i++) issue(server.pop(datagrams.qd));
    server.close(connected.serverQd);
    server.close(connected.listeningQd);
    if (datagrams !== undefined) server.close(datagrams.qd);
    for (let result = set.take(); result !== undefined; result = set.take()) {
      assert.equal(result.errno, ECANCELED);
      assert.ok(tokens.delete(result.token), 'completed twice');
    }
    assert.equal(tokens.size, 0, 'tokens are left');
    assert.equal(set.size, 0);
    stage.receiveEnd(stage.client, connected.clientQd);
    stage.client.close(connected.clientQd);
  },

  'close completes pushes that wait for room': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    const block = client.alloc(65536)!;
    const pending = [stage.pushUntilPending(client, connected.clientQd, block).token];
    for (let i = 0; i < 2; i++) pending.push(client.push(connected.clientQd, block));
    block.free();
    client.close(connected.clientQd);
    for (const token of pending) stage.failure(client, token, ECANCELED);
    server.close(connected.serverQd);
    server.close(connected.listeningQd);
    stage.idle(100);
  },

  'a descriptor that is closed is refused everywhere': stage => {
    const { client } = stage;
    const qd = client.socket('stream');
    client.close(qd);
    const calls = [
      () => client.close(qd),
      () => client.bind(qd, '127.0.0.1:0'),
      () => client.listen(qd),
      () => client.accept(qd),
      () => client.connect(qd, '127.0.0.1:1'),
      () => client.push(qd, new Uint8Array(1)),
      () => client.pop(qd),
      () => client.shutdown(qd, 1),
      () => client.getsockname(qd),
      () => client.getpeername(qd),
      () => client.getsockopt(qd, 'noDelay'),
      () => client.setsockopt(qd, 'noDelay', true),
      () => client.filter(qd, () => true),
    ];
    for (const call of calls) refused(call, 'ERR_DEMI_QUEUE');
    refused(() => client.pop(-1), 'ERR_DEMI_QUEUE');
    refused(() => client.pop(1 << 30), 'ERR_DEMI_QUEUE');
  },

  'queues that nobody used can be closed': stage => {
    const { client, server } = stage;
    for (const type of stage.socketTypes) client.close(client.socket(type));
    const bound = server.socket('stream');
    server.bind(bound, `${stage.pair.serverAddress}:0`);
    server.close(bound);
    server.close(stage.listen());
  },

  'a listener takes the connections that nobody accepted with it': stage => {
    const { server, client } = stage;
    const listeningQd = stage.listen();
    const clientQd = client.socket('stream');
    stage.success(client, client.connect(clientQd, stage.addressOf(listeningQd)));
    stage.idle(20);
    server.close(listeningQd);
    // Reset, or ended: in either case over.
    const popped = stage.result(client, client.pop(clientQd), 'the end of a connection nobody accepted');
    assert.ok(popped.errno !== 0 || popped.array!.count === 0);
    popped.array?.free();
    client.close(clientQd);
    stage.idle(20);
  },
};
