// The object protocol as a process, over the kernel's sockets and over shared memory, with a client of our own on the other side.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { coroutines, type Demikernel, open, type SocketType } from 'demikernel';
import { loadCodec } from '../../../src/kv/objects/codecs.ts';
import { OBJECT_PROTOCOLS, type ObjectProtocol } from '../../../src/kv/objects/protocol.ts';
import { withService } from '../../service.ts';
import { exchange, Model, type PlainRequest, script } from './object-client.ts';

interface Road {
  libos: 'catnap' | 'catmem' | 'catcollar';
  socketType: SocketType;
  protocols: readonly ObjectProtocol[];
}

const ROADS: readonly Road[] = [
  { libos: 'catnap', socketType: 'stream', protocols: OBJECT_PROTOCOLS },
  { libos: 'catmem', socketType: 'message', protocols: OBJECT_PROTOCOLS },
  { libos: 'catmem', socketType: 'stream', protocols: ['cornflakes'] },
  { libos: 'catnap', socketType: 'datagram', protocols: ['cornflakes'] },
  { libos: 'catcollar', socketType: 'stream', protocols: ['cornflakes'] },
];

async function opened(t: TestContext, libos: Road['libos']): Promise<Demikernel | undefined> {
  try {
    return await open({ libos, wait: 'interrupt' });
  } catch (error) {
    t.skip((error as Error).message);
    return undefined;
  }
}

async function converse(
  os: Demikernel,
  port: number,
  protocol: ObjectProtocol,
  scripts: readonly PlainRequest[][],
  pipeline: number,
  socketType: SocketType,
): Promise<void> {
  const co = coroutines(os);
  const codecs = await Promise.all(scripts.map(() => loadCodec(protocol)));
  const tasks = scripts.map((requests, i) =>
    co.spawn(() => exchange(co, `127.0.0.1:${port}`, codecs[i]!, requests, pipeline, socketType)),
  );
  co.run();
  tasks.forEach((task, i) => {
    const model = new Model();
    assert.deepEqual(
      task.value,
      scripts[i]!.map((request, id) => model.answer(id, request)),
    );
  });
}

describe('objects between processes', () => {
  for (const { libos, socketType, protocols } of ROADS) {
    for (const protocol of protocols) {
      test(`${protocol} over ${libos}, ${socketType}`, { timeout: 120_000 }, async t => {
        const os = await opened(t, libos);
        if (os === undefined) return;
        const args = [
          'server',
          '127.0.0.1:0',
          '--protocol',
          protocol,
          '--libos',
          libos,
          '--socket',
          socketType,
        ];
        try {
          await withService('kv', args, async (_service, port) => {
            // A datagram has no promise: one at a time, and none that would be cut up.
            const isDatagram = socketType === 'datagram';
            const rounds = isDatagram ? 12 : 20;
            const all = [script('a', rounds), script('b', rounds)].map(requests =>
              requests.filter(({ values = [] }) => !isDatagram || values.every(value => value.length < 9000)),
            );
            await converse(os, port, protocol, all, 1, socketType);
            if (isDatagram) return;
            // What lies in the store by now must not be seen: other keys.
            await converse(os, port, protocol, [script('c', 20), script('d', 20)], 64, socketType);
          });
        } finally {
          os.shutDown();
        }
        const { pool } = os.libraryOs;
        assert.equal(pool.freeSlots, pool.slotCount, 'slots are missing');
      });
    }
  }
});

describe('the command line of objects', () => {
  const app = fileURLToPath(new URL('../../../src/kv.js', import.meta.url));
  for (const [args, message] of [
    [['--protocol', 'xml'], /--protocol is one of: resp, cornflakes/],
    [['--protocol', 'raw', '--gather', '0'], /raw always copies/],
    [['--protocol', 'json', '--append-only', 'log'], /only resp/],
    [['--protocol', 'cornflakes', '--gather', 'x'], /--gather is a whole number/],
    [['--protocol', 'cornflakes', '--share', '99'], /--share is at most 90/],
    [['--protocol', 'raw', '--socket', 'tube'], /--socket is one of/],
    [['--protocol', 'resp', '--socket', 'datagram'], /resp has no such option/],
  ] as const) {
    test(`kv ${args.join(' ')} is refused`, () => {
      const { status, stderr } = spawnSync(process.execPath, [app, 'server', '127.0.0.1:0', ...args], {
        encoding: 'utf8',
      });
      assert.equal(status, 2);
      assert.match(stderr, message);
    });
  }
});
