// AF_PACKET sockets against the kernel: mapped rings both ways, long frames, filters.

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import {
  AfPacketSocket,
  mapAnonymous,
  openDescriptors,
  packetRingBytes,
  TP_STATUS_CSUMNOTREADY,
  VIRTIO_HEADER_BYTES,
  VIRTIO_NEEDS_CHECKSUM,
} from '../../src/kernel/index.ts';
import { KernelUdp } from './kernel-udp.ts';
import { inside, vethPair } from './veth-fixture.ts';

const SIZES = { frames: 64, linkFrameBytes: 1514 };

interface Bench {
  socket: AfPacketSocket;
  kernel: KernelUdp;
  bytes: Uint8Array;
  view: DataView;
}

function withSocket(t: TestContext, filter: Uint8Array | undefined, action: (b: Bench) => void): void {
  const pair = vethPair();
  if (typeof pair === 'string') {
    t.skip(pair);
    return;
  }
  const before = openDescriptors().size;
  const memory = mapAnonymous({ lengthBytes: packetRingBytes(SIZES) });
  try {
    const socket = inside(
      pair.near,
      () => new AfPacketSocket({ ...SIZES, interfaceIndex: pair.nearIndex, memory, memoryOffset: 0, filter }),
    );
    const kernel = inside(pair.far, () => new KernelUdp('10.77.0.1', 7000));
    try {
      action({ socket, kernel, bytes: memory.bytes(), view: memory.view() });
      assert.equal(
        inside(pair.far, () => kernel.checksumErrors()),
        0,
      );
    } finally {
      kernel.close();
      socket.close();
    }
    assert.equal(openDescriptors().size, before, 'descriptors leaked');
  } finally {
    memory.release();
    pair.remove();
  }
}

/** Goes on to the next UDP frame. */
function nextUdp({ socket, view, bytes }: Bench): boolean {
  for (let tries = 0; tries < 100_000; tries++) {
    if (!socket.readable) continue;
    const at = socket.frameOffset;
    if (view.getUint16(at + 12) === 0x0800 && bytes[at + 23] === 17) return true;
    socket.next();
  }
  return false;
}

describe('AfPacketSocket', () => {
  it('receives round the ring, and says which checksums are not there', t => {
    withSocket(t, undefined, b => {
      const { socket, kernel, bytes } = b;
      for (let i = 0; i < 3 * SIZES.frames; i++) {
        kernel.send('10.77.0.2', 9000, Buffer.from(`frame ${i}`));
        assert.ok(nextUdp(b));
        const text = `frame ${i}`;
        const at = socket.frameOffset;
        assert.equal(socket.frameLength, 42 + text.length);
        assert.equal(socket.isCut, false);
        assert.ok((socket.status & TP_STATUS_CSUMNOTREADY) !== 0);
        assert.equal(Buffer.from(bytes.subarray(at + 42, at + 42 + text.length)).toString(), text);
        socket.next();
      }
      assert.equal(socket.receiveDropped(), 0);
    });
  });

  it('reflects round the ring with checksums left to the kernel', t => {
    withSocket(t, undefined, b => {
      const { socket, kernel, bytes, view } = b;
      for (let i = 0; i < 3 * SIZES.frames; i++) {
        kernel.send('10.77.0.2', 9000, Buffer.alloc(1 + i, i));
        assert.ok(nextUdp(b));
        assert.ok(socket.transmitRoom(1) === 1);
        const from = socket.frameOffset;
        const header = socket.transmitOffset;
        const to = header + VIRTIO_HEADER_BYTES;
        const length = socket.frameLength;
        bytes.copyWithin(to, from, from + length);
        bytes.fill(0xff, to, to + 6);
        bytes.copyWithin(to + 26, from + 30, from + 34);
        bytes.copyWithin(to + 30, from + 26, from + 30);
        bytes.copyWithin(to + 34, from + 36, from + 38);
        bytes.copyWithin(to + 36, from + 34, from + 36);
        // The checksum field holds the pseudo-header's sum, which the swap leaves as it is.
        bytes.fill(0, header, to);
        view.setUint8(header, VIRTIO_NEEDS_CHECKSUM);
        view.setUint16(header + 6, 34, true);
        view.setUint16(header + 8, 6, true);
        socket.transmit(VIRTIO_HEADER_BYTES + length);
        socket.next();
        assert.equal(socket.kick(), 0);
        assert.equal(socket.pendingTransmit(), false);
        assert.deepEqual(kernel.receive(), Buffer.alloc(1 + i, i));
      }
    });
  });

  it('counts what finds the ring full', t => {
    withSocket(t, undefined, b => {
      for (let i = 0; i < 3 * SIZES.frames; i++) b.kernel.send('10.77.0.2', 9000, Buffer.alloc(8));
      assert.ok(b.socket.receiveDropped() >= SIZES.frames);
      let taken = 0;
      for (; b.socket.readable && taken < 1000; taken++) b.socket.next();
      assert.ok(taken <= SIZES.frames);
    });
  });

  it('hears only what the filter lets through', t => {
    // linux/filter.h: BPF_RET | BPF_K, 0
    withSocket(t, Uint8Array.of(0x06, 0, 0, 0, 0, 0, 0, 0), b => {
      b.kernel.send('10.77.0.2', 9000, Buffer.alloc(8));
      assert.equal(b.socket.readable, false);
    });
  });
});
