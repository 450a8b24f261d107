// Catcollar on Node's event loop: asleep it takes no processor time, and a peer wakes it.

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { open, promises } from '../../src/index.ts';

test('a service that shares its thread with Node sleeps, and wakes for its peer', {
  timeout: 30_000,
}, async t => {
  const os = await open({ libos: 'catcollar', wait: 'interrupt' }).catch((error: Error) => error);
  if (os instanceof Error) {
    t.skip(os.message);
    return;
  }
  const node = promises(os);
  const listener = os.socket('stream');
  os.bind(listener, '127.0.0.1:0');
  os.listen(listener, 8);
  const { port } = os.getsockname(listener);
  const serving = (async () => {
    const { acceptedQd } = await node.accept(listener);
    for (;;) {
      const { array } = await node.pop(acceptedQd);
      if (array!.lengthBytes === 0) {
        array!.free();
        os.close(acceptedQd);
        return;
      }
      await node.push(acceptedQd, array!);
      array!.free();
    }
  })();
  await sleep(50);
  const before = process.cpuUsage();
  await sleep(300);
  const { user, system } = process.cpuUsage(before);
  assert.ok(user + system < 150_000, `idle for 300 ms took ${user + system} µs of a processor`);
  const client = connect(port, '127.0.0.1');
  const answers: string[] = [];
  client.on('data', bytes => answers.push(bytes.toString()));
  for (let i = 0; i < 10; i++) {
    client.write(`message ${i};`);
    await sleep(5);
  }
  const ended = new Promise(resolve => client.on('close', resolve));
  client.end();
  await ended;
  await serving;
  assert.equal(answers.join(''), Array.from({ length: 10 }, (_, i) => `message ${i};`).join(''));
  await node.close();
  os.shutDown();
});
