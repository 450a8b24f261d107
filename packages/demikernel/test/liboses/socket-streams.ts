// Library OSes over kernel sockets: streams: bytes, back-pressure, ends, failures. Datagrams are in their own file.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  EADDRINUSE,
  EAGAIN,
  ECANCELED,
  ECONNREFUSED,
  ECONNRESET,
  EINVAL,
  EISCONN,
  ENOTCONN,
  EPIPE,
} from '../../src/runtime/errno.ts';
import { PUSH_ACKED } from '../../src/runtime/operation.ts';
import { SHUT_RD, SHUT_RDWR, SHUT_WR } from '../../src/runtime/queue.ts';
import { connectedPair, pattern, popBytes, receive, type SocketStage, take } from './socket-stage.ts';

export function streams({ on }: SocketStage): void {
  for (const address of ['127.0.0.1:0', '[::1]:0', `@demi-${process.pid}-stream`]) {
    test(
      `a message goes there and back: ${address}`,
      on(os => {
        const { client, server } = connectedPair(os, address);
        const pop = os.pop(server);
        assert.equal(take(os, os.push(client, Buffer.from('hello'))).lengthBytes, 5);
        const request = take(os, pop);
        assert.equal(Buffer.from(request.array!.toBytes()).toString(), 'hello');
        assert.equal(take(os, os.push(server, request.array!)).errno, 0);
        request.array!.free();
        assert.equal(Buffer.from(popBytes(os, client)).toString(), 'hello');
      }),
    );
  }

  test(
    'both ends know both names; accept names the peer',
    on(os => {
      const listener = os.socket('stream');
      os.bind(listener, '127.0.0.1:0');
      const bound = os.getsockname(listener);
      assert.ok(bound.port > 0, 'port 0 gets a free one');
      os.listen(listener);
      const client = os.socket('stream');
      const accept = os.accept(listener);
      const connected = take(os, os.connect(client, bound));
      assert.equal(connected.address.toString(), bound.toString());
      const accepted = take(os, accept);
      assert.equal(accepted.address.toString(), os.getsockname(client).toString());
      assert.equal(os.getpeername(client).toString(), bound.toString());
      assert.equal(os.getpeername(accepted.acceptedQd).toString(), os.getsockname(client).toString());
      assert.equal(os.getsockname(accepted.acceptedQd).toString(), bound.toString());
    }),
  );

  test(
    'pushes beyond what the kernel takes stay pending, complete in order, and lose no byte',
    on(os => {
      const { client, server } = connectedPair(os, '127.0.0.1:0', (client, listener) => {
        os.setsockopt(listener, 'receiveBufferBytes', 65_536);
        os.setsockopt(client, 'sendBufferBytes', 65_536);
      });
      const sizes = [1, 5000, 1 << 20, 300_000, 4096, 1 << 20, 7, 1 << 20];
      const total = sizes.reduce((sum, size) => sum + size, 0);
      const set = os.waitSet();
      const order: number[] = [];
      let at = 0;
      for (const size of sizes) {
        const token = os.push(client, pattern(size, at));
        at += size;
        order.push(token);
        set.add(token);
      }
      const completed: number[] = [];
      for (let result = set.wait(10_000); result !== undefined; result = set.wait(10_000)) {
        assert.equal(result.errno, 0);
        completed.push(result.token);
      }
      assert.ok(completed.length < sizes.length, 'the kernel does not take megabytes that nobody reads');
      assert.deepEqual(receive(os, server, total), pattern(total));
      while (set.size > 0) completed.push(set.wait()!.token);
      assert.deepEqual(completed, order);
    }),
  );

  test(
    'a push owns what it pushes: the array may be freed at once',
    on(os => {
      const { client, server } = connectedPair(os);
      const array = os.alloc(100_000)!;
      array.copyFrom(pattern(100_000));
      const token = os.push(client, array);
      array.free();
      assert.deepEqual(receive(os, server, 100_000), pattern(100_000));
      assert.equal(take(os, token).errno, 0);
    }),
  );

  test(
    'an array of many small slices is gathered, beyond the limit of one call too',
    on(
      os => {
        const { client, server } = connectedPair(os);
        const array = os.alloc(1)!;
        for (let i = 1; i < 2500; i++) array.append(os.libraryOs.pool.alloc(i % 5)!);
        const bytes = pattern(array.lengthBytes);
        array.copyFrom(bytes);
        const token = os.push(client, array);
        array.free();
        assert.deepEqual(receive(os, server, bytes.length), bytes);
        assert.equal(take(os, token).errno, 0);
      },
      { memoryBytes: 32 * 1024 * 1024 },
    ),
  );

  test(
    'any pushes and any pop sizes carry the same bytes',
    on(os => {
      const { client, server } = connectedPair(os);
      fc.assert(
        fc.property(
          fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 8 }),
          fc.integer({ min: 0, max: 70_000 }),
          (sizes, popSize) => {
            let at = 0;
            const tokens = sizes.map(size => {
              const token = os.push(client, pattern(size, at));
              at += size;
              return token;
            });
            assert.deepEqual(receive(os, server, at, popSize), pattern(at));
            for (const token of tokens) assert.equal(take(os, token).errno, 0);
          },
        ),
        { numRuns: 60 },
      );
    }),
  );

  test(
    'one pop brings what has arrived, at most what was asked for',
    on(os => {
      const { client, server } = connectedPair(os);
      take(os, os.push(client, pattern(50_000), PUSH_ACKED));
      assert.equal(popBytes(os, server, 10).length, 10);
      assert.equal(popBytes(os, server, 40_000).length, 40_000);
      assert.deepEqual(popBytes(os, server, 65_536), pattern(9990, 40_010));
    }),
  );

  test(
    'pops are served in the order they were issued',
    on(os => {
      const { client, server } = connectedPair(os);
      const tokens = [os.pop(server, 4), os.pop(server, 4), os.pop(server, 4)];
      take(os, os.push(client, Buffer.from('aaaabbbbcccc')));
      const texts = os.waitAll(tokens)!.map(({ array }) => {
        const text = Buffer.from(array!.toBytes()).toString();
        array!.free();
        return text;
      });
      assert.deepEqual(texts, ['aaaa', 'bbbb', 'cccc']);
    }),
  );

  test(
    'a push with PUSH_ACKED waits for the peer, one without does not',
    on(os => {
      const { client, server } = connectedPair(os, '127.0.0.1:0', (client, listener) => {
        os.setsockopt(listener, 'receiveBufferBytes', 4096);
        os.setsockopt(client, 'sendBufferBytes', 1 << 20);
      });
      const plain = os.push(client, pattern(100_000));
      const acked = os.push(client, pattern(100_000, 100_000), PUSH_ACKED);
      assert.equal(take(os, plain).errno, 0);
      assert.equal(os.wait(acked, 50_000), undefined, 'the peer has no room for it');
      assert.equal(os.cancel(acked), false, 'its bytes are under way');
      assert.deepEqual(receive(os, server, 200_000), pattern(200_000));
      const result = take(os, acked);
      assert.equal(result.errno, 0);
      assert.equal(result.lengthBytes, 100_000);
    }),
  );

  test(
    'half a connection can end while the other goes on',
    on(os => {
      const { client, server } = connectedPair(os);
      const last = os.push(client, pattern(1 << 20));
      os.shutdown(client, SHUT_WR);
      assert.equal(take(os, os.push(client, Buffer.from('late'))).errno, EPIPE);
      assert.deepEqual(receive(os, server, 1 << 20), pattern(1 << 20), 'what was pending still goes out');
      assert.equal(take(os, last).errno, 0);
      assert.equal(popBytes(os, server).length, 0, 'end of stream');
      assert.equal(popBytes(os, server).length, 0, 'and it stays so');
      take(os, os.push(server, Buffer.from('answer')));
      assert.equal(Buffer.from(popBytes(os, client)).toString(), 'answer');
    }),
  );

  test(
    'data and end that arrive together are both seen',
    on(os => {
      const { client, server } = connectedPair(os);
      take(os, os.push(client, Buffer.from('bye'), PUSH_ACKED));
      os.close(client);
      assert.equal(os.wait(os.accept(connectedPair(os).listener), 20_000), undefined);
      assert.equal(Buffer.from(popBytes(os, server)).toString(), 'bye');
      assert.equal(popBytes(os, server).length, 0);
    }),
  );

  test(
    'shutting the receiving side ends waiting pops',
    on(os => {
      const { client } = connectedPair(os);
      const pop = os.pop(client);
      os.shutdown(client, SHUT_RD);
      const result = take(os, pop);
      assert.equal(result.errno, 0);
      assert.equal(result.array!.count, 0);
      result.array!.free();
      assert.throws(() => os.shutdown(client, 9), { errno: EINVAL });
      os.shutdown(client, SHUT_RDWR);
    }),
  );

  test(
    'linger 0 resets: the peer reads what had arrived, then the reset',
    on(os => {
      const { client, server } = connectedPair(os);
      const acked = os.push(server, pattern(64), PUSH_ACKED);
      take(os, acked);
      os.setsockopt(server, 'lingerUs', 0);
      assert.equal(os.getsockopt(server, 'lingerUs'), 0);
      const pending = os.push(client, pattern(64), PUSH_ACKED);
      take(os, pending);
      os.close(server);
      assert.deepEqual(receive(os, client, 64, 40), pattern(64));
      assert.equal(take(os, os.pop(client)).errno, ECONNRESET);
      assert.equal(take(os, os.push(client, Buffer.from('x'))).errno, ECONNRESET);
      assert.equal(take(os, os.pop(client)).errno, ECONNRESET, 'the failure is remembered');
    }),
  );

  test(
    'a reset ends everything that waits, once',
    on(os => {
      const { client, server } = connectedPair(os, '127.0.0.1:0', (client, listener) => {
        os.setsockopt(listener, 'receiveBufferBytes', 4096);
        os.setsockopt(client, 'sendBufferBytes', 65_536);
      });
      const tokens = [
        os.pop(client),
        os.push(client, pattern(30_000), PUSH_ACKED),
        os.push(client, pattern(1 << 20)),
        os.push(client, pattern(1 << 20)),
      ];
      os.setsockopt(server, 'lingerUs', 0);
      os.close(server);
      const errnos = os.waitAll(tokens, 5_000_000)!.map(result => result.errno);
      // A library OS that reads ahead may have had these bytes, and its kernel have acknowledged them, before the reset.
      if (errnos[1] === 0) errnos[1] = ECONNRESET;
      assert.deepEqual(errnos, new Array(4).fill(ECONNRESET));
    }),
  );

  test(
    'close ends everything that waits with ECANCELED before it returns',
    on(os => {
      const { client, listener } = connectedPair(os);
      const tokens = [os.pop(client), os.pop(client), os.push(client, pattern(6 << 20)), os.accept(listener)];
      os.close(client);
      os.close(listener);
      for (const token of tokens) {
        assert.ok(os.isComplete(token));
        assert.equal(take(os, token).errno, ECANCELED);
      }
      assert.throws(() => os.pop(client), { code: 'ERR_DEMI_QUEUE' });
    }),
  );

  test(
    'cancel takes back what has had no effect',
    on(
      os => {
        const { client, server, listener } = connectedPair(os);
        const first = os.pop(server);
        const second = os.pop(server);
        const accept = os.accept(listener);
        assert.equal(os.cancel(first), true);
        assert.equal(os.cancel(first), false, 'over already');
        assert.equal(os.cancel(accept), true);
        take(os, os.push(client, Buffer.from('for the second')));
        assert.equal(take(os, first).errno, ECANCELED);
        assert.equal(take(os, accept).errno, ECANCELED);
        const result = take(os, second);
        assert.equal(result.lengthBytes, 14);
        result.array!.free();
        const begun = os.push(client, pattern(6 << 20));
        os.poll();
        const waiting = os.push(client, Buffer.from('never sent'));
        assert.equal(os.cancel(begun), false, 'its first bytes are gone');
        assert.equal(os.cancel(waiting), true);
        assert.deepEqual(receive(os, server, 6 << 20), pattern(6 << 20));
        assert.equal(take(os, begun).errno, 0);
        assert.equal(os.wait(os.pop(server), 5000), undefined);
      },
      { memoryBytes: 32 * 1024 * 1024 },
    ),
  );

  test(
    'a refused connect says so, and the socket can try again',
    on(os => {
      const listener = os.socket('stream');
      os.bind(listener, '127.0.0.1:0');
      const address = os.getsockname(listener);
      const client = os.socket('stream');
      os.setsockopt(client, 'keepAlive', true);
      assert.equal(take(os, os.connect(client, address)).errno, ECONNREFUSED);
      os.listen(listener);
      assert.equal(take(os, os.connect(client, address)).errno, 0);
      assert.equal(os.getsockopt(client, 'keepAlive'), true, 'options survive');
      assert.equal(take(os, os.connect(client, address)).errno, EISCONN);
    }),
  );

  test(
    'a connect under way can be cancelled',
    on(os => {
      const listener = os.socket('stream');
      os.bind(listener, '127.0.0.1:0');
      os.listen(listener);
      const client = os.socket('stream');
      const token = os.connect(client, os.getsockname(listener));
      assert.equal(os.cancel(token), true);
      assert.equal(take(os, token).errno, ECANCELED);
      assert.equal(take(os, os.connect(client, os.getsockname(listener))).errno, 0);
    }),
  );

  test(
    'calls out of their state',
    on(os => {
      const socket = os.socket('stream');
      assert.equal(take(os, os.pop(socket)).errno, ENOTCONN);
      assert.equal(take(os, os.push(socket, Buffer.from('x'))).errno, ENOTCONN);
      assert.equal(take(os, os.accept(socket)).errno, EINVAL);
      assert.throws(() => os.shutdown(socket, SHUT_WR), { errno: ENOTCONN });
      os.bind(socket, '127.0.0.1:0');
      assert.throws(() => os.bind(socket, '127.0.0.1:0'), { errno: EINVAL });
      os.listen(socket);
      assert.equal(take(os, os.connect(socket, '127.0.0.1:1')).errno, EINVAL);
      assert.equal(take(os, os.pop(socket)).errno, ENOTCONN);
      const second = os.socket('stream');
      assert.throws(() => os.bind(second, os.getsockname(socket)), { errno: EADDRINUSE });
      assert.throws(() => os.bind(second, '[f::a::b]:80'), { errno: EINVAL });
    }),
  );

  test(
    'more waiting than the bound is EAGAIN, not memory',
    on(os => {
      const { server, client } = connectedPair(os);
      const pops = Array.from({ length: 1024 }, () => os.pop(server));
      assert.equal(take(os, os.pop(server)).errno, EAGAIN);
      os.close(server);
      for (const pop of pops) assert.equal(take(os, pop).errno, ECANCELED);
      assert.ok(client >= 0);
    }),
  );

  test(
    'options come back as they were set',
    on(os => {
      const { client } = connectedPair(os);
      assert.equal(os.getsockopt(client, 'noDelay'), false, 'the default');
      os.setsockopt(client, 'noDelay', true);
      assert.equal(os.getsockopt(client, 'noDelay'), true);
      os.setsockopt(client, 'keepAlive', true);
      os.setsockopt(client, 'keepAliveIdleUs', 30_000_000);
      os.setsockopt(client, 'keepAliveIntervalUs', 1_500_000);
      os.setsockopt(client, 'keepAliveProbes', 3);
      os.setsockopt(client, 'userTimeoutUs', 2_500_500);
      os.setsockopt(client, 'sendBufferBytes', 100_000);
      os.setsockopt(client, 'lingerUs', 5000);
      assert.equal(os.getsockopt(client, 'keepAlive'), true);
      assert.equal(os.getsockopt(client, 'keepAliveIdleUs'), 30_000_000);
      assert.equal(os.getsockopt(client, 'keepAliveIntervalUs'), 2_000_000, 'whole seconds, rounded up');
      assert.equal(os.getsockopt(client, 'keepAliveProbes'), 3);
      assert.equal(os.getsockopt(client, 'userTimeoutUs'), 2_501_000, 'whole milliseconds, rounded up');
      assert.equal(os.getsockopt(client, 'sendBufferBytes'), 100_000);
      assert.equal(os.getsockopt(client, 'lingerUs'), 5000);
      os.setsockopt(client, 'lingerUs', -1);
      assert.throws(() => os.setsockopt(client, 'keepAliveProbes', -1), { errno: EINVAL });
      assert.throws(() => os.setsockopt(client, 'keepAliveIdleUs', Number.NaN), { errno: EINVAL });
      assert.throws(() => os.setsockopt(client, 'lingerUs', -2), { errno: EINVAL });
      assert.throws(() => os.setsockopt(client, 'noDelay', 1 as unknown as boolean), { errno: EINVAL });
    }),
  );
}
