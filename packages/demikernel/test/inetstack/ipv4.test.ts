// IPv4 headers, routes and the Ethernet below: what is taken, what is dropped under which name, which way things go.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ETHERNET_COUNTERS } from '../../src/inetstack/ethernet.ts';
import { IPV4_COUNTERS } from '../../src/inetstack/ipv4/input.ts';
import { RX_CONTINUES } from '../../src/runtime/packet-device.ts';
import { parseIpv4 } from '../../src/runtime/socket-address.ts';
import { arp, ethernet, ipv4, OUR_IP, PEER_IP, PEER_MAC, parse, udp, udpFrame } from './frames.ts';
import { StackFixture } from './stack-fixture.ts';

const payload = Buffer.from('hello');

function mutated(change: (packet: Buffer) => void, keepChecksum = false): Buffer {
  const packet = ipv4(udp(payload));
  change(packet);
  if (!keepChecksum) {
    packet.writeUInt16BE(0, 10);
    const fixed = ipv4(Buffer.alloc(0));
    fixed.set(packet.subarray(0, 20));
    let sum = 0;
    for (let i = 0; i < 20; i += 2) sum += packet.readUInt16BE(i);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    packet.writeUInt16BE(~sum & 0xffff, 10);
  }
  return ethernet(packet);
}

