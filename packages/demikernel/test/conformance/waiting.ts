// Conformance: wait, waitAny, waitAll, waitNextN, wait sets, and their time-outs. Most of it needs no network: queues in
// memory complete at once.

import assert from 'node:assert/strict';
import type { Demikernel } from '../../src/index.ts';
import { refused, textOf } from './stage.ts';
import type { Behaviours } from './suite.ts';

/** Messages in a queue in memory. */
function queueOf(os: Demikernel, ...texts: string[]): number {
  const qd = os.queue();
  for (const text of texts) os.wait(os.push(qd, Buffer.from(text)), 0);
  return qd;
}

export const waiting: Behaviours = {
  'wait: the time is over, the token stays good': stage => {
    const { client: os } = stage;
    const qd = os.queue();
    const token = os.pop(qd);
    assert.equal(os.wait(token, 0), undefined);
    assert.equal(os.wait(token, 2000), undefined);
    os.wait(os.push(qd, Buffer.from('now')), 0);
    assert.equal(textOf(os.wait(token, 1_000_000)?.array), 'now');
    os.close(qd);
  },

  'wait drives the loop until the network brings something': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    const token = server.pop(connected.serverQd);
    stage.success(client, client.push(connected.clientQd, Buffer.from('over the wire')));
    stage.idle(1);
    assert.equal(textOf(server.wait(token, 10_000_000)?.array), 'over the wire');
    stage.disconnect(connected);
  },

  'waitAny: the first that is complete, earlier tokens before later ones': stage => {
    const { client: os } = stage;
    const [first, second] = [queueOf(os), queueOf(os, 'x', 'y')];
    const tokens = [os.pop(first), os.pop(second), os.pop(second)];
    const result = os.waitAny(tokens, 0)!;
    assert.equal(result.token, tokens[1]);
    assert.equal(textOf(result.array), 'x');
    assert.equal(textOf(os.waitAny([tokens[0]!, tokens[2]!], 0)?.array), 'y');
    assert.equal(os.waitAny([tokens[0]!], 1000), undefined);
    os.close(first);
    stage.result(os, tokens[0]!);
    os.close(second);
  },

  'waitAll: in the order of the tokens, or nothing': stage => {
    const { client: os } = stage;
    const [first, second] = [queueOf(os), queueOf(os, 'late', 'later')];
    const tokens = [os.pop(first), os.pop(second)];
    assert.equal(os.waitAll(tokens, 1000), undefined);
    os.wait(os.push(first, Buffer.from('early')), 0);
    const results = os.waitAll(tokens, 0)!;
    assert.deepEqual(
      results.map(result => result.token),
      tokens,
    );
    assert.deepEqual(
      results.map(result => textOf(result.array)),
      ['early', 'late'],
    );
    assert.deepEqual(os.waitAll([], 0), []);
    os.close(first);
    os.close(second);
  },

  'waitNextN: as many as asked for': stage => {
    const { client: os } = stage;
    const qd = queueOf(os, 'a', 'b', 'c');
    const tokens = [0, 1, 2, 3].map(() => os.pop(qd));
    assert.deepEqual(
      os.waitNextN(tokens, 2, 0)!.map(result => textOf(result.array)),
      ['a', 'b'],
    );
    assert.equal(os.waitNextN(tokens.slice(2), 2, 1000), undefined);
    assert.deepEqual(
      os.waitNextN(tokens.slice(2), 1, 0)!.map(result => textOf(result.array)),
      ['c'],
    );
    os.close(qd);
    stage.result(os, tokens[3]!);
  },

  'results of wait are fresh objects': stage => {
    const { client: os } = stage;
    const qd = queueOf(os, 'a', 'b');
    const first = os.wait(os.pop(qd), 0)!;
    const second = os.wait(os.pop(qd), 0)!;
    assert.notEqual(first, second);
    assert.deepEqual([textOf(first.array), textOf(second.array)], ['a', 'b']);
    os.close(qd);
  },

  'a wait set gives results in the order of completion': stage => {
    const { client: os } = stage;
    const [first, second] = [queueOf(os), queueOf(os)];
    const set = os.waitSet();
    set.add(os.pop(first));
    set.add(os.pop(second));
    assert.equal(set.size, 2);
    assert.equal(set.wait(1000), undefined);
    os.wait(os.push(second, Buffer.from('2')), 0);
    os.wait(os.push(first, Buffer.from('1')), 0);
    assert.equal(textOf(set.wait(0)?.array), '2');
    assert.equal(set.size, 1);
    assert.equal(textOf(set.wait(0)?.array), '1');
    assert.equal(set.size, 0);
    assert.equal(set.wait(), undefined, 'an empty set does not wait');
    os.close(first);
    os.close(second);
  },

  'a wait set takes operations that are complete already': stage => {
    const { client: os } = stage;
    const qd = queueOf(os, 'x');
    const set = os.waitSet();
    set.add(os.pop(qd));
    assert.ok(set.satisfied);
    assert.equal(textOf(set.take()?.array), 'x');
    assert.equal(set.take(), undefined);
    os.close(qd);
  },

  'a token has one waiter': stage => {
    const { client: os } = stage;
    const qd = os.queue();
    const token = os.pop(qd);
    const set = os.waitSet();
    set.add(token);
    refused(() => set.add(token), 'ERR_DEMI_TOKEN');
    refused(() => os.waitSet().add(token), 'ERR_DEMI_TOKEN');
    refused(() => os.wait(token, 0), 'ERR_DEMI_TOKEN');
    refused(() => os.waitAny([token], 0), 'ERR_DEMI_TOKEN');
    os.close(qd);
    assert.notEqual(set.take(), undefined);
  },

  'a busy queue does not starve the others of a set': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    const busy = server.queue();
    const set = server.waitSet();
    set.add(server.pop(connected.serverQd));
    set.add(server.pop(busy));
    server.wait(server.push(busy, Buffer.from('again')), 0);
    stage.success(client, client.push(connected.clientQd, Buffer.from('heard')));
    const deadlineMs = Date.now() + 10_000;
    let heard = false;
    while (!heard && Date.now() < deadlineMs) {
      // The other end may share no clock with this one: it is driven too.
      if (client !== server) client.poll();
      const result = set.wait(1_000_000)!;
      heard = result.qd === connected.serverQd;
      result.array!.free();
      if (heard) break;
      set.add(server.pop(busy));
      server.wait(server.push(busy, Buffer.from('again')), 0);
      if (set.size < 2) break;
      if (server !== client) stage.pair.drive();
    }
    assert.ok(heard, 'the network was not heard beside a queue that is always ready');
    server.close(busy);
    for (let result = set.take(); result !== undefined; result = set.take()) result.array?.free();
    stage.disconnect(connected);
  },

  'stop makes every wait return': stage => {
    const { client: os } = stage;
    const qd = os.queue();
    const token = os.pop(qd);
    os.stop();
    try {
      assert.equal(os.stopping, true);
      assert.equal(os.wait(token), undefined);
      assert.equal(os.waitAny([token]), undefined);
      assert.equal(os.waitAll([token]), undefined);
      const set = os.waitSet();
      set.add(token);
      assert.equal(set.wait(), undefined);
      os.close(qd);
      assert.notEqual(set.take(), undefined);
    } finally {
      os.loop.stopping = false;
    }
  },
};
