// The object protocol on simulated hosts: every serialization, every request, through loss and reordering; values replaced while
// they are on their way. Every slot is back at the end. Hostile clients are hostile.test.ts's.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SocketType } from 'demikernel';
import { loadCodec } from '../../../src/kv/objects/codecs.ts';
import { GET, OBJECT_PROTOCOLS, type ObjectProtocol, PUT } from '../../../src/kv/objects/protocol.ts';
import { exchange, Model, type PlainReply, type PlainRequest, pattern, script } from './object-client.ts';
import { ADDRESS, leave, settle, type Town } from './town.ts';

function expected(requests: readonly PlainRequest[]): PlainReply[] {
  const model = new Model();
  return requests.map((request, id) => model.answer(id, request));
}

async function run(
  town: Town,
  protocol: ObjectProtocol,
  scripts: readonly PlainRequest[][],
  pipeline: number,
  socketType?: SocketType,
): Promise<void> {
  const { co } = town;
  const codecs = await Promise.all(scripts.map(() => loadCodec(protocol)));
  const tasks = scripts.map((requests, i) =>
    co.spawn(() => exchange(co, ADDRESS, codecs[i]!, requests, pipeline, socketType)),
  );
  const limitUs = town.world.nowUs + 600e6;
  assert.ok(town.world.run(() => co.liveCount === 0 || town.world.nowUs > limitUs));
  tasks.forEach((task, i) => {
    assert.ok(task.done, 'replies are missing');
    assert.deepEqual(task.value, expected(scripts[i]!));
  });
}

describe('objects, simulated', () => {
  for (const protocol of OBJECT_PROTOCOLS) {
    test(`${protocol}: every request and length, one by one and pipelined, through loss`, async () => {
      for (const pipeline of [1, 40]) {
        const town = await settle(protocol, 1 + pipeline);
        await run(town, protocol, [script('a', 19), script('b', 19)], pipeline);
        assert.equal(town.server.service.malformed, 0);
        assert.equal(town.server.starved, 0);
        leave(town);
      }
    });

    test(`${protocol}: datagrams`, async () => {
      const town = await settle(protocol, 3, { link: { delayUs: 5 }, socketType: 'datagram' });
      const requests = script('d', 12).filter(({ values = [] }) => values.every(value => value.length < 600));
      await run(town, protocol, [requests], 1, 'datagram');
      assert.equal(town.server.datagrams?.unsent, 0);
      leave(town);
    });
  }

  for (const gather of [0, 512, Number.POSITIVE_INFINITY]) {
    test(`cornflakes: values replaced while they are on their way arrive as they were, gather ${gather}`, async () => {
      const town = await settle('cornflakes', 7, { gather });
      const requests: PlainRequest[] = [];
      for (let i = 0; i < 150; i++) {
        const length = [40, 600, 3000, 20_000][i % 4]!;
        requests.push({ operation: PUT, keys: [`k${i % 4}`], values: [pattern(length, i)] });
        requests.push({ operation: GET, keys: [`k${i % 4}`] });
      }
      await run(town, 'cornflakes', [requests], requests.length);
      assert.equal(town.server.starved, 0);
      leave(town);
    });
  }
});
