// Catcollar under connections that come and go in every way, and under kill -9: no descriptor, slot or request is left.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Demikernel } from '../../src/pdpix/demikernel.ts';
import { OP_ACCEPT, OP_POP } from '../../src/runtime/operation.ts';
import { SHUT_WR } from '../../src/runtime/queue.ts';
import { SeededRandom } from '../../src/runtime/random.ts';
import type { Ring } from '../../src/uring/ring.ts';
import { pattern, socketStage, take } from './socket-stage.ts';

const CONNECTIONS = 3000;
const AT_ONCE = 100;

/** Opens, uses and ends connections in every order that the seed finds; every result may be an error. */
function churn(os: Demikernel, random: SeededRandom): void {
  const listener = os.socket('stream');
  os.bind(listener, '127.0.0.1:0');
  os.listen(listener, 256);
  const address = os.getsockname(listener);
  const set = os.waitSet();
  const open: number[] = [];
  let opened = 0;
  let accepted = 0;
  for (let i = 0; i < 8; i++) set.add(os.accept(listener));
  const below = (limit: number): number => random.below(limit);
  const act = (): void => {
    const qd = open[below(open.length)]!;
    switch (below(8)) {
      case 0:
      case 1:
        set.add(os.push(qd, pattern(below(20_000))));
        break;
      case 2:
      case 3:
        set.add(os.pop(qd, below(3) === 0 ? below(3000) + 1 : 0));
        break;
      case 4:
        try {
          os.shutdown(qd, SHUT_WR);
        } catch {
          // Not connected, or not any more.
        }
        break;
      case 5:
        os.setsockopt(qd, 'lingerUs', 0);
        break;
      default:
        os.close(qd);
        open.splice(open.indexOf(qd), 1);
    }
  };
  while (opened < CONNECTIONS || open.length > 0) {
    if (opened < CONNECTIONS && open.length < AT_ONCE) {
      const qd = os.socket('stream');
      open.push(qd);
      set.add(os.connect(qd, address));
      opened++;
    } else if (opened === CONNECTIONS) {
      os.close(open.pop()!);
    }
    for (let i = 0; i < 4 && open.length > 0; i++) act();
    for (let result = set.wait(0); result !== undefined; result = set.take()) {
      result.array?.free();
      if (result.opcode === OP_ACCEPT && result.errno === 0) {
        accepted++;
        open.push(result.acceptedQd);
        set.add(os.accept(listener));
      } else if (result.opcode === OP_ACCEPT) set.add(os.accept(listener));
    }
  }
  assert.ok(accepted > CONNECTIONS / 4, `only ${accepted} connections got through`);
  os.close(listener);
  for (let result = set.wait(0); result !== undefined; result = set.take()) result.array?.free();
}

for (const [name, options] of [
  ['', {}],
  [', without copies', { zeroCopyBytes: 1 }],
  [', with little memory', { memoryBytes: 64 * 4096 }],
] as const) {
  test(
    `${CONNECTIONS} connections opened, used, closed and reset${name}`,
    socketStage('catcollar', options).on(os => {
      const seed = 20261123;
      churn(os, new SeededRandom(seed));
      const { ring } = os.libraryOs as unknown as { ring: Ring };
      const untilMs = Date.now() + 5000;
      while (ring.underWay > 0 && Date.now() < untilMs) os.poll();
      assert.equal(ring.underWay, 0, 'requests are left');
    }),
  );
}

const SERVICE = `
  const { open } = await import(process.argv[1]);
  const os = await open({ libos: 'catcollar', wait: 'adaptive' });
  const listener = os.socket('stream');
  os.bind(listener, '127.0.0.1:' + process.argv[2]);
  os.listen(listener, 64);
  process.stdout.write(os.getsockname(listener).port + '\\n');
  const set = os.waitSet();
  set.add(os.accept(listener));
  for (;;) {
    const result = set.wait();
    if (result === undefined || result.errno !== 0) continue;
    if (result.opcode === ${OP_ACCEPT}) {
      set.add(os.pop(result.acceptedQd));
      set.add(os.accept(listener));
    } else if (result.opcode === ${OP_POP}) {
      const { qd, array } = result;
      if (array.count === 0) os.close(qd);
      else {
        set.add(os.push(qd, array));
        set.add(os.pop(qd));
      }
      array.free();
    }
  }
`;

function startService(port: number): { child: ChildProcess; port: Promise<number> } {
  const entry = new URL('../../src/index.js', import.meta.url).href;
  const child = spawn(process.execPath, ['--input-type=module', '-e', SERVICE, entry, String(port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const found = new Promise<number>((resolve, reject) => {
    child.stdout!.once('data', (text: Buffer) => resolve(Number(text.toString())));
    child.once('exit', () => reject(new Error('the service ended')));
  });
  return { child, port: found };
}

test('kill -9 leaves nothing: peers hear of it, and the next service has the port at once', async t => {
  const able = socketStage('catcollar');
  try {
    able.open().shutDown();
  } catch (error) {
    t.skip((error as Error).message);
    return;
  }
  let port = 0;
  for (let round = 0; round < 6; round++) {
    const service = startService(port);
    port = await service.port;
    const clients = Array.from({ length: 20 }, () => connect(port, '127.0.0.1'));
    const ended = clients.map(
      client =>
        new Promise<void>(resolve => {
          client.on('connect', () => client.write('hello'));
          client.on('data', bytes => client.write(bytes));
          client.on('error', () => {});
          client.on('close', () => resolve());
        }),
    );
    await sleep(20 + round * 15);
    service.child.kill('SIGKILL');
    await Promise.all(ended);
  }
});

test('what the ring cannot take at once waits: more connections and messages than it has entries', () => {
  socketStage('catcollar').on(os => {
    const listener = os.socket('stream');
    os.bind(listener, '127.0.0.1:0');
    os.listen(listener, 512);
    const pairs: { client: number; server: number }[] = [];
    for (let i = 0; i < 300; i++) {
      const accept = os.accept(listener);
      const client = os.socket('stream');
      const connecting = os.connect(client, os.getsockname(listener));
      pairs.push({ client, server: take(os, accept).acceptedQd });
      assert.equal(take(os, connecting).errno, 0);
    }
    for (let round = 0; round < 3; round++) {
      const pops = pairs.map(({ server }) => os.pop(server));
      const pushes = pairs.flatMap(({ client }) => [
        os.push(client, pattern(100)),
        os.push(client, pattern(100, 100)),
      ]);
      for (const push of pushes) assert.equal(take(os, push).errno, 0);
      for (const [i, pop] of pops.entries()) {
        let { array } = take(os, pop);
        let length = array!.lengthBytes;
        array!.free();
        while (length < 200) {
          ({ array } = take(os, os.pop(pairs[i]!.server)));
          length += array!.lengthBytes;
          array!.free();
        }
        assert.equal(length, 200);
      }
    }
  })();
});