describe('IPv4 input', () => {
  it('delivers a datagram given in hex', () => {
    // 10.0.0.2:4000 -> 10.0.0.1:7, "hi", checksums by hand.
    const fixture = new StackFixture();
    const queue = fixture.udp(':7');
    const pop = fixture.pop(queue);
    fixture.exchange(
      '02aabbccdd0102aabbccdd020800' +
        '4500001e000040004011' +
        '26cd' +
        '0a0000020a000001' +
        '0fa00007000a' +
        '73c7' +
        '6869',
    );
    assert.deepEqual(fixture.popped(pop), { text: 'hi', from: '10.0.0.2:4000' });
    fixture.end();
  });

  for (const [name, frame, counter] of [
    ['an empty packet', ethernet(Buffer.alloc(0)), 'truncated'],
    ['19 bytes', ethernet(ipv4(payload).subarray(0, 19)), 'truncated'],
    ['version 6', mutated(packet => packet.writeUInt8(0x65, 0)), 'badVersion'],
    ['a header of 16 bytes', mutated(packet => packet.writeUInt8(0x44, 0)), 'badHeaderLength'],
    ['a header longer than the packet', mutated(packet => packet.writeUInt8(0x4f, 0)), 'badHeaderLength'],
    ['a total length under the header', mutated(packet => packet.writeUInt16BE(19, 2)), 'badTotalLength'],
    ['a total length over the frame', mutated(packet => packet.writeUInt16BE(34, 2)), 'badTotalLength'],
    ['a wrong checksum', mutated(packet => packet.writeUInt8(65, 8), true), 'badChecksum'],
    ['a broadcast source', udpFrame(payload, { source: '10.0.0.255' }), 'badSource'],
    ['a limited broadcast source', udpFrame(payload, { source: '255.255.255.255' }), 'badSource'],
    ['a multicast source', udpFrame(payload, { source: '224.0.0.1' }), 'badSource'],
    ['a zero source', udpFrame(payload, { source: '0.0.0.0' }), 'badSource'],
    ['a loopback source', udpFrame(payload, { source: '127.0.0.1' }), 'badSource'],
    ['our own address as source', udpFrame(payload, { source: OUR_IP }), 'badSource'],
    ['another host as destination', udpFrame(payload, { destination: '10.0.0.77' }), 'notForUs'],
    ['a loopback destination', udpFrame(payload, { destination: '127.0.0.1' }), 'notForUs'],
    ['a multicast destination', udpFrame(payload, { destination: '224.0.0.251' }), 'notForUs'],
    [
      'a TCP segment for everybody',
      ethernet(ipv4(Buffer.alloc(20), { protocol: 6, destination: '10.0.0.255' }), 0x0800, 'ffffffffffff'),
      'notForUs',
    ],
    ['an unknown protocol', ethernet(ipv4(payload, { protocol: 99 })), 'unknownProtocol'],
  ] as const) {
    it(`drops ${name} as ${counter}`, () => {
      const fixture = new StackFixture();
      const pop = fixture.pop(fixture.udp(':7'));
      fixture.exchange(frame);
      assert.equal(fixture.counted(fixture.stack.input, IPV4_COUNTERS, counter), 1);
      assert.equal(fixture.finish(pop), -1);
      fixture.stack.close();
      assert.equal(fixture.finish(pop), 125);
      fixture.end();
    });
  }

  for (const [name, frame, counter] of [
    ['13 bytes', Buffer.alloc(13), 'truncated'],
    ['nothing', Buffer.alloc(0), 'truncated'],
    ['another station', udpFrame(payload, {}, '02aabbccdd99'), 'otherStation'],
    ['a multicast address', udpFrame(payload, {}, '01005e0000fb'), 'multicast'],
    ['a unicast packet for everybody', udpFrame(payload, {}, 'ffffffffffff'), 'unicastInBroadcast'],
    ['IPv6', ethernet(payload, 0x86dd), 'unknownType'],
    ['a VLAN tag', ethernet(payload, 0x8100), 'unknownType'],
  ] as const) {
    it(`drops a frame with ${name} as ${counter}`, () => {
      const fixture = new StackFixture();
      fixture.exchange(frame);
      assert.equal(fixture.counted(fixture.stack, ETHERNET_COUNTERS, counter), 1);
      fixture.end();
    });
  }

  it('drops every piece of a frame over several buffers', () => {
    const fixture = new StackFixture();
    const queue = fixture.udp(':7');
    fixture.device.put(udpFrame(payload), RX_CONTINUES);
    fixture.device.put(udpFrame(payload), RX_CONTINUES);
    fixture.device.put(udpFrame(payload));
    fixture.device.put(udpFrame(Buffer.from('next')));
    fixture.turn();
    assert.equal(fixture.counted(fixture.stack, ETHERNET_COUNTERS, 'multiBuffer'), 3);
    assert.equal(fixture.popped(fixture.pop(queue)).text, 'next');
    fixture.end();
  });

  it('skips options and trims padding', () => {
    const fixture = new StackFixture();
    const queue = fixture.udp(':7');
    const options = Buffer.from('0101010194040000', 'hex');
    const packet = ipv4(udp(payload), { options });
    fixture.exchange(ethernet(Buffer.concat([packet, Buffer.alloc(18, 0xee)])));
    assert.equal(fixture.popped(fixture.pop(queue)).text, 'hello');
    fixture.end();
  });

  it('takes directed and limited broadcasts for wildcard queues only', () => {
    for (const destination of ['10.0.0.255', '255.255.255.255']) {
      for (const bound of [':7', `${OUR_IP}:7`]) {
        const fixture = new StackFixture();
        const queue = fixture.udp(bound);
        const sent = fixture.exchange(udpFrame(payload, { destination }, 'ffffffffffff'));
        assert.deepEqual(sent, [], 'broadcasts draw no errors');
        const pop = fixture.pop(queue);
        if (bound === ':7') assert.equal(fixture.popped(pop).text, 'hello');
        else assert.equal(fixture.finish(pop), -1);
        fixture.stack.close();
        if (bound !== ':7') fixture.finish(pop);
        fixture.end();
      }
    }
  });
});

