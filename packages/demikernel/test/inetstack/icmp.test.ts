// ICMP: echo, the errors we send and the restraint about them, the errors we get and how far they are believed.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ICMP_COUNTERS } from '../../src/inetstack/icmp/icmp.ts';
import {
  ethernet,
  icmp,
  icmpFrame,
  ipv4,
  OUR_IP,
  PEER_IP,
  parse,
  plainChecksum,
  udp,
  udpFrame,
} from './frames.ts';
import { StackFixture } from './stack-fixture.ts';

function counted(fixture: StackFixture, name: string): number {
  return fixture.counted(fixture.stack.icmp, ICMP_COUNTERS, name);
}

/** The header and first bytes of a datagram of ours, as an error quotes them. */
function quoted(destinationPort = 9, sourcePort = 7000, length = 32, source = OUR_IP): Buffer {
  const ports = { source, destination: PEER_IP, sourcePort, destinationPort };
  return ipv4(udp(Buffer.alloc(length), ports), ports).subarray(0, 28);
}

describe('ICMP echo', () => {
  it('answers, byte for byte', () => {
    const fixture = new StackFixture();
    fixture.learnPeer();
    const body = '0800' + 'd1c2' + '12340001' + '61626364' + '65666768';
    const bytes = Buffer.from(body, 'hex');
    bytes.writeUInt16BE(0, 2);
    bytes.writeUInt16BE(plainChecksum(bytes), 2);
    const sent = fixture.exchange(icmpFrame(bytes));
    assert.equal(sent.length, 1);
    const reply = parse(sent[0]!);
    assert.equal(reply.source, OUR_IP);
    assert.equal(reply.destination, PEER_IP);
    assert.ok(reply.headerIntact);
    assert.equal(plainChecksum(reply.payload), 0);
    assert.equal(reply.payload.toString('hex', 4), body.slice(8));
    assert.equal(reply.payload.readUInt16BE(0), 0);
    fixture.end();
  });

  it('answers requests of odd length and of the largest size', () => {
    const fixture = new StackFixture();
    fixture.learnPeer();
    for (const length of [0, 1, 55, 1472]) {
      const reply = parse(fixture.exchange(icmpFrame(icmp(8, 0, 1, Buffer.alloc(length, 0x5a))))[0]!);
      assert.equal(plainChecksum(reply.payload), 0);
      assert.equal(reply.payload.length, length + 8);
    }
    fixture.end();
  });

  it('answers so many per second and no more', () => {
    const fixture = new StackFixture({ icmp: { echoPerSecond: 100 } });
    fixture.learnPeer();
    const request = icmpFrame(icmp(8, 0, 1, Buffer.alloc(8)));
    let sent = fixture.exchange(...Array.from({ length: 50 }, () => request)).length;
    assert.equal(sent, 10);
    for (let i = 0; i < 100; i++) {
      fixture.clock.advance(10_000);
      sent += fixture.exchange(request, request).length;
    }
    assert.ok(sent >= 100 && sent <= 112, `${sent}`);
    assert.ok(counted(fixture, 'echoLimited') > 0);
    fixture.end();
  });

  it('answers no broadcast, and nothing when the address is shared', () => {
    const fixture = new StackFixture();
    fixture.learnPeer();
    const frame = ethernet(
      ipv4(icmp(8, 0, 1, Buffer.alloc(8)), { protocol: 1, destination: '10.0.0.255' }),
      0x0800,
      'ffffffffffff',
    );
    assert.deepEqual(fixture.exchange(frame), []);
    fixture.end();
    const shared = new StackFixture({ sharedAddress: true });
    assert.deepEqual(shared.exchange(icmpFrame(icmp(8, 0, 1, Buffer.alloc(8)))), []);
    shared.end();
  });

  for (const [name, message, counter] of [
    ['7 bytes', icmp(8, 0, 1, Buffer.alloc(0)).subarray(0, 7), 'truncated'],
    ['a wrong checksum', Buffer.concat([icmp(8, 0, 1, Buffer.alloc(4)), Buffer.of(1)]), 'badChecksum'],
    ['a type nobody knows', icmp(13, 0, 1, Buffer.alloc(12)), 'unknownType'],
    ['an error that quotes nothing', icmp(3, 3, 0, Buffer.alloc(0)), 'badEmbedded'],
    ['an error that quotes half a header', icmp(3, 3, 0, quoted().subarray(0, 19)), 'badEmbedded'],
    ['an error that quotes no ports', icmp(3, 3, 0, quoted().subarray(0, 27)), 'badEmbedded'],
    ['an error about a packet of another host', icmp(3, 3, 0, quoted(9, 7, 4, '10.0.0.9')), 'badEmbedded'],
    [
      'an error about version 6',
      icmp(3, 3, 0, Buffer.concat([Buffer.of(0x65), quoted().subarray(1)])),
      'badEmbedded',
    ],
  ] as const) {
    it(`counts a message with ${name} as ${counter}`, () => {
      const fixture = new StackFixture();
      fixture.learnPeer();
      assert.deepEqual(fixture.exchange(icmpFrame(message)), []);
      assert.equal(counted(fixture, counter), 1);
      fixture.end();
    });
  }
});

