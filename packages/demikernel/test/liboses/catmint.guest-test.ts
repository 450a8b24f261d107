// Catmint over soft-RoCE, counted: work requests and completions per message, and a mebibyte read by its receiver against one that is
// copied.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Demikernel, open } from '../../src/index.ts';
import { readMetrics } from '../../src/runtime/metrics.ts';

const ADDRESS = '10.213.0.1';
const BLOCK_BYTES = 1 << 20;
const MESSAGES = 400;

interface Ends {
  server: Demikernel;
  client: Demikernel;
  serverQd: number;
  clientQd: number;
  finish(os: Demikernel, token: number): ReturnType<Demikernel['wait']>;
}

async function connected(rendezvousBytes: number, use: (ends: Ends) => void): Promise<void> {
  const server = await open({ libos: 'catmint', wait: 'spin', rendezvousBytes });
  const client = await open({ libos: 'catmint', wait: 'spin', rendezvousBytes });
  const finish = (os: Demikernel, token: number): ReturnType<Demikernel['wait']> => {
    while (!os.isComplete(token)) {
      server.poll();
      client.poll();
    }
    const result = os.wait(token, 0)!;
    assert.equal(result.errno, 0);
    return result;
  };
  try {
    const listeningQd = server.socket('message');
    server.bind(listeningQd, `${ADDRESS}:0`);
    server.listen(listeningQd);
    const accepting = server.accept(listeningQd);
    const clientQd = client.socket('message');
    finish(client, client.connect(clientQd, server.getsockname(listeningQd).toString()));
    const serverQd = finish(server, accepting)!.acceptedQd;
    use({ server, client, serverQd, clientQd, finish });
  } finally {
    client.shutDown();
    server.shutDown();
  }
}

function counters(os: Demikernel): Record<string, number> {
  return readMetrics(os.libraryOs.runtime.metrics.buffer)!.counters['catmint']!;
}

test('a small message is one work request, and answers carry the credits', async t => {
  await connected(32768, ({ server, client, serverQd, clientQd, finish }) => {
    const message = client.alloc(64)!;
    const before = counters(client);
    const began = performance.now();
    for (let i = 0; i < MESSAGES; i++) {
      const pushing = client.push(clientQd, message);
      const { array } = finish(server, server.pop(serverQd))!;
      const answer = server.push(serverQd, array!);
      array!.free();
      finish(client, client.pop(clientQd))!.array!.free();
      finish(client, pushing);
      finish(server, answer);
    }
    const microseconds = ((performance.now() - began) * 1000) / MESSAGES;
    const after = counters(client);
    const per = (name: string): number => (after[name]! - before[name]!) / MESSAGES;
    message.free();
    t.diagnostic(
      `echo of 64 B ${microseconds.toFixed(0)} µs; per message at the client: ${per('workRequests')} work requests, ` +
        `${per('completions').toFixed(2)} completions, ${per('controlMessages')} control messages`,
    );
    assert.equal(per('inlineMessages'), 1);
    assert.ok(per('workRequests') <= 1.05, `${per('workRequests')} work requests`);
    // One for what comes, one in sixteen for what has gone.
    assert.ok(per('completions') <= 1.15, `${per('completions')} completions`);
    assert.deepEqual([after['violations'], after['failures']], [0, 0]);
  });
});

test('a mebibyte that its receiver reads, and one that is sent', async t => {
  const rates: number[] = [];
  for (const rendezvousBytes of [32768, Number.POSITIVE_INFINITY]) {
    await connected(rendezvousBytes, ({ server, client, serverQd, clientQd, finish }) => {
      const block = client.alloc(BLOCK_BYTES)!;
      const took: number[] = [];
      for (let i = 0; i < 12; i++) {
        const began = performance.now();
        const pushing = client.push(clientQd, block);
        const { array } = finish(server, server.pop(serverQd))!;
        assert.equal(array!.lengthBytes, BLOCK_BYTES);
        array!.free();
        finish(client, pushing);
        took.push(performance.now() - began);
      }
      block.free();
      took.sort((a, b) => a - b);
      rates.push(took[took.length >> 1]!);
      assert.equal(counters(client)['rendezvous'], rendezvousBytes === 32768 ? 12 : 0);
    });
  }
  t.diagnostic(`1 MiB: read ${rates[0]!.toFixed(1)} ms, sent ${rates[1]!.toFixed(1)} ms`);
});
