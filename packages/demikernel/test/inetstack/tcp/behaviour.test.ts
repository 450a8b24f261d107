// Rules that take several segments or some time: recovery, windows, acknowledgements, timers, options, attacks.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ECONNREFUSED, ECONNRESET, ETIMEDOUT } from '../../../src/runtime/errno.ts';
import { OP_COMPLETE, PUSH_ACKED } from '../../../src/runtime/operation.ts';
import { formatIpv4, parseIpv4 } from '../../../src/runtime/socket-address.ts';
import { OUR_IP, PEER_IP, parse } from '../frames.ts';
import { PEER_ISS, type ScriptOptions, stream, TcpScript, tcpFrame } from './tcp-script.ts';

const MSS = 1460;

function established(options: ScriptOptions = {}): TcpScript {
  const script = new TcpScript(options);
  // A peer that takes full segments (the MSS option), unlike the default of 536.
  script.options = Buffer.from('020405b4', 'hex');
  script.reach('ESTABLISHED');
  script.options = Buffer.alloc(0);
  return script;
}

function bytes(length: number): Uint8Array {
  return new Uint8Array(length).fill(0x55);
}

test('full segments go at once, the rest waits for an acknowledgement (Nagle)', () => {
  const s = established();
  s.finish(s.push(s.queue, bytes(MSS + 100)));
  assert.deepEqual(s.out(), [`A 1(${MSS}) ack 1`]);
  assert.deepEqual(s.inject(`A 1 ack ${1 + MSS}`), [`PA ${1 + MSS}(100) ack 1`]);
  s.finishAll();
});

test('noDelay sends small segments at once; pushes of one turn share a segment', () => {
  const s = established();
  s.queue.setOption('noDelay', true);
  s.finish(s.push(s.queue, bytes(10)));
  s.finish(s.push(s.queue, bytes(20)));
  assert.deepEqual(s.out(), ['PA 1(30) ack 1']);
  s.finish(s.push(s.queue, bytes(5)));
  assert.deepEqual(s.out(), ['PA 31(5) ack 1']);
  s.finishAll();
});

test('an acknowledged push completes with the acknowledgement of its last byte', () => {
  const s = established();
  const operation = s.push(s.queue, new Uint8Array(0));
  assert.equal(s.finish(operation), 0);
  const array = s.device.pool.allocArray(100)!;
  const acked = s.runtime.operations.issue(1, 0);
  acked.flags = PUSH_ACKED;
  acked.array = array;
  s.queue.push(acked);
  s.out();
  s.inject('A 1 ack 100');
  assert.notEqual(acked.state, OP_COMPLETE);
  s.inject('A 1 ack 101');
  assert.equal(s.finish(acked), 0);
  s.finishAll();
});

test('delayed acknowledgement: after the delay, or with every second full segment', () => {
  const s = established();
  s.keep(s.pop(s.queue));
  assert.deepEqual(s.inject('PA 1(10) ack 1'), []);
  assert.deepEqual(s.wait(1000), ['A 1(0) ack 11']);
  assert.deepEqual(s.inject(`A 11(${MSS}) ack 1`), []);
  assert.deepEqual(s.inject(`A ${11 + MSS}(${MSS}) ack 1`), [`A 1(0) ack ${11 + 2 * MSS}`]);
  assert.deepEqual(s.wait(2000), []);
  s.finishAll();
});

test('an acknowledgement rides on data', () => {
  const s = established();
  s.inject('PA 1(10) ack 1');
  s.finish(s.push(s.queue, bytes(10)));
  assert.deepEqual(s.out(), ['PA 1(10) ack 11']);
  s.inject('A 11 ack 11');
  assert.deepEqual(s.wait(2000), []);
  s.finishAll();
});

test('bytes out of order are put in order and acknowledged at once', () => {
  const s = established();
  assert.deepEqual(s.inject('A 21(10) ack 1'), ['A 1(0) ack 1']);
  assert.deepEqual(s.inject('FA 31(5) ack 1'), ['A 1(0) ack 1']);
  assert.deepEqual(s.inject('A 11(10) ack 1'), ['A 1(0) ack 1']);
  assert.deepEqual(s.inject('A 1(12) ack 1'), ['A 1(0) ack 37']);
  assert.equal(s.state, 'CLOSE-WAIT');
  const pop = s.pop(s.queue);
  assert.deepEqual(pop.array!.toBytes(), stream(1, 35));
  s.finish(pop);
  const end = s.pop(s.queue);
  assert.equal(end.array!.count, 0);
  s.finish(end);
  s.finishAll();
});

