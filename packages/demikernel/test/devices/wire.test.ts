// The wire: who receives what, and that every fault happens as often as it is asked for, the same on every run.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { heapRegion, SlotPool } from '@demikernel/memory';
import { Wire } from '../../src/devices/wire.ts';
import type { WireDevice, WireDeviceOptions } from '../../src/devices/wire-device.ts';
import type { LinkOptions } from '../../src/devices/wire-link.ts';
import { ManualClock } from '../../src/runtime/clock.ts';
import { Frame, ReceiveBurst } from '../../src/runtime/packet-device.ts';
import { SeededRandom } from '../../src/runtime/random.ts';

function segment(link: LinkOptions = {}, devices = 2, options: Partial<WireDeviceOptions> = {}, seed = 3) {
  const clock = new ManualClock();
  const wire = new Wire({ clock, random: new SeededRandom(seed), link });
  const ends = Array.from({ length: devices }, () =>
    wire.attach({
      ...options,
      pool: new SlotPool(heapRegion(512 * 2048), { slotSizeBytes: 2048, reserveSlots: 8 }),
    }),
  );
  return { clock, wire, ends };
}

function send(from: WireDevice, to: WireDevice | 'all', payload: Uint8Array, pieces = 1): void {
  const frame = new Frame();
  const header = Buffer.concat([
    to === 'all' ? Buffer.alloc(6, 255) : to.macAddress,
    from.macAddress,
    Buffer.of(8, 0),
  ]);
  const bytes = Buffer.concat([header, payload]);
  const cut = Math.ceil(bytes.length / pieces);
  for (let i = 0; i < pieces; i++) {
    const part = bytes.subarray(i * cut, (i + 1) * cut);
    const slot = from.pool.allocReserved();
    from.pool.region.bytes.set(part, from.pool.slotOffset(slot));
    frame.append(from.pool.slotOffset(slot), part.length);
  }
  from.transmit(frame);
  from.flush();
}

function receive(device: WireDevice): Buffer[] {
  const burst = new ReceiveBurst();
  const frames: Buffer[] = [];
  while (device.receive(burst) > 0) {
    for (let i = 0; i < burst.count; i++) {
      const offset = burst.offset[i]!;
      frames.push(Buffer.from(device.pool.region.bytes.slice(offset + 14, offset + burst.length[i]!)));
      device.pool.release(offset >> device.pool.slotShift);
    }
  }
  return frames;
}

function checkPools(ends: readonly WireDevice[]): void {
  for (const end of ends) assert.equal(end.pool.freeSlots, end.pool.slotCount);
}

