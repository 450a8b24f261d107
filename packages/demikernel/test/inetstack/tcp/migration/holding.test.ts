// What a frozen connection, an expected one and one that has left do with packets, operations, and the end of everything.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resetStranger } from '../../../../src/inetstack/tcp/migration/connections.ts';
import type { Stranger } from '../../../../src/inetstack/tcp/migration/stranger.ts';
import { EBUSY, ECANCELED, ECONNRESET } from '../../../../src/runtime/errno.ts';
import { PUSH_ACKED } from '../../../../src/runtime/operation.ts';
import { SHUT_WR } from '../../../../src/runtime/queue.ts';
import { done } from '../simulated-pair.ts';
import { connectTo, direct, expectAt, fleet, leave, queueAt } from './movers.ts';

const HELLO = Uint8Array.from(Buffer.from('hello'));

test('a frozen connection is silent, keeps what comes, and goes on as if nothing had been', () => {
  const f = fleet();
  const at = f.backends[0]!;
  const { client, server } = connectTo(f, at);
  const departing = leave(at, server);
  const sent = at.peer.counter('sent');
  const push = f.client.push(client, HELLO)!;
  f.world.runFor(500_000);
  assert.equal(at.peer.counter('sent'), sent, 'not a word');
  assert.ok(at.peer.counter('held') >= 2, 'the segment and its retransmissions');
  departing.resume();
  departing.resume();
  departing.discard();
  const pop = at.peer.pop(server);
  assert.ok(f.world.run(() => done(pop) && client.state!.sendQueue.bytes === 0));
  assert.deepEqual(at.peer.bytes(pop), HELLO);
  f.client.finish(push);
  f.world.close();
});

test('operations issued meanwhile wait; they go on, or are cancelled', () => {
  for (const goesOn of [true, false]) {
    const f = fleet();
    const at = f.backends[0]!;
    const { client, server } = connectTo(f, at);
    const before = at.peer.pop(server);
    const acked = at.peer.push(server, HELLO, PUSH_ACKED)!;
    const departing = leave(at, server);
    const pop = at.peer.pop(server);
    const push = at.peer.push(server, HELLO)!;
    const cancelled = at.peer.push(server, HELLO)!;
    assert.equal(server.shutdown(SHUT_WR), EBUSY);
    assert.ok(server.cancel(cancelled));
    assert.equal(at.peer.finish(cancelled), ECANCELED);
    assert.ok(!done(before) && !done(acked) && !done(pop) && !done(push));
    if (goesOn) {
      departing.resume();
      const sent = f.client.push(client, HELLO)!;
      const received = f.client.pop(client);
      assert.ok(f.world.run(() => done(before) && done(acked) && done(push) && done(received) && done(sent)));
      assert.deepEqual(at.peer.bytes(before), HELLO);
      assert.ok(!done(pop));
      assert.equal(at.peer.finish(acked), 0);
      assert.equal(at.peer.finish(push), 0);
    } else {
      departing.release(() => {}, 1000);
      for (const operation of [before, acked, pop, push]) assert.equal(at.peer.finish(operation), ECANCELED);
      assert.equal(at.peer.host.usedSlots, 0);
    }
    f.world.close();
  }
});

test('a push that waits for room travels with the connection, and completes', () => {
  const f = fleet({}, { tcp: { sendBufferBytes: 4096 } });
  const [from, to] = [f.backends[0]!, f.backends[1]!];
  const { client, server } = connectTo(f, from);
  const bytes = Uint8Array.from({ length: 60_000 }, (_, i) => i);
  const push = from.peer.push(server, bytes)!;
  const last = from.peer.push(server, HELLO)!;
  assert.ok(!done(push) && !done(last));
  const departing = leave(from, server);
  assert.equal(from.peer.finish(push), 0);
  assert.equal(from.peer.finish(last), 0);
  const arriving = expectAt(to, departing).import(departing.record);
  direct(f, to);
  arriving.resume();
  departing.release(() => {}, 1000);
  let received = 0;
  while (received < 60_005) {
    const pop = f.client.pop(client);
    assert.ok(f.world.run(() => done(pop)));
    received += f.client.bytes(pop).length;
  }
  f.world.close();
});

