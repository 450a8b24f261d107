// A connection as bytes: what is written is read; anything else is a typed error, and never half a connection.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Network } from '@demikernel/lab';
import { DemiError } from '@demikernel/memory';
import { openDescriptors, runInNamespace } from '@demikernel/native/kernel';
import { SeededRandom } from 'demikernel/stack';
import { MAX_QUEUE_BYTES } from '../../src/repair/connection-record.ts';
import { finFrame } from '../../src/repair/fin-injector.ts';
import {
  decodeConnection,
  encodeConnection,
  importConnection,
  type KernelConnection,
} from '../../src/repair/index.ts';

const MUTATIONS = Number(process.env['REPAIR_MUTATIONS'] ?? 3000);
const SEED = Number(process.env['REPAIR_SEED'] ?? Date.now() % 1_000_000);

function sample(local = '10.99.0.1', remote = '10.98.0.1'): KernelConnection {
  return {
    local: { address: local, port: 7000 },
    remote: { address: remote, port: 43210 },
    state: 1,
    mss: 1448,
    timestamps: true,
    selectiveAcknowledgements: true,
    windowScaling: true,
    sendScale: 7,
    receiveScale: 10,
    timestamp: 0xfedc_ba98,
    window: Uint32Array.of(0xf000_0010, 65_000, 70_000, 64_000, 0xf000_0000),
    sendSequence: 0xffff_fff0,
    receiveSequence: 0xf000_0000,
    sent: Uint8Array.from({ length: 40 }, (_, i) => i),
    unsent: Uint8Array.from({ length: 7 }, (_, i) => 100 + i),
    received: Uint8Array.from({ length: 16 }, (_, i) => 200 + i),
    options: {
      noDelay: 1,
      keepAlive: 1,
      keepIdleSeconds: 30,
      keepIntervalSeconds: 5,
      keepCount: 3,
      userTimeoutMs: 20_000,
      sendBufferBytes: 87_040,
      receiveBufferBytes: 131_072,
      bufferLock: 0,
      trafficClass: 16,
    },
    congestionControl: 'cubic',
  };
}

const refused = (run: () => unknown): void => {
  assert.throws(run, (error: unknown) => error instanceof DemiError && error.code === 'ERR_DEMI_RECORD');
};

describe('record', () => {
  for (const connection of [sample(), sample('fd00:99::1', 'fd00:98::1'), sample('::ffff:a09:1', '::1')]) {
    test(`${connection.local.address}: what is written is read`, () => {
      assert.deepEqual(decodeConnection(encodeConnection(connection)), connection);
    });
  }

  test('every truncation is refused, and so is a byte too many', () => {
    const bytes = encodeConnection(sample());
    for (let length = 0; length < bytes.length; length++)
      refused(() => decodeConnection(bytes.subarray(0, length)));
    refused(() => decodeConnection(Buffer.concat([bytes, Buffer.alloc(1)])));
  });

  test('values that no connection has', () => {
    const change = (edit: (connection: KernelConnection) => void): Uint8Array => {
      const connection = sample();
      edit(connection);
      return encodeConnection(connection);
    };
    for (const state of [0, 2, 3, 6, 7, 10, 12, 255])
      refused(() => decodeConnection(change(c => (c.state = state))));
    refused(() => decodeConnection(change(c => (c.mss = 87))));
    refused(() => decodeConnection(change(c => (c.sendScale = 15))));
    refused(() => decodeConnection(change(c => (c.receiveScale = 15))));
    refused(() => decodeConnection(change(c => (c.local.port = 0))));
    refused(() => decodeConnection(change(c => (c.options.keepCount = 0x8000_0000))));
    refused(() => decodeConnection(change(c => (c.congestionControl = '../bbr'))));
    refused(() => decodeConnection(change(c => (c.unsent = new Uint8Array(MAX_QUEUE_BYTES + 1)))));
    const later = encodeConnection(sample());
    later[4] = 2;
    refused(() => decodeConnection(later));
  });

  // RFC 9293 section 3.1: a receiver that sums all of it gets ones.
  for (const [local, remote, ipBytes] of [
    ['10.99.0.1', '10.98.0.1', 20],
    ['::ffff:10.99.0.1', '::ffff:10.98.0.1', 20],
    ['fd00:99::1', 'fd00:98::1', 40],
  ] as const) {
    test(`the peer's FIN for ${local}`, () => {
      const frame = finFrame(sample(local, remote));
      assert.equal(frame.length, 14 + ipBytes + 20);
      const view = new DataView(frame.buffer);
      const words = (from: number, to: number): number => {
        let sum = 0;
        for (let at = from; at < to; at += 2) sum += view.getUint16(at);
        return sum;
      };
      const ones = (sum: number): boolean => sum % 0xffff === 0;
      if (ipBytes === 20) assert.ok(ones(words(14, 34)));
      assert.ok(ones(words(ipBytes === 20 ? 26 : 22, frame.length) + 6 + 20));
      const tcp = 14 + ipBytes;
      assert.equal(view.getUint32(tcp + 4), 0xf000_0010);
      assert.equal(view.getUint8(tcp + 13), 0x11);
    });
  }

  test(`damaged records (REPAIR_SEED=${SEED})`, { timeout: 60_000 }, t => {
    const built = Network.build(network => network.host('fuzz'), 'record');
    if (typeof built === 'string') {
      t.skip(built);
      return;
    }
    try {
      runInNamespace(built.made, () => {
        const random = new SeededRandom(SEED);
        const whole = encodeConnection(sample('127.0.0.1', '127.0.0.2'));
        const before = openDescriptors().size;
        let read = 0;
        let imported = 0;
        for (let i = 0; i < MUTATIONS; i++) {
          const bytes = whole.slice();
          for (let n = random.below(4); n >= 0; n--) {
            // Addresses and queues rarely: most of the damage where it is looked at.
            bytes[4 + random.below(random.below(8) === 0 ? bytes.length - 4 : 148)] = random.below(256);
          }
          try {
            const connection = decodeConnection(bytes);
            read++;
            importConnection(connection).abandon();
            imported++;
          } catch (error) {
            assert.ok(error instanceof DemiError, String(error));
          }
        }
        assert.equal(openDescriptors().size, before, 'a descriptor was left');
        assert.ok(read > MUTATIONS / 20 && imported > 0);
        t.diagnostic(`${MUTATIONS} damaged records: ${read} readable, ${imported} connections`);
      });
    } finally {
      built.network.remove();
    }
  });
});
