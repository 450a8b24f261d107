// Opening without state: which SYNs are answered with a cookie, what a cookie keeps, and whose is believed (RFC 4987).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  SynCookies,
  sackOfTime,
  scaleOfTime,
  timeWithOptions,
} from '../../../src/inetstack/tcp/syn-cookies.ts';
import { ManualClock } from '../../../src/runtime/clock.ts';
import { SeededRandom } from '../../../src/runtime/random.ts';
import { ethernet, fragments, OUR_MAC, PEER_MAC, parse } from '../frames.ts';
import { PEER_ISS, type ScriptOptions, stream, TcpScript, tcpFrame } from './tcp-script.ts';

const BACKLOG = 4;
const STRANGER_MAC = '02aabbccdd77';

/** A listener whose half-open connections are as many as it may have. */
function flooded(options: ScriptOptions['tcp'] = {}, backlog = 4): TcpScript {
  const s = new TcpScript({ tcp: { synBacklog: BACKLOG, ...options } });
  s.listen(backlog);
  for (let i = 0; i < BACKLOG; i++) s.exchange(tcpFrame({ flags: 'S', seq: i, sourcePort: 100 + i }));
  assert.equal(s.stack.tcp.connectionCount, BACKLOG);
  return s;
}

/** Options as clients send them: MSS 1460, SACK, timestamps, window scale 7. */
function clientOptions(tsVal: number): Buffer {
  const options = Buffer.from('020405b40402080a000000000000000001030307', 'hex');
  options.writeInt32BE(tsVal | 0, 8);
  return options;
}

function timestamps(tsVal: number, tsEcr: number): Buffer {
  const options = Buffer.from('0101080a0000000000000000', 'hex');
  options.writeInt32BE(tsVal | 0, 4);
  options.writeInt32BE(tsEcr | 0, 8);
  return options;
}

test('a full queue answers with a cookie, keeps nothing, and takes who brings it back', () => {
  const s = flooded();
  const accept = s.accept();
  assert.deepEqual(s.inject('S 0', { options: Buffer.from('020405b4', 'hex') }), ['SA 0(0) ack 1']);
  assert.equal(s.stack.tcp.connectionCount, BACKLOG);
  assert.equal(s.count('synCookieSent'), 1);
  assert.deepEqual(s.inject('A 1 ack 1'), []);
  s.queue = s.accepted(accept);
  assert.equal(s.state, 'ESTABLISHED');
  assert.equal(s.connection.mss, 1460);
  assert.equal(s.connection.sackEnabled, 0);
  assert.equal(s.count('synCookieTaken'), 1);
  s.finish(s.push(s.queue, Buffer.from('hello')));
  assert.deepEqual(s.out(), ['PA 1(5) ack 1']);
  assert.deepEqual(s.inject('PA 1(9) ack 6'), []);
  assert.equal(s.popped(s.pop(s.queue)).text.length, 9);
  s.finishAll();
});

test('the first data brings the cookie back as well as a bare acknowledgement', () => {
  const s = flooded();
  const accept = s.accept();
  s.inject('S 0');
  s.inject('PA 1(20) ack 1');
  s.queue = s.accepted(accept);
  const pop = s.pop(s.queue);
  assert.deepEqual(Buffer.from(pop.array!.toBytes()), Buffer.from(stream(1, 20)));
  s.finish(pop);
  assert.equal(s.connection.mss, 536, 'the MSS of a peer that names none');
  s.finishAll();
});

test('scale and SACK travel in the timestamp', () => {
  for (const granted of [true, false]) {
    const s = flooded({ timestamps: true, windowScaling: granted, selectiveAcks: granted });
    const accept = s.accept();
    const [frame] = s.exchange(tcpFrame({ flags: 'S', seq: PEER_ISS, options: clientOptions(0x7fff_fff0) }));
    s.describe(frame!);
    const segment = parse(frame!).payload;
    const answer = segment.subarray(20);
    assert.equal(answer.includes(Buffer.from('01030303', 'hex')), granted, 'our own scale, for 256 KiB');
    const at = answer.indexOf(Buffer.from('080a', 'hex'));
    const tsVal = answer.readInt32BE(at + 2);
    assert.equal(answer.readInt32BE(at + 6), 0x7fff_fff0);
    s.options = timestamps(0x7fff_fff1, tsVal);
    s.inject('A 1 ack 1 win 512');
    s.queue = s.accepted(accept);
    const c = s.connection;
    assert.equal(c.tsEnabled, 1);
    assert.equal(c.sackEnabled, granted ? 1 : 0);
    assert.equal(c.sndScale, granted ? 7 : 0);
    assert.equal(c.rcvScale, granted ? 3 : 0);
    assert.equal(c.sndWnd, granted ? 512 << 7 : 512);
    assert.equal(c.mss, 1448);
    assert.equal(c.tsRecent, 0x7fff_fff1);
    // Our clock must not seem to go back.
    s.finish(s.push(s.queue, Buffer.from('x')));
    const data = parse(s.turn()[0]!).payload;
    assert.ok(((data.readInt32BE(24) - tsVal) | 0) >= 0);
    s.finishAll();
  }
});

