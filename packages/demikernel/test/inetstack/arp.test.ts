// ARP: who is asked, who is answered, what is believed, and for how long.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ARP_COUNTERS } from '../../src/inetstack/arp/counters.ts';
import { parseIpv4 } from '../../src/runtime/socket-address.ts';
import {
  arp,
  ethernet,
  icmp,
  icmpFrame,
  OUR_IP,
  OUR_MAC,
  PEER_IP,
  PEER_MAC,
  parse,
  udpFrame,
} from './frames.ts';
import { StackFixture } from './stack-fixture.ts';

const EVERYBODY = 'ffffffffffff';
const NOBODY = '000000000000';
const text = (hex: Uint8Array): string => Buffer.from(hex).toString('hex');
const request = (to: string): string =>
  text(ethernet(arp(1, OUR_MAC, OUR_IP, NOBODY, to), 0x0806, EVERYBODY, OUR_MAC));

describe('ARP', () => {
  it('answers a request for our address, byte for byte', () => {
    const fixture = new StackFixture();
    const sent = fixture.exchange(
      'ffffffffffff02aabbccdd020806' + '0001080006040001' + '02aabbccdd020a000002' + '0000000000000a000001',
    );
    assert.deepEqual(sent, [
      '02aabbccdd0202aabbccdd010806' + '0001080006040002' + '02aabbccdd010a000001' + '02aabbccdd020a000002',
    ]);
    fixture.end();
  });

  it('announces its address at the start, and not when the address is shared', () => {
    for (const sharedAddress of [false, true]) {
      const fixture = new StackFixture({ sharedAddress });
      fixture.device.take();
      fixture.stack.arp.announce();
      assert.deepEqual(fixture.turn(), [request(OUR_IP)]);
      fixture.end();
    }
  });

  it('asks, sends what waited when it hears, and asks again when the answer is old', () => {
    const fixture = new StackFixture({ arp: { reachableUs: 1_000_000 } });
    const queue = fixture.udp(':7000');
    assert.equal(fixture.finish(fixture.push(queue, Buffer.from('one'), `${PEER_IP}:9`)), 0);
    assert.equal(fixture.finish(fixture.push(queue, Buffer.from('two'), `${PEER_IP}:9`)), 0);
    assert.deepEqual(fixture.turn(), [request(PEER_IP)]);
    const sent = fixture.exchange(ethernet(arp(2, PEER_MAC, PEER_IP, OUR_MAC, OUR_IP), 0x0806));
    assert.deepEqual(
      sent.map(hex => parse(hex).payload.toString('latin1', 8)),
      ['one', 'two'],
    );
    assert.equal(parse(sent[0]!).to, PEER_MAC);
    // Used since, so that it is asked for once more, to its own address first.
    const again = fixture.pass(1_100_000);
    assert.equal(again[0], request(PEER_IP).replace(EVERYBODY, PEER_MAC));
    fixture.end();
  });

  it('backs off, gives up, tells who waited, and asks again later', () => {
    const fixture = new StackFixture({ arp: { retryUs: 10_000, attempts: 3, holdDownUs: 50_000 } });
    const queue = fixture.udp(':7000');
    assert.equal(fixture.finish(fixture.connect(queue, '10.0.0.9:9')), 0);
    const pop = fixture.pop(queue);
    fixture.finish(fixture.push(queue, Buffer.from('x')));
    const asked: number[] = [];
    for (let ms = 0; ms < 120; ms++) for (const _ of fixture.pass(1000)) asked.push(ms);
    assert.equal(asked.length, 3);
    assert.ok(asked[2]! - asked[1]! >= 19 && asked[1]! - asked[0]! >= 9, `${asked}`);
    assert.equal(fixture.finish(pop), 113);
    assert.equal(fixture.counted(fixture.stack.arp, ARP_COUNTERS, 'failures'), 1);
    fixture.finish(fixture.push(queue, Buffer.from('y')));
    assert.ok(fixture.pass(200_000).includes(request('10.0.0.9')));
    fixture.end();
  });

  it('forgets a neighbour that nobody uses', () => {
    const fixture = new StackFixture({ arp: { reachableUs: 100_000 } });
    fixture.learnPeer();
    assert.equal(fixture.stack.arp.count, 1);
    assert.deepEqual(fixture.pass(300_000), []);
    assert.equal(fixture.stack.arp.count, 0);
    fixture.end();
  });

  it('lets unsolicited replies update what it knows, and make nothing new', () => {
    const fixture = new StackFixture();
    fixture.exchange(ethernet(arp(2, '02aabbccdd33', '10.0.0.3', OUR_MAC, OUR_IP), 0x0806));
    assert.equal(fixture.stack.arp.count, 0);
    assert.equal(fixture.counted(fixture.stack.arp, ARP_COUNTERS, 'unsolicitedIgnored'), 1);
    fixture.learnPeer();
    fixture.exchange(ethernet(arp(2, '02aabbccdd44', PEER_IP, EVERYBODY, PEER_IP), 0x0806, EVERYBODY));
    const queue = fixture.udp(':7000');
    fixture.finish(fixture.push(queue, Buffer.from('x'), `${PEER_IP}:9`));
    assert.equal(parse(fixture.turn()[0]!).to, '02aabbccdd44');
    fixture.end();
  });

  it('counts a station that claims our address, and does not answer it', () => {
    const fixture = new StackFixture();
    const claim = ethernet(arp(1, PEER_MAC, OUR_IP, NOBODY, OUR_IP), 0x0806, EVERYBODY);
    assert.deepEqual(fixture.exchange(claim), []);
    assert.equal(fixture.counted(fixture.stack.arp, ARP_COUNTERS, 'conflicts'), 1);
    fixture.end();
  });

  it('answers a probe (sender 0.0.0.0) and learns nothing from it', () => {
    const fixture = new StackFixture();
    const probe = ethernet(arp(1, PEER_MAC, '0.0.0.0', NOBODY, OUR_IP), 0x0806, EVERYBODY);
    assert.equal(fixture.exchange(probe).length, 1);
    assert.equal(fixture.stack.arp.count, 0);
    fixture.end();
  });

  for (const [name, packet] of [
    ['truncated', arp(1, PEER_MAC, PEER_IP, NOBODY, OUR_IP).subarray(0, 27)],
    [
      'of another hardware',
      Buffer.from(text(arp(1, PEER_MAC, PEER_IP, NOBODY, OUR_IP)).replace(/^0001/, '0006'), 'hex'),
    ],
    [
      'with other lengths',
      Buffer.from(text(arp(1, PEER_MAC, PEER_IP, NOBODY, OUR_IP)).replace('0604', '0804'), 'hex'),
    ],
    ['of another opcode', arp(3, PEER_MAC, PEER_IP, NOBODY, OUR_IP)],
    ['from a group address', arp(1, '03aabbccdd02', PEER_IP, NOBODY, OUR_IP)],
  ] as const) {
    it(`drops a packet that is ${name}`, () => {
      const fixture = new StackFixture();
      assert.deepEqual(fixture.exchange(ethernet(packet, 0x0806)), []);
      assert.equal(fixture.counted(fixture.stack.arp, ARP_COUNTERS, 'malformed'), 1);
      assert.equal(fixture.stack.arp.count, 0);
      fixture.end();
    });
  }

  it('keeps its table within bounds', () => {
    const fixture = new StackFixture({ arp: { neighbours: 8 } });
    for (let host = 2; host < 60; host++) {
      fixture.exchange(ethernet(arp(1, PEER_MAC, `10.0.0.${host}`, NOBODY, OUR_IP), 0x0806, EVERYBODY));
      assert.ok(fixture.stack.arp.count <= 8);
    }
    const queue = fixture.udp(':7000');
    for (let host = 60; host < 90; host++) {
      fixture.finish(fixture.push(queue, Buffer.from('x'), `10.0.0.${host}:9`));
      fixture.turn();
      assert.ok(fixture.stack.arp.count <= 8);
    }
    fixture.pass(3_000_000);
    fixture.end();
  });

  it('keeps a neighbour that is made use of, however many are asked for', () => {
    const fixture = new StackFixture({ arp: { neighbours: 16 } });
    fixture.learnPeer();
    const queue = fixture.udp(':7000');
    const known = (): boolean => fixture.stack.arp.known(parseIpv4(PEER_IP)!)?.ready === true;
    for (let host = 3; host < 250; host++) {
      fixture.finish(fixture.push(queue, Buffer.from('x'), `${PEER_IP}:9`));
      fixture.finish(fixture.push(queue, Buffer.from('x'), `10.0.0.${host}:9`));
      fixture.pass(20_000);
      assert.ok(known(), `${host}`);
    }
    // Nor for stations that make themselves known.
    for (let host = 3; host < 250; host++) {
      fixture.exchange(ethernet(arp(1, '02aabbccdd33', `10.0.0.${host}`, NOBODY, OUR_IP), 0x0806, EVERYBODY));
      assert.ok(known() && fixture.stack.arp.count <= 16);
    }
    fixture.pass(6_000_000);
    fixture.end();
  });

  it('leaves half of what may be asked for to ourselves', () => {
    const fixture = new StackFixture({ arp: { neighbours: 16 } });
    const before = fixture.stack.arp.counters[ARP_COUNTERS.indexOf('requestsSent')]!;
    for (let host = 3; host < 100; host++) {
      fixture.exchange(icmpFrame(icmp(8, 0, 1, Buffer.from('ping')), { source: `10.0.0.${host}` }));
    }
    assert.equal(fixture.stack.arp.count, 4);
    assert.ok(fixture.stack.arp.crowded);
    assert.equal(fixture.stack.arp.counters[ARP_COUNTERS.indexOf('requestsSent')]! - before, 4);
    const queue = fixture.udp(':7000');
    for (let host = 100; host < 104; host++) {
      fixture.finish(fixture.push(queue, Buffer.from('x'), `10.0.0.${host}:9`));
      assert.deepEqual(fixture.turn(), [request(`10.0.0.${host}`)]);
    }
    fixture.pass(6_000_000);
    assert.ok(!fixture.stack.arp.crowded);
    fixture.end();
  });

  it('finds a neighbour again that the table has dropped while a route held it', () => {
    const fixture = new StackFixture({ arp: { neighbours: 1 } });
    fixture.learnPeer();
    const queue = fixture.udp(':7000');
    fixture.finish(fixture.push(queue, Buffer.from('one'), `${PEER_IP}:9`));
    assert.equal(fixture.turn().length, 1);
    fixture.learnPeer(); // and nothing was sent since: it may go
    fixture.finish(fixture.push(queue, Buffer.from('x'), '10.0.0.8:9'));
    fixture.turn();
    // The place is taken by a neighbour that somebody waits for.
    fixture.finish(fixture.push(queue, Buffer.from('two'), `${PEER_IP}:9`));
    fixture.pass(1000);
    assert.equal(fixture.stack.arp.count, 1);
    fixture.pass(6_000_000);
    fixture.finish(fixture.push(queue, Buffer.from('three'), `${PEER_IP}:9`));
    const asked = fixture.pass(1000);
    assert.deepEqual(asked, [request(PEER_IP)]);
    const sent = fixture.exchange(ethernet(arp(2, PEER_MAC, PEER_IP, OUR_MAC, OUR_IP), 0x0806));
    assert.deepEqual(
      sent.map(hex => parse(hex).payload.toString('latin1', 8)),
      ['three'],
    );
    fixture.end();
  });

  it('is silent and takes neighbours from their source when the address is shared', () => {
    const asked: number[] = [];
    const fixture = new StackFixture({
      sharedAddress: true,
      neighbours: {
        resolve(address, sink): void {
          asked.push(address);
          if (asked.length > 1) sink.neighbourKnown(address, Uint8Array.from(Buffer.from(PEER_MAC, 'hex')));
        },
      },
      arp: { retryUs: 1000 },
    });
    const probe = ethernet(arp(1, PEER_MAC, PEER_IP, NOBODY, OUR_IP), 0x0806, EVERYBODY);
    assert.deepEqual(fixture.exchange(probe), []);
    // Neither are strangers' datagrams answered.
    assert.deepEqual(fixture.exchange(udpFrame(Buffer.from('x'), { destinationPort: 99 })), []);
    const queue = fixture.udp(':7000');
    fixture.finish(fixture.push(queue, Buffer.from('x'), `${PEER_IP}:9`));
    assert.deepEqual(fixture.turn(), []);
    const sent = fixture.pass(3000);
    assert.equal(sent.length, 1);
    assert.equal(parse(sent[0]!).to, PEER_MAC);
    assert.deepEqual(asked, [0x0a000002, 0x0a000002]);
    fixture.end();
  });
});
