// Anything in any frame: no exception, no slot lost, every frame accounted for. FUZZ_ITERATIONS and FUZZ_SEED make it longer.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { SeededRandom } from '../../src/runtime/random.ts';
import { parseSocketAddress } from '../../src/runtime/socket-address.ts';
import {
  arp,
  ethernet,
  fragments,
  icmp,
  icmpFrame,
  ip,
  ipv4,
  OUR_IP,
  PEER_IP,
  PEER_MAC,
  plainChecksum,
  u8,
  u16,
  udp,
  udpFrame,
} from './frames.ts';
import { StackFixture } from './stack-fixture.ts';

const iterations = Number(process.env['FUZZ_ITERATIONS'] ?? 20_000);
const seed = Number(process.env['FUZZ_SEED'] ?? 1);

const ours = ipv4(
  udp(Buffer.alloc(24), { source: OUR_IP, destination: PEER_IP, sourcePort: 7, destinationPort: 4000 }),
  {
    source: OUR_IP,
    destination: PEER_IP,
  },
);
/** Segments of a connection to port 80: SYN with options, data, FIN, RST. */
function tcp(flags: number, sequence: number, body: Uint8Array, options = ''): Buffer {
  const extra = Buffer.from(options, 'hex');
  const header = Buffer.concat([
    u16(4000, 80),
    u16(0, sequence, 0, 1),
    u8((20 + extra.length) << 2, flags),
    u16(0x4000, 0, 0),
    extra,
  ]);
  const bytes = Buffer.concat([header, body]);
  const pseudo = Buffer.concat([ip(PEER_IP), ip(OUR_IP), u8(0, 6), u16(bytes.length)]);
  bytes.writeUInt16BE(plainChecksum(Buffer.concat([pseudo, bytes])), 16);
  return ethernet(ipv4(bytes, { protocol: 6 }));
}

const corpus: Buffer[] = [
  udpFrame(Buffer.from('valid')),
  udpFrame(Buffer.alloc(1400), { checksum: 0 }),
  udpFrame(Buffer.from('broadcast'), { destination: '10.0.0.255' }, 'ffffffffffff'),
  ...fragments(udp(Buffer.alloc(3000)), 1000, { identification: 77 }),
  ethernet(ipv4(udp(Buffer.from('options')), { options: Buffer.from('0101010194040000', 'hex') })),
  icmpFrame(icmp(8, 0, 0x00010001, Buffer.alloc(56))),
  icmpFrame(icmp(3, 3, 0, ours)),
  icmpFrame(icmp(3, 4, 1000, ours)),
  icmpFrame(icmp(11, 0, 0, ours)),
  ethernet(arp(1, PEER_MAC, PEER_IP, '000000000000', OUR_IP), 0x0806, 'ffffffffffff'),
  ethernet(arp(2, PEER_MAC, PEER_IP, '02aabbccdd01', OUR_IP), 0x0806),
  tcp(2, 0, Buffer.alloc(0), '020405b40402080a000000010000000001030307'),
  tcp(0x10, 1, Buffer.from('data')),
  tcp(0x18, 5, Buffer.alloc(1000), '0101080a0000000200000001'),
  tcp(0x11, 1005, Buffer.alloc(0)),
  tcp(4, 1, Buffer.alloc(0)),
];

function mutate(frame: Buffer, random: SeededRandom): Buffer {
  let bytes = Buffer.from(frame);
  for (let change = random.below(4); change >= 0 && bytes.length > 0; change--) {
    const at = random.below(Math.min(bytes.length, 80));
    switch (random.below(6)) {
      case 0:
        bytes[at] = random.int32();
        break;
      case 1:
        bytes[at]! ^= 1 << random.below(8);
        break;
      case 2:
        bytes = bytes.subarray(0, random.below(bytes.length + 1));
        break;
      case 3:
        bytes = Buffer.concat([bytes, Buffer.alloc(random.below(100), random.int32())]);
        break;
      case 4:
        bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)]!;
        break;
      default:
        if (at + 1 < bytes.length) bytes.writeUInt16BE([0, 1, 0xffff, 0x8000, 20][random.below(5)]!, at);
    }
  }
  // Most mutations would end at a checksum; let many of them come further.
  if (random.below(2) === 0 && bytes.length >= 34) repair(bytes, random.below(4) > 0);
  return bytes;
}

