// Frames as a property-based generator makes them, which shrinks what it finds: no sequence of frames throws, leaks or goes
// uncounted. PROPERTY_RUNS=n sets the number of sequences; a failure prints its seed and path.

import { test } from 'node:test';
import fc from 'fast-check';
import { foldChecksum, pseudoHeaderSum, sumBytes } from '../../src/inetstack/checksum.ts';
import { SimulatedWorld } from '../../src/liboses/simulator/index.ts';
import { Peer } from '../inetstack/tcp/simulated-pair.ts';
import { assertBalanced } from './books.ts';
import { assertNothingLeft, countersOf } from './ledger.ts';

const RUNS = Number(process.env['PROPERTY_RUNS'] ?? 3000);
const OURS = 0x0a000001;
const MAC = [2, 0, 0, 0, 0, 1];

/** What a frame is made of; every field may be wrong. */
interface Recipe {
  kind: 'raw' | 'arp' | 'ipv4';
  destination: 'us' | 'everybody' | 'other';
  protocol: number;
  source: number;
  target: number;
  fragmentWord: number;
  identification: number;
  headerWords: number;
  lengthError: number;
  ports: [number, number];
  flags: number;
  sequence: number;
  acknowledgement: number;
  dataOffset: number;
  repair: boolean;
  body: Uint8Array;
  waitUs: number;
}

const rarely = <T>(usual: T, other: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 9, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: other });

const recipe: fc.Arbitrary<Recipe> = fc.record({
  kind: fc.constantFrom<Recipe['kind']>('raw', 'arp', 'ipv4', 'ipv4', 'ipv4', 'ipv4'),
  destination: rarely<Recipe['destination']>('us', fc.constantFrom('everybody', 'other')),
  protocol: fc.constantFrom(1, 6, 6, 6, 17, 17, 2, 255),
  source: rarely(0x0a000002, fc.integer()),
  target: rarely(OURS, fc.integer()),
  fragmentWord: fc.oneof(
    fc.constant(0x4000),
    fc.constantFrom(0x2000, 0x2001, 1, 2, 0x1fff, 0x3fff),
    fc.nat(0xffff),
  ),
  identification: fc.nat(3),
  headerWords: rarely(5, fc.nat(15)),
  lengthError: rarely(0, fc.integer({ min: -60, max: 60 })),
  ports: fc.tuple(fc.constantFrom(1000, 1001, 0, 80), fc.constantFrom(80, 80, 53, 53, 9, 0)),
  flags: fc.nat(0x3f),
  sequence: fc.integer({ min: -2, max: 3000 }),
  acknowledgement: fc.integer(),
  dataOffset: rarely(5, fc.nat(15)),
  repair: rarely(true, fc.constant(false)),
  body: fc.uint8Array({ maxLength: 120 }),
  waitUs: fc.constantFrom(0, 0, 0, 100, 100_000, 20_000_000),
});

