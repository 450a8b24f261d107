// UDP queues: ports, peers, bounds, errors; datagrams in and out, in one piece and in many.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UDP_COUNTERS } from '../../src/inetstack/udp/counters.ts';
import { OP_PUSH } from '../../src/runtime/operation.ts';
import { SHUT_RD, SHUT_WR } from '../../src/runtime/queue.ts';
import { parseSocketAddress } from '../../src/runtime/socket-address.ts';
import { ethernet, ipv4, OUR_IP, PEER_IP, parse, plainChecksum, udp, udpFrame } from './frames.ts';
import { StackFixture } from './stack-fixture.ts';

const EAGAIN = 11;
const EADDRINUSE = 98;
const EADDRNOTAVAIL = 99;
const ECANCELED = 125;
const EINVAL = 22;
const EMSGSIZE = 90;
const ENOTCONN = 107;
const EPIPE = 32;

function counted(fixture: StackFixture, name: string): number {
  return fixture.counted(fixture.stack.udp, UDP_COUNTERS, name);
}

describe('UDP ports', () => {
  it('binds once, to our addresses only', () => {
    const fixture = new StackFixture();
    const queue = fixture.udp(':7');
    assert.equal(queue.localAddress.toString(), '0.0.0.0:7');
    assert.equal(queue.bind(parseSocketAddress(':8')), EINVAL);
    assert.equal(fixture.udp().bind(parseSocketAddress(':7')), EADDRINUSE);
    assert.equal(fixture.udp().bind(parseSocketAddress('10.0.0.9:9')), EADDRNOTAVAIL);
    assert.equal(fixture.udp().bind(parseSocketAddress(`${OUR_IP}:9`)), 0);
    queue.close();
    assert.equal(fixture.udp().bind(parseSocketAddress(':7')), 0);
    fixture.end();
  });

  it('finds random free ports for port 0 until there are none', () => {
    const fixture = new StackFixture();
    const ports = new Set<number>();
    for (let i = 0; i < 16384; i++) ports.add(fixture.udp(':0').localAddress.port);
    assert.equal(ports.size, 16384);
    assert.ok(Math.min(...ports) >= 49152);
    assert.equal(fixture.udp().bind(parseSocketAddress(':0')), EADDRINUSE);
    fixture.end();
  });

  it('shares a port among those who agree; the connected hear their peer', () => {
    const fixture = new StackFixture();
    const listener = fixture.udp();
    const session = fixture.udp();
    listener.setOption('reuseAddress', true);
    session.setOption('reuseAddress', true);
    assert.equal(listener.bind(parseSocketAddress(':7')), 0);
    assert.equal(session.bind(parseSocketAddress(':7')), 0);
    assert.equal(fixture.finish(fixture.connect(session, `${PEER_IP}:4000`)), 0);
    fixture.exchange(udpFrame(Buffer.from('mine')), udpFrame(Buffer.from('other'), { sourcePort: 4001 }));
    assert.equal(fixture.popped(fixture.pop(session)).text, 'mine');
    assert.equal(fixture.popped(fixture.pop(listener)).text, 'other');
    session.close();
    fixture.exchange(udpFrame(Buffer.from('again')));
    assert.equal(fixture.popped(fixture.pop(listener)).text, 'again');
    fixture.end();
  });

  it('asks for its ports when the address is shared', () => {
    const calls: string[] = [];
    const fixture = new StackFixture({
      sharedAddress: true,
      ports: {
        reserve(protocol, port): number {
          calls.push(`reserve ${protocol} ${port}`);
          return port === 80 ? -13 : port === 0 ? 33333 : port;
        },
        release(protocol, port): void {
          calls.push(`release ${protocol} ${port}`);
        },
      },
    });
    assert.equal(fixture.udp().bind(parseSocketAddress(':80')), 13);
    const queue = fixture.udp(':0');
    assert.equal(queue.localAddress.port, 33333);
    queue.close();
    assert.deepEqual(calls, ['reserve 17 80', 'reserve 17 0', 'release 17 33333']);
    fixture.end();
  });
});

