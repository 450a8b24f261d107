// The pcapng tap: what it writes can be read back, both ways, within its bound.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { heapRegion, SlotPool } from '@demikernel/memory';
import fc from 'fast-check';
import { PcapTap } from '../../src/devices/pcap-tap.ts';
import { INBOUND, OUTBOUND, readPcapng, writeFileHeader } from '../../src/devices/pcapng.ts';
import { Wire } from '../../src/devices/wire.ts';
import { ManualClock } from '../../src/runtime/clock.ts';
import { Frame, ReceiveBurst } from '../../src/runtime/packet-device.ts';
import { SeededRandom } from '../../src/runtime/random.ts';

function setUp(options: { snapLength?: number; bufferBytes?: number } = {}) {
  const clock = new ManualClock(5_000_000_000_000);
  const wire = new Wire({ clock, random: new SeededRandom(1) });
  const pool = (): SlotPool => new SlotPool(heapRegion(64 * 2048), { slotSizeBytes: 2048 });
  const blocks: Uint8Array[] = [];
  const inner = wire.attach({ pool: pool(), name: 'eth0' });
  const peer = wire.attach({ pool: pool() });
  const tap = new PcapTap(inner, { clock, sink: bytes => blocks.push(bytes.slice()), ...options });
  const transmit = (device: typeof tap | typeof peer, bytes: Uint8Array, pieces: number): void => {
    const frame = new Frame();
    const cut = Math.ceil(bytes.length / pieces);
    for (let i = 0; i < pieces; i++) {
      const part = bytes.subarray(i * cut, (i + 1) * cut);
      const slot = device.pool.allocReserved();
      device.pool.region.bytes.set(part, device.pool.slotOffset(slot));
      frame.append(device.pool.slotOffset(slot), part.length);
    }
    device.transmit(frame);
  };
  return { clock, tap, peer, transmit, file: (): Uint8Array => Buffer.concat(blocks) };
}

const bytes = Uint8Array.from({ length: 61 }, (_, i) => (i < 6 ? 255 : i));

describe('pcapng tap', () => {
  it('begins with a section and an Ethernet interface, byte for byte', () => {
    assert.equal(
      Buffer.from(writeFileHeader('eth0', 65535)).toString('hex'),
      '0a0d0d0a' +
        '1c000000' +
        '4d3c2b1a' +
        '0100' +
        '0000' +
        'ffffffffffffffff' +
        '1c000000' +
        '01000000' +
        '28000000' +
        '0100' +
        '0000' +
        'ffff0000' +
        '02000400' +
        '65746830' +
        '09000100' +
        '06000000' +
        '00000000' +
        '28000000',
    );
  });

  it('keeps frames of both directions with time, length and every byte', () => {
    const { clock, tap, peer, transmit, file } = setUp();
    transmit(tap, bytes, 3);
    clock.advance(7);
    transmit(peer, bytes.subarray(0, 60), 1);
    const burst = new ReceiveBurst();
    assert.equal(tap.receive(burst), 1);
    tap.flush();
    const packets = readPcapng(file())!;
    assert.deepEqual(packets, [
      { timeUs: 5_000_000_000_000, direction: OUTBOUND, originalBytes: 61, bytes },
      { timeUs: 5_000_000_000_007, direction: INBOUND, originalBytes: 60, bytes: bytes.slice(0, 60) },
    ]);
    assert.equal(tap.captured, 2);
  });

  it('cuts long frames, and counts those that find the buffer full', () => {
    const { tap, transmit, file } = setUp({ snapLength: 20, bufferBytes: 200 });
    for (let i = 0; i < 5; i++) transmit(tap, bytes, 2);
    tap.close();
    const packets = readPcapng(file())!;
    assert.equal(packets.length, 3);
    assert.equal(tap.missed, 2);
    for (const packet of packets) {
      assert.equal(packet.originalBytes, 61);
      assert.deepEqual(packet.bytes, bytes.slice(0, 20));
    }
  });

  it('reads what is cut short or broken without an exception', () => {
    const { tap, transmit, file } = setUp();
    for (let i = 0; i < 3; i++) transmit(tap, bytes, 1);
    tap.flush();
    const whole = file();
    fc.assert(
      fc.property(fc.nat(whole.length), fc.nat(whole.length - 1), fc.nat(255), (length, at, value) => {
        const broken = whole.slice(0, length);
        if (at < length) broken[at] = value;
        const packets = readPcapng(broken);
        assert.ok(packets === undefined || packets.length <= 3);
      }),
    );
  });
});