describe('wire', () => {
  it('brings a frame to the one it is for, and broadcasts to everybody else', () => {
    const { ends } = segment({}, 3);
    const [a, b, c] = ends as [WireDevice, WireDevice, WireDevice];
    send(a, b, Buffer.from('to b'));
    send(a, 'all', Buffer.from('to all'), 2);
    assert.deepEqual(receive(a).map(String), []);
    assert.deepEqual(receive(b).map(String), ['to b', 'to all']);
    assert.deepEqual(receive(c).map(String), ['to all']);
    checkPools(ends);
  });

  it('joins the segments of a frame, long and short', () => {
    const { ends } = segment();
    const [a, b] = ends as [WireDevice, WireDevice];
    for (const length of [0, 1, 113, 114, 115, 500, 1486]) {
      for (const pieces of [1, 2, 5]) {
        const payload = Buffer.from(Array.from({ length }, (_, i) => i & 255));
        send(a, b, payload, pieces);
        assert.deepEqual(receive(b), [payload]);
      }
    }
    checkPools(ends);
  });

  it('drops what a full ring or pool has no room for', () => {
    const { wire, ends } = segment({}, 2, { ringFrames: 16 });
    const [a, b] = ends as [WireDevice, WireDevice];
    for (let i = 0; i < 20; i++) send(a, b, Buffer.from('x'));
    assert.equal(receive(b).length, 16);
    assert.equal(wire.counters.receiverDropped, 4);
    const held: number[] = [];
    for (let slot = b.pool.allocSlot(); slot >= 0; slot = b.pool.allocSlot()) held.push(slot);
    for (let i = 0; i < 20; i++) send(a, b, Buffer.from('x'));
    assert.ok(b.pool.freeSlots >= 4, 'the stack keeps some of its reserve');
    receive(b);
    for (const slot of held) b.pool.release(slot);
    checkPools(ends);
  });

  it('delays, and says when the next frame is due', () => {
    const { clock, wire, ends } = segment({ delayUs: 50 });
    const [a, b] = ends as [WireDevice, WireDevice];
    assert.equal(wire.nextDeliveryUs(), Number.POSITIVE_INFINITY);
    send(a, b, Buffer.from('1'));
    clock.advance(20);
    send(a, b, Buffer.from('2'));
    assert.equal(wire.nextDeliveryUs(), 30);
    clock.advance(29);
    assert.equal(wire.deliver(), 0);
    clock.advance(1);
    assert.deepEqual(receive(b).map(String), ['1']);
    clock.advance(20);
    assert.deepEqual(receive(b).map(String), ['2']);
    checkPools(ends);
  });

  it('keeps order under jitter, and breaks it when asked to', () => {
    for (const reorderRate of [0, 0.2]) {
      const { clock, wire, ends } = segment({ delayUs: 10, jitterUs: 100, reorderRate });
      const [a, b] = ends as [WireDevice, WireDevice];
      const sent = Array.from({ length: 200 }, (_, i) => String(i));
      const received: string[] = [];
      for (const text of sent) {
        send(a, b, Buffer.from(text));
        clock.advance(20);
        received.push(...receive(b).map(String));
      }
      clock.advance(10_000);
      received.push(...receive(b).map(String));
      assert.equal(received.length, 200);
      assert.equal(String(received) === String(sent), reorderRate === 0);
      assert.equal(wire.counters.reordered > 0, reorderRate > 0);
      checkPools(ends);
    }
  });

  it('loses, duplicates and corrupts about as often as asked', () => {
    const { clock, wire, ends } = segment({ lossRate: 0.1, duplicateRate: 0.1, corruptRate: 0.1 });
    const [a, b] = ends as [WireDevice, WireDevice];
    let received = 0;
    let changed = 0;
    for (let i = 0; i < 2000; i++) {
      send(a, b, Buffer.from('payload'));
      clock.advance(1);
      for (const frame of receive(b)) {
        received++;
        if (String(frame) !== 'payload') changed++;
      }
    }
    const { lost, duplicated, corrupted } = wire.counters;
    assert.equal(received, 2000 - lost + duplicated);
    assert.equal(changed, corrupted);
    for (const count of [lost, duplicated, corrupted]) assert.ok(count > 140 && count < 260, `${count}`);
    checkPools(ends);
  });

  it('carries so many bits per second, and drops what its queue cannot hold', () => {
    // 1000 bytes with headers and overhead take 8 µs at 1 Gbit/s.
    const { clock, wire, ends } = segment({ bitsPerSecond: 1e9, queueBytes: 10_000 });
    const [a, b] = ends as [WireDevice, WireDevice];
    for (let i = 0; i < 20; i++) send(a, b, Buffer.alloc(1000 - 14 - 24));
    assert.equal(wire.counters.queueDropped, 10);
    for (let i = 1; i <= 10; i++) {
      clock.advance(8);
      assert.equal(receive(b).length, 1);
    }
    checkPools(ends);
  });

  it('does the same again with the same seed, and otherwise with another', () => {
    const run = (seed: number): string => {
      const link = { lossRate: 0.2, reorderRate: 0.2, jitterUs: 30, duplicateRate: 0.1 };
      const { clock, ends } = segment(link, 2, {}, seed);
      const [a, b] = ends as [WireDevice, WireDevice];
      let log = '';
      for (let i = 0; i < 300; i++) {
        send(a, b, Buffer.from(`${i} `));
        clock.advance(10);
        log += receive(b).join('');
      }
      return log;
    };
    assert.equal(run(1), run(1));
    assert.notEqual(run(1), run(2));
  });

  it('forgets a device that has closed', () => {
    const { clock, wire, ends } = segment({ delayUs: 5 });
    const [a, b] = ends as [WireDevice, WireDevice];
    send(a, b, Buffer.from('x'));
    b.close();
    clock.advance(10);
    wire.deliver();
    send(a, b, Buffer.from('x'));
    assert.equal(wire.counters.delivered, 0);
    assert.equal(wire.inFlight, 0);
    checkPools(ends);
  });
});