test('what is no cookie of ours is reset', () => {
  const s = flooded();
  s.inject('S 0');
  assert.deepEqual(s.inject('A 1 ack 2'), ['R 2(0)']);
  assert.deepEqual(s.inject('A 2 ack 1'), ['R 1(0)']);
  assert.deepEqual(s.inject('A 1 ack 1', { sourcePort: 4001 }), ['R 1(0)']);
  assert.equal(s.count('synCookieBad'), 3);
  assert.equal(s.stack.tcp.connectionCount, BACKLOG);
  s.finishAll();
});

test('where no cookies were sent none are looked for', () => {
  const s = new TcpScript();
  s.listen();
  assert.deepEqual(s.inject('A 1 ack 1'), ['R 1(0)']);
  assert.equal(s.count('synCookieBad'), 0);
  s.finishAll();
});

test('a cookie lives for one to two minutes', () => {
  for (const [seconds, good] of [
    [60, true],
    [129, false],
  ] as const) {
    const s = flooded();
    s.keep(s.accept());
    s.inject('S 0');
    s.clock.advance(seconds * 1_000_000);
    s.exchange(tcpFrame({ flags: 'A', seq: PEER_ISS + 1, ack: s.iss + 1 }));
    assert.equal(s.count('synCookieTaken'), good ? 1 : 0);
    assert.equal(s.count('resetSent'), good ? 0 : 1);
    s.finishAll();
  }
});

test('a cookie that finds no room to be accepted comes back with the next segment', () => {
  const s = flooded({}, 1);
  s.inject('S 0');
  s.inject('S 0', { sourcePort: 4001 });
  const other = s.iss;
  s.inject('S 0');
  assert.deepEqual(s.inject('A 1 ack 1'), []);
  assert.equal(s.count('synCookieTaken'), 1);
  s.iss = other;
  assert.deepEqual(s.inject('A 1 ack 1', { sourcePort: 4001 }), []);
  assert.equal(s.count('synCookieTaken'), 1);
  assert.equal(s.count('dropAcceptQueueFull'), 1);
  s.accepted(s.accept()).close();
  s.inject('A 1(5) ack 1', { sourcePort: 4001 });
  assert.equal(s.count('synCookieTaken'), 2);
  s.accepted(s.accept()).close();
  s.finishAll();
});

test('cookies leave connections room to send', () => {
  const s = flooded();
  s.device.room = 16;
  assert.deepEqual(s.inject('S 0'), []);
  assert.equal(s.count('dropSynQueueFull'), 1);
  s.device.room = 17;
  assert.deepEqual(s.inject('S 0'), ['SA 0(0) ack 1']);
  s.finishAll();
});

/** So many strangers have knocked that no more neighbours are asked for on their behalf. */
function crowded(): TcpScript {
  const s = new TcpScript({ arp: { neighbours: 16 } });
  s.listen();
  for (let host = 3; host < 20; host++) {
    s.device.put(ethernet(tcpFrame({ flags: 'S', seq: 1, source: `10.0.0.${host}` }).subarray(14)));
  }
  s.turn();
  s.turn();
  assert.ok(s.stack.arp.crowded);
  assert.equal(s.stack.tcp.connectionCount, 4);
  return s;
}

