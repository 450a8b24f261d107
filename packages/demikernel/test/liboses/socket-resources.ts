// Library OSes over kernel sockets under shortage and at the end: memory that runs out, lingering, idle cost, namespaces.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ScatterGatherArray, Slice } from '@demikernel/memory';
import {
  canCreateNamespaces,
  createNamespace,
  deleteNamespace,
  openDescriptors,
} from '@demikernel/native/kernel';
import { ECONNRESET } from '../../src/runtime/errno.ts';
import { readMetrics } from '../../src/runtime/metrics.ts';
import { PUSH_ACKED } from '../../src/runtime/operation.ts';
import { connectedPair, pattern, popBytes, receive, type SocketStage, take } from './socket-stage.ts';

export function resources({ name: libos, on, open }: SocketStage): void {
  test(
    'a pop without memory waits until some is freed',
    on(
      os => {
        const { client, server } = connectedPair(os);
        const { pool } = os.libraryOs;
        const total = 12 * 8192;
        for (let at = 0; at < total; at += 8192) {
          assert.equal(take(os, os.push(client, pattern(8192, at), PUSH_ACKED)).errno, 0);
        }
        // Everything the application can get; what the receiver keeps ready is less than what has arrived.
        const held: Slice[] = [];
        for (let slice = pool.alloc(1); slice !== undefined; slice = pool.alloc(1)) held.push(slice);
        const arrays: ScatterGatherArray[] = [];
        let pop = os.pop(server);
        for (let result = os.wait(pop, 20_000); result !== undefined; result = os.wait(pop, 20_000)) {
          assert.equal(result.errno, 0);
          arrays.push(result.array!);
          pop = os.pop(server);
        }
        const got = arrays.reduce((sum, array) => sum + array.lengthBytes, 0);
        assert.ok(got > 0 && got < total);
        assert.deepEqual(Buffer.concat(arrays.map(array => array.toBytes())), Buffer.from(pattern(got)));
        for (const array of arrays) array.free();
        for (const slice of held) slice.release();
        const { array, errno, lengthBytes } = take(os, pop);
        assert.equal(errno, 0);
        assert.deepEqual(array!.toBytes(), pattern(lengthBytes, got));
        array!.free();
        const rest = total - got - lengthBytes;
        assert.deepEqual(receive(os, server, rest), pattern(rest, got + lengthBytes));
      },
      { memoryBytes: 24 * 4096 },
    ),
  );

  test(
    'a datagram without memory waits, whole',
    on(
      os => {
        const a = os.socket('datagram');
        os.bind(a, '127.0.0.1:0');
        const b = os.socket('datagram');
        take(os, os.pushTo(b, pattern(5000), os.getsockname(a)));
        const held: Slice[] = [];
        const { pool } = os.libraryOs;
        for (let slice = pool.alloc(1); slice !== undefined; slice = pool.alloc(1)) held.push(slice);
        const bytes = popBytes(os, a);
        assert.deepEqual(bytes, pattern(5000));
        for (const slice of held) slice.release();
      },
      { memoryBytes: 24 * 4096 },
    ),
  );

  test('lingering: a close that can finish leaves an orderly end, one that cannot resets when the time is over', () => {
    const before = openDescriptors().size;
    const os = open();
    try {
      const orderly = connectedPair(os);
      os.setsockopt(orderly.client, 'lingerUs', 5_000_000);
      take(os, os.push(orderly.client, Buffer.from('last words')));
      os.close(orderly.client);
      assert.equal(Buffer.from(popBytes(os, orderly.server)).toString(), 'last words');
      assert.equal(popBytes(os, orderly.server).length, 0);
      // The peer's kernel may take its time to acknowledge the end.
      const { timers } = os.libraryOs.runtime;
      for (let waits = 0; waits < 100 && timers.armedCount > 0; waits++)
        os.wait(os.accept(orderly.listener), 20_000);
      assert.equal(timers.armedCount, 0, 'nothing lingers any more');

      const stuck = connectedPair(os, '127.0.0.1:0', (client, listener) => {
        os.setsockopt(listener, 'receiveBufferBytes', 4096);
        os.setsockopt(client, 'sendBufferBytes', 1 << 20);
        os.setsockopt(client, 'lingerUs', 30_000);
      });
      take(os, os.push(stuck.client, pattern(200_000)));
      os.close(stuck.client);
      assert.equal(timers.armedCount, 1);
      assert.equal(os.wait(os.accept(stuck.listener), 60_000), undefined);
      let errno = 0;
      for (let pops = 0; errno === 0 && pops < 1000; pops++) {
        const result = take(os, os.pop(stuck.server));
        errno = result.errno;
        if (errno === 0) assert.ok(result.array!.count > 0, 'an orderly end would hide the loss');
        result.array?.free();
      }
      assert.equal(errno, ECONNRESET);
    } finally {
      os.shutDown();
    }
    assert.equal(openDescriptors().size, before);
  });

  test(
    'connections with nothing to say cost no call of their own',
    on(
      os => {
        const listener = os.socket('stream');
        os.bind(listener, '127.0.0.1:0');
        os.listen(listener);
        const servers: number[] = [];
        for (let i = 0; i < 64; i++) {
          const accept = os.accept(listener);
          take(os, os.connect(os.socket('stream'), os.getsockname(listener)));
          servers.push(take(os, accept).acceptedQd);
        }
        for (const qd of servers) os.pop(qd);
        for (let i = 0; i < 200; i++) os.poll();
        const calls = (): number => {
          const { counters } = readMetrics(os.libraryOs.runtime.metrics.buffer)!;
          return libos === 'catnap' ? counters.catnap!.receiveCalls! : counters.uring!.enters!;
        };
        const before = calls();
        for (let i = 0; i < 1000; i++) os.poll();
        assert.equal(calls(), before);
      },
      {},
      'spin',
    ),
  );

  test(
    'one busy socket does not keep the others waiting',
    on(
      os => {
        const busy = connectedPair(os);
        const other = connectedPair(os);
        const pop = os.pop(other.server);
        let sent = 0;
        for (let i = 0; i < 2000; i++) {
          take(os, os.push(busy.client, Buffer.from('x')));
          if (i === 1000) {
            take(os, os.push(other.client, Buffer.from('me too')));
            sent = i;
          }
          popBytes(os, busy.server);
          if (sent > 0 && os.isComplete(pop)) {
            assert.ok(i - sent < 50, `served after ${i - sent} rounds`);
            take(os, pop).array!.free();
            return;
          }
        }
        assert.fail('never served');
      },
      {},
      'spin',
    ),
  );

  test('a namespace of its own: the same port twice', t => {
    if (!canCreateNamespaces()) {
      t.skip('needs CAP_SYS_ADMIN to make a network namespace');
      return;
    }
    const name = `demi-${process.pid}-catnap`;
    createNamespace(name);
    try {
      const outside = open();
      const inside = open({ namespace: name });
      try {
        const first = outside.socket('stream');
        outside.bind(first, '127.0.0.1:0');
        outside.listen(first);
        const second = inside.socket('stream');
        inside.bind(second, outside.getsockname(first));
        inside.listen(second);
        assert.deepEqual(inside.getsockname(second), outside.getsockname(first));
      } finally {
        inside.shutDown();
        outside.shutDown();
      }
    } finally {
      deleteNamespace(name);
    }
  });
}
