// The AF_XDP device against the kernel's stack at the other end of a veth pair.

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { RedirectToSocket, XdpLink } from '@demikernel/ebpf';
import { changeLink, deleteLink, openDescriptors, POLLIN, PollSet } from '@demikernel/native/kernel';
import { AfXdpDevice, type AfXdpDeviceOptions } from '../../src/devices/af-xdp.ts';
import { Frame, ReceiveBurst, RX_CONTINUES } from '../../src/runtime/packet-device.ts';
import { parseIpv4 } from '../../src/runtime/socket-address.ts';
import { Reflector } from './af-reflector.ts';
import { FAR_ADDRESS, NEAR_ADDRESS, NEAR_DEVICE, NEAR_MAC, type VethOptions, VethPair } from './af-veth.ts';
import { KernelUdp, kernelCounter, macBytes } from './kernel-udp.ts';
import { UDP_HEADERS_BYTES, writeUdpHeaders } from './udp-frame.ts';

interface Setting {
  pair: VethPair;
  device: AfXdpDevice;
  client: KernelUdp;
  redirect: RedirectToSocket;
}

/** A test has taken the interface away. */
let gone = false;

function withDevice(
  t: TestContext,
  options: Partial<AfXdpDeviceOptions> & { veth?: VethOptions },
  action: (setting: Setting) => void,
): void {
  const pair = VethPair.create({ staticNeighbour: true, ...options.veth });
  if (typeof pair === 'string') {
    t.skip(pair);
    return;
  }
  const before = openDescriptors().size;
  try {
    const link = pair.nearLink();
    const redirect = new RedirectToSocket({ mode: 'address', address: parseIpv4(NEAR_ADDRESS)! >>> 0 });
    const attached = pair.insideNear(
      () => new XdpLink({ program: redirect.program, ifindex: link.index, mode: 'native' }),
    );
    const device = pair.insideNear(
      () =>
        new AfXdpDevice({
          name: NEAR_DEVICE,
          interfaceIndex: link.index,
          macAddress: macBytes(NEAR_MAC),
          interfaceMtuBytes: link.mtuBytes,
          slots: 1024,
          ringEntries: 256,
          ...options,
        }),
    );
    redirect.setSocket(0, device.socket.descriptor);
    const client = pair.insideFar(() => new KernelUdp(FAR_ADDRESS, 7000));
    client.connect(NEAR_ADDRESS, 9000);
    try {
      action({ pair, device, client, redirect });
    } finally {
      client.close();
      device.close();
      attached.close();
      redirect.close();
    }
    assert.equal(device.pool.freeSlots, device.pool.slotCount, 'slots are missing after close');
    if (!gone) assert.equal(pair.nearLink().xdpAttached, false);
    gone = false;
    assert.equal(
      pair.insideFar(() => kernelCounter('Udp', 'InCsumErrors')),
      0,
    );
    assert.equal(openDescriptors().size, before, 'descriptors leaked');
  } finally {
    pair.remove();
  }
}

/** Receives until a frame of the client came: index in the burst. Others' slots are given back. */
function receiveOne(device: AfXdpDevice, burst: ReceiveBurst): number {
  const { pool } = device;
  for (let tries = 0; tries < 1_000_000; tries++) {
    const count = device.receive(burst);
    for (let i = 0; i < count; i++) {
      const at = burst.offset[i]!;
      if (pool.region.view.getUint16(at + 12) === 0x0800 && pool.region.bytes[at + 23] === 17) return i;
      pool.release(at >> pool.slotShift);
    }
    device.flush();
  }
  return assert.fail('no frame came');
}

