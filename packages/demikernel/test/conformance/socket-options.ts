// Conformance: socket options.

import assert from 'node:assert/strict';
import { EINVAL, EOPNOTSUPP, type SocketOptionName, type SocketOptions } from '../../src/index.ts';
import { pattern, refused } from './stage.ts';
import type { Behaviours } from './suite.ts';

const FLAGS = ['noDelay', 'keepAlive', 'reuseAddress'] as const;

/** Values on the grain of every library OS: the kernel keeps keep-alive times in seconds. */
const NUMBERS: Partial<SocketOptions> = {
  lingerUs: 2_000_000,
  keepAliveIdleUs: 7_000_000,
  keepAliveIntervalUs: 3_000_000,
  keepAliveProbes: 4,
  userTimeoutUs: 5_000_000,
};

export const socketOptions: Behaviours = {
  'flags are what they were set to': stage => {
    const { client } = stage;
    const qd = client.socket('stream');
    for (const name of FLAGS) {
      for (const value of [true, false, true]) {
        client.setsockopt(qd, name, value);
        assert.equal(client.getsockopt(qd, name), value, name);
      }
    }
    client.close(qd);
  },

  'numbers are what they were set to': stage => {
    const { client } = stage;
    const qd = client.socket('stream');
    for (const [name, value] of Object.entries(NUMBERS)) {
      client.setsockopt(qd, name as SocketOptionName, value);
      assert.equal(client.getsockopt(qd, name as SocketOptionName), value, name);
    }
    client.setsockopt(qd, 'lingerUs', -1);
    assert.equal(client.getsockopt(qd, 'lingerUs'), -1);
    client.close(qd);
  },

  'buffers grow and shrink, within bounds of the library OS': stage => {
    const { client } = stage;
    const qd = client.socket('stream');
    for (const name of ['sendBufferBytes', 'receiveBufferBytes'] as const) {
      const before = client.getsockopt(qd, name);
      assert.ok(before > 0);
      client.setsockopt(qd, name, 32768);
      const small = client.getsockopt(qd, name);
      assert.ok(small > 0 && small <= Math.max(before, 65536));
    }
    client.close(qd);
  },

  defaults: stage => {
    const { client } = stage;
    const qd = client.socket('stream');
    assert.equal(client.getsockopt(qd, 'noDelay'), false);
    assert.equal(client.getsockopt(qd, 'keepAlive'), false);
    assert.equal(client.getsockopt(qd, 'lingerUs'), -1);
    assert.equal(client.getsockopt(qd, 'userTimeoutUs'), 0);
    client.close(qd);
  },

  'values that make no sense are EINVAL': stage => {
    const { client } = stage;
    const qd = client.socket('stream');
    refused(() => client.setsockopt(qd, 'userTimeoutUs', -5), 'ERR_DEMI_NETWORK', EINVAL);
    refused(() => client.setsockopt(qd, 'sendBufferBytes', Number.NaN), 'ERR_DEMI_NETWORK', EINVAL);
    refused(() => client.setsockopt(qd, 'noDelay', 1 as unknown as boolean), 'ERR_DEMI_NETWORK', EINVAL);
    refused(
      () => client.setsockopt(qd, 'noSuch' as SocketOptionName, 1),
      'ERR_DEMI_NETWORK',
      EINVAL,
      EOPNOTSUPP,
    );
    refused(() => client.getsockopt(qd, 'noSuch' as SocketOptionName), 'ERR_DEMI_UNSUPPORTED');
    client.close(qd);
  },

  'options of a live connection change it': stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    client.setsockopt(connected.clientQd, 'noDelay', true);
    client.setsockopt(connected.clientQd, 'keepAlive', true);
    assert.equal(client.getsockopt(connected.clientQd, 'noDelay'), true);
    stage.transfer(client, connected.clientQd, server, connected.serverQd, pattern(10));
    stage.disconnect(connected);
  },

  'a small receive buffer still lets everything through': stage => {
    const { server, client } = stage;
    const listeningQd = stage.listen();
    server.setsockopt(listeningQd, 'receiveBufferBytes', 8192);
    const connected = stage.connect(listeningQd);
    server.setsockopt(connected.serverQd, 'receiveBufferBytes', 8192);
    client.setsockopt(connected.clientQd, 'sendBufferBytes', 8192);
    stage.transfer(client, connected.clientQd, server, connected.serverQd, pattern(300_000));
    stage.disconnect(connected);
  },
};
