// ioredis, unmodified, against the key-value service: both versions of the protocol, pipelines, expiry, and a server that comes back.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { Redis } from 'ioredis';
import { Service, withService } from '../service.ts';

const SERVER = ['server', '--libos', 'catnap', '--bind'];

describe('kv with ioredis', () => {
  for (const protocol of [2, 3] as const) {
    test(`RESP${protocol}`, { timeout: 120_000 }, async () => {
      await withService('kv', [...SERVER, '127.0.0.1:0'], async (_service, port) => {
        const redis = new Redis({ port, protocol, host: '127.0.0.1', maxRetriesPerRequest: 0 });
        // Nobody listening would make a failure of the connection fail the process.
        const failures: Error[] = [];
        redis.on('error', error => failures.push(error));
        try {
          assert.equal(await redis.ping(), 'PONG');
          assert.match(JSON.stringify(await redis.call('HELLO')), new RegExp(`"proto"[:,]${protocol}`));
          assert.equal(await redis.set('a', 'ä'), 'OK');
          assert.equal(await redis.get('a'), 'ä');
          assert.equal(await redis.get('nothing'), null);
          const long = Buffer.from(Array.from({ length: 200_000 }, (_, i) => i & 0xff));
          await redis.set('binary', long);
          assert.ok(long.equals((await redis.getBuffer('binary'))!));
          await redis.mset({ b: '1', c: '2' });
          assert.deepEqual(await redis.mget('b', 'nothing', 'c'), ['1', null, '2']);
          assert.equal(await redis.exists('a', 'b', 'nothing'), 2);
          assert.equal(await redis.incr('count'), 1);
          assert.equal(await redis.incrby('count', 41), 42);
          assert.equal(await redis.ttl('b'), -1);
          assert.equal(await redis.expire('b', 100), 1);
          const ttl = await redis.ttl('b');
          assert.ok(ttl > 90 && ttl <= 100, `${ttl}`);
          await redis.set('short', 'x', 'PX', 1);
          while ((await redis.get('short')) !== null);
          assert.equal(await redis.ttl('short'), -2);
          assert.equal(await redis.del('b', 'c', 'nothing'), 2);
          await assert.rejects(redis.incr('a'), /not an integer/);
          await assert.rejects(redis.call('NONSENSE'), /unknown command/);
          assert.match(await redis.info(), /redis_version:/);
          assert.equal(await redis.dbsize(), 3);
          assert.deepEqual(failures, []);
        } finally {
          redis.disconnect();
        }
      });
    });

    test(`RESP${protocol}: pipelines, and many clients`, { timeout: 120_000 }, async () => {
      await withService('kv', [...SERVER, '127.0.0.1:0'], async (_service, port) => {
        const clients = Array.from(
          { length: 5 },
          () => new Redis({ port, protocol, host: '127.0.0.1', maxRetriesPerRequest: 0 }),
        );
        try {
          const runs = clients.map(async (redis, client) => {
            const pipeline = redis.pipeline();
            for (let i = 0; i < 300; i++) {
              pipeline.set(`${client}:${i}`, `${i}`.repeat(i)).get(`${client}:${i}`).incr(`${client}`);
            }
            pipeline.incr(`${client}:1`).get('nothing');
            return await pipeline.exec();
          });
          for (const results of await Promise.all(runs)) {
            assert.equal(results?.length, 902);
            for (let i = 0; i < 300; i++) {
              assert.deepEqual(results.slice(3 * i, 3 * i + 3), [
                [null, 'OK'],
                [null, `${i}`.repeat(i)],
                [null, i + 1],
              ]);
            }
            assert.deepEqual(results.slice(900), [
              [null, 2],
              [null, null],
            ]);
          }
          // A failure in the middle of a pipeline is that command's alone.
          const mixed = await clients[0]!.pipeline().set('t', 'text').incr('t').get('t').exec();
          assert.equal(mixed?.[1]?.[0]?.message, 'ERR value is not an integer or out of range');
          assert.deepEqual(mixed?.[2], [null, 'text']);
        } finally {
          for (const redis of clients) redis.disconnect();
        }
      });
    });
  }

  test('a server that ends and comes back is found again, and what waited is answered', {
    timeout: 120_000,
  }, async () => {
    const first = new Service('kv', [...SERVER, '127.0.0.1:0']);
    let second: Service | undefined;
    const port = await first.port();
    const redis = new Redis({ port, host: '127.0.0.1', maxRetriesPerRequest: null, retryStrategy: () => 20 });
    redis.on('error', () => {});
    try {
      assert.equal(await redis.set('a', '1'), 'OK');
      const closed = once(redis, 'close');
      await first.kill();
      await closed;
      const waiting = redis.incr('a');
      second = new Service('kv', [...SERVER, `127.0.0.1:${port}`]);
      await second.port();
      // It has kept nothing: it was told to.
      assert.equal(await waiting, 1);
      redis.disconnect(true);
      await once(redis, 'ready');
      assert.equal(await redis.incr('a'), 2);
    } finally {
      redis.disconnect();
      await first.kill();
      await second?.kill();
    }
  });
});
