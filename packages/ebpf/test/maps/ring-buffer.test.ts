// The ring buffer: events from a program, in order, over many turns of the ring; a full ring; discarded records.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { POLLIN, PollSet } from '@demikernel/native/kernel';
import { Assembler } from '../../src/assembler/assembler.ts';
import { R0, R1, R2, R3, R4, R6, R7, R10 } from '../../src/assembler/register.ts';
import * as C from '../../src/constants.ts';
import { PerCpuArray } from '../../src/maps/per-cpu.ts';
import { RingBuffer } from '../../src/maps/ring-buffer.ts';
import { Program } from '../../src/program.ts';
import { countPath } from '../../src/xdp/packet.ts';
import { bpfRefusal } from '../privilege.ts';

const skip = bpfRefusal();

/** Reports the packet's first 4 bytes and its length as an event of 12 bytes; counts the events lost. */
function reporter(ring: RingBuffer, lost: PerCpuArray): Program {
  const a = new Assembler()
    .load32(R2, R1, C.XDP_MD_DATA)
    .load32(R3, R1, C.XDP_MD_DATA_END)
    .mov(R4, R2)
    .add(R4, 4)
    .jgt(R4, R3, 'out')
    .load32(R4, R2, 0)
    .store32(R10, -16, R4)
    .sub(R3, R2)
    .store32(R10, -12, R3)
    .store32(R10, -8, 0)
    .mapFd(R1, ring)
    .mov(R2, R10)
    .add(R2, -16)
    .mov(R3, 12)
    .mov(R4, 0)
    .call(C.HELPER_RINGBUF_OUTPUT)
    .jeq(R0, 0, 'out')
    .mov(R7, 0);
  countPath(a, lost, R7);
  const code = a.label('out').mov(R0, C.XDP_DROP).exit().assemble();
  return new Program({ name: 'demi_report', code });
}

test('events arrive in order over many turns; a full ring loses and counts', { skip }, () => {
  using ring = new RingBuffer({ name: 'demi_ring', sizeBytes: 4096 });
  using lost = new PerCpuArray({ name: 'demi_lost', valueBytes: 8, maxEntries: 1 });
  using program = reporter(ring, lost);
  const packet = new Uint8Array(64);
  const view = new DataView(packet.buffer);
  let sent = 0;
  let next = 0;
  const receive = (): number =>
    ring.consume((events, at, lengthBytes) => {
      assert.equal(lengthBytes, 12);
      assert.equal(events.getUint32(at, true), next++);
      assert.equal(events.getUint32(at + 4, true), 64);
    });
  for (let round = 0; round < 200; round++) {
    for (let n = 0; n < 100; n++) {
      view.setUint32(0, sent++, true);
      program.testRun(packet);
    }
    assert.ok(ring.pendingBytes > 0);
    assert.equal(receive(), 100);
    assert.equal(ring.pendingBytes, 0);
  }
  assert.equal(lost.sum(0), 0);
  // 24 bytes a record: 170 fit.
  for (let n = 0; n < 300; n++) {
    view.setUint32(0, sent + n, true);
    program.testRun(packet);
  }
  const got = receive();
  assert.equal(got, Math.floor(4096 / 24));
  assert.equal(lost.sum(0), 300 - got);
});

test('a limit leaves the rest; an exception loses nothing but its own event', { skip }, () => {
  using ring = new RingBuffer({ name: 'demi_ring', sizeBytes: 4096 });
  using lost = new PerCpuArray({ name: 'demi_lost', valueBytes: 8, maxEntries: 1 });
  using program = reporter(ring, lost);
  for (let n = 0; n < 10; n++) program.testRun(new Uint8Array(64));
  assert.equal(
    ring.consume(() => {}, 4),
    4,
  );
  assert.throws(() =>
    ring.consume(() => {
      throw new Error('the visitor failed');
    }),
  );
  assert.equal(
    ring.consume(() => {}),
    5,
  );
});

