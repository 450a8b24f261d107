// AF_XDP sockets against the kernel: frames both ways over a veth pair, whose other end is the kernel's own stack.

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { DemiError } from '@demikernel/memory';
import {
  type AfXdpOptions,
  AfXdpSocket,
  mapRegion,
  openDescriptors,
  XDP_PKT_CONTD,
  XDP_TX_METADATA,
  XDP_TX_METADATA_BYTES,
} from '../../src/kernel/index.ts';
import { KernelUdp } from './kernel-udp.ts';
import { inside, RedirectAll, type VethPair, vethPair } from './veth-fixture.ts';

const CHUNKS = 256;

interface Bench {
  pair: VethPair;
  socket: AfXdpSocket;
  program: RedirectAll;
  kernel: KernelUdp;
  bytes: Uint8Array;
  view: DataView;
}

function withSocket(
  t: TestContext,
  options: Partial<AfXdpOptions>,
  mtuBytes: number,
  action: (b: Bench) => void,
): void {
  const pair = vethPair(mtuBytes);
  if (typeof pair === 'string') {
    t.skip(pair);
    return;
  }
  const before = openDescriptors().size;
  const region = mapRegion({ lengthBytes: CHUNKS * 2048 });
  try {
    const program = new RedirectAll(pair.near, pair.nearIndex, options.multiBuffer === true);
    const socket = inside(
      pair.near,
      () =>
        new AfXdpSocket({
          interfaceIndex: pair.nearIndex,
          region,
          fillEntries: 128,
          completionEntries: 128,
          receiveEntries: 128,
          transmitEntries: 128,
          ...options,
        }),
    );
    program.bind(0, socket.descriptor);
    program.bind(1, socket.descriptor);
    const kernel = inside(pair.far, () => new KernelUdp('10.77.0.1', 7000));
    try {
      for (let i = 0; i < 64; i++) socket.supply(i * 2048);
      socket.fill.publish();
      action({ pair, socket, program, kernel, bytes: region.bytes, view: region.view });
    } finally {
      kernel.close();
      socket.close();
      program.close();
    }
    assert.equal(openDescriptors().size, before, 'descriptors leaked');
  } finally {
    region.release();
    pair.remove();
  }
}

const offsets = new Int32Array(64);
const lengths = new Int32Array(64);
const options = new Int32Array(64);

/** Descriptors of the next burst; IPv6 chatter of the kernel is skipped by the callers. */
function receiveSome(socket: AfXdpSocket): number {
  for (let tries = 0; tries < 1_000_000; tries++) {
    const count = socket.receive(offsets, lengths, options, 64);
    if (count > 0) return count;
  }
  return 0;
}

function receiveUdp(b: Bench): number {
  for (let bursts = 0; bursts < 100; bursts++) {
    const count = receiveSome(b.socket);
    for (let i = 0; i < count; i++) {
      const at = offsets[i]!;
      if (b.view.getUint16(at + 12) === 0x0800 && b.bytes[at + 23] === 17) return i;
    }
    if (count === 0) break;
  }
  return assert.fail('no UDP frame came');
}

/** An Ethernet, IPv4 and UDP header in front of `payloadBytes` bytes at `at`, the UDP checksum field left 0. */
function udpHeaders(b: Bench, at: number, payloadBytes: number): void {
  const { view } = b;
  b.bytes.fill(0xff, at, at + 6);
  b.bytes.set([2, 0, 0, 0, 0, 2, 8, 0], at + 6);
  view.setUint32(at + 14, 0x45000000 + 28 + payloadBytes);
  view.setUint32(at + 18, 0x00004000);
  view.setUint32(at + 22, 0x40110000);
  view.setUint32(at + 26, 0x0a4d0002);
  view.setUint32(at + 30, 0x0a4d0001);
  let sum = 0;
  for (let i = 0; i < 20; i += 2) sum += view.getUint16(at + 14 + i);
  sum = (sum & 0xffff) + (sum >>> 16);
  view.setUint16(at + 24, ~(sum + (sum >>> 16)) & 0xffff);
  view.setUint16(at + 34, 9000);
  view.setUint16(at + 36, 7000);
  view.setUint16(at + 38, 8 + payloadBytes);
  view.setUint16(at + 40, 0);
}

