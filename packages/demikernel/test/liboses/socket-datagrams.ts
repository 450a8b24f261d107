// Library OSes over kernel sockets: datagram sockets against the kernel: one message each, with its source.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ECANCELED, ECONNREFUSED, EINVAL, EMSGSIZE, EOPNOTSUPP } from '../../src/runtime/errno.ts';
import { pattern, popBytes, type SocketStage, take } from './socket-stage.ts';

export function datagrams({ on }: SocketStage): void {
  for (const address of ['127.0.0.1:0', '[::1]:0']) {
    test(
      `a datagram arrives whole with its source: ${address}`,
      on(os => {
        const receiver = os.socket('datagram');
        os.bind(receiver, address);
        const sender = os.socket('datagram');
        os.bind(sender, address);
        const early = os.pop(receiver);
        take(os, os.pushTo(sender, Buffer.from('one'), os.getsockname(receiver)));
        take(os, os.pushTo(sender, Buffer.from('three'), os.getsockname(receiver)));
        const result = take(os, early);
        assert.equal(Buffer.from(result.array!.toBytes()).toString(), 'one');
        assert.equal(result.address.toString(), os.getsockname(sender).toString());
        take(os, os.pushTo(receiver, result.array!, result.address));
        result.array!.free();
        assert.equal(Buffer.from(popBytes(os, receiver)).toString(), 'three', 'messages do not merge');
        assert.equal(Buffer.from(popBytes(os, sender)).toString(), 'one');
      }),
    );
  }

  test(
    'every length from none to the largest',
    on(os => {
      const receiver = os.socket('datagram');
      os.bind(receiver, '127.0.0.1:0');
      const sender = os.socket('datagram');
      const to = os.getsockname(receiver);
      const check = (length: number): void => {
        assert.equal(take(os, os.pushTo(sender, pattern(length), to)).errno, 0);
        const { array, errno, address } = take(os, os.pop(receiver));
        assert.equal(errno, 0);
        assert.deepEqual(array!.toBytes(), pattern(length));
        assert.notEqual(address.port, 0, 'which tells an empty message from an end');
        array!.free();
      };
      for (const length of [0, 1, 4095, 4096, 4097, 8192, 65_507]) check(length);
      fc.assert(fc.property(fc.integer({ min: 0, max: 65_507 }), check), { numRuns: 30 });
      assert.equal(take(os, os.pushTo(sender, pattern(65_508), to)).errno, EMSGSIZE);
      assert.equal(take(os, os.pushTo(sender, pattern(100_000), to)).errno, EMSGSIZE);
    }),
  );

  test(
    'a pop with a size cuts the message off, and only that one',
    on(os => {
      const receiver = os.socket('datagram');
      os.bind(receiver, '127.0.0.1:0');
      const sender = os.socket('datagram');
      for (const start of [0, 100])
        take(os, os.pushTo(sender, pattern(5000, start), os.getsockname(receiver)));
      assert.deepEqual(popBytes(os, receiver, 4100), pattern(4100));
      assert.deepEqual(popBytes(os, receiver), pattern(5000, 100));
    }),
  );

  test(
    'connect sets the default peer and filters the others out',
    on(os => {
      const a = os.socket('datagram');
      const b = os.socket('datagram');
      const stranger = os.socket('datagram');
      os.bind(a, '127.0.0.1:0');
      os.bind(b, '127.0.0.1:0');
      assert.equal(take(os, os.connect(a, os.getsockname(b))).errno, 0);
      assert.equal(os.getpeername(a).toString(), os.getsockname(b).toString());
      take(os, os.push(a, Buffer.from('to b')));
      assert.equal(Buffer.from(popBytes(os, b)).toString(), 'to b');
      take(os, os.pushTo(stranger, Buffer.from('not for you'), os.getsockname(a)));
      take(os, os.pushTo(b, Buffer.from('from b'), os.getsockname(a)));
      assert.equal(Buffer.from(popBytes(os, a)).toString(), 'from b');
    }),
  );

  test(
    'an unreachable port comes back as ECONNREFUSED',
    on(os => {
      const gone = os.socket('datagram');
      os.bind(gone, '127.0.0.1:0');
      const address = os.getsockname(gone);
      os.close(gone);
      const sender = os.socket('datagram');
      take(os, os.connect(sender, address));
      const pop = os.pop(sender);
      take(os, os.push(sender, Buffer.from('anybody?')));
      assert.equal(take(os, pop).errno, ECONNREFUSED);
    }),
  );

  test(
    'what a datagram socket does not do',
    on(os => {
      const socket = os.socket('datagram');
      assert.throws(() => os.listen(socket), { errno: EOPNOTSUPP });
      assert.equal(take(os, os.accept(socket)).errno, EOPNOTSUPP);
      assert.throws(() => os.getsockopt(socket, 'noDelay'), { code: 'ERR_DEMI_UNSUPPORTED' });
      const token = os.push(socket, Buffer.from('to nobody'));
      assert.notEqual(take(os, token).errno, 0);
      const mixed = os.socket('datagram');
      os.bind(mixed, '127.0.0.1:0');
      assert.notEqual(take(os, os.pushTo(mixed, Buffer.from('x'), '[::1]:9')).errno, 0);
      assert.equal(take(os, os.pushTo(mixed, Buffer.from('x'), '[f::1::2]:9')).errno, EINVAL);
    }),
  );

  test(
    'cancel and close end pops',
    on(os => {
      const socket = os.socket('datagram');
      os.bind(socket, '127.0.0.1:0');
      const first = os.pop(socket);
      const second = os.pop(socket);
      assert.equal(os.cancel(first), true);
      os.close(socket);
      assert.equal(take(os, first).errno, ECANCELED);
      assert.equal(take(os, second).errno, ECANCELED);
    }),
  );
}
