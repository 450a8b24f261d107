// Whole connections between two simulated hosts: opening, data both ways, closing, and what must be left: nothing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CLOSE_WAIT, FIN_WAIT_2, STATE_NAMES } from '../../../src/inetstack/tcp/states.ts';
import { ECANCELED, ECONNREFUSED, ECONNRESET, EHOSTUNREACH, EPIPE } from '../../../src/runtime/errno.ts';
import { PUSH_ACKED } from '../../../src/runtime/operation.ts';
import { SHUT_RD, SHUT_WR } from '../../../src/runtime/queue.ts';
import { connected, done, pair, pattern } from './simulated-pair.ts';

test('handshake, data both ways, orderly close, nothing left', () => {
  const p = pair();
  const { world, a, b } = p;
  const { client, server, listener } = connected(p);
  const pop = b.pop(server);
  const push = a.push(client, pattern(64))!;
  assert.ok(world.run(() => done(pop)));
  assert.equal(a.finish(push), 0);
  assert.deepEqual(b.bytes(pop), pattern(64));
  const back = a.pop(client);
  assert.equal(b.finish(b.push(server, pattern(1000, 2))!), 0);
  assert.ok(world.run(() => done(back)));
  assert.deepEqual(a.bytes(back), pattern(1000, 2));
  a.close(client);
  const end = b.pop(server);
  assert.ok(world.run(() => done(end)));
  assert.equal(b.bytes(end).length, 0);
  assert.equal(STATE_NAMES[server.state!.state], STATE_NAMES[CLOSE_WAIT]);
  b.close(server);
  b.close(listener);
  world.runFor(2_000_000);
  a.assertClean('at a');
  b.assertClean('at b');
});

test('a megabyte in one push, popped in pieces', () => {
  const p = pair({ link: { delayUs: 20 } }, { slots: 4096 });
  const { world, a, b } = p;
  const { client, server, listener } = connected(p);
  const sent = pattern(1 << 20);
  const push = a.push(client, sent, PUSH_ACKED)!;
  const got: Uint8Array[] = [];
  let received = 0;
  let pop = b.pop(server, 10_000);
  b.host.afterPoll = () => {
    let work = 0;
    while (done(pop)) {
      const bytes = b.bytes(pop);
      got.push(bytes);
      received += bytes.length;
      pop = b.pop(server, 10_000);
      work++;
    }
    return work;
  };
  assert.ok(world.run(() => received === sent.length && done(push)));
  assert.equal(a.finish(push), 0);
  assert.deepEqual(Buffer.concat(got), Buffer.from(sent));
  assert.equal(a.counter('retransmitted'), 0);
  b.host.afterPoll = undefined;
  assert.equal(server.cancel(pop), true);
  assert.equal(b.finish(pop), ECANCELED);
  b.close(server);
  a.close(client);
  b.close(listener);
  world.runFor(2_000_000);
  a.assertClean();
  b.assertClean();
});

test('half-close: the other direction goes on', () => {
  const p = pair();
  const { world, a, b } = p;
  const { client, server, listener } = connected(p);
  assert.equal(client.shutdown(SHUT_WR), 0);
  const end = b.pop(server);
  assert.ok(world.run(() => done(end)));
  assert.equal(b.bytes(end).length, 0);
  world.runFor(10_000);
  assert.equal(client.state!.state, FIN_WAIT_2);
  const refused = a.push(client, pattern(1))!;
  assert.equal(a.finish(refused), EPIPE);
  const pop = a.pop(client);
  b.finish(b.push(server, pattern(3000))!);
  assert.ok(world.run(() => done(pop)));
  let got = a.bytes(pop).length;
  while (got < 3000) {
    const more = a.pop(client);
    assert.ok(world.run(() => done(more)));
    got += a.bytes(more).length;
  }
  b.close(server);
  a.close(client);
  b.close(listener);
  world.runFor(2_000_000);
  a.assertClean();
  b.assertClean();
});

test('shutdown of the read side ends pops and forgets what comes', () => {
  const p = pair();
  const { world, a, b } = p;
  const { client, server, listener } = connected(p);
  const pop = b.pop(server);
  server.shutdown(SHUT_RD);
  assert.equal(b.bytes(pop).length, 0);
  const push = a.push(client, pattern(5000), PUSH_ACKED)!;
  assert.ok(world.run(() => done(push)));
  assert.equal(a.finish(push), 0);
  a.close(client);
  b.close(server);
  b.close(listener);
  world.runFor(2_000_000);
  a.assertClean();
  b.assertClean();
});

