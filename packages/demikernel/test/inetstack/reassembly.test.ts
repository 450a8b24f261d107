// Fragments: in any order, twice, overlapping, missing, far too many; what comes out and that nothing stays behind.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { REASSEMBLY_COUNTERS } from '../../src/inetstack/ipv4/reassembly.ts';
import { ethernet, fragments, icmp, ipv4, PEER_IP, parse, u8, u16, udp } from './frames.ts';
import { StackFixture } from './stack-fixture.ts';

function bytesOf(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 255));
}

function counted(fixture: StackFixture, name: string): number {
  return fixture.counted(fixture.stack.input.reassembly, REASSEMBLY_COUNTERS, name);
}

function popBytes(fixture: StackFixture, queue: ReturnType<StackFixture['udp']>): Uint8Array | undefined {
  const pop = fixture.pop(queue);
  if (pop.state !== 2) {
    queue.cancel(pop);
    fixture.finish(pop);
    return undefined;
  }
  const bytes = pop.array!.toBytes();
  fixture.finish(pop);
  return bytes;
}

describe('reassembly', () => {
  it('joins fragments in any order, with duplicates', () => {
    const data = bytesOf(5000);
    const pieces = fragments(udp(data), 1000, { identification: 0x1234 });
    const order = fc.shuffledSubarray([...pieces, ...pieces], { minLength: 12, maxLength: 12 });
    fc.assert(
      fc.property(order, frames => {
        const fixture = new StackFixture();
        const queue = fixture.udp(':7');
        fixture.exchange(...frames);
        assert.deepEqual(popBytes(fixture, queue), Uint8Array.from(data));
        // The second copy of everything begins a new datagram, or is nearly one: time ends it.
        fixture.end();
      }),
      { numRuns: 30 },
    );
  });

  it('joins a datagram of 65507 bytes', () => {
    const fixture = new StackFixture({ device: { slots: 1024 } });
    const queue = fixture.udp(':7');
    const data = bytesOf(65507);
    fixture.exchange(...fragments(udp(data), 1480));
    assert.deepEqual(popBytes(fixture, queue), Uint8Array.from(data));
    fixture.end();
  });

  it('drops a datagram whose checksum is wrong, and one whose length is', () => {
    const fixture = new StackFixture();
    const queue = fixture.udp(':7');
    fixture.exchange(...fragments(udp(bytesOf(3000), { checksum: 0x1111 }), 1000));
    const short = udp(bytesOf(3000), { checksum: 0 });
    short.writeUInt16BE(100, 4);
    fixture.exchange(...fragments(short, 1000, { identification: 1 }));
    assert.equal(popBytes(fixture, queue), undefined);
    fixture.end();
  });

  it('tells datagrams apart by source, identification and protocol', () => {
    const fixture = new StackFixture();
    const queue = fixture.udp(':7');
    const one = fragments(udp(Buffer.alloc(2000, 1)), 1000, { identification: 1 });
    const two = fragments(udp(Buffer.alloc(2000, 2)), 1000, { identification: 2 });
    const source = '10.0.0.3';
    const three = fragments(udp(Buffer.alloc(2000, 3), { source }), 1000, { identification: 1, source });
    for (let i = 0; i < 3; i++) fixture.exchange(one[i]!, two[i]!, three[i]!);
    for (const value of [1, 2, 3]) {
      assert.deepEqual(popBytes(fixture, queue), new Uint8Array(2000).fill(value));
    }
    fixture.end();
  });

  for (const [name, build] of [
    ['partly the one before', (p: Buffer) => [piece(p, 0, 1000, true), piece(p, 992, 1000, true)]],
    ['partly the one after', (p: Buffer) => [piece(p, 1000, 1000, true), piece(p, 504, 1000, true)]],
    ['another wholly', (p: Buffer) => [piece(p, 8, 8, true), piece(p, 0, 1000, true)]],
    ['inside another', (p: Buffer) => [piece(p, 0, 1000, true), piece(p, 8, 8, true)]],
    ['the end', (p: Buffer) => [piece(p, 2000, 8, false), piece(p, 2008, 8, true)]],
    ['another last one', (p: Buffer) => [piece(p, 2000, 8, false), piece(p, 1000, 8, false)]],
  ] as const) {
    it(`drops everything of a datagram when a fragment overlaps ${name}`, () => {
      const fixture = new StackFixture();
      const queue = fixture.udp(':7');
      const whole = udp(bytesOf(3000));
      fixture.exchange(...build(whole));
      assert.equal(counted(fixture, 'overlaps'), 1);
      assert.equal(fixture.stack.input.reassembly.heldSlots, 0);
      // What follows is dropped too, until the time is over.
      fixture.exchange(...fragments(whole, 1000));
      assert.equal(popBytes(fixture, queue), undefined);
      assert.ok(counted(fixture, 'late') > 0);
      fixture.pass(15_100_000);
      fixture.exchange(...fragments(whole, 1000));
      assert.equal(popBytes(fixture, queue)?.length, 3000);
      fixture.end();
    });
  }

  for (const [name, frame] of [
    ['of odd length in the middle', ethernet(ipv4(bytesOf(1001), { fragmentWord: 0x2000 }))],
    ['without data', ethernet(ipv4(Buffer.alloc(0), { fragmentWord: 0x2000 }))],
    ['beyond 65535 bytes', ethernet(ipv4(bytesOf(1000), { fragmentWord: 0x1fff }))],
  ] as const) {
    it(`drops a fragment ${name}`, () => {
      const fixture = new StackFixture();
      fixture.exchange(frame);
      assert.equal(counted(fixture, 'malformed'), 1);
      assert.equal(fixture.stack.input.reassembly.count, 0);
      fixture.end();
    });
  }

  it('gives up after its time, and says so when it has the first fragment', () => {
    const fixture = new StackFixture();
    fixture.learnPeer();
    const pieces = fragments(udp(bytesOf(3000)), 1000, { identification: 9 });
    fixture.exchange(pieces[0]!, pieces[1]!);
    const sent = fixture
      .pass(15_100_000)
      .map(parse)
      .filter(packet => packet.protocol === 1);
    assert.equal(sent.length, 1);
    assert.deepEqual([...sent[0]!.payload.subarray(0, 2)], [11, 1]);
    assert.equal(counted(fixture, 'timeouts'), 1);
    assert.equal(fixture.device.pool.freeSlots, fixture.device.pool.slotCount);
    fixture.end();
  });

  it('holds a bounded number of datagrams and slots, and drops the oldest', () => {
    const fixture = new StackFixture({ reassembly: { datagrams: 4, slots: 6 } });
    const queue = fixture.udp(':7');
    for (let id = 0; id < 20; id++) {
      fixture.exchange(...fragments(udp(bytesOf(2500)), 1000, { identification: id }).slice(0, 2));
      fixture.clock.advance(1000);
      fixture.turn();
      assert.ok(fixture.stack.input.reassembly.count <= 4);
      assert.ok(fixture.stack.input.reassembly.heldSlots <= 6);
    }
    fixture.exchange(fragments(udp(bytesOf(2500)), 1000, { identification: 19 })[2]!);
    assert.equal(popBytes(fixture, queue)?.length, 2500);
    fixture.end();
  });

  it('gives up on a datagram in too many pieces', () => {
    const fixture = new StackFixture({ device: { slots: 1024 }, reassembly: { slots: 600 } });
    fixture.exchange(...fragments(udp(bytesOf(2000)), 8));
    assert.equal(counted(fixture, 'tooMany'), 1);
    assert.equal(fixture.stack.input.reassembly.heldSlots, 0);
    fixture.end();
  });

  it('answers an echo request that came in fragments', () => {
    const fixture = new StackFixture();
    fixture.learnPeer();
    const request = icmp(8, 0, 0x00010002, bytesOf(1200));
    const sent = fixture.exchange(...fragments(request, 600, { protocol: 1 })).map(parse);
    assert.equal(sent.length, 1);
    assert.equal(sent[0]!.payload[0], 0);
    assert.deepEqual(sent[0]!.payload.subarray(4), request.subarray(4));
    fixture.end();
  });

  it('answers an echo request that is too long for one packet in fragments', () => {
    const fixture = new StackFixture();
    fixture.learnPeer();
    const request = icmp(8, 0, 0x00010002, bytesOf(7000));
    const sent = fixture.exchange(...fragments(request, 1480, { protocol: 1 })).map(parse);
    assert.equal(sent.length, 5);
    const reply = Buffer.concat(sent.map(each => each.payload));
    assert.equal(reply[0], 0);
    assert.deepEqual(reply.subarray(4), request.subarray(4));
    // The same sum with type 0 instead of 8 in the high byte of the first word.
    const sum = reply.readUInt16BE(2) - request.readUInt16BE(2);
    assert.ok(sum === 0x0800 || sum === 0x0800 - 0xffff);
    const wrong = Buffer.from(request);
    wrong[5000]! ^= 1;
    assert.equal(fixture.exchange(...fragments(wrong, 1480, { protocol: 1, identification: 9 })).length, 0);
    fixture.end();
  });

  it('survives any fragments at all', () => {
    const fragment = fc.record({
      place: fc.nat(40),
      length: fc.nat(64),
      more: fc.boolean(),
      identification: fc.nat(2),
      protocol: fc.constantFrom(1, 6, 17),
    });
    fc.assert(
      fc.property(fc.array(fragment, { maxLength: 60 }), list => {
        const fixture = new StackFixture({
          device: { slots: 64, reserveSlots: 8 },
          reassembly: { slots: 8, datagrams: 3 },
        });
        fixture.udp(':7');
        const frames = list.map(({ place, length, more, identification, protocol }) =>
          ethernet(
            ipv4(Buffer.concat([u8(15, 160, 0, 7), u16(length), bytesOf(64)]).subarray(0, length), {
              fragmentWord: (more ? 0x2000 : 0) | place,
              identification,
              protocol,
              source: PEER_IP,
            }),
          ),
        );
        fixture.exchange(...frames);
        fixture.pass(20_000);
        fixture.end();
      }),
      { numRuns: 100 },
    );
  });
});

function piece(payload: Buffer, at: number, length: number, more: boolean): Buffer {
  const part = payload.subarray(at, at + length);
  return ethernet(ipv4(part, { fragmentWord: (more ? 0x2000 : 0) | (at / 8) }));
}