test('a FIN that lies is overruled by the first one', () => {
  const s = established();
  s.inject('FA 21(10) ack 1');
  s.inject('A 11(50) ack 1'); // bytes behind the announced end are not taken
  s.inject('A 1(10) ack 1');
  assert.equal(s.state, 'CLOSE-WAIT');
  const pop = s.pop(s.queue);
  assert.equal(pop.array!.lengthBytes, 30);
  s.finish(pop);
  s.finishAll();
});

test('three duplicate acknowledgements retransmit one segment, a partial one the next (NewReno)', () => {
  const s = established();
  s.finish(s.push(s.queue, bytes(8 * MSS), undefined, MSS));
  assert.equal(s.out().length, 8);
  assert.deepEqual(s.inject(`A 1 ack ${1 + MSS}`), []);
  const lost = 1 + MSS;
  assert.deepEqual(s.inject(`A 1 ack ${lost}`), []);
  assert.deepEqual(s.inject(`A 1 ack ${lost}`), []);
  assert.deepEqual(s.inject(`A 1 ack ${lost}`), [`A ${lost}(${MSS}) ack 1`]);
  assert.deepEqual(s.inject(`A 1 ack ${lost}`), []);
  assert.deepEqual(s.inject(`A 1 ack ${lost + 2 * MSS}`), [`A ${lost + 2 * MSS}(${MSS}) ack 1`]);
  assert.equal(s.connection.inRecovery, 1);
  assert.deepEqual(s.inject(`A 1 ack ${1 + 8 * MSS}`), []);
  assert.equal(s.connection.inRecovery, 0);
  assert.ok(s.connection.cwnd <= s.connection.ssthresh);
  assert.equal(s.count('fastRetransmit'), 1);
  assert.equal(s.count('retransmitTimeout'), 0);
  s.finishAll();
});

test('limited transmit: the first two duplicates let a new segment each go', () => {
  const s = established();
  s.connection.cwnd = 4 * MSS;
  s.finish(s.push(s.queue, bytes(8 * MSS), undefined, MSS));
  assert.equal(s.out().length, 4);
  assert.deepEqual(s.inject('A 1 ack 1'), [`A ${1 + 4 * MSS}(${MSS}) ack 1`]);
  assert.deepEqual(s.inject('A 1 ack 1'), [`A ${1 + 5 * MSS}(${MSS}) ack 1`]);
  assert.deepEqual(s.inject('A 1 ack 1')[0], `A 1(${MSS}) ack 1`);
  s.finishAll();
});

test('time-outs: retransmission with back-off, then ETIMEDOUT and a reset', () => {
  const s = established({ tcp: { maximumRetransmits: 4 } });
  s.finish(s.push(s.queue, bytes(10)));
  s.out();
  const pop = s.pop(s.queue);
  const sent = s.wait(400_000);
  assert.equal(sent.length, 5);
  assert.deepEqual(new Set(sent.slice(0, 4)), new Set(['PA 1(10) ack 1']));
  assert.equal(sent[4], 'RA 11(0) ack 1');
  assert.equal(s.finish(pop), ETIMEDOUT);
  assert.equal(s.count('timedOut'), 1);
  s.finishAll();
});

test('the user time-out gives up in time', () => {
  const s = established();
  s.queue.setOption('userTimeoutUs', 100_000);
  s.finish(s.push(s.queue, bytes(10)));
  s.out();
  const pop = s.pop(s.queue);
  s.wait(90_000);
  assert.notEqual(pop.state, OP_COMPLETE);
  s.wait(30_000);
  assert.equal(s.finish(pop), ETIMEDOUT);
  s.finishAll();
});