function pseudoSum(payloadBytes: number): number {
  let sum = 0x0a4d + 0x0002 + 0x0a4d + 0x0001 + 17 + 8 + payloadBytes;
  sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

describe('AfXdpSocket', () => {
  it('receives what the kernel sends, with 256 bytes of headroom', t => {
    withSocket(t, {}, 1500, b => {
      assert.equal(b.kernel.send('10.77.0.2', 9000, Buffer.from('over the wire')), 13);
      const i = receiveUdp(b);
      const at = offsets[i]!;
      assert.equal(at & 2047, 256);
      assert.equal(lengths[i], 42 + 13);
      assert.equal(Buffer.from(b.bytes.subarray(at + 42, at + 55)).toString(), 'over the wire');
      assert.equal(b.socket.zeroCopy, false);
    });
  });

  it('sends to the kernel and gets every chunk back', t => {
    withSocket(t, {}, 1500, b => {
      let done = 0;
      const slots = new Int32Array(128);
      for (let i = 0; i < 100; i++) {
        const at = (64 + i) * 2048 + 128;
        udpHeaders(b, at, 4);
        b.view.setUint32(at + 42, i);
        b.socket.transmit(at, 46, 0);
      }
      b.socket.transmitRing.publish();
      assert.equal(b.socket.kick(), 0);
      for (let i = 0; i < 100; i++) assert.equal(b.kernel.receive()?.readUInt32BE(0), i);
      for (let tries = 0; tries < 1000 && done < 100; tries++) {
        const count = b.socket.completed(slots, 128);
        for (let i = 0; i < count; i++) assert.equal(slots[i], (64 + done + i) * 2048 + 128);
        done += count;
      }
      assert.equal(done, 100);
      assert.equal(b.socket.statistics().transmitInvalidDescriptors, 0);
    });
  });

  for (const transmitChecksum of ['offload', 'software'] as const) {
    it(`has the kernel fill checksums in: ${transmitChecksum}`, t => {
      withSocket(t, { transmitChecksum }, 1500, b => {
        const at = 64 * 2048 + 128;
        udpHeaders(b, at, 5);
        b.bytes.set(Buffer.from('check'), at + 42);
        b.view.setUint16(at + 40, pseudoSum(5));
        const metadata = at - XDP_TX_METADATA_BYTES;
        b.view.setUint32(metadata, 2, true);
        b.view.setUint16(metadata + 8, 34, true);
        b.view.setUint16(metadata + 10, 6, true);
        b.socket.transmit(at, 47, XDP_TX_METADATA);
        // The same frame with the pseudo-header sum alone is a wrong checksum: it must not arrive.
        udpHeaders(b, at + 2048, 5);
        b.view.setUint16(at + 2048 + 40, pseudoSum(5));
        b.socket.transmit(at + 2048, 47, 0);
        b.socket.transmitRing.publish();
        assert.equal(b.socket.kick(), 0);
        assert.equal(b.kernel.receive()?.toString(), 'check');
        assert.equal(b.kernel.receive(20), undefined);
        assert.equal(
          inside(b.pair.far, () => b.kernel.checksumErrors()),
          1,
        );
      });
    });
  }

  it('carries frames of several chunks both ways', t => {
    withSocket(t, { multiBuffer: true }, 9000, b => {
      const payload = Buffer.alloc(6000, 7).fill('end', 5997);
      b.kernel.send('10.77.0.2', 9000, payload);
      let i = receiveUdp(b);
      let total = lengths[i]!;
      while ((options[i]! & XDP_PKT_CONTD) !== 0) total += lengths[++i]!;
      assert.equal(total, 6042);
      udpHeaders(b, 100 * 2048, 3000);
      b.socket.transmit(100 * 2048, 42, XDP_PKT_CONTD);
      b.socket.transmit(101 * 2048, 1500, XDP_PKT_CONTD);
      b.socket.transmit(102 * 2048, 1500, 0);
      b.bytes.fill(1, 101 * 2048, 101 * 2048 + 1500);
      b.bytes.fill(2, 102 * 2048, 102 * 2048 + 1500);
      b.socket.transmitRing.publish();
      assert.equal(b.socket.kick(), 0);
      const arrived = b.kernel.receive();
      assert.equal(arrived?.length, 3000);
      assert.deepEqual([arrived?.[0], arrived?.[1499], arrived?.[1500], arrived?.[2999]], [1, 1, 2, 2]);
    });
  });

  it('names what is wrong: a queue that is taken, one that does not exist', t => {
    withSocket(t, {}, 1500, b => {
      const open = (queue: number) => () => {
        const region = mapRegion({ lengthBytes: 65536 });
        try {
          inside(b.pair.near, () =>
            new AfXdpSocket({ interfaceIndex: b.pair.nearIndex, region, queue }).close(),
          );
        } finally {
          region.release();
        }
      };
      assert.throws(open(0), (e: DemiError) => e instanceof DemiError && e.code === 'ERR_DEMI_DEVICE_BUSY');
      assert.throws(open(77), (e: DemiError) => e.code === 'ERR_DEMI_XDP_UNSUPPORTED');
    });
  });

  it('shares one memory between sockets on two devices', t => {
    const region = mapRegion({ lengthBytes: CHUNKS * 2048 });
    const one = vethPair();
    if (typeof one === 'string') return t.skip(one);
    try {
      // Both ends in one namespace's socket each: what one sends, the other receives.
      const program = new RedirectAll(one.near, one.nearIndex);
      const near = inside(one.near, () => new AfXdpSocket({ interfaceIndex: one.nearIndex, region }));
      program.bind(0, near.descriptor);
      program.bind(1, near.descriptor);
      const far = inside(
        one.far,
        () => new AfXdpSocket({ interfaceIndex: one.farIndex, region, sharedWith: near }),
      );
      for (let i = 0; i < 64; i++) near.supply(i * 2048);
      near.fill.publish();
      region.bytes.fill(0xab, 100 * 2048, 100 * 2048 + 60);
      far.transmit(100 * 2048, 60, 0);
      far.transmitRing.publish();
      assert.equal(far.kick(), 0);
      let seen = false;
      for (let bursts = 0; bursts < 20 && !seen; bursts++) {
        const count = receiveSome(near);
        for (let i = 0; i < count; i++) seen ||= region.bytes[offsets[i]! + 30] === 0xab;
      }
      assert.ok(seen);
      far.close();
      near.close();
      program.close();
    } finally {
      one.remove();
      region.release();
    }
  });
});