describe('IPv4 output', () => {
  it('writes headers byte for byte', () => {
    const fixture = new StackFixture();
    fixture.learnPeer();
    const queue = fixture.udp(':7');
    fixture.finish(fixture.push(queue, Buffer.from('hi'), `${PEER_IP}:4000`));
    assert.deepEqual(fixture.turn(), [
      '02aabbccdd0202aabbccdd010800' +
        '4500001e0000400040' +
        '1126cd' +
        '0a0000010a000002' +
        '00070fa0000a73c76869',
    ]);
    fixture.end();
  });

  it('sends to the link, to gateways by longest prefix, and nowhere else', () => {
    const gateway = parseIpv4('10.0.0.254')!;
    const other = parseIpv4('10.0.0.253')!;
    const fixture = new StackFixture({
      gateway,
      routes: [
        { destination: parseIpv4('172.16.0.0')!, prefixLength: 12, gateway: other },
        { destination: parseIpv4('172.16.5.0')!, prefixLength: 24, gateway },
      ],
    });
    const via = (to: string): number | undefined =>
      fixture.stack.output.route(parseIpv4(to)!, 0)?.neighbour.address;
    assert.equal(via('10.0.0.7'), parseIpv4('10.0.0.7'));
    assert.equal(via('8.8.8.8'), gateway);
    assert.equal(via('172.16.4.1'), other);
    assert.equal(via('172.16.5.1'), gateway);
    assert.equal(via('10.0.0.255'), -1);
    assert.equal(via('255.255.255.255'), -1);
    assert.equal(via('0.0.0.0'), undefined);
    assert.equal(via('224.0.0.1'), undefined);
    assert.equal(via('240.0.0.1'), undefined);
    assert.equal(fixture.stack.output.route(parseIpv4('8.8.8.8')!, parseIpv4('10.0.0.99')!), undefined);
    fixture.end();
  });

  it('has no route off the link without a gateway', () => {
    const fixture = new StackFixture();
    const queue = fixture.udp(':7');
    assert.equal(fixture.finish(fixture.push(queue, payload, '8.8.8.8:53')), 101);
    assert.equal(fixture.finish(fixture.connect(queue, '8.8.8.8:53')), 101);
    fixture.end();
  });

  it('talks to itself by its own and by loopback addresses', () => {
    const fixture = new StackFixture();
    const server = fixture.udp(':7');
    for (const address of [OUR_IP, '127.0.0.1', '127.9.9.9']) {
      const client = fixture.udp();
      fixture.finish(fixture.push(client, payload, `${address}:7`));
      assert.deepEqual(fixture.turn(), [], 'nothing leaves');
      assert.equal(fixture.stack.untilNextUs(), 0);
      fixture.turn();
      const { text, from } = fixture.popped(fixture.pop(server));
      assert.equal(text, 'hello');
      assert.equal(from.split(':')[0], address);
      client.close();
    }
    fixture.end();
  });

  it('bounds frames to itself', () => {
    const fixture = new StackFixture({ device: { slots: 1024 } });
    const client = fixture.udp(':8');
    for (let i = 0; i < 400; i++) fixture.finish(fixture.push(client, payload, `${OUR_IP}:7`));
    fixture.stack.flush();
    assert.equal(fixture.counted(fixture.stack, ETHERNET_COUNTERS, 'loopbackFull'), 144);
    fixture.end();
  });

  it('remembers a bounded number of routes', () => {
    const fixture = new StackFixture({ gateway: parseIpv4('10.0.0.254')! });
    for (let i = 0; i < 6000; i++) assert.ok(fixture.stack.output.route((0x08000000 + i) | 0, 0));
    fixture.exchange(ethernet(arp(1, PEER_MAC, PEER_IP, '000000000000', OUR_IP), 0x0806, 'ffffffffffff'));
    assert.equal(fixture.stack.arp.count, 2);
    fixture.end();
  });

  it('asks the device for checksums where it offers them', () => {
    const fixture = new StackFixture({ device: { transmitChecksum: true } });
    fixture.learnPeer();
    fixture.finish(fixture.push(fixture.udp(':7'), Buffer.from('hi'), `${PEER_IP}:4000`));
    fixture.stack.flush();
    const { hex, checksumStart, checksumOffset } = fixture.device.sent[0]!;
    assert.equal(checksumStart, 34);
    assert.equal(checksumOffset, 6);
    // Pseudo header: 0a000001 0a000002 0011 000a.
    assert.equal(parse(hex).payload.readUInt16BE(6), 0x141e);
    fixture.end();
  });
});