/** Makes the header's checksum right, and the transport's. */
function repair(bytes: Buffer, transport: boolean): void {
  const headerBytes = (bytes[14]! & 15) * 4;
  const start = 14 + headerBytes;
  if (bytes.length < start || headerBytes < 20) return;
  bytes.writeUInt16BE(0, 24);
  bytes.writeUInt16BE(plainChecksum(bytes.subarray(14, start)), 24);
  const total = bytes.readUInt16BE(16);
  const field = { 1: 2, 6: 16, 17: 6 }[bytes[23]!];
  const payload = bytes.subarray(start, 14 + total);
  if (!transport || field === undefined || payload.length < field + 2) return;
  payload.writeUInt16BE(0, field);
  const pseudo = Buffer.concat([bytes.subarray(26, 34), u8(0, bytes[23]!), u16(payload.length)]);
  const summed = bytes[23] === 1 ? payload : Buffer.concat([pseudo, payload]);
  payload.writeUInt16BE(plainChecksum(summed), field);
}

function withQueues(): StackFixture {
  const fixture = new StackFixture({ device: { debugMemory: false, slots: 512 } });
  fixture.learnPeer();
  fixture.udp(':7');
  const connected = fixture.udp(':8');
  fixture.finish(fixture.connect(connected, `${PEER_IP}:4000`));
  const listener = fixture.stack.createTcpQueue();
  assert.equal(listener.bind(parseSocketAddress(':80')), 0);
  assert.equal(listener.listen(16), 0);
  return fixture;
}

describe('hostile frames', () => {
  it(`survives ${iterations} mutations of valid frames (seed ${seed})`, () => {
    const random = new SeededRandom(seed);
    let fixture = withQueues();
    for (let i = 0; i < iterations; i++) {
      const frame = mutate(corpus[random.below(corpus.length)]!, random);
      try {
        fixture.device.put(frame);
        if (i % 8 === 7) fixture.turn();
        if (i % 64 === 63) fixture.clock.advance(random.below(50_000));
        if (i % 5000 === 4999) {
          fixture.end();
          fixture = withQueues();
        }
      } catch (error) {
        throw new Error(`iteration ${i} of seed ${seed}: ${frame.toString('hex')}`, { cause: error });
      }
    }
    fixture.turn();
    fixture.end();
  });

  it('survives frames that are nothing at all', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 120 }), { maxLength: 20 }), frames => {
        const fixture = withQueues();
        fixture.exchange(...frames);
        // The same behind our address, so that they are looked at.
        fixture.exchange(...frames.map(frame => ethernet(frame)));
        fixture.exchange(...frames.map(frame => ethernet(frame, 0x0806)));
        fixture.exchange(
          ...frames.flatMap(frame => [1, 6, 17].map(protocol => ethernet(ipv4(frame, { protocol })))),
        );
        fixture.end();
      }),
      { numRuns: 100 },
    );
  });

  it('accounts for every frame while no slot is free', () => {
    const fixture = withQueues();
    const { pool } = fixture.device;
    const hogs: number[] = [];
    for (let slot = pool.allocReserved(); slot >= 0; slot = pool.allocReserved()) hogs.push(slot);
    for (const frame of corpus) fixture.exchange(frame);
    for (let free = 1; free < 4; free++) {
      pool.release(hogs.pop()!);
      for (const frame of corpus) fixture.exchange(frame);
    }
    for (const slot of hogs) pool.release(slot);
    assert.ok(pool.freeSlots > 0);
    fixture.end();
  });
});