test('after a time-out everything from the oldest byte goes again, as far as the window of one segment grows', () => {
  const s = established();
  s.finish(s.push(s.queue, bytes(4 * MSS), undefined, MSS));
  assert.equal(s.out().length, 4);
  assert.deepEqual(s.wait(6000), [`A 1(${MSS}) ack 1`]);
  assert.equal(s.connection.cwnd, MSS);
  assert.deepEqual(s.inject(`A 1 ack ${1 + MSS}`), [
    `A ${1 + MSS}(${MSS}) ack 1`,
    `A ${1 + 2 * MSS}(${MSS}) ack 1`,
  ]);
  assert.deepEqual(s.inject(`A 1 ack ${1 + 4 * MSS}`), []);
  assert.equal(s.connection.sendQueue.bytes, 0);
  s.finishAll();
});

test('a spurious time-out is undone (RFC 3522)', () => {
  const s = new TcpScript({ tcp: { timestamps: true } });
  const ts = (val: number, ecr: number): Buffer => {
    const b = Buffer.from('0101080a0000000000000000', 'hex');
    b.writeInt32BE(val, 4);
    b.writeInt32BE(ecr | 0, 8);
    return b;
  };
  s.options = Buffer.concat([Buffer.from('020405b4', 'hex'), ts(1, 0)]);
  s.listen();
  const accept = s.accept();
  s.inject('S 0');
  const c0 = s.stack.tcp.demultiplexer.all()[0]!;
  const now = (): number => (Math.floor(s.clock.micros[0]! / 1000) + c0.tsOffset) | 0;
  s.options = ts(2, now());
  s.inject('A 1 ack 1');
  s.queue = s.accepted(accept);
  s.finish(s.push(s.queue, bytes(4 * 1448), undefined, 1448));
  assert.equal(s.out().length, 4);
  const sentAt = now();
  const cwnd = s.connection.cwnd;
  assert.equal(s.wait(7000).length, 1);
  assert.equal(s.connection.cwnd, 1448);
  s.options = ts(3, sentAt);
  assert.deepEqual(s.inject(`A 1 ack ${1 + 1448}`), []);
  assert.equal(s.count('spuriousTimeout'), 1);
  assert.ok(s.connection.cwnd >= cwnd);
  assert.ok(s.connection.rtoFloorUs >= 7000 && s.connection.rtoUs >= s.connection.rtoFloorUs);
  s.finishAll();
});

test('PAWS: an old timestamp is answered and dropped, a missing one dropped, a reset needs none', () => {
  const s = new TcpScript({ tcp: { timestamps: true, challengeAckIntervalUs: 0 } });
  const ts = (val: number): Buffer => Buffer.concat([Buffer.from('0101080a', 'hex'), i32(val), i32(0)]);
  s.options = ts(1000);
  s.reach('ESTABLISHED');
  assert.equal(s.connection.tsEnabled, 1);
  s.options = ts(999);
  assert.equal(s.inject('A 1(10) ack 1').length, 1);
  assert.equal(s.count('dropPaws'), 1);
  s.options = Buffer.alloc(0);
  assert.deepEqual(s.inject('A 1(10) ack 1'), []);
  assert.equal(s.count('dropNoTimestamp'), 1);
  s.options = ts(1001);
  s.inject('A 1(10) ack 1');
  assert.equal(s.connection.receiveQueue.bytes, 10);
  s.options = Buffer.alloc(0);
  s.inject('R 11');
  assert.equal(s.connection.state, 0);
  s.finishAll();
});

function i32(value: number): Buffer {
  const b = Buffer.alloc(4);
  b.writeInt32BE(value | 0);
  return b;
}

test('the window shuts, is probed, and opens', () => {
  const s = established();
  s.window = 0;
  s.inject('A 1 ack 1');
  s.finish(s.push(s.queue, bytes(100)));
  assert.deepEqual(s.out(), []);
  const probes = s.wait(40_000);
  assert.ok(probes.length >= 2);
  assert.deepEqual(new Set(probes), new Set(['A 0(0) ack 1']));
  s.window = 1000;
  assert.deepEqual(s.inject('A 1 ack 1'), ['PA 1(100) ack 1']);
  s.finishAll();
});

test('a window too small for a segment is used after the override time-out, not before', () => {
  const s = established();
  s.window = 20;
  s.inject('A 1 ack 1');
  s.finish(s.push(s.queue, bytes(100)));
  assert.deepEqual(s.out(), []);
  assert.deepEqual(s.wait(8000), ['A 1(20) ack 1']);
  s.finishAll();
});