test('nobody listens: ECONNREFUSED', () => {
  const { world, a, b } = pair();
  const client = a.socket();
  const connect = a.connect(client, '10.0.0.2:81');
  assert.ok(world.run(() => done(connect)));
  assert.equal(a.finish(connect), ECONNREFUSED);
  a.close(client);
  a.assertClean();
  b.assertClean();
});

test('nobody there: EHOSTUNREACH', () => {
  const { world, a } = pair();
  const client = a.socket();
  const connect = a.connect(client, '10.0.0.77:81');
  assert.ok(world.run(() => done(connect)));
  assert.equal(a.finish(connect), EHOSTUNREACH);
  a.close(client);
  a.assertClean();
});

test('close cancels what is pending; linger 0 resets; the peer sees ECONNRESET', () => {
  const p = pair();
  const { world, a, b } = p;
  const { client, server, listener } = connected(p);
  const mine = a.pop(client);
  const theirs = b.pop(server);
  assert.equal(client.setOption('lingerUs', 0), 0);
  a.close(client);
  assert.equal(a.finish(mine), ECANCELED);
  assert.ok(world.run(() => done(theirs)));
  assert.equal(b.finish(theirs), ECONNRESET);
  const later = b.pop(server);
  assert.equal(b.finish(later), ECONNRESET);
  const pushed = b.push(server, pattern(1))!;
  assert.equal(b.finish(pushed), ECONNRESET);
  b.close(server);
  const accept = b.accept(listener);
  b.close(listener);
  assert.equal(b.finish(accept), ECANCELED);
  a.assertClean();
  b.assertClean();
});

test('data for a closed queue draws a reset', () => {
  const p = pair();
  const { world, a, b } = p;
  const { client, server, listener } = connected(p);
  b.close(server);
  world.runFor(1000);
  a.finish(a.push(client, pattern(10))!);
  const end = a.pop(client);
  assert.equal(a.bytes(end).length, 0);
  world.runFor(10_000);
  assert.equal(b.counter('dropAfterClose'), 1);
  const late = a.push(client, pattern(10))!;
  assert.equal(a.finish(late), ECONNRESET);
  a.close(client);
  b.close(listener);
  a.assertClean();
  b.assertClean();
});

test('a window that closes and opens again', () => {
  const p = pair({}, { tcp: { receiveBufferBytes: 8192, sendBufferBytes: 16_384 } });
  const { world, a, b } = p;
  const { client, server, listener } = connected(p);
  const sent = pattern(100_000);
  const push = a.push(client, sent)!;
  world.runFor(3_000_000);
  assert.ok(!done(push));
  assert.ok(a.counter('windowProbe') > 2);
  assert.equal(a.counter('timedOut'), 0);
  const got: Uint8Array[] = [];
  for (let total = 0; total < sent.length; ) {
    const pop = b.pop(server, 3000);
    assert.ok(world.run(() => done(pop)));
    const bytes = b.bytes(pop);
    total += bytes.length;
    got.push(bytes);
  }
  assert.deepEqual(Buffer.concat(got), Buffer.from(sent));
  assert.equal(a.finish(push), 0);
  a.close(client);
  b.close(server);
  b.close(listener);
  world.runFor(2_000_000);
  a.assertClean();
  b.assertClean();
});

test('both open at once, both close at once', () => {
  const { world, a, b } = pair();
  const left = a.socket();
  const right = b.socket();
  left.bind({ ...left.localAddress, ipv4: 0x0a000001, port: 5001 } as never);
  right.bind({ ...right.localAddress, ipv4: 0x0a000002, port: 5002 } as never);
  // The first exchange only finds the neighbours; after it both SYNs cross.
  const warm = a.connect(a.socket(), '10.0.0.2:9');
  world.run(() => done(warm));
  a.finish(warm);
  const one = a.connect(left, '10.0.0.2:5002');
  const two = b.connect(right, '10.0.0.1:5001');
  assert.ok(world.run(() => done(one) && done(two)));
  assert.equal(a.finish(one), 0);
  assert.equal(b.finish(two), 0);
  const pop = b.pop(right);
  a.finish(a.push(left, pattern(10))!);
  assert.ok(world.run(() => done(pop)));
  assert.deepEqual(b.bytes(pop), pattern(10));
  a.close(left);
  b.close(right);
  world.runFor(2_000_000);
  a.assertClean();
  b.assertClean();
});