test('discarded records are skipped', { skip }, () => {
  using ring = new RingBuffer({ name: 'demi_ring', sizeBytes: 4096 });
  const code = new Assembler()
    .load32(R6, R1, C.XDP_MD_RX_QUEUE_INDEX)
    .mapFd(R1, ring)
    .mov(R2, 8)
    .mov(R3, 0)
    .call(C.HELPER_RINGBUF_RESERVE)
    .jeq(R0, 0, 'out')
    .store64(R0, 0, 5)
    .mov(R1, R0)
    .mov(R2, 0)
    .call(C.HELPER_RINGBUF_DISCARD)
    .mapFd(R1, ring)
    .mov(R2, 16)
    .mov(R3, 0)
    .call(C.HELPER_RINGBUF_RESERVE)
    .jeq(R0, 0, 'out')
    .store64(R0, 0, 6)
    .store64(R0, 8, R6)
    .mov(R1, R0)
    .mov(R2, 0)
    .call(C.HELPER_RINGBUF_SUBMIT)
    .label('out')
    .mov(R0, C.XDP_DROP)
    .exit()
    .assemble();
  using program = new Program({ name: 'demi_discard', code });
  program.testRun(new Uint8Array(64), { repeat: 3 });
  const values: number[] = [];
  assert.equal(
    ring.consume((view, at) => values.push(view.getUint32(at, true))),
    3,
  );
  assert.deepEqual(values, [6, 6, 6]);
});

/** With its header. */
const RECORD_BYTES = 1 << 20;

test('nothing is lost when positions pass 4 GiB', { skip }, () => {
  using ring = new RingBuffer({ name: 'demi_ring', sizeBytes: 1 << 23 });
  const code = new Assembler()
    .mapFd(R1, ring)
    .mov(R2, RECORD_BYTES - 8)
    .mov(R3, 0)
    .call(C.HELPER_RINGBUF_RESERVE)
    .jeq(R0, 0, 'full')
    .mov(R1, R0)
    .mov(R2, 0)
    .call(C.HELPER_RINGBUF_SUBMIT)
    .mov(R0, C.XDP_PASS)
    .exit()
    .label('full')
    .mov(R0, C.XDP_DROP)
    .exit()
    .assemble();
  using program = new Program({ name: 'demi_wrap', code });
  const packet = new Uint8Array(64);
  let events = 0;
  for (let round = 0; round < 1500; round++) {
    for (let n = 0; n < 7; n++) {
      assert.equal(program.testRun(packet).action, C.XDP_PASS, `round ${round}`);
    }
    events += ring.consume(() => {});
  }
  assert.equal(events, 1500 * 7);
  assert.ok(events * RECORD_BYTES > 2 * 2 ** 32);
  assert.equal(ring.pendingBytes, 0);
});

test('the descriptor is readable while there are events', { skip }, () => {
  using ring = new RingBuffer({ name: 'demi_ring', sizeBytes: 4096 });
  using lost = new PerCpuArray({ name: 'demi_lost', valueBytes: 8, maxEntries: 1 });
  using program = reporter(ring, lost);
  const set = new PollSet(1);
  try {
    set.add(ring.descriptor, POLLIN);
    assert.equal(set.wait(0), 0);
    program.testRun(new Uint8Array(64));
    assert.equal(set.wait(0), 1);
    ring.consume(() => {});
    assert.equal(set.wait(0), 0);
  } finally {
    set.close();
  }
});

test('a size is a power of two and a page; a closed ring is empty', { skip }, () => {
  for (const sizeBytes of [0, 100, 5000, 2 ** 31]) {
    assert.throws(() => new RingBuffer({ name: 'demi_ring', sizeBytes }), { code: 'ERR_DEMI_ARGUMENT' });
  }
  const ring = new RingBuffer({ name: 'demi_ring', sizeBytes: 4096 });
  ring.close();
  assert.equal(
    ring.consume(() => {}),
    0,
  );
});