test('packets that come before their connection are kept within a bound, and replayed', () => {
  const f = fleet();
  const [from, to] = [f.backends[0]!, f.backends[1]!];
  const { client, server } = connectTo(f, from);
  const { localAddress, localPort, remoteAddress, remotePort } = server.state!;
  const expected = expectAt(to, { localAddress, localPort, remoteAddress, remotePort }, 3);
  direct(f, to);
  client.setOption('noDelay', true);
  const pushes = Array.from({ length: 8 }, () => {
    f.world.runFor(10);
    return f.client.push(client, HELLO)!;
  });
  f.world.runFor(2000);
  assert.equal(expected.heldPackets, 3);
  assert.ok(expected.droppedPackets >= 1);
  const departing = leave(from, server);
  const arriving = expected.import(departing.record);
  assert.throws(() => expected.import(departing.record), { code: 'ERR_DEMI_NETWORK' });
  arriving.resume();
  departing.release(() => {}, 1000);
  const queue = queueAt(to, arriving);
  let received = 0;
  while (received < 40) {
    const pop = to.peer.pop(queue);
    assert.ok(f.world.run(() => done(pop)));
    received += to.peer.bytes(pop).length;
  }
  for (const push of pushes) f.client.finish(push);
  assert.equal(to.peer.counter('resetSent') + from.peer.counter('resetSent'), 0);
  f.world.close();
});

test('packets that come after their connection has left are handed on for a while, a new connection is welcome', () => {
  const f = fleet();
  const [from, to] = [f.backends[0]!, f.backends[1]!];
  const { client, server } = connectTo(f, from);
  const departing = leave(from, server);
  const arriving = expectAt(to, departing).import(departing.record);
  arriving.resume();
  const early = f.client.push(client, HELLO)!;
  f.world.runFor(100);
  const packets: Uint8Array[] = [];
  departing.release(packet => packets.push(Uint8Array.from(packet)), 50_000);
  assert.equal(packets.length, 1, 'what was kept');
  f.world.runFor(45_000);
  const forwarded = packets.length;
  assert.ok(forwarded >= 1);
  for (const packet of packets) {
    assert.equal(packet[0], 0x45);
    assert.equal((packet[2]! << 8) | packet[3]!, packet.length, 'whole IPv4 packets');
  }
  f.world.runFor(200_000);
  assert.ok(from.peer.counter('stranger') > 0, 'after the grace they are strangers');
  assert.equal(from.peer.counter('resetSent'), 0);
  assert.equal(from.peer.host.stack.tcp.holdings.count, 0);
  f.client.finish(early);
  // The client gives its connection up and begins anew from the same port, during the grace of another move.
  direct(f, to);
  const back = leave(to, queueAt(to, arriving));
  const again = expectAt(from, back).import(back.record);
  back.release(() => {}, 10_000_000);
  again.resume();
  f.client.host.stack.tcp.demultiplexer.remove(client.state!);
  client.state!.inTable = 0;
  const accept = to.peer.accept(to.listener);
  const anew = f.client.socket();
  assert.equal(anew.bind(client.localAddress), 0);
  const connect = f.client.connect(anew, '10.0.0.100:80');
  assert.ok(f.world.run(() => done(connect) && done(accept)));
  assert.equal(f.client.finish(connect), 0);
  f.world.close();
});

test('a connection comes back to where its packets are still handed on from', () => {
  const f = fleet();
  const [a, b] = [f.backends[0]!, f.backends[1]!];
  const { client, server } = connectTo(f, a);
  let [here, there] = [a, b];
  let queue = server;
  for (let i = 0; i < 20; i++) {
    const departing = leave(here, queue);
    const arriving = expectAt(there, departing).import(departing.record);
    direct(f, there);
    arriving.resume();
    departing.release(() => {}, 1_000_000);
    queue = queueAt(there, arriving);
    [here, there] = [there, here];
    const push = f.client.push(client, HELLO)!;
    const pop = here.peer.pop(queue);
    assert.ok(f.world.run(() => done(pop)));
    assert.deepEqual(here.peer.bytes(pop), HELLO);
    f.client.finish(push);
  }
  f.world.close();
});

