// Conformance: datagrams: boundaries, addresses, truncation, sizes.

import assert from 'node:assert/strict';
import { ECONNREFUSED, EMSGSIZE, EOPNOTSUPP } from '../../src/index.ts';
import { pattern, refused, sameBytes, textOf } from './stage.ts';
import type { Behaviours } from './suite.ts';

/** EDESTADDRREQ (errno-base.h): the kernel's word for a push without a destination; ours may say ENOTCONN (107). */
const NO_DESTINATION = [89, 107];

export const datagrams: Behaviours = {
  'a datagram arrives whole, with its source': stage => {
    const { server, client } = stage;
    const to = stage.datagrams(server);
    const from = stage.datagrams(client);
    for (const sizeBytes of [1, 2, 63, 64, 512, 1000, 1472]) {
      const result = stage.exchange(client, from.qd, server, to.qd, pattern(sizeBytes), to.address);
      assert.equal(result.address.toString(), from.address);
      assert.equal(result.lengthBytes, sizeBytes);
      sameBytes(result.array!.toBytes(), pattern(sizeBytes));
      // And back, to the address that the result carries.
      const back = stage.exchange(server, to.qd, client, from.qd, result.array!.toBytes(), result.address);
      assert.equal(back.address.toString(), to.address);
      back.array!.free();
      result.array!.free();
    }
    server.close(to.qd);
    client.close(from.qd);
  },

  'boundaries are kept': stage => {
    const { server, client } = stage;
    const to = stage.datagrams(server);
    const from = stage.datagrams(client);
    stage.exchange(client, from.qd, server, to.qd, pattern(1), to.address).array!.free();
    const texts = ['a', 'bc', 'def'];
    for (const text of texts) stage.success(client, client.pushTo(from.qd, Buffer.from(text), to.address));
    for (const text of texts) {
      assert.equal(textOf(stage.success(server, server.pop(to.qd), `datagram ${text}`).array), text);
    }
    server.close(to.qd);
    client.close(from.qd);
  },

  'an empty datagram is a message too, not an end': stage => {
    const { server, client } = stage;
    const to = stage.datagrams(server);
    const from = stage.datagrams(client);
    const result = stage.exchange(client, from.qd, server, to.qd, new Uint8Array(0), to.address);
    assert.equal(result.lengthBytes, 0);
    assert.equal(result.address.toString(), from.address);
    result.array!.free();
    stage.exchange(client, from.qd, server, to.qd, pattern(1), to.address).array!.free();
    server.close(to.qd);
    client.close(from.qd);
  },

  'a pop with a size cuts the datagram; the rest of it is gone': stage => {
    const { server, client } = stage;
    const to = stage.datagrams(server);
    const from = stage.datagrams(client);
    stage.exchange(client, from.qd, server, to.qd, pattern(1), to.address).array!.free();
    stage.success(client, client.pushTo(from.qd, pattern(100), to.address));
    stage.success(client, client.pushTo(from.qd, pattern(20, 2), to.address));
    const { array } = stage.success(server, server.pop(to.qd, 10), 'a cut datagram');
    sameBytes(array!.toBytes(), pattern(100).subarray(0, 10));
    array!.free();
    const next = stage.success(server, server.pop(to.qd), 'the next datagram');
    sameBytes(next.array!.toBytes(), pattern(20, 2));
    next.array!.free();
    server.close(to.qd);
    client.close(from.qd);
  },

  'connect names the default peer, and others are not heard': stage => {
    const { server, client } = stage;
    const peer = stage.datagrams(server);
    const stranger = stage.datagrams(server);
    const own = stage.datagrams(client);
    stage.success(client, client.connect(own.qd, peer.address));
    assert.equal(client.getpeername(own.qd).toString(), peer.address);
    const popping = server.pop(peer.qd);
    stage.success(client, client.push(own.qd, Buffer.from('hello')));
    assert.equal(textOf(stage.success(server, popping).array), 'hello');
    stage.success(server, server.pushTo(stranger.qd, Buffer.from('noise'), own.address));
    stage.idle(20);
    const heard = stage.exchange(server, peer.qd, client, own.qd, Buffer.from('answer'), own.address);
    assert.equal(heard.address.toString(), peer.address);
    assert.equal(textOf(heard.array), 'answer');
    server.close(peer.qd);
    server.close(stranger.qd);
    client.close(own.qd);
  },

  'a queue without a name gets one when it sends': stage => {
    const { server, client } = stage;
    const to = stage.datagrams(server);
    const qd = client.socket('datagram');
    const result = stage.exchange(client, qd, server, to.qd, pattern(5), to.address);
    assert.ok(result.address.port > 0);
    assert.equal(result.address.port, client.getsockname(qd).port);
    result.array!.free();
    server.close(to.qd);
    client.close(qd);
  },

  'a push without a destination fails': stage => {
    const { client } = stage;
    const qd = client.socket('datagram');
    stage.failure(client, client.push(qd, pattern(1)), ...NO_DESTINATION);
    client.close(qd);
  },

  'too large for any datagram: EMSGSIZE': stage => {
    const { server, client } = stage;
    const to = stage.datagrams(server);
    const from = stage.datagrams(client);
    stage.failure(client, client.pushTo(from.qd, pattern(65_508), to.address), EMSGSIZE);
    stage.failure(client, client.pushTo(from.qd, pattern(100_000), to.address), EMSGSIZE);
    stage.exchange(client, from.qd, server, to.qd, pattern(10), to.address).array!.free();
    server.close(to.qd);
    client.close(from.qd);
  },

  'datagrams larger than a frame': stage => {
    if (stage.supports('datagrams-64k') && !stage.supports('fragments')) return stage.notShown('fragments');
    const { server, client } = stage;
    const to = stage.datagrams(server);
    const from = stage.datagrams(client);
    stage.exchange(client, from.qd, server, to.qd, pattern(1), to.address).array!.free();
    for (const sizeBytes of [1473, 4000, 9000, 65_507]) {
      if (!stage.supports('datagrams-64k')) {
        stage.failure(client, client.pushTo(from.qd, pattern(sizeBytes), to.address), EMSGSIZE);
        continue;
      }
      const { array } = stage.exchange(client, from.qd, server, to.qd, pattern(sizeBytes), to.address);
      sameBytes(array!.toBytes(), pattern(sizeBytes));
      array!.free();
    }
    server.close(to.qd);
    client.close(from.qd);
  },

  'a closed port is ECONNREFUSED for a connected queue': stage => {
    const reason = stage.notShown('refused');
    if (reason !== undefined) return reason;
    const { server, client } = stage;
    const gone = stage.datagrams(server);
    const from = stage.datagrams(client);
    stage.exchange(client, from.qd, server, gone.qd, pattern(1), gone.address).array!.free();
    stage.success(client, client.connect(from.qd, gone.address));
    server.close(gone.qd);
    const popping = client.pop(from.qd);
    let refusedPush = false;
    for (let attempt = 0; attempt < 20 && !client.isComplete(popping) && !refusedPush; attempt++) {
      const pushed = stage.result(client, client.push(from.qd, pattern(1)));
      refusedPush = pushed.errno === ECONNREFUSED;
      stage.idle(50);
    }
    if (refusedPush) client.cancel(popping);
    const popped = stage.result(client, popping);
    assert.ok(refusedPush || popped.errno === ECONNREFUSED, 'nobody said that the port is closed');
    client.close(from.qd);
    return undefined;
  },

  'calls of streams are refused': stage => {
    const { client } = stage;
    const { qd } = stage.datagrams(client);
    refused(() => client.listen(qd), 'ERR_DEMI_NETWORK', EOPNOTSUPP);
    stage.failure(client, client.accept(qd), EOPNOTSUPP);
    client.close(qd);
  },

  'a pop that waits is taken back and the next datagram is not lost': stage => {
    const { server, client } = stage;
    const to = stage.datagrams(server);
    const from = stage.datagrams(client);
    stage.exchange(client, from.qd, server, to.qd, pattern(1), to.address).array!.free();
    const token = server.pop(to.qd);
    assert.ok(server.cancel(token));
    stage.result(server, token);
    stage.success(client, client.pushTo(from.qd, pattern(7), to.address));
    const { array } = stage.success(server, server.pop(to.qd), 'the datagram');
    assert.equal(array!.lengthBytes, 7);
    array!.free();
    server.close(to.qd);
    client.close(from.qd);
  },

  'to itself': stage => {
    const { server } = stage;
    const own = stage.datagrams(server);
    const result = stage.exchange(server, own.qd, server, own.qd, pattern(50), own.address);
    assert.equal(result.address.toString(), own.address);
    result.array!.free();
    server.close(own.qd);
  },
};
