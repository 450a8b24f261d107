// Conformance: names, listening, connecting, accepting.

import assert from 'node:assert/strict';
import {
  EADDRINUSE,
  EADDRNOTAVAIL,
  ECONNREFUSED,
  EINVAL,
  EISCONN,
  ENOTCONN,
  OP_ACCEPT,
  OP_CONNECT,
} from '../../src/index.ts';
import { refused } from './stage.ts';
import type { Behaviours } from './suite.ts';

export const connections: Behaviours = {
  'port 0 in a bind asks for a free port': stage => {
    const { server } = stage;
    const first = stage.listen();
    const second = stage.listen();
    const ports = [first, second].map(qd => server.getsockname(qd).port);
    assert.ok(ports[0]! > 0 && ports[1]! > 0 && ports[0] !== ports[1]);
    server.close(first);
    server.close(second);
  },

  'a port that is taken is EADDRINUSE, for each protocol by itself': stage => {
    const { server } = stage;
    const taken = stage.listen();
    const address = stage.addressOf(taken);
    const stream = server.socket('stream');
    refused(
      () => {
        server.bind(stream, address);
        server.listen(stream);
      },
      'ERR_DEMI_NETWORK',
      EADDRINUSE,
    );
    if (!stage.supports('datagrams')) {
      refused(() => server.socket('datagram'), 'ERR_DEMI_UNSUPPORTED');
      for (const qd of [taken, stream]) server.close(qd);
      return;
    }
    const datagram = server.socket('datagram');
    server.bind(datagram, address);
    const other = server.socket('datagram');
    refused(() => server.bind(other, address), 'ERR_DEMI_NETWORK', EADDRINUSE);
    for (const qd of [taken, stream, datagram, other]) server.close(qd);
  },

  'a port is free again after close': stage => {
    const { server } = stage;
    const qd = stage.listen();
    const address = stage.addressOf(qd);
    server.close(qd);
    const again = server.socket('stream');
    server.bind(again, address);
    server.listen(again);
    server.close(again);
  },

  'an address of somebody else is EADDRNOTAVAIL': stage => {
    const { server } = stage;
    for (const type of stage.socketTypes) {
      const qd = server.socket(type);
      refused(() => server.bind(qd, '192.0.2.1:0'), 'ERR_DEMI_NETWORK', EADDRNOTAVAIL);
      server.close(qd);
    }
  },

  'a second bind is EINVAL': stage => {
    const { server, pair } = stage;
    for (const type of stage.socketTypes) {
      const qd = server.socket(type);
      server.bind(qd, `${pair.serverAddress}:0`);
      refused(() => server.bind(qd, `${pair.serverAddress}:0`), 'ERR_DEMI_NETWORK', EINVAL);
      server.close(qd);
    }
  },

  'text that is no address is refused': stage => {
    const { client } = stage;
    const qd = client.socket('stream');
    for (const text of ['', 'localhost:80', '1.2.3:4', '1.2.3.4', '1.2.3.4:65536', '1.2.3.4:-1']) {
      refused(() => client.connect(qd, text), 'ERR_DEMI_ADDRESS');
    }
    client.close(qd);
  },

  'both ends know both names': stage => {
    const { server, client, pair } = stage;
    const listeningQd = stage.listen();
    const clientQd = client.socket('stream');
    assert.equal(client.getpeername(clientQd).port, 0);
    const accepting = server.accept(listeningQd);
    const connected = stage.success(client, client.connect(clientQd, stage.addressOf(listeningQd)));
    const accepted = stage.success(server, accepting);
    assert.deepEqual([connected.opcode, connected.qd], [OP_CONNECT, clientQd]);
    assert.deepEqual([accepted.opcode, accepted.qd], [OP_ACCEPT, listeningQd]);
    const near = client.getsockname(clientQd).toString();
    assert.equal(near.split(':')[0], pair.clientAddress);
    assert.equal(accepted.address.toString(), near);
    assert.equal(server.getpeername(accepted.acceptedQd).toString(), near);
    assert.equal(server.getsockname(accepted.acceptedQd).toString(), stage.addressOf(listeningQd));
    assert.equal(client.getpeername(clientQd).toString(), stage.addressOf(listeningQd));
    stage.disconnect({ listeningQd, serverQd: accepted.acceptedQd, clientQd });
  },

  'a wildcard listener accepts on every address, and its connections have a concrete one': stage => {
    const { server, pair } = stage;
    const listeningQd = server.socket('stream');
    server.bind(listeningQd, '0.0.0.0:0');
    server.listen(listeningQd);
    assert.equal(server.getsockname(listeningQd).ipv4, 0);
    const connected = stage.connect(listeningQd);
    assert.equal(server.getsockname(connected.serverQd).toString().split(':')[0], pair.serverAddress);
    stage.disconnect(connected);
  },

  'the name is a copy': stage => {
    const { server } = stage;
    const qd = stage.listen();
    const { port } = server.getsockname(qd);
    server.getsockname(qd).port = 1;
    assert.equal(server.getsockname(qd).port, port);
    server.close(qd);
  },

  'nobody listens: ECONNREFUSED, and the queue can be closed': stage => {
    const { client } = stage;
    const listeningQd = stage.listen();
    const address = stage.addressOf(listeningQd);
    stage.server.close(listeningQd);
    stage.idle(5);
    const qd = client.socket('stream');
    stage.failure(client, client.connect(qd, address), ECONNREFUSED);
    client.close(qd);
  },

  'a second connect is EISCONN': stage => {
    const { client } = stage;
    const connected = stage.connect();
    const again = client.connect(connected.clientQd, stage.addressOf(connected.listeningQd));
    stage.failure(client, again, EISCONN);
    stage.transfer(client, connected.clientQd, stage.server, connected.serverQd, new Uint8Array([1]));
    stage.disconnect(connected);
  },

  'push, pop and shutdown without a connection are ENOTCONN, accept without listen EINVAL': stage => {
    const { client } = stage;
    const qd = client.socket('stream');
    stage.failure(client, client.push(qd, new Uint8Array(1)), ENOTCONN);
    stage.failure(client, client.pop(qd), ENOTCONN);
    stage.failure(client, client.accept(qd), EINVAL);
    refused(() => client.shutdown(qd, 1), 'ERR_DEMI_NETWORK', ENOTCONN);
    client.close(qd);
  },

  'connections wait in the backlog, with what they have sent': stage => {
    const { server, client } = stage;
    const listeningQd = stage.listen();
    const clientQds = [0, 1, 2].map(() => client.socket('stream'));
    for (const qd of clientQds) {
      stage.success(client, client.connect(qd, stage.addressOf(listeningQd)), 'connect before accept');
    }
    for (const [i, qd] of clientQds.entries()) stage.success(client, client.push(qd, new Uint8Array([i])));
    stage.idle(20);
    for (let i = 0; i < 3; i++) {
      const { acceptedQd } = stage.success(server, server.accept(listeningQd), 'accept');
      assert.equal(stage.receive(server, acceptedQd, 1)[0], i, 'accepted in the order of connecting');
      server.close(acceptedQd);
    }
    for (const qd of clientQds) client.close(qd);
    server.close(listeningQd);
    stage.idle(20);
  },

  'several accepts may wait; they complete in order': stage => {
    const { server, client } = stage;
    const listeningQd = stage.listen();
    const accepts = [0, 1, 2].map(() => server.accept(listeningQd));
    for (let i = 0; i < 3; i++) {
      const qd = client.socket('stream');
      stage.success(client, client.connect(qd, stage.addressOf(listeningQd)));
      const accepted = stage.success(server, accepts[i]!, `accept ${i}`);
      for (const later of accepts.slice(i + 1)) assert.ok(!server.isComplete(later));
      assert.equal(accepted.address.port, client.getsockname(qd).port);
      client.close(qd);
      server.close(accepted.acceptedQd);
    }
    server.close(listeningQd);
    stage.idle(20);
  },

  'a connection outlives its listener': stage => {
    const connected = stage.connect();
    stage.server.close(connected.listeningQd);
    stage.transfer(stage.client, connected.clientQd, stage.server, connected.serverQd, new Uint8Array(1000));
    stage.client.close(connected.clientQd);
    stage.receiveEnd(stage.server, connected.serverQd);
    stage.server.close(connected.serverQd);
  },

  'two hundred connections at once': stage => {
    const { server, client } = stage;
    const listeningQd = stage.listen(256);
    const clientQds = Array.from({ length: 200 }, () => client.socket('stream'));
    const serverQds: number[] = [];
    const accepts = clientQds.map(() => server.accept(listeningQd));
    const connects = clientQds.map(qd => client.connect(qd, stage.addressOf(listeningQd)));
    for (const token of connects) stage.success(client, token, 'connect');
    for (const token of accepts) serverQds.push(stage.success(server, token, 'accept').acceptedQd);
    assert.equal(new Set(serverQds).size, 200);
    for (const [i, qd] of clientQds.entries()) {
      stage.success(client, client.push(qd, new Uint8Array([i, i >> 8])));
    }
    const ports = new Map(clientQds.map((qd, i) => [client.getsockname(qd).port, i]));
    for (const qd of serverQds) {
      const [low, high] = stage.receive(server, qd, 2);
      assert.equal(low! + high! * 256, ports.get(server.getpeername(qd).port));
      server.close(qd);
    }
    for (const qd of clientQds) client.close(qd);
    server.close(listeningQd);
    stage.idle(50);
  },
};
