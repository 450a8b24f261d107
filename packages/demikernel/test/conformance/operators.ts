// Conformance: queues in memory, and filter, map and merge over any queue.

import assert from 'node:assert/strict';
import { ECANCELED, EOPNOTSUPP, EPIPE, SHUT_WR } from '../../src/index.ts';
import { pattern, refused, textOf } from './stage.ts';
import type { Behaviours } from './suite.ts';

export const operators: Behaviours = {
  'a queue in memory keeps messages, first in, first out': stage => {
    const { client: os } = stage;
    const qd = os.queue();
    const waiting = os.pop(qd);
    for (const text of ['a', 'bb', 'ccc']) stage.success(os, os.push(qd, Buffer.from(text)));
    assert.equal(textOf(stage.success(os, waiting).array), 'a');
    assert.equal(textOf(stage.success(os, os.pop(qd)).array), 'bb');
    assert.equal(textOf(stage.success(os, os.pop(qd)).array), 'ccc');
    os.close(qd);
  },

  'a queue in memory is no socket': stage => {
    const { client: os } = stage;
    const qd = os.queue();
    refused(() => os.bind(qd, '127.0.0.1:0'), 'ERR_DEMI_NETWORK', EOPNOTSUPP);
    refused(() => os.listen(qd), 'ERR_DEMI_NETWORK', EOPNOTSUPP);
    refused(() => os.getsockopt(qd, 'noDelay'), 'ERR_DEMI_UNSUPPORTED');
    refused(() => os.setsockopt(qd, 'noDelay', true), 'ERR_DEMI_NETWORK', EOPNOTSUPP);
    stage.failure(os, os.accept(qd), EOPNOTSUPP);
    stage.failure(os, os.connect(qd, '127.0.0.1:1'), EOPNOTSUPP);
    os.close(qd);
  },

  'the end of a queue in memory, after what is in it': stage => {
    const { client: os } = stage;
    const qd = os.queue();
    stage.success(os, os.push(qd, Buffer.from('last')));
    os.shutdown(qd, SHUT_WR);
    stage.failure(os, os.push(qd, Buffer.from('late')), EPIPE);
    assert.equal(textOf(stage.success(os, os.pop(qd)).array), 'last');
    stage.receiveEnd(os, qd);
    os.close(qd);
  },

  'close gives up what nobody popped': stage => {
    const { client: os } = stage;
    const qd = os.queue();
    stage.success(os, os.push(qd, pattern(10_000)));
    const other = os.queue();
    const popping = os.pop(other);
    os.close(qd);
    os.close(other);
    stage.failure(os, popping, ECANCELED);
  },

  'filter drops, both ways': stage => {
    const { client: os } = stage;
    const inner = os.queue();
    const short = os.filter(inner, array => array.lengthBytes < 3);
    for (const text of ['a', 'long', 'bb']) stage.success(os, os.push(short, Buffer.from(text)));
    for (const text of ['longer', 'c']) stage.success(os, os.push(inner, Buffer.from(text)));
    for (const text of ['a', 'bb', 'c']) {
      assert.equal(textOf(stage.success(os, os.pop(short), `message ${text}`).array), text);
    }
    os.close(short);
    os.close(inner);
    stage.idle(5);
  },

  'map transforms, both ways': stage => {
    const { client: os } = stage;
    const inner = os.queue();
    const upper = os.map(inner, array => {
      const bytes = Buffer.from(Buffer.from(array.toBytes()).toString().toUpperCase());
      array.free();
      const fresh = os.alloc(bytes.length)!;
      fresh.copyFrom(bytes);
      return fresh;
    });
    stage.success(os, os.push(upper, Buffer.from('in')));
    assert.equal(textOf(stage.success(os, os.pop(inner)).array), 'IN');
    stage.success(os, os.push(inner, Buffer.from('out')));
    assert.equal(textOf(stage.success(os, os.pop(upper)).array), 'OUT');
    os.close(upper);
    os.close(inner);
  },

  'merge pops from either, and pushes to both': stage => {
    const { client: os } = stage;
    const [first, second] = [os.queue(), os.queue()];
    const both = os.merge(first, second);
    const pops = [os.pop(both), os.pop(both)];
    stage.success(os, os.push(second, Buffer.from('2')));
    stage.success(os, os.push(first, Buffer.from('1')));
    const texts = pops.map(token => textOf(stage.success(os, token).array));
    assert.deepEqual(texts.sort(), ['1', '2']);
    os.close(both);
    stage.idle(5);
    const again = os.merge(first, second);
    stage.success(os, os.push(again, Buffer.from('x')));
    os.close(again);
    stage.idle(5);
    assert.equal(textOf(stage.success(os, os.pop(first)).array), 'x');
    assert.equal(textOf(stage.success(os, os.pop(second)).array), 'x');
    os.close(first);
    os.close(second);
  },

  'closing a derived queue completes its operations and leaves the inner one open': stage => {
    const { client: os } = stage;
    const inner = os.queue();
    const outer = os.filter(inner, () => true);
    const popping = os.pop(outer);
    os.close(outer);
    stage.failure(os, popping, ECANCELED);
    stage.idle(5);
    stage.success(os, os.push(inner, Buffer.from('still here')));
    assert.equal(textOf(stage.success(os, os.pop(inner)).array), 'still here');
    os.close(inner);
  },

  'a cancelled pop of a derived queue loses no message': stage => {
    const { client: os } = stage;
    const inner = os.queue();
    const outer = os.filter(inner, () => true);
    const popping = os.pop(outer);
    assert.ok(os.cancel(popping));
    stage.failure(os, popping, ECANCELED);
    stage.success(os, os.push(inner, Buffer.from('kept')));
    assert.equal(textOf(stage.success(os, os.pop(outer)).array), 'kept');
    os.close(outer);
    stage.idle(5);
    os.close(inner);
  },

  'over a connection: map, filter and its end': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    const counted = { bytes: 0 };
    const mapped = server.map(connected.serverQd, array => {
      counted.bytes += array.lengthBytes;
      return array;
    });
    const popping = server.pop(mapped);
    stage.success(client, client.push(connected.clientQd, Buffer.from('hello')));
    assert.equal(textOf(stage.success(server, popping).array), 'hello');
    assert.equal(counted.bytes, 5);
    stage.success(server, server.push(mapped, Buffer.from('answer')));
    assert.equal(Buffer.from(stage.receive(client, connected.clientQd, 6)).toString(), 'answer');
    client.shutdown(connected.clientQd, SHUT_WR);
    stage.receiveEnd(server, mapped);
    server.close(mapped);
    stage.idle(5);
    stage.disconnect(connected);
  },

  'two connections merged': stage => {
    const { server, client } = stage;
    const first = stage.connect();
    const second = stage.connect(first.listeningQd);
    const both = server.merge(first.serverQd, second.serverQd);
    const pops = [server.pop(both), server.pop(both)];
    stage.success(client, client.push(first.clientQd, Buffer.from('1')));
    stage.success(client, client.push(second.clientQd, Buffer.from('2')));
    const texts = pops.map(token => textOf(stage.success(server, token, 'a pop of either').array));
    assert.deepEqual(texts.sort(), ['1', '2']);
    stage.success(server, server.push(both, Buffer.from('both')));
    for (const qd of [first.clientQd, second.clientQd]) {
      assert.equal(Buffer.from(stage.receive(client, qd, 4)).toString(), 'both');
    }
    server.close(both);
    stage.idle(5);
    client.close(second.clientQd);
    server.close(second.serverQd);
    stage.disconnect(first);
  },
};