test('unknown neighbours cost so many questions, and the others are answered where they are', () => {
  const s = crowded();
  const requests = s.stack.arp.counters[2]!;
  const source = '10.0.0.99';
  const from = (frame: Buffer): string[] =>
    s.exchange(ethernet(frame.subarray(14), 0x0800, OUR_MAC, STRANGER_MAC));
  const [syn] = from(tcpFrame({ flags: 'S', seq: PEER_ISS, source }));
  assert.equal(parse(syn!).to, STRANGER_MAC);
  assert.equal(parse(syn!).destination, source);
  s.describe(syn!);
  assert.equal(s.stack.arp.counters[2], requests);
  // Whoever has brought the cookie back is worth asking for.
  const accept = s.accept();
  from(tcpFrame({ flags: 'A', seq: PEER_ISS + 1, ack: s.iss + 1, source }));
  s.queue = s.accepted(accept);
  s.finish(s.push(s.queue, Buffer.from('x')));
  assert.equal(parse(s.turn()[0]!).type, 0x0806);
  assert.equal(s.stack.arp.counters[2], requests + 1);
  s.finishAll();
});

test('a known neighbour is half-open as ever, and a group of stations is never answered', () => {
  const s = crowded();
  assert.deepEqual(s.inject('S 0'), ['SA 0(0) ack 1']);
  assert.equal(s.stack.tcp.connectionCount, 5);
  const group = tcpFrame({ flags: 'S', seq: 1, source: '10.0.0.98' });
  for (const mac of ['01005e000001', 'ffffffffffff', '000000000000']) {
    assert.deepEqual(s.exchange(ethernet(group.subarray(14), 0x0800, OUR_MAC, mac)), []);
  }
  s.finishAll();
});

test('a SYN in fragments is answered to where they came from', () => {
  const s = crowded();
  const segment = tcpFrame({ flags: 'S', seq: 1, source: '10.0.0.98' }).subarray(34);
  const pieces = fragments(segment, 8, { protocol: 6, source: '10.0.0.98', identification: 9 });
  const sent = s.exchange(...pieces);
  assert.equal(sent.length, 1);
  assert.equal(parse(sent[0]!).to, PEER_MAC);
  s.finishAll();
});

test('a reset goes to a stranger without a question', () => {
  const s = new TcpScript();
  const frame = tcpFrame({ flags: 'A', seq: 1, ack: 5, source: '10.0.0.97', destinationPort: 9 });
  const sent = s.exchange(ethernet(frame.subarray(14), 0x0800, OUR_MAC, STRANGER_MAC));
  assert.equal(sent.length, 1);
  assert.equal(parse(sent[0]!).to, STRANGER_MAC);
  assert.equal(s.stack.arp.count, 1);
  assert.equal(
    parse(s.exchange(tcpFrame({ flags: 'A', seq: 1, ack: 5, destinationPort: 9 }))[0]!).to,
    PEER_MAC,
  );
  s.finishAll();
});

test('a cookie is good for what it was made for', () => {
  const clock = new ManualClock(1_000_000_000);
  const cookies = new SynCookies(new SeededRandom(3), clock);
  const random = new SeededRandom(4);
  for (let i = 0; i < 2000; i++) {
    const [local, remote, ports, irs] = [random.int32(), random.int32(), random.int32(), random.int32()];
    const mss = random.below(10_000);
    const cookie = cookies.make(local, remote, ports, irs, mss);
    const taken = cookies.open(local, remote, ports, irs, cookie);
    assert.ok(taken > 0 && (taken <= mss || taken === 88), `${taken} for ${mss}`);
    assert.equal(cookies.open(local + 1, remote, ports, irs, cookie), 0);
    assert.equal(cookies.open(local, remote ^ 1, ports, irs, cookie), 0);
    assert.equal(cookies.open(local, remote, ports ^ 0x10000, irs, cookie), 0);
    assert.equal(cookies.open(local, remote, ports, irs + 1, cookie), 0);
    assert.equal(cookies.open(local, remote, ports, irs, cookie ^ 1), 0);
    assert.equal(cookies.open(local, remote, ports, irs, cookie ^ 0x8000_0000), 0);
  }
  const cookie = cookies.make(1, 2, 3, 4, 1460);
  clock.advance(63_000_000);
  assert.equal(cookies.open(1, 2, 3, 4, cookie), 1460);
  clock.advance(66_000_000);
  assert.equal(cookies.open(1, 2, 3, 4, cookie), 0);
});

test('a time keeps options and is never late', () => {
  for (const now of [0, 1, 31, 32, 1000, 0x7fff_fff0, -0x8000_0000, -1]) {
    for (let scale = 0; scale <= 15; scale++) {
      for (const sack of [true, false]) {
        const time = timeWithOptions(now, scale, sack);
        assert.equal(scaleOfTime(time), scale);
        assert.equal(sackOfTime(time), sack);
        const behind = (now - time) | 0;
        assert.ok(behind >= 0 && behind < 32, `${behind}`);
      }
    }
  }
});