describe('UDP receive', () => {
  it('completes pops in order, with where it came from, before or after it came', () => {
    const fixture = new StackFixture();
    const queue = fixture.udp(':7');
    const early = fixture.pop(queue);
    fixture.exchange(udpFrame(Buffer.from('one')), udpFrame(Buffer.from('two'), { sourcePort: 5000 }));
    assert.deepEqual(fixture.popped(early), { text: 'one', from: `${PEER_IP}:4000` });
    assert.deepEqual(fixture.popped(fixture.pop(queue)), { text: 'two', from: `${PEER_IP}:5000` });
    fixture.end();
  });

  it('cuts what does not fit in the size asked for', () => {
    const fixture = new StackFixture();
    const queue = fixture.udp(':7');
    fixture.exchange(udpFrame(Buffer.from('truncated')), udpFrame(Buffer.from('next')));
    assert.equal(fixture.popped(fixture.pop(queue, 5)).text, 'trunc');
    assert.equal(fixture.popped(fixture.pop(queue, 5)).text, 'next');
    fixture.end();
  });

  it('delivers an empty datagram as one empty slice', () => {
    const fixture = new StackFixture();
    const pop = fixture.pop(fixture.udp(':7'));
    fixture.exchange(udpFrame(Buffer.alloc(0)));
    assert.equal(pop.array!.count, 1);
    assert.equal(fixture.popped(pop).text, '');
    fixture.end();
  });

  it('takes checksum 0, and only a right one otherwise', () => {
    const fixture = new StackFixture();
    const queue = fixture.udp(':7');
    fixture.exchange(
      udpFrame(Buffer.from('none'), { checksum: 0 }),
      udpFrame(Buffer.from('wrong'), { checksum: 0x1234 }),
      udpFrame(Buffer.from('right')),
    );
    assert.equal(fixture.popped(fixture.pop(queue)).text, 'none');
    assert.equal(fixture.popped(fixture.pop(queue)).text, 'right');
    assert.equal(counted(fixture, 'badChecksum'), 1);
    fixture.end();
  });

  it('takes a partial checksum from a device that leaves them', () => {
    // 0a000002 + 0a000001 + 0011 + 000a, folded.
    for (const partialChecksums of [true, false]) {
      const fixture = new StackFixture({ device: { partialChecksums } });
      fixture.udp(':7');
      fixture.exchange(udpFrame(Buffer.from('hi'), { checksum: 0x141e }));
      assert.equal(counted(fixture, 'delivered'), partialChecksums ? 1 : 0);
      fixture.end();
    }
  });

  for (const [name, segment, counter] of [
    ['7 bytes', udp(Buffer.alloc(0)).subarray(0, 7), 'truncated'],
    ['a length below its header', Buffer.from('0fa0000700070000', 'hex'), 'badLength'],
    ['a length beyond the packet', Buffer.from('0fa0000700090000', 'hex'), 'badLength'],
    ['nobody on its port', udp(Buffer.from('x'), { destinationPort: 8 }), 'noPort'],
  ] as const) {
    it(`drops a datagram with ${name} as ${counter}`, () => {
      const fixture = new StackFixture();
      fixture.udp(':7');
      fixture.exchange(ethernet(ipv4(segment)));
      assert.equal(counted(fixture, counter), 1);
      fixture.end();
    });
  }

  it('bounds what waits: by bytes, by slots, and over all queues', () => {
    for (const udpOptions of [
      { receiveBufferBytes: 1000 },
      { receiveSlots: 10 },
      { totalReceiveSlots: 10 },
    ]) {
      const fixture = new StackFixture({ udp: udpOptions });
      const queue = fixture.udp(':7');
      for (let i = 0; i < 30; i++) fixture.exchange(udpFrame(Buffer.alloc(100)));
      assert.equal(counted(fixture, 'delivered'), 10);
      assert.equal(counted(fixture, 'receiveQueueFull') + counted(fixture, 'receiveMemoryFull'), 20);
      for (let i = 0; i < 10; i++) fixture.finish(fixture.pop(queue));
      const pop = fixture.pop(queue);
      fixture.exchange(udpFrame(Buffer.from('room')));
      assert.equal(fixture.popped(pop).text, 'room');
      fixture.end();
    }
  });

  it('hears its peer only, once connected', () => {
    const fixture = new StackFixture();
    const queue = fixture.udp(':7');
    assert.equal(fixture.finish(fixture.connect(queue, `${PEER_IP}:4000`)), 0);
    assert.equal(queue.localAddress.toString(), `${OUR_IP}:7`);
    fixture.exchange(udpFrame(Buffer.from('no'), { sourcePort: 4001 }), udpFrame(Buffer.from('yes')));
    assert.equal(fixture.popped(fixture.pop(queue)).text, 'yes');
    assert.equal(counted(fixture, 'noPort'), 1);
    fixture.end();
  });
});