test('the receiver closes its window rather than drop, and tells when it opens', () => {
  const s = established({ tcp: { receiveBufferBytes: 4 * MSS } });
  for (let i = 0; i < 4; i++) s.inject(`A ${1 + i * MSS}(${MSS}) ack 1`);
  assert.equal(s.connection.rcvAdv, s.connection.rcvNxt);
  assert.deepEqual(s.inject(`A ${1 + 4 * MSS}(100) ack 1`), [`A 1(0) ack ${1 + 4 * MSS}`]);
  const small = s.pop(s.queue, 100);
  s.finish(small);
  assert.deepEqual(s.out(), []);
  s.finish(s.pop(s.queue, 3 * MSS));
  assert.deepEqual(s.out(), [`A 1(0) ack ${1 + 4 * MSS}`]);
  assert.ok(((s.connection.rcvAdv - s.connection.rcvNxt) | 0) >= 3 * MSS);
  s.finishAll();
});

test('one-byte segments are copied together: slots are charged, not bytes', () => {
  const s = established({ device: { slots: 512 }, tcp: { receiveBufferBytes: 65_536 } });
  for (let i = 0; i < 400; i++) s.inject(`A ${1 + i}(1) ack 1`);
  assert.equal(s.connection.receiveQueue.bytes, 400);
  assert.ok(s.connection.receiveQueue.count <= 33, `${s.connection.receiveQueue.count} slots`);
  const pop = s.pop(s.queue);
  assert.deepEqual(pop.array!.toBytes(), stream(1, 400));
  s.finish(pop);
  s.finishAll();
});

test('keepalive: idle, probes, end', () => {
  const s = established();
  s.queue.setOption('keepAliveIdleUs', 50_000);
  s.queue.setOption('keepAliveIntervalUs', 10_000);
  s.queue.setOption('keepAliveProbes', 3);
  s.queue.setOption('keepAlive', true);
  const pop = s.pop(s.queue);
  assert.deepEqual(s.wait(40_000), []);
  assert.deepEqual(s.wait(15_000), ['A 0(0) ack 1']);
  s.inject('A 1 ack 1');
  assert.deepEqual(s.wait(40_000), []);
  const sent = s.wait(60_000);
  assert.deepEqual(sent.slice(0, 3), ['A 0(0) ack 1', 'A 0(0) ack 1', 'A 0(0) ack 1']);
  assert.deepEqual(sent.slice(3), ['RA 1(0) ack 1']);
  assert.equal(s.finish(pop), ETIMEDOUT);
  s.finishAll();
});

test('a SYN is repeated, then ETIMEDOUT', () => {
  const s = new TcpScript({ tcp: { maximumSynRetransmits: 2, initialRtoUs: 20_000 } });
  s.reach('SYN-SENT');
  assert.deepEqual(s.wait(200_000), ['S 0(0)', 'S 0(0)']);
  assert.equal(s.pending[0]!.errno, ETIMEDOUT);
  s.finishAll();
});

test('a half-open connection is given up silently', () => {
  const s = new TcpScript({ tcp: { maximumSynRetransmits: 2, initialRtoUs: 20_000 } });
  s.reach('SYN-RECEIVED');
  assert.deepEqual(s.wait(200_000), ['SA 0(0) ack 1', 'SA 0(0) ack 1']);
  assert.equal(s.stack.tcp.connectionCount, 0);
  s.finishAll();
});

test('challenge acknowledgements are limited per connection', () => {
  const s = established();
  assert.equal(s.inject('S 1').length, 1);
  for (let i = 0; i < 50; i++) assert.deepEqual(s.inject('S 1'), []);
  assert.equal(s.count('challengeLimited'), 50);
  s.wait(11_000);
  assert.equal(s.inject('R 9').length, 1);
  s.finishAll();
});

test('resets for strangers are limited', () => {
  const s = new TcpScript({ tcp: { resetsPerSecond: 100 } });
  let answers = 0;
  for (let i = 0; i < 100; i++) answers += s.inject('A 1 ack 1').length;
  assert.equal(answers, 16);
  assert.equal(s.count('resetLimited'), 84);
  s.end();
});

