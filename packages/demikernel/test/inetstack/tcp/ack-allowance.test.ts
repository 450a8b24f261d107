// The allowance for delayed acknowledgements in the retransmission time-out: once, and only for less than two segments.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TcpConnection } from '../../../src/inetstack/tcp/connection.ts';
import { retransmissionTimeout } from '../../../src/inetstack/tcp/rtt.ts';
import { tcpConfiguration } from '../../../src/inetstack/tcp/tcp-configuration.ts';

const MSS = 1448;

function timeout(flightBytes: number, backoff = 0, peerAckDelayUs?: number): number {
  const sndUna = 0x7fff_ffff | 0;
  const c = { sndUna, sndMax: (sndUna + flightBytes) | 0, mss: MSS, backoff, rtoUs: 5000 };
  return retransmissionTimeout(c as TcpConnection, tcpConfiguration({ peerAckDelayUs }));
}

describe('the retransmission time-out', () => {
  it('allows for the delayed acknowledgement of less than two segments', () => {
    for (const flight of [1, MSS, 2 * MSS - 1]) assert.equal(timeout(flight), 50_000);
  });

  it('is short when the peer owes an acknowledgement at once', () => {
    assert.equal(timeout(2 * MSS), 5000);
    assert.equal(timeout(100 * MSS), 5000);
  });

  it('backs off from the plain time-out: what is sent twice is acknowledged at once', () => {
    assert.equal(timeout(1, 1), 10_000);
    assert.equal(timeout(1, 3), 40_000);
  });

  it('has the allowance of its configuration', () => {
    assert.equal(timeout(1, 0, 0), 5000);
    assert.equal(timeout(1, 0, 1000), 6000);
  });
});