test('strangers draw no answer at a virtual address; who knows better may reset them', () => {
  const f = fleet();
  const [a, b] = [f.backends[0]!, f.backends[1]!];
  const { client } = connectTo(f, a);
  const met: Stranger[] = [];
  b.peer.host.stack.tcp.onStranger = stranger => met.push(stranger);
  direct(f, b);
  const push = f.client.push(client, HELLO)!;
  const pop = f.client.pop(client);
  f.world.runFor(1000);
  assert.equal(met.length, 1);
  assert.equal(b.peer.counter('resetSent'), 0);
  assert.ok(!done(pop));
  resetStranger(b.peer.host.libos, b.listener.qd, met[0]!); // has to ask for the client's neighbour first
  f.world.runFor(1000);
  assert.equal(f.client.finish(pop), ECONNRESET);
  f.client.finish(push);
  f.world.close();
});

test('nothing is left when a stack is closed with connections on their way', () => {
  const f = fleet();
  const [from, to] = [f.backends[0]!, f.backends[1]!];
  const { client, server } = connectTo(f, from);
  const push = f.client.push(client, HELLO)!;
  f.world.runFor(100);
  f.client.finish(push);
  const pop = from.peer.pop(server);
  from.peer.bytes(pop);
  const waiting = from.peer.pop(server);
  const departing = leave(from, server);
  const expected = expectAt(to, departing);
  f.client.finish(f.client.push(client, HELLO)!);
  expected.import(departing.record);
  direct(f, to);
  f.world.runFor(100_000);
  f.world.close();
  assert.equal(from.peer.finish(waiting), ECANCELED);
  for (const { peer } of f.backends) {
    assert.equal(peer.host.usedSlots, 0);
    assert.equal(peer.host.stack.tcp.holdings.count, 0);
    assert.equal(peer.host.runtime.operations.liveCount, 0);
    assert.equal(peer.host.runtime.timers.armedCount, 0);
  }
  departing.resume();
  departing.reset();
});

test('a queue that is closed while its connection is frozen ends it when it goes on, and not elsewhere', () => {
  const f = fleet();
  const [from, to] = [f.backends[0]!, f.backends[1]!];
  const { client, server } = connectTo(f, from);
  const pop = from.peer.pop(server);
  const departing = leave(from, server);
  from.peer.close(server);
  assert.equal(from.peer.finish(pop), ECANCELED);
  departing.resume();
  const end = f.client.pop(client);
  assert.ok(f.world.run(() => done(end)));
  assert.equal(f.client.bytes(end).length, 0, 'a FIN came');
  assert.ok(to.peer.counter('resetSent') === 0);
  f.world.close();
});

test('what cannot move says so', () => {
  const f = fleet();
  const [from, to] = [f.backends[0]!, f.backends[1]!];
  const { server } = connectTo(f, from);
  const { localAddress, localPort, remoteAddress, remotePort } = server.state!;
  const name = { localAddress, localPort, remoteAddress, remotePort };
  assert.throws(() => expectAt(from, name), { errno: 17 }, 'it is here');
  assert.throws(() => expectAt(to, { ...name, localPort: 81 }), { errno: 99 }, 'nobody listens');
  assert.throws(() => expectAt(to, { ...name, localAddress: 0x01020304 }), { errno: 99 }, 'not our address');
  const expected = expectAt(to, name);
  assert.throws(() => expectAt(to, name), { errno: 17 }, 'expected already');
  const departing = leave(from, server);
  assert.throws(() => leave(from, server), { errno: 114 }, 'leaving already');
  assert.throws(() => expectAt(from, name), { errno: 17 }, 'leaving');
  expected.abandon();
  departing.discard();
  assert.throws(() => leave(from, server), { errno: 107 }, 'gone');
  assert.throws(() => leave(from, from.listener as typeof server), { errno: 107 }, 'a listener');
  f.world.close();
});