test('the accept queue is bounded: the handshake waits until there is room', () => {
  const s = new TcpScript();
  s.listen(1);
  const from = (port: number, seq: number, flags: string, ack = 0): string[] => {
    const frame = tcpFrame({ flags, seq: PEER_ISS + seq, ack: s.iss + ack, sourcePort: port });
    return s.exchange(frame).map(hex => s.describe(hex));
  };
  from(1, 0, 'S');
  const iss1 = s.iss;
  from(2, 0, 'S');
  const iss2 = s.iss;
  s.iss = iss1;
  from(1, 1, 'A', 1);
  s.iss = iss2;
  from(2, 1, 'A', 1);
  assert.equal(s.count('dropAcceptQueueFull'), 1);
  assert.deepEqual(from(3, 0, 'S'), []);
  assert.equal(s.count('dropAcceptQueueFull'), 2);
  s.accepted(s.accept()).close();
  s.turn();
  from(2, 1, 'A', 1);
  s.accepted(s.accept()).close();
  s.finishAll();
});

test('without cookies a SYN flood evicts the oldest half-open connection and grows nothing', () => {
  const s = new TcpScript({ tcp: { synBacklog: 32, synCookies: false } });
  s.listen();
  for (let i = 0; i < 1000; i++) {
    s.device.put(tcpFrame({ flags: 'S', seq: i, sourcePort: 1000 + i }));
    s.turn();
  }
  assert.equal(s.stack.tcp.connectionCount, 32);
  assert.equal(s.count('halfOpenEvicted'), 968);
  s.finishAll();
});

test('TIME-WAIT ends by itself', () => {
  const s = new TcpScript({ tcp: { timeWaitWithoutTimestampsUs: 50_000 } });
  s.reach('TIME-WAIT');
  s.wait(40_000);
  assert.equal(s.state, 'TIME-WAIT');
  s.inject('FA 1 ack 2'); // restarts it
  s.wait(40_000);
  assert.equal(s.state, 'TIME-WAIT');
  s.wait(20_000);
  assert.equal(s.stack.tcp.connectionCount, 0);
  s.finishAll();
});

test('a newer SYN reuses TIME-WAIT, and its numbers begin behind the old ones (RFC 6191)', () => {
  const s = new TcpScript();
  s.reach('TIME-WAIT');
  const end = s.connection.sndMax;
  const accept = s.accept();
  assert.deepEqual(s.inject('S 100'), ['SA 0(0) ack 101']);
  assert.ok(((s.iss - end) | 0) > 0);
  assert.equal(s.count('timeWaitReused'), 1);
  s.inject('A 101 ack 1');
  s.accepted(accept).close();
  s.finishAll();
});

test('ICMP: only what quotes a segment under way is believed', () => {
  const s = established();
  s.finish(s.push(s.queue, bytes(3 * MSS), undefined, MSS));
  assert.equal(s.out().length, 3);
  const us = parseIpv4(OUR_IP)!;
  const peer = parseIpv4(PEER_IP)!;
  assert.equal(formatIpv4(us), OUR_IP);
  const say = (kind: number, code: number, seq: number, mtu = 0): void =>
    s.stack.tcp.icmpError(kind, code, us, 80, peer, 4000, (s.iss + seq) | 0, mtu);
  say(3, 4, 1 + 10 * MSS, 1000);
  say(3, 4, -1, 1000);
  assert.equal(s.connection.mss, MSS);
  say(3, 4, 1, 60); // below what is worth believing
  assert.equal(s.connection.mss, MSS);
  say(3, 3, 1);
  assert.equal(s.state, 'ESTABLISHED');
  say(3, 4, 1, 1000);
  assert.equal(s.connection.mss, 960);
  assert.equal(s.out()[0], 'A 1(960) ack 1');
  assert.equal(s.count('pathMtuLowered'), 1);
  s.finishAll();
});

test('ICMP refuses a connection that is being opened', () => {
  const s = new TcpScript();
  s.reach('SYN-SENT');
  s.stack.tcp.icmpError(3, 3, parseIpv4(OUR_IP)!, s.ourPort, parseIpv4(PEER_IP)!, 4000, s.iss, 0);
  assert.equal(s.pending[0]!.errno, ECONNREFUSED);
  s.finishAll();
});

