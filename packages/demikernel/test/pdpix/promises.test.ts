// Node style: settlement, rejection, abort, iteration, and that the process ends when nothing is outstanding.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { coroutines } from '../../src/pdpix/coroutines.ts';
import { type AsyncDemikernel, promises } from '../../src/pdpix/promises.ts';
import { ECANCELED } from '../../src/runtime/errno.ts';
import type { WaitMode } from '../../src/runtime/poll-loop.ts';
import { openCatnap } from '../liboses/socket-stage.ts';
import { stage, stubOf } from '../runtime/stub-library-os.ts';

/** Runs a test on Catnap in a wait mode; afterwards nothing may be left. */
function onPromises(run: (os: AsyncDemikernel) => Promise<void>, mode: WaitMode): () => Promise<void> {
  return async () => {
    const inner = openCatnap({}, mode);
    const { runtime, pool } = inner.libraryOs;
    const free = pool.freeSlots;
    await using os = promises(inner);
    await run(os);
    assert.equal(pool.freeSlots, free, 'slots are back');
    await os.close();
    assert.equal(runtime.operations.liveCount, 0);
    assert.equal(runtime.queues.liveCount, 0);
  };
}

for (const mode of ['spin', 'adaptive', 'interrupt'] as WaitMode[]) {
  test(
    `${mode}: an echo service and its client share the thread`,
    { timeout: 30_000 },
    onPromises(async os => {
      const listener = os.listen('127.0.0.1:0');
      const service = (async () => {
        for await (const connection of listener) {
          for await (const bytes of connection) await connection.write(bytes);
        }
      })();
      for (let round = 0; round < 3; round++) {
        const connection = await os.connect(listener.localAddress);
        assert.equal(connection.remoteAddress.toString(), listener.localAddress.toString());
        await connection.write(Buffer.from(`message ${round}`), { acked: true });
        // Long enough for an adaptive or sleeping loop to go to sleep, and be woken by Node.
        await sleep(5);
        const answer = (await connection.read())!;
        assert.equal(Buffer.from(answer.toBytes()).toString(), `message ${round}`);
        answer.free();
        connection.end();
        assert.equal(await connection.read(), undefined, 'the service ends when we do');
        connection.close();
        connection.close();
      }
      listener.close();
      await service;
    }, mode),
  );
}

test(
  'failure rejects with the errno',
  onPromises(async os => {
    await assert.rejects(os.connect('127.0.0.1:1'), {
      name: 'DemiError',
      code: 'ERR_DEMI_NETWORK',
      errnoName: 'ECONNREFUSED',
      syscall: 'connect',
    });
    await assert.rejects(os.connect('nowhere'), { code: 'ERR_DEMI_ADDRESS' });
    await assert.rejects(os.pop(99), { code: 'ERR_DEMI_QUEUE' });
    assert.throws(() => os.listen('192.0.2.1:0'), { errnoName: 'EADDRNOTAVAIL' });
    assert.equal(os.os.libraryOs.runtime.queues.liveCount, 0, 'the sockets that failed are closed');
  }, 'interrupt'),
);

test(
  'abort cancels and rejects with the reason',
  onPromises(async os => {
    const listener = os.listen('127.0.0.1:0');
    const controller = new AbortController();
    const accepting = listener.accept({ signal: controller.signal });
    setTimeout(() => controller.abort(new Error('enough')), 5);
    await assert.rejects(accepting, /enough/);
    await assert.rejects(listener.accept({ signal: AbortSignal.timeout(5) }), { name: 'TimeoutError' });
    // What was aborted took nothing with it.
    const [server, client] = await Promise.all([listener.accept(), os.connect(listener.localAddress)]);
    const aborted = AbortSignal.abort(new Error('never began'));
    await assert.rejects(client.write(Buffer.from('x'), { signal: aborted }), /never began/);
    await client.write(Buffer.from('y'));
    const array = (await server.read())!;
    assert.equal(Buffer.from(array.toBytes()).toString(), 'y', 'an aborted write is not sent');
    array.free();
    server.close();
    client.close();
    listener.close();
  }, 'interrupt'),
);

test(
  'a signal that aborts afterwards does nothing',
  onPromises(async os => {
    const listener = os.listen('127.0.0.1:0');
    const controller = new AbortController();
    const [server, client] = await Promise.all([
      listener.accept({ signal: controller.signal }),
      os.connect(listener.localAddress),
    ]);
    controller.abort();
    await client.write(Buffer.from('x'));
    (await server.read())!.free();
    for (const each of [server, client, listener]) each.close();
  }, 'interrupt'),
);

test(
  'closing rejects what is outstanding, and ends iteration',
  onPromises(async os => {
    const listener = os.listen('127.0.0.1:0');
    const [server, client] = await Promise.all([listener.accept(), os.connect(listener.localAddress)]);
    const reading = client.read();
    client.close();
    await assert.rejects(reading, { errno: ECANCELED });
    for await (const _ of server) assert.fail('nothing was sent');
    const iterating = (async () => {
      for await (const _ of listener) assert.fail('nobody came');
    })();
    await sleep(1);
    listener.close();
    await iterating;
  }, 'interrupt'),
);

