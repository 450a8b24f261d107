// The AF_PACKET device against the kernel's stack at the other end of a veth pair.

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { openDescriptors } from '@demikernel/native/kernel';
import { AfPacketDevice, type AfPacketDeviceOptions } from '../../src/devices/af-packet.ts';
import { Resegmenter } from '../../src/devices/resegment.ts';
import { Frame, ReceiveBurst } from '../../src/runtime/packet-device.ts';
import { Reflector } from './af-reflector.ts';
import { FAR_ADDRESS, NEAR_ADDRESS, NEAR_DEVICE, NEAR_MAC, VethPair } from './af-veth.ts';
import { KernelUdp, kernelCounter, macBytes } from './kernel-udp.ts';
import { UDP_HEADERS_BYTES, writeUdpHeaders } from './udp-frame.ts';

function withDevice(
  t: TestContext,
  options: Partial<AfPacketDeviceOptions>,
  action: (device: AfPacketDevice, client: KernelUdp, pair: VethPair) => void,
): void {
  const mtuBytes = options.interfaceMtuBytes ?? 1500;
  const pair = VethPair.create({ staticNeighbour: true, mtuBytes });
  if (typeof pair === 'string') {
    t.skip(pair);
    return;
  }
  const before = openDescriptors().size;
  try {
    const { index } = pair.nearLink();
    const device = pair.insideNear(
      () =>
        new AfPacketDevice({
          name: NEAR_DEVICE,
          interfaceIndex: index,
          macAddress: macBytes(NEAR_MAC),
          slots: 512,
          ringFrames: 128,
          ...options,
        }),
    );
    const client = pair.insideFar(() => new KernelUdp(FAR_ADDRESS, 7000));
    client.connect(NEAR_ADDRESS, 9000);
    try {
      action(device, client, pair);
    } finally {
      client.close();
      device.close();
    }
    assert.equal(device.pool.freeSlots, device.pool.slotCount, 'slots are missing after close');
    assert.equal(
      pair.insideFar(() => kernelCounter('Udp', 'InCsumErrors')),
      0,
    );
    assert.equal(openDescriptors().size, before, 'descriptors leaked');
  } finally {
    pair.remove();
  }
}

describe('AfPacketDevice', () => {
  it('reflects what a kernel client sends; counters and pool add up', t => {
    withDevice(t, {}, (device, client) => {
      const reflector = new Reflector(device);
      let back = 0;
      for (let round = 0; round < 100; round++) {
        for (let i = 0; i < 16; i++) client.send(Buffer.alloc(64, round));
        for (let got = 0, tries = 0; got < 16 && tries < 100_000; tries++) {
          reflector.turn();
          while (client.poll() === 64) {
            got++;
            back++;
          }
        }
      }
      assert.equal(back, 1600);
      assert.equal(device.counters.transmittedFrames, 1600);
      assert.equal(device.counters.transmittedBytes, 1600 * 106);
      assert.equal(device.counters.receiveDropped, 0);
    });
  });

  it('has the kernel fill checksums in, over gathered segments', t => {
    withDevice(t, {}, (device, client) => {
      const { pool } = device;
      const { bytes, view } = pool.region;
      const frame = new Frame();
      for (let round = 0; round < 300; round++) {
        const header = pool.slotOffset(pool.allocSlot()) + 64;
        const payload = pool.slotOffset(pool.allocSlot());
        const size = 1 + ((round * 7) % 1000);
        writeUdpHeaders(bytes, view, header, size, { source: 9000, destination: 7000 });
        bytes.fill(round, payload, payload + size);
        frame.clear();
        frame.append(header, UDP_HEADERS_BYTES);
        frame.append(payload, size);
        frame.checksumStart = 34;
        frame.checksumOffset = 6;
        assert.ok(device.transmitRoom() > 0);
        device.transmit(frame);
        device.flush();
        assert.deepEqual(client.receive(), Buffer.alloc(size, round & 255));
      }
    });
  });

  it('takes jumbo frames whole', t => {
    withDevice(t, { interfaceMtuBytes: 9000 }, (device, client) => {
      const payload = Buffer.from(Array.from({ length: 8000 }, (_, i) => (i * 7) & 255));
      client.send(payload);
      const burst = new ReceiveBurst();
      for (let tries = 0; tries < 100_000; tries++) {
        const count = device.receive(burst);
        for (let i = 0; i < count; i++) {
          const at = burst.offset[i]!;
          const got = Buffer.from(device.pool.region.bytes.slice(at, at + burst.length[i]!));
          device.pool.release(at >> device.pool.slotShift);
          if (got.length !== 8042) continue;
          assert.deepEqual(got.subarray(42), payload);
          return;
        }
      }
      assert.fail('no frame came');
    });
  });

  it('drops under a name when nobody gives slots back', t => {
    withDevice(t, { slots: 16 }, (device, client) => {
      const burst = new ReceiveBurst();
      const kept: number[] = [];
      for (let i = 0; i < 100; i++) {
        client.send(Buffer.alloc(10));
        device.receive(burst);
        for (let j = 0; j < burst.count; j++) kept.push(burst.offset[j]! >> device.pool.slotShift);
      }
      assert.equal(device.pool.freeSlots, 0);
      assert.ok(device.counters.receiveDropped > 0);
      for (const slot of kept) device.pool.release(slot);
    });
  });
});