describe('AfXdpDevice', () => {
  it('reflects what a kernel client sends; counters and pool add up', t => {
    withDevice(t, { partialChecksums: true }, ({ device, client }) => {
      const reflector = new Reflector(device);
      const rounds = 200;
      const burst = 16;
      let back = 0;
      for (let round = 0; round < rounds; round++) {
        const payload = Buffer.alloc(64, round);
        for (let i = 0; i < burst; i++) client.send(payload);
        for (let got = 0, tries = 0; got < burst && tries < 100_000; tries++) {
          reflector.turn();
          while (client.poll() === 64) {
            got++;
            back++;
          }
        }
      }
      assert.equal(back, rounds * burst);
      assert.equal(reflector.reflected, rounds * burst);
      assert.equal(device.counters.transmittedFrames, rounds * burst);
      assert.equal(device.counters.transmittedBytes, rounds * burst * 106);
      assert.ok(device.counters.receivedFrames >= rounds * burst);
      assert.equal(device.counters.receiveDropped, 0);
      assert.equal(device.counters.transmitDropped, 0);
    });
  });

  for (const transmitChecksum of ['none', 'offload', 'software'] as const) {
    it(`delivers right checksums, transmitChecksum ${transmitChecksum}`, t => {
      withDevice(t, { transmitChecksum }, ({ device, client }) => {
        const { pool } = device;
        const { bytes, view } = pool.region;
        assert.equal(device.transmitChecksum, transmitChecksum !== 'none');
        const frame = new Frame();
        // At offset 0 of its slot there is no room for metadata: the device computes by itself.
        for (const start of [128, 64, 0]) {
          for (const size of [1, 18, 333]) {
            const slot = pool.allocSlot();
            const at = pool.slotOffset(slot) + start;
            writeUdpHeaders(bytes, view, at, size, { source: 9000, destination: 7000 });
            bytes.fill(0x5a, at + UDP_HEADERS_BYTES, at + UDP_HEADERS_BYTES + size);
            frame.clear();
            frame.append(at, UDP_HEADERS_BYTES + size);
            frame.checksumStart = 34;
            frame.checksumOffset = 6;
            device.transmit(frame);
            device.flush();
            assert.deepEqual(client.receive(), Buffer.alloc(size, 0x5a));
          }
        }
      });
    });
  }

  it('gathers frames from several slots, one of them shared', t => {
    withDevice(t, { multiBuffer: true, transmitChecksum: 'offload' }, ({ device, client }) => {
      const { pool } = device;
      const { bytes, view } = pool.region;
      const shared = pool.allocSlot();
      const text = pool.slotOffset(shared);
      bytes.set(Buffer.from('scatter-gather'), text);
      assert.ok(device.segmentLimit >= 3);
      const frame = new Frame();
      for (let round = 0; round < 3; round++) {
        const header = pool.allocReserved();
        const at = pool.slotOffset(header) + 64;
        writeUdpHeaders(bytes, view, at, 14, { source: 9000, destination: 7000 });
        frame.clear();
        frame.append(at, UDP_HEADERS_BYTES);
        pool.retain(shared);
        frame.append(text, 8);
        pool.retain(shared);
        frame.append(text + 8, 6);
        // The kernel's offload cannot span what is not in one buffer on every version: the stack may also sum itself.
        frame.checksumStart = 34;
        frame.checksumOffset = 6;
        device.transmit(frame);
      }
      device.flush();
      for (let round = 0; round < 3; round++) assert.equal(client.receive()?.toString(), 'scatter-gather');
      for (let tries = 0; tries < 1000 && pool.references[shared]! > 1; tries++) device.flush();
      assert.equal(pool.references[shared], 1);
      pool.release(shared);
    });
  });

  it('receives frames longer than a slot in pieces', t => {
    const options = { multiBuffer: true, veth: { mtuBytes: 9000, staticNeighbour: true } };
    withDevice(t, options, ({ device, client }) => {
      assert.equal(device.mtuBytes, 9000);
      const payload = Buffer.from(Array.from({ length: 5000 }, (_, i) => i & 255));
      client.send(payload);
      const burst = new ReceiveBurst();
      let i = receiveOne(device, burst);
      const pieces: Buffer[] = [];
      for (;;) {
        const at = burst.offset[i]!;
        pieces.push(Buffer.from(device.pool.region.bytes.slice(at, at + burst.length[i]!)));
        device.pool.release(at >> device.pool.slotShift);
        if ((burst.flags[i]! & RX_CONTINUES) === 0) break;
        i++;
      }
      assert.ok(pieces.length > 1);
      assert.deepEqual(Buffer.concat(pieces).subarray(42), payload);
      assert.equal(device.counters.receiveDropped, 0);
    });
  });

  it('counts what it cannot take when nobody gives slots back, and recovers', t => {
    withDevice(t, { slots: 64, ringEntries: 64 }, ({ device, client }) => {
      const { pool } = device;
      const burst = new ReceiveBurst();
      const kept: number[] = [];
      for (let i = 0; i < 500; i++) {
        client.send(Buffer.alloc(10));
        const count = device.receive(burst);
        for (let j = 0; j < count; j++) kept.push(burst.offset[j]! >> pool.slotShift);
        device.flush();
      }
      assert.equal(pool.freeSlots, 0);
      assert.ok(device.counters.receiveDropped > 0);
      for (const slot of kept) pool.release(slot);
      device.flush();
      // The kernel's own queue holds what came before; a fresh frame gets through behind it.
      client.send(Buffer.from('again'));
      for (;;) {
        const i = receiveOne(device, burst);
        const text = Buffer.from(pool.region.bytes.slice(burst.offset[i]! + 42, burst.offset[i]! + 47));
        for (let j = i; j < burst.count; j++) pool.release(burst.offset[j]! >> pool.slotShift);
        if (text.toString() === 'again') break;
      }
    });
  });

  it('gives slots back that are under way when it closes', t => {
    withDevice(t, {}, ({ device }) => {
      const { pool } = device;
      const frame = new Frame();
      for (let i = 0; i < 100; i++) {
        const slot = pool.allocSlot();
        writeUdpHeaders(pool.region.bytes, pool.region.view, pool.slotOffset(slot) + 64, 4, {
          source: 9000,
          destination: 7000,
        });
        pool.region.view.setUint16(pool.slotOffset(slot) + 64 + 40, 0);
        frame.clear();
        frame.append(pool.slotOffset(slot) + 64, 46);
        device.transmit(frame);
      }
    });
  });

  it('wakes a sleeper', t => {
    withDevice(t, {}, ({ device, client }) => {
      const burst = new ReceiveBurst();
      const poll = new PollSet(1);
      poll.add(device.descriptors[0]!, POLLIN);
      try {
        for (let round = 0; round < 20; round++) {
          // Whatever else the kernel sends on a new link is taken first.
          while (poll.wait(0) > 0) {
            const count = device.receive(burst);
            for (let i = 0; i < count; i++) device.pool.release(burst.offset[i]! >> device.pool.slotShift);
          }
          client.send(Buffer.alloc(20));
          assert.equal(poll.wait(1_000_000), 1);
          const i = receiveOne(device, burst);
          for (let j = i; j < burst.count; j++)
            device.pool.release(burst.offset[j]! >> device.pool.slotShift);
          device.flush();
        }
      } finally {
        poll.close();
      }
    });
  });

  it('goes on after the interface was down, and ends in peace when it is gone', t => {
    withDevice(t, {}, ({ pair, device, client }) => {
      const { pool } = device;
      const frame = new Frame();
      const send = (): void => {
        const at = pool.slotOffset(pool.allocSlot()) + 64;
        writeUdpHeaders(pool.region.bytes, pool.region.view, at, 4, { source: 9000, destination: 7000 });
        pool.region.view.setUint16(at + 40, 0);
        frame.clear();
        frame.append(at, 46);
        device.transmit(frame);
        device.flush();
      };
      const link = (up: boolean): void => {
        pair.configure(pair.near, netlink => changeLink(netlink, NEAR_DEVICE, { up }));
      };
      send();
      assert.equal(client.receive()?.length, 4);
      link(false);
      for (let i = 0; i < 10; i++) send();
      assert.equal(device.backlogged, true);
      link(true);
      for (let tries = 0; ; tries++) {
        assert.ok(tries < 20, 'nothing comes after the link is up again');
        send();
        if (client.receive(100) !== undefined) break;
      }
      for (let tries = 0; tries < 1000 && device.backlogged; tries++) device.flush();
      assert.equal(device.backlogged, false);
      pair.configure(pair.near, netlink => deleteLink(netlink, NEAR_DEVICE));
      for (let i = 0; i < 10; i++) send();
      assert.equal(device.receive(new ReceiveBurst()), 0);
      gone = true;
    });
  });
});