test(
  'leaving a loop over a connection closes it',
  onPromises(async os => {
    const listener = os.listen('127.0.0.1:0');
    const [server, client] = await Promise.all([listener.accept(), os.connect(listener.localAddress)]);
    await client.write(Buffer.from('x'));
    for await (const bytes of server) {
      assert.equal(bytes.length, 1);
      break;
    }
    assert.throws(() => server.localAddress, { code: 'ERR_DEMI_QUEUE' });
    assert.equal(await client.read(), undefined);
    client.close();
    listener.close();
  }, 'interrupt'),
);

test('disposing in any order: a connection after its library OS', async () => {
  const os = promises(openCatnap());
  const listener = os.listen('127.0.0.1:0');
  const [server, client] = await Promise.all([listener.accept(), os.connect(listener.localAddress)]);
  const reading = assert.rejects(server.read(), { errno: ECANCELED });
  await os.close();
  await reading;
  client.close();
  server.close();
  await listener[Symbol.asyncDispose]();
});

test('shut down underneath: a loop asleep on its descriptors lets go of them first', async () => {
  const inner = openCatnap({}, 'interrupt');
  const os = promises(inner);
  const listener = os.listen('127.0.0.1:0');
  const accepting = assert.rejects(listener.accept(), { errno: ECANCELED });
  await sleep(5); // long enough to have gone to sleep
  inner.shutDown();
  await accepting;
  os.wake();
  listener.close();
  await sleep(5);
});

test('a token belongs to one waiter', async () => {
  const scene = stage();
  const os = promises(scene.os);
  const qd = scene.os.socket('stream');
  const token = scene.os.pop(qd);
  const first = os.wait(token);
  assert.throws(() => os.wait(token), { code: 'ERR_DEMI_TOKEN' });
  stubOf(scene, qd).finish(0, scene.os.alloc(3));
  const result = await first;
  assert.equal(result.lengthBytes, 3);
  const done = scene.os.pop(qd);
  stubOf(scene, qd).finish(0, scene.os.alloc(4));
  assert.equal((await os.wait(done)).lengthBytes, 4, 'one that is complete already');
  assert.equal(result.lengthBytes, 3, 'results are yours');
  await os.close();
});

test('an exception out of a turn is Node’s to handle, and the loop goes on', {
  timeout: 20_000,
}, async () => {
  const scene = stage('interrupt');
  const os = promises(scene.os);
  const co = coroutines(scene.os);
  const uncaught: Error[] = [];
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', error => uncaught.push(error));
  try {
    co.spawn(function* () {
      yield* co.sleep(1);
      throw new Error('mine');
    });
    const qd = scene.os.socket('stream');
    const waiting = os.pop(qd);
    scene.library.later(200, () => stubOf(scene, qd).finish());
    // The stub's time passes by turns.
    const kick = setInterval(() => os.wake(), 1);
    assert.equal((await waiting).errno, 0);
    clearInterval(kick);
    assert.deepEqual(
      uncaught.map(error => error.message),
      ['mine'],
    );
  } finally {
    process.removeAllListeners('uncaughtException');
    for (const listener of listeners) process.on('uncaughtException', listener);
    await os.close();
  }
});

/** Runs a module body in a process of its own. */
function runAlone(mode: WaitMode, body: string): { status: number | null; output: string } {
  const stagePath = new URL('../liboses/socket-stage.js', import.meta.url).href;
  const promisesPath = new URL('../../src/pdpix/promises.js', import.meta.url).href;
  const source = `
    import { openCatnap } from ${JSON.stringify(stagePath)};
    import { promises } from ${JSON.stringify(promisesPath)};
    const os = promises(openCatnap({}, ${JSON.stringify(mode)}));
    ${body}
  `;
  const child = spawnSync(process.execPath, ['--input-type=module', '--eval', source], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  return { status: child.status, output: child.stdout + child.stderr };
}

for (const mode of ['spin', 'adaptive', 'interrupt'] as WaitMode[]) {
  test(`${mode}: a process ends when nothing is outstanding, and not before`, { timeout: 60_000 }, () => {
    const idle = runAlone(
      mode,
      `const listener = os.listen('127.0.0.1:0');
       const [server, client] = await Promise.all([listener.accept(), os.connect(listener.localAddress)]);
       console.log('over');`,
    );
    assert.deepEqual(idle, { status: 0, output: 'over\n' });
    // The loop has let go of the process; a promise made later must take hold of it again.
    const later = runAlone(
      mode,
      `const listener = os.listen('127.0.0.1:0');
       const [server, client] = await Promise.all([listener.accept(), os.connect(listener.localAddress)]);
       setTimeout(() => {
         server.read().then(() => console.log('read'));
         setTimeout(() => client.write(Buffer.from('x')), 20).unref();
         setImmediate(() => {});
       }, 20);`,
    );
    assert.equal(later.status, 0, later.output);
    assert.equal(later.output, 'read\n');
  });
}