test('a reset ends pops and acknowledged pushes', () => {
  const s = established();
  const pop = s.pop(s.queue);
  s.finish(s.push(s.queue, bytes(10)));
  s.out();
  s.inject('R 1');
  assert.equal(s.finish(pop), ECONNRESET);
  const push = s.push(s.queue, bytes(1));
  assert.equal(s.finish(push), ECONNRESET);
  s.finishAll();
});

test('what is pushed while the device has no room goes later, in order', () => {
  const s = established();
  s.device.room = 0;
  s.finish(s.push(s.queue, bytes(2 * MSS), undefined, MSS));
  s.stack.tcp.flush();
  assert.deepEqual(s.device.take(), []);
  assert.ok(s.stack.tcp.readyCount === 1);
  s.device.room = 1;
  s.stack.tcp.flush();
  assert.deepEqual(
    s.device.take().map(hex => s.describe(hex)),
    [`A 1(${MSS}) ack 1`],
  );
  s.device.room = 10;
  assert.deepEqual(s.out(), [`PA ${1 + MSS}(${MSS}) ack 1`]);
  s.finishAll();
});

test('checksum offload: the pseudo-header sum is in the field, the device does the rest', () => {
  const s = new TcpScript({ device: { transmitChecksum: true } });
  s.listen();
  s.device.put(tcpFrame({ flags: 'S', seq: PEER_ISS }));
  s.stack.poll();
  s.stack.tcp.flush();
  const frame = s.device.sent[0]!;
  assert.equal(frame.checksumStart, 34);
  assert.equal(frame.checksumOffset, 16);
  const segment = parse(frame.hex).payload;
  const sum = [0x0a00, 0x0001, 0x0a00, 0x0002, 6, segment.length].reduce((a, b) => a + b);
  assert.equal(segment.readUInt16BE(16), (sum & 0xffff) + (sum >>> 16));
  s.device.take();
  s.finishAll();
});

test('partial checksums of local senders are taken where the device says so, and nowhere else', () => {
  for (const partialChecksums of [true, false]) {
    const s = new TcpScript({ device: { partialChecksums } });
    s.listen();
    const frame = tcpFrame({ flags: 'S', seq: PEER_ISS });
    const sum = [0x0a00, 0x0001, 0x0a00, 0x0002, 6, 20].reduce((a, b) => a + b);
    frame.writeUInt16BE((sum & 0xffff) + (sum >>> 16), 34 + 16);
    assert.equal(s.exchange(frame).length, partialChecksums ? 1 : 0);
    assert.equal(s.count('dropChecksum'), partialChecksums ? 0 : 1);
    s.finishAll();
  }
});

test("window scaling: our window is announced scaled, the peer's is read scaled", () => {
  const s = new TcpScript({ tcp: { windowScaling: true, receiveBufferBytes: 1_000_000 } });
  s.options = Buffer.from('020405b4' + '01030305', 'hex');
  s.reach('ESTABLISHED');
  const c = s.connection;
  assert.equal(c.rcvScale, 4);
  assert.equal(c.sndScale, 5);
  s.options = Buffer.alloc(0);
  s.inject('A 1(1) ack 1 win 100');
  assert.equal(c.sndWnd, 3200);
  s.wait(1000);
  assert.ok(((c.rcvAdv - c.rcvNxt) | 0) > 900_000);
  s.finishAll();
});

test('an idle connection restarts from the initial window (RFC 5681 section 4.1)', () => {
  const s = established();
  s.connection.cwnd = 100 * MSS;
  s.clock.advance(10_000_000);
  s.finish(s.push(s.queue, bytes(10)));
  s.out();
  assert.equal(s.connection.cwnd, 10 * MSS);
  s.finishAll();
});

test('linger: what is not acknowledged in time is reset', () => {
  const s = established();
  s.finish(s.push(s.queue, bytes(10)));
  s.out();
  s.queue.setOption('lingerUs', 3000);
  s.queue.close();
  const sent = s.wait(5000);
  assert.equal(sent[0], 'FA 11(0) ack 1');
  assert.equal(sent.at(-1), 'RA 12(0) ack 1');
  assert.equal(s.stack.tcp.connectionCount, 0);
  assert.equal(s.count('orphanAborted'), 1);
  s.finishAll();
});