function bake(r: Recipe): Uint8Array {
  const transport = r.protocol === 6 ? 20 : 8;
  const bytes = new Uint8Array(r.kind === 'ipv4' ? 34 + transport + r.body.length : 14 + r.body.length);
  const view = new DataView(bytes.buffer);
  if (r.destination === 'us') bytes.set(MAC);
  else bytes.fill(r.destination === 'everybody' ? 0xff : 0x04, 0, 6);
  bytes.set([2, 0, 0, 0, 0, 2], 6);
  if (r.kind !== 'ipv4') {
    view.setUint16(12, r.kind === 'arp' ? 0x0806 : r.sequence & 0xffff);
    bytes.set(r.body, 14);
    if (r.kind === 'arp' && r.body.length >= 28 && r.repair) {
      view.setInt32(14, 0x00010800);
      view.setInt32(18, 0x06040000 | (1 + (r.flags & 1)));
      view.setInt32(38, r.target);
    }
    return bytes;
  }
  view.setUint16(12, 0x0800);
  view.setUint16(14, 0x4000 | (r.headerWords << 8));
  view.setUint16(16, bytes.length - 14 + r.lengthError);
  view.setUint16(18, r.identification);
  view.setUint16(20, r.fragmentWord);
  view.setUint16(22, 0x4000 | r.protocol);
  view.setInt32(26, r.source);
  view.setInt32(30, r.target);
  const at = 34;
  view.setUint16(at, r.protocol === 1 ? (r.flags << 8) | (r.dataOffset & 7) : r.ports[0]);
  view.setUint16(at + 2, r.protocol === 1 ? 0 : r.ports[1]);
  bytes.set(r.body, at + transport);
  if (r.protocol === 6) {
    view.setInt32(at + 4, r.sequence);
    view.setInt32(at + 8, r.acknowledgement);
    view.setUint16(at + 12, (r.dataOffset << 12) | r.flags);
    view.setUint16(at + 14, r.identification * 4000);
  } else view.setUint16(at + 4, 8 + r.body.length + r.lengthError);
  if (r.repair) repair(view, r.protocol, bytes.length - at);
  return bytes;
}

function repair(view: DataView, protocol: number, transportBytes: number): void {
  const headerBytes = Math.min((view.getUint8(14) & 15) << 2, view.byteLength - 14);
  if (headerBytes >= 20) view.setUint16(24, foldChecksum(sumBytes(view, 14, headerBytes, 0)));
  const field = protocol === 6 ? 50 : protocol === 17 ? 40 : 36;
  const pseudo =
    protocol === 1 ? 0 : pseudoHeaderSum(view.getInt32(26), view.getInt32(30), protocol, transportBytes);
  view.setUint16(field, 0);
  view.setUint16(field, foldChecksum(sumBytes(view, 34, transportBytes, pseudo)));
}

/** Lets a host with open sockets hear the frames, and closes the books. */
function hear(recipes: readonly Recipe[]): void {
  const world = new SimulatedWorld();
  const peer = new Peer(
    world,
    world.host('10.0.0.1/24', {
      slots: 128,
      reserveSlots: 16,
      debugMemory: true,
      operations: 64,
      queues: 16,
    }),
  );
  const { device, stack, pool, libos } = peer.host;
  const listener = peer.listen(80, 2);
  const accepts = [peer.accept(listener), peer.accept(listener)];
  const datagrams = libos.createSocket('datagram');
  peer.host.runtime.queues.add(datagrams);
  const bound = peer.socket().localAddress;
  bound.setIpv4(0, 53);
  datagrams.bind(bound);
  const pop = peer.pop(datagrams);
  let taken = 0;
  const poll = stack.poll.bind(stack);
  stack.poll = () => {
    const count = poll();
    taken += count;
    return count;
  };
  for (const r of recipes) {
    const frame = bake(r);
    const offset = device.reserve(frame.length);
    if (offset >= 0) {
      pool.region.bytes.set(frame, offset);
      device.commit();
    }
    world.step();
    world.clock.advance(r.waitUs);
  }
  world.step();
  assertBalanced(taken, countersOf(stack));
  for (const accept of accepts)
    if (accept.acceptedQd >= 0) peer.host.runtime.queues.lookup(accept.acceptedQd).close();
  peer.host.runtime.queues.forEach(queue => {
    peer.close(queue);
  });
  for (const operation of [...accepts, pop]) {
    operation.array?.free();
    peer.finish(operation);
  }
  peer.host.runtime.queues.forEach(queue => {
    peer.close(queue);
  });
  assertNothingLeft(stack, 'host');
}

test(`${RUNS} sequences of arbitrary frames`, () => {
  fc.assert(
    fc.property(fc.array(recipe, { minLength: 1, maxLength: 40 }), recipes => {
      hear(recipes);
    }),
    { numRuns: RUNS },
  );
});