describe('UDP send', () => {
  it('needs a destination, and a size that fits a datagram', () => {
    const fixture = new StackFixture({ device: { slots: 512 } });
    const queue = fixture.udp(':7');
    assert.equal(fixture.finish(fixture.push(queue, Buffer.from('x'))), ENOTCONN);
    assert.equal(fixture.finish(fixture.push(queue, Buffer.from('x'), `${PEER_IP}:0`)), EINVAL);
    assert.equal(fixture.finish(fixture.push(queue, Buffer.alloc(65508), `${PEER_IP}:9`)), EMSGSIZE);
    const bare = fixture.runtime.operations.issue(OP_PUSH, 0);
    queue.push(bare);
    assert.equal(fixture.finish(bare), EINVAL);
    fixture.end();
  });

  it('binds an ephemeral port at the first push', () => {
    const fixture = new StackFixture();
    fixture.learnPeer();
    const queue = fixture.udp();
    assert.equal(fixture.finish(fixture.push(queue, Buffer.from('x'), `${PEER_IP}:9`)), 0);
    assert.ok(queue.localAddress.port >= 49152);
    assert.equal(parse(fixture.turn()[0]!).payload.readUInt16BE(0), queue.localAddress.port);
    fixture.end();
  });

  for (const sliceBytes of [1, 3, 100, 700, 1400]) {
    it(`sends slices of ${sliceBytes} bytes with a right checksum`, () => {
      const fixture = new StackFixture({ device: { slots: 2048 } });
      fixture.learnPeer();
      const queue = fixture.udp(':7');
      for (const length of [0, 1, 2, 63, 64, 500, 1399, 1472]) {
        const data = Buffer.from(Array.from({ length }, (_, i) => (i * 31) & 255));
        fixture.finish(fixture.push(queue, data, `${PEER_IP}:9`, sliceBytes));
        const packet = parse(fixture.turn()[0]!);
        const expected = udp(data, {
          source: OUR_IP,
          destination: PEER_IP,
          sourcePort: 7,
          destinationPort: 9,
        });
        assert.equal(packet.payload.toString('hex'), expected.toString('hex'));
      }
      fixture.end();
    });
  }

  it('cuts what is larger than the MTU, and the pieces make the datagram', () => {
    const fixture = new StackFixture({ device: { slots: 512 } });
    fixture.learnPeer();
    const queue = fixture.udp(':7');
    for (const length of [1473, 2952, 8192, 65507]) {
      const data = Buffer.from(Array.from({ length }, (_, i) => (i * 13) & 255));
      fixture.finish(fixture.push(queue, data, `${PEER_IP}:9`));
      const packets = fixture.turn().map(parse);
      const joined = Buffer.concat(packets.map(packet => packet.payload));
      const expected = udp(data, { source: OUR_IP, destination: PEER_IP, sourcePort: 7, destinationPort: 9 });
      assert.ok(joined.equals(expected));
      let at = 0;
      for (const [i, packet] of packets.entries()) {
        assert.ok(packet.headerIntact && packet.payload.length <= 1480);
        assert.equal(packet.fragmentWord, (at >> 3) | (i < packets.length - 1 ? 0x2000 : 0));
        assert.equal(packet.identification, packets[0]!.identification);
        at += packet.payload.length;
      }
    }
    fixture.end();
  });

  it('goes on with a cut datagram when the device has room again', () => {
    const fixture = new StackFixture();
    fixture.learnPeer();
    const queue = fixture.udp(':7');
    fixture.finish(fixture.push(queue, Buffer.alloc(8192), `${PEER_IP}:9`));
    fixture.device.room = 2;
    assert.equal(fixture.turn().length, 2);
    fixture.device.room = 1;
    assert.equal(fixture.turn().length, 1);
    assert.equal(fixture.turn().length, 3);
    fixture.end();
  });

  it('keeps pushes waiting over the bound, in order, and cancels those that wait', () => {
    const fixture = new StackFixture();
    fixture.learnPeer();
    const queue = fixture.udp(':7');
    queue.setOption('sendBufferBytes', 250);
    fixture.device.room = 0;
    const pushes = ['1', '2', '3', '4', '5'].map(text =>
      fixture.push(queue, Buffer.alloc(100, text), `${PEER_IP}:9`),
    );
    assert.deepEqual(
      pushes.map(push => push.state),
      [2, 2, 1, 1, 1],
    );
    assert.equal(queue.cancel(pushes[3]!), true);
    assert.equal(fixture.finish(pushes[3]!), ECANCELED);
    assert.equal(queue.cancel(pushes[0]!), false);
    fixture.turn();
    const sent = [...fixture.turn(), ...fixture.turn(), ...fixture.turn()];
    assert.deepEqual(
      sent.map(hex => parse(hex).payload.toString('latin1', 8, 9)),
      ['1', '2', '3', '5'],
    );
    for (const i of [0, 1, 2, 4]) assert.equal(fixture.finish(pushes[i]!), 0);
    fixture.end();
  });

  it('refuses what would wait behind a thousand others', () => {
    const fixture = new StackFixture({ operations: 4096 });
    const queue = fixture.udp(':7');
    const pops = Array.from({ length: 1024 }, () => fixture.pop(queue));
    assert.equal(fixture.finish(fixture.pop(queue)), EAGAIN);
    queue.cancel(pops[500]!);
    assert.equal(fixture.finish(pops.splice(500, 1)[0]!), ECANCELED);
    pops.push(fixture.pop(queue));
    queue.close();
    for (const pop of pops) assert.equal(fixture.finish(pop), ECANCELED);
    fixture.end();
  });

  it('lets a queue wait for the entries that others use', () => {
    const fixture = new StackFixture({ udp: { sendEntries: 4 } });
    fixture.learnPeer();
    const one = fixture.udp(':7');
    const two = fixture.udp(':8');
    fixture.device.room = 0;
    for (let i = 0; i < 4; i++) fixture.finish(fixture.push(one, Buffer.from('x'), `${PEER_IP}:9`));
    const push = fixture.push(two, Buffer.from('y'), `${PEER_IP}:9`);
    assert.equal(push.state, 1);
    assert.equal([...fixture.turn(), ...fixture.turn()].length, 5);
    assert.equal(fixture.finish(push), 0);
    fixture.end();
  });

  it('bounds what waits for a neighbour', () => {
    const fixture = new StackFixture({ udp: { unresolvedPerNeighbour: 3, unresolvedTotal: 5 } });
    const queue = fixture.udp(':7');
    for (const host of ['10.0.0.8', '10.0.0.9']) {
      for (let i = 0; i < 5; i++)
        assert.equal(fixture.finish(fixture.push(queue, Buffer.from('x'), `${host}:9`)), 0);
    }
    assert.equal(counted(fixture, 'unresolvedDropped'), 5);
    queue.close();
    fixture.end();
  });

  it('sends in place when the slice is nobody else’s any more, never otherwise', () => {
    const fixture = new StackFixture();
    fixture.learnPeer();
    const queue = fixture.udp(':7');
    const operation = fixture.runtime.operations.issue(OP_PUSH, 0);
    const array = fixture.device.pool.allocArray(64)!;
    const kept = array.share();
    const before = kept.segments[0]!.pool.region.bytes.slice(
      kept.segments[0]!.offset - 64,
      kept.segments[0]!.offset,
    );
    operation.array = array;
    operation.flags = 2;
    operation.address.copyFrom(parseSocketAddress(`${PEER_IP}:9`));
    queue.push(operation);
    fixture.finish(operation);
    fixture.turn();
    const slice = kept.segments[0]!;
    assert.deepEqual(slice.pool.region.bytes.slice(slice.offset - 64, slice.offset), before);
    kept.free();
    fixture.end();
  });
});