test('cancel: a pending pop, a pending accept, a connect; not a push that has begun', () => {
  const s = established({ tcp: { sendBufferBytes: 1000 } });
  const pop = s.pop(s.queue);
  assert.equal(s.queue.cancel(pop), true);
  s.finish(pop);
  s.finish(s.push(s.queue, bytes(1400)));
  const waiting = s.push(s.queue, bytes(100));
  assert.notEqual(waiting.state, OP_COMPLETE);
  assert.equal(s.queue.cancel(waiting), true);
  s.finish(waiting);
  const accept = s.accept();
  assert.equal(s.listener.cancel(accept), true);
  s.finish(accept);
  s.finishAll();
});

test('a peer that takes its window back gets the oldest segment, and is not given up while it answers', () => {
  const s = established({ tcp: { maximumRetransmits: 3 } });
  s.finish(s.push(s.queue, bytes(2 * MSS), undefined, MSS));
  assert.equal(s.out().length, 2);
  s.window = 0;
  for (let i = 0; i < 10; i++) {
    assert.deepEqual(s.inject('A 1 ack 1'), []);
    let sent: string[] = [];
    for (let ms = 0; sent.length === 0 && ms < 20_000; ms++) sent = s.wait(1000);
    assert.deepEqual(sent, [`A 1(${MSS}) ack 1`]);
  }
  s.window = 65_535;
  s.inject(`A 1 ack ${1 + 2 * MSS}`);
  assert.equal(s.connection.sendQueue.bytes, 0);
  s.finishAll();
});

test('endless duplicate acknowledgements do not overflow the congestion window', () => {
  const s = established();
  s.finish(s.push(s.queue, bytes(4 * MSS), undefined, MSS));
  s.out();
  for (let i = 0; i < 3; i++) s.inject('A 1 ack 1');
  s.connection.cwnd = 0x3fff_ff00;
  for (let i = 0; i < 50; i++) s.inject('A 1 ack 1');
  assert.ok(s.connection.cwnd > 0 && s.connection.cwnd < 0x4000_0000 + MSS);
  s.finishAll();
});

test('selective acknowledgements: the latest block first, neighbours as one, three at most (RFC 2018)', () => {
  const s = new TcpScript();
  s.options = Buffer.from('0402020405b40000', 'hex');
  s.reach('ESTABLISHED');
  s.options = Buffer.alloc(0);
  const blocks = (place: number, length: number): number[] => {
    const frame = tcpFrame({
      flags: 'A',
      seq: PEER_ISS + place,
      ack: s.iss + 1,
      payload: stream(place, length),
    });
    const segment = parse(s.exchange(frame)[0]!).payload;
    const found: number[] = [];
    const headerBytes = (segment[12]! >> 4) * 4;
    if (headerBytes === 20) return found;
    assert.equal(segment.readInt32BE(20), 0x01010500 | (headerBytes - 22));
    for (let at = 24; at < headerBytes; at += 4) found.push((segment.readInt32BE(at) - PEER_ISS) | 0);
    return found;
  };
  assert.deepEqual(blocks(101, 10), [101, 111]);
  assert.deepEqual(blocks(201, 10), [201, 211, 101, 111]);
  assert.deepEqual(blocks(111, 10), [101, 121, 201, 211]);
  assert.deepEqual(blocks(301, 10), [301, 311, 101, 121, 201, 211]);
  assert.deepEqual(blocks(401, 10), [401, 411, 101, 121, 201, 211]);
  assert.deepEqual(blocks(205, 2), [201, 211, 101, 121, 301, 311]);
  assert.deepEqual(blocks(1, 100), [201, 211, 301, 311, 401, 411]);
  assert.deepEqual(blocks(121, 80), [301, 311, 401, 411]);
  assert.deepEqual(blocks(211, 190), []);
  s.finishAll();
});

test('no selective acknowledgement for a peer that did not offer it', () => {
  const s = established();
  assert.equal(s.connection.sackEnabled, 0);
  s.finishAll();
});