describe('AfPacketDevice in a fanout group', () => {
  it('shares the frames of an interface by flow', t => {
    withDevice(t, { fanoutGroup: 77 }, (first, client, pair) => {
      const { index } = pair.nearLink();
      const second = pair.insideNear(
        () =>
          new AfPacketDevice({
            name: NEAR_DEVICE,
            interfaceIndex: index,
            macAddress: macBytes(NEAR_MAC),
            slots: 512,
            ringFrames: 128,
            fanoutGroup: 77,
          }),
      );
      const others: KernelUdp[] = [];
      try {
        for (let i = 0; i < 32; i++) {
          const other = pair.insideFar(() => new KernelUdp(FAR_ADDRESS, 7100 + i));
          other.connect(NEAR_ADDRESS, 9000);
          others.push(other);
        }
        const reflectors = [new Reflector(first), new Reflector(second)];
        for (let round = 0; round < 10; round++) {
          for (const other of others) other.send(Buffer.alloc(8));
          for (const reflector of reflectors) reflector.turn();
        }
        for (let tries = 0; tries < 1000; tries++) for (const reflector of reflectors) reflector.turn();
        const [a, b] = reflectors.map(reflector => reflector.reflected);
        assert.equal(a! + b!, 320);
        assert.ok(a! > 0 && b! > 0);
        for (const other of others) for (let i = 0; i < 10; i++) assert.equal(other.poll(), 8);
        assert.equal(client.poll(), -1);
      } finally {
        for (const other of others) other.close();
        second.close();
      }
    });
  });
});

/** Ethernet, IPv4 and TCP headers of 54 bytes and `payload`. */
function tcpFrame(payload: Uint8Array, flags: number): Uint8Array {
  const frame = new Uint8Array(54 + payload.length);
  const view = new DataView(frame.buffer);
  view.setUint16(12, 0x0800);
  view.setUint16(14, 0x4500);
  view.setUint16(16, 40 + payload.length);
  view.setUint16(18, 0xffff);
  view.setUint8(22, 64);
  view.setUint8(23, 6);
  view.setUint32(38, 0xffff_fff0);
  view.setUint8(46, 0x50);
  view.setUint8(47, flags);
  frame.set(payload, 54);
  return frame;
}

describe('Resegmenter', () => {
  const OUT = 65536;
  const buffer = new ArrayBuffer(2 * OUT);
  const bytes = new Uint8Array(buffer);
  const view = new DataView(buffer, OUT);
  const resegmenter = new Resegmenter(buffer);

  it('cuts a long TCP frame where the sender would have', () => {
    const payload = Uint8Array.from({ length: 3500 }, (_, i) => i * 3);
    const frame = tcpFrame(payload, 0x99);
    bytes.set(frame, 10);
    assert.ok(resegmenter.begin(10, frame.length, 1448));
    assert.equal(resegmenter.frameBytes, 1502);
    const seen: number[] = [];
    for (const [length, flags, sequence, identification] of [
      [1448, 0x90, -16, 0xffff],
      [1448, 0x10, 1432, 0],
      [604, 0x19, 2880, 1],
    ] as const) {
      assert.equal(resegmenter.next(OUT), 54 + length);
      assert.equal(view.getUint16(16), 40 + length);
      assert.equal(view.getUint16(18), identification);
      assert.equal(view.getInt32(38), sequence);
      assert.equal(view.getUint8(47), flags);
      let sum = 0;
      for (let i = 14; i < 34; i += 2) sum += view.getUint16(i);
      while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
      assert.equal(sum, 0xffff);
      seen.push(...bytes.subarray(OUT + 54, OUT + 54 + length));
    }
    assert.equal(resegmenter.next(OUT), 0);
    assert.equal(resegmenter.active, false);
    assert.deepEqual(Uint8Array.from(seen), payload);
  });

  it('refuses what is no such frame', () => {
    const good = tcpFrame(new Uint8Array(3000), 0x10);
    const refuses = (change: (bytes: Uint8Array) => void, length = good.length, size = 1448): void => {
      const bytes = good.slice();
      change(bytes);
      new Uint8Array(buffer).set(bytes, 0);
      assert.equal(resegmenter.begin(0, length, size), false);
      assert.equal(resegmenter.active, false);
    };
    const nothing = (): void => {};
    refuses(nothing, 53);
    refuses(nothing, 2000);
    refuses(nothing, good.length, 0);
    refuses(bytes => bytes.fill(0x86, 12, 13));
    refuses(bytes => bytes.fill(0x44, 14, 15));
    refuses(bytes => bytes.fill(0x65, 14, 15));
    refuses(bytes => bytes.fill(17, 23, 24));
    refuses(bytes => bytes.fill(0x40, 46, 47));
    refuses(bytes => bytes.fill(0, 16, 18));
  });
});