describe('ICMP errors sent', () => {
  it('says that a port is unreachable, quoting what came', () => {
    const fixture = new StackFixture();
    fixture.learnPeer();
    const frame = udpFrame(Buffer.from('anyone?'), { destinationPort: 99 });
    const sent = fixture.exchange(frame);
    assert.equal(sent.length, 1);
    const error = parse(sent[0]!);
    assert.equal(error.destination, PEER_IP);
    assert.deepEqual([...error.payload.subarray(0, 2)], [3, 3]);
    assert.equal(plainChecksum(error.payload), 0);
    assert.deepEqual(error.payload.subarray(8), frame.subarray(14));
    fixture.end();
  });

  it('quotes no more than fits in 576 bytes', () => {
    const fixture = new StackFixture();
    fixture.learnPeer();
    const error = parse(fixture.exchange(udpFrame(Buffer.alloc(1400), { destinationPort: 99 }))[0]!);
    assert.equal(error.payload.length, 556);
    fixture.end();
  });

  it('says that a protocol is unreachable, but never in answer to an error', () => {
    const fixture = new StackFixture();
    fixture.learnPeer();
    const error = parse(fixture.exchange(ethernet(ipv4(Buffer.alloc(8), { protocol: 132 })))[0]!);
    assert.deepEqual([...error.payload.subarray(0, 2)], [3, 2]);
    fixture.end();
  });

  it('sends so many per second and no more', () => {
    const fixture = new StackFixture({ icmp: { errorsPerSecond: 50 } });
    fixture.learnPeer();
    const frame = udpFrame(Buffer.from('?'), { destinationPort: 99 });
    assert.equal(fixture.exchange(...Array.from({ length: 40 }, () => frame)).length, 5);
    assert.equal(counted(fixture, 'errorsLimited'), 35);
    fixture.end();
  });
});

describe('ICMP errors received', () => {
  function connected(): { fixture: StackFixture; queue: ReturnType<StackFixture['udp']> } {
    const fixture = new StackFixture();
    fixture.learnPeer();
    const queue = fixture.udp(':7000');
    assert.equal(fixture.finish(fixture.connect(queue, `${PEER_IP}:9`)), 0);
    return { fixture, queue };
  }

  it('refuses a waiting pop of a connected queue', () => {
    const { fixture, queue } = connected();
    const pop = fixture.pop(queue);
    fixture.exchange(icmpFrame(icmp(3, 3, 0, quoted())));
    assert.equal(fixture.finish(pop), 111);
    fixture.end();
  });

  for (const [code, errno] of [
    [0, 101],
    [1, 113],
    [3, 111],
    [13, 113],
  ] as const) {
    it(`keeps code ${code} for the next call, once`, () => {
      const { fixture, queue } = connected();
      fixture.exchange(icmpFrame(icmp(3, code, 0, quoted())));
      assert.equal(fixture.finish(fixture.push(queue, Buffer.from('x'))), errno);
      assert.equal(fixture.finish(fixture.push(queue, Buffer.from('x'))), 0);
      fixture.end();
    });
  }

  it('does not tell a queue about somebody else, nor an unconnected one', () => {
    const { fixture, queue } = connected();
    fixture.exchange(icmpFrame(icmp(3, 3, 0, quoted(10))));
    fixture.exchange(icmpFrame(icmp(3, 3, 0, quoted(9, 7001))));
    fixture.udp(':7002');
    fixture.exchange(icmpFrame(icmp(3, 3, 0, quoted(9, 7002))));
    assert.equal(fixture.finish(fixture.push(queue, Buffer.from('x'))), 0);
    fixture.end();
  });

  it('lowers the path MTU and cuts datagrams from then on, for ten minutes', () => {
    const { fixture, queue } = connected();
    const data = Buffer.alloc(1400, 1);
    const embedded = (total: number): Buffer => {
      const bytes = quoted();
      bytes.writeUInt16BE(total, 2);
      return bytes;
    };
    const route = fixture.stack.output.route(0x0a000002, 0)!;
    for (const [total, mtu, after] of [
      [1428, 1428, 1500], // no smaller than the packet
      [1600, 1000, 1500], // we do not send such packets
      [1428, 1000, 1000],
      [1428, 1200, 1000], // up again: not by a message
      [1000, 0, 552], // an old router: next plateau
      [552, 100, 552], // below what we believe
    ] as const) {
      fixture.exchange(icmpFrame(icmp(3, 4, mtu, embedded(total))));
      assert.equal(route.mtuBytes, after, `${total} ${mtu}`);
    }
    fixture.finish(fixture.push(queue, data));
    const sent = fixture.turn().map(parse);
    assert.equal(sent.length, 3);
    assert.ok(sent.every(packet => packet.payload.length <= 532));
    fixture.clock.advance(600_100_000);
    fixture.turn();
    assert.equal(route.mtuBytes, 1500);
    fixture.end();
  });
});
