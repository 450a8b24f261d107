// Conformance: the same operations as coroutines and as promises.

import assert from 'node:assert/strict';
import {
  type Coroutine,
  type Coroutines,
  DemiError,
  ECANCELED,
  ECONNREFUSED,
  type Listener,
} from '../../src/index.ts';
import { pattern, sameBytes } from './stage.ts';
import type { Behaviours } from './suite.ts';

function* echoOnce(co: Coroutines, listeningQd: number): Coroutine<number> {
  const { acceptedQd } = yield* co.accept(listeningQd);
  let echoed = 0;
  for (;;) {
    const { array, errno } = yield* co.pop(acceptedQd);
    assert.equal(errno, 0);
    if (array!.count === 0) {
      array!.free();
      break;
    }
    echoed += array!.lengthBytes;
    const pushed = yield* co.push(acceptedQd, array!);
    assert.equal(pushed.errno, 0);
    array!.free();
  }
  co.os.close(acceptedQd);
  return echoed;
}

export const styles: Behaviours = {
  'coroutines: a service and its client': stage => {
    const { server, client } = stage;
    const listeningQd = stage.listen();
    const address = stage.addressOf(listeningQd);
    const serving = stage.coroutines(server);
    const asking = client === server ? serving : stage.coroutines(client);
    const service = serving.spawn(() => echoOnce(serving, listeningQd));
    const got: Uint8Array[] = [];
    const caller = asking.spawn(function* () {
      const qd = client.socket('stream');
      assert.equal((yield* asking.connect(qd, address)).errno, 0);
      for (let i = 0; i < 10; i++) {
        const sent = pattern(100 * (i + 1), i);
        yield* asking.push(qd, sent);
        for (let at = 0; at < sent.length; ) {
          const { array } = yield* asking.pop(qd);
          got.push(array!.toBytes());
          at += array!.lengthBytes;
          array!.free();
        }
      }
      client.close(qd);
    });
    stage.until(() => service.done && caller.done, 'the coroutines');
    assert.equal(service.error, undefined);
    assert.equal(service.value, 5500);
    sameBytes(
      Buffer.concat(got),
      Buffer.concat(Array.from({ length: 10 }, (_, i) => pattern(100 * (i + 1), i))),
    );
    server.close(listeningQd);
    stage.idle(20);
  },

  'coroutines: sleep, join, errors, and being abandoned': stage => {
    const { client: os } = stage;
    const co = stage.coroutines(os);
    const order: string[] = [];
    const child = co.spawn(function* () {
      yield* co.sleep(2000);
      order.push('child');
      throw new Error('planned');
    });
    const parent = co.spawn(function* () {
      yield* co.sleep(1000);
      order.push('parent');
      try {
        yield* child.join();
      } catch (error) {
        order.push((error as Error).message);
      }
      return 'over';
    });
    const qd = os.queue();
    const left = co.spawn(function* () {
      try {
        yield* co.pop(qd);
      } finally {
        order.push('left');
      }
    });
    stage.until(() => parent.done, 'the parent');
    assert.equal(parent.value, 'over');
    left.abandon();
    assert.deepEqual(order, ['parent', 'child', 'planned', 'left']);
    assert.equal(co.liveCount, 0);
    os.close(qd);
    stage.idle(5);
  },

  'promises: a listener is iterated for connections, a connection for bytes': async stage => {
    const { server, client } = stage;
    const serving = stage.promises(server);
    const asking = client === server ? serving : stage.promises(client);
    const listener: Listener = serving.listen(`${stage.pair.serverAddress}:0`);
    const address = `${stage.pair.serverAddress}:${listener.localAddress.port}`;
    const service = (async () => {
      for await (const connection of listener) {
        for await (const bytes of connection) await connection.write(bytes);
        connection.close();
        break;
      }
    })();
    const connection = await stage.settled(asking.connect(address));
    assert.equal(connection.remoteAddress.toString(), address);
    await stage.settled(connection.write(pattern(30_000), { acked: true }));
    connection.end();
    const received: Uint8Array[] = [];
    await stage.settled(
      (async () => {
        for await (const bytes of connection) received.push(bytes);
      })(),
    );
    sameBytes(Buffer.concat(received), pattern(30_000));
    await stage.settled(service);
    listener.close();
    stage.idle(20);
  },

  'promises: failure rejects, with the errno': async stage => {
    const { client } = stage;
    const listeningQd = stage.listen();
    const address = stage.addressOf(listeningQd);
    stage.server.close(listeningQd);
    stage.idle(5);
    await assert.rejects(stage.settled(stage.promises(client).connect(address)), (error: unknown) => {
      assert.ok(error instanceof DemiError);
      assert.deepEqual(
        [error.code, error.errno, error.errnoName],
        ['ERR_DEMI_NETWORK', ECONNREFUSED, 'ECONNREFUSED'],
      );
      return true;
    });
  },

  'promises: an AbortSignal takes the operation back': async stage => {
    const { server, client } = stage;
    const connected = stage.connect();
    const controller = new AbortController();
    const asking = stage.promises(server);
    const popping = asking.pop(connected.serverQd, 0, { signal: controller.signal });
    setImmediate(() => controller.abort(new Error('enough')));
    await assert.rejects(stage.settled(popping), /enough/);
    const aborted = asking.pop(connected.serverQd, 0, { signal: AbortSignal.abort(new Error('before')) });
    await assert.rejects(stage.settled(aborted), /before/);
    stage.transfer(client, connected.clientQd, server, connected.serverQd, pattern(10));
    stage.disconnect(connected);
  },

  'promises: close rejects what is outstanding': async stage => {
    const { server } = stage;
    const connected = stage.connect();
    const popping = stage.promises(server).pop(connected.serverQd);
    server.close(connected.serverQd);
    await assert.rejects(stage.settled(popping), { errno: ECANCELED });
    stage.client.close(connected.clientQd);
    server.close(connected.listeningQd);
    stage.idle(20);
  },
};