describe('UDP end', () => {
  it('cancels pops and pushes at close, frees what waits, sends what it took', () => {
    const fixture = new StackFixture();
    fixture.learnPeer();
    const queue = fixture.udp(':7');
    fixture.exchange(udpFrame(Buffer.from('waiting')));
    fixture.finish(fixture.push(queue, Buffer.from('last'), `${PEER_IP}:9`));
    const other = fixture.udp(':8');
    const pop = fixture.pop(other);
    queue.close();
    other.close();
    assert.equal(fixture.finish(pop), ECANCELED);
    assert.equal(parse(fixture.turn()[0]!).payload.toString('latin1', 8), 'last');
    assert.equal(fixture.stack.udp.heldSlots, 0);
    fixture.end();
  });

  it('shuts down either way', () => {
    const fixture = new StackFixture();
    const queue = fixture.udp(':7');
    assert.equal(queue.shutdown(SHUT_WR), ENOTCONN);
    fixture.finish(fixture.connect(queue, `${PEER_IP}:9`));
    const pop = fixture.pop(queue);
    assert.equal(queue.shutdown(SHUT_RD), 0);
    assert.equal(pop.array!.count, 0);
    assert.equal(fixture.finish(pop), 0);
    assert.equal(queue.shutdown(SHUT_WR), 0);
    assert.equal(fixture.finish(fixture.push(queue, Buffer.from('x'))), EPIPE);
    fixture.end();
  });

  it('computes 0xffff where the checksum comes out as 0', () => {
    const fixture = new StackFixture();
    fixture.learnPeer();
    const queue = fixture.udp(':7');
    const data = Buffer.alloc(2);
    const ports = { source: OUR_IP, destination: PEER_IP, sourcePort: 7, destinationPort: 9 };
    data.writeUInt16BE(udp(data, ports).readUInt16BE(6));
    fixture.finish(fixture.push(queue, data, `${PEER_IP}:9`));
    const { payload } = parse(fixture.turn()[0]!);
    assert.equal(payload.readUInt16BE(6), 0xffff);
    assert.equal(plainChecksum(payload.subarray(0, 6)) > 0, true);
    fixture.end();
  });
});
