// The key-value service as a process on the kernel's sockets: beside redis-server, with Redis' own clients, with hostile
// ones, and over a restart.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { requirePeer } from '@demikernel/lab';
import { open } from 'demikernel';
import { withService } from '../service.ts';
import { type Command, encode, RawClient } from './raw-client.ts';

const SERVER = ['server', '--bind', '127.0.0.1:0', '--libos', 'catnap'];

async function withClient(port: number, action: (client: RawClient) => Promise<void>): Promise<void> {
  const client = await RawClient.open(port);
  try {
    await action(client);
  } finally {
    client.close();
  }
}

/** Commands whose replies must be Redis' to the byte, in order. */
const SAME: readonly (string | Command)[] = [
  'PING',
  'PING hello',
  'PING a b',
  'ECHO x',
  'ECHO',
  'GET',
  'GET nothing',
  'SET',
  'SET a',
  'SET a 1',
  'GET a',
  'get a',
  ['SET', '', 'empty key'],
  ['GET', ''],
  ['SET', 'empty value', ''],
  ['GET', 'empty value'],
  ['SET', 'bin', Buffer.from([0, 13, 10, 255])],
  ['GET', 'bin'],
  'SET a 2 NX',
  'SET new 2 NX',
  'SET a 3 XX',
  'SET absent 3 XX',
  'SET a 4 GET',
  'SET absent 4 GET',
  'SET a 5 XX GET',
  'SET a 5 NX XX',
  'SET a 5 EX',
  'SET a 5 EX 0',
  'SET a 5 PX -1',
  'SET a 5 EX x',
  'SET a 5 EX 10 PX 10',
  'SET a 5 EX 10 KEEPTTL',
  'SET a 5 NONSENSE',
  'SET a 5 EX 100',
  'TTL a',
  'SET a 6 KEEPTTL',
  'TTL a',
  'SET a 7',
  'TTL a',
  'PTTL a',
  'TTL nothing',
  'EXPIRE a 100',
  'EXPIRE a 50 NX',
  'EXPIRE a 50 GT',
  'EXPIRE a 500 GT',
  'EXPIRE a 50 LT',
  'EXPIRE a 50 NX XX',
  'EXPIRE a 50 GT LT',
  'EXPIRE a 50 ODD',
  'EXPIRE a x',
  'EXPIRE nothing 10',
  'TTL a',
  'PERSIST a',
  'PERSIST a',
  'PERSIST nothing',
  'PEXPIRE a 100000',
  'EXPIRE a 10 XX',
  'EXPIREAT a 99999999999',
  'TTL new',
  'PEXPIREAT new 1',
  'GET new',
  'EXPIRE a -1',
  'EXISTS a',
  'INCR n',
  'INCR n',
  'DECR n',
  'INCRBY n 41',
  'DECRBY n 2',
  'INCRBY n x',
  'INCRBY n 1.5',
  'DECR m',
  'GET m',
  'SET text abc',
  'INCR text',
  'SET padded 01',
  'INCR padded',
  'SET big 9223372036854775806',
  'INCR big',
  'INCR big',
  'DECRBY big 9223372036854775807',
  'SET big 999999999999999',
  'INCRBY big 1',
  'INCRBY big 999999999999999',
  'DECRBY n -9223372036854775808',
  'GET n',
  'MSET a 1 b 2 c 3',
  'MSET a 1 b',
  'MGET a b nothing c',
  'EXISTS a b a nothing',
  'DEL a b nothing',
  'UNLINK c',
  'STRLEN text',
  'STRLEN nothing',
  'DBSIZE',
  'DBSIZE x',
  'SELECT 0',
  'SELECT x',
  'CLIENT GETNAME',
  'CLIENT SETNAME me',
  'CLIENT GETNAME',
  ['CLIENT', 'SETNAME', 'not this'],
  'NONSENSE',
  'NONSENSE a b',
  ['SET', 'long', 'x'.repeat(3000)],
  ['GET', 'long'],
  ['SET', 'longer', 'y'.repeat(200_000)],
  ['GET', 'longer'],
  ['ECHO', 'z'.repeat(100_000)],
  'STRLEN longer',
  'INCR long',
  ['SET', 'longer', 'short'],
  'GET longer',
  'HELLO 9',
  'HELLO x',
  'FLUSHDB NOW',
  'FLUSHDB ASYNC',
  'DBSIZE',
  'GET long',
];

/** Bytes that end the connection, after a reply. */
const BROKEN: readonly string[] = [
  '*1\r\n+PING\r\n',
  '*x\r\n',
  '*1\r\n$x\r\n',
  '*1\r\n$-5\r\n',
  'SET "a\r\n',
  'QUIT\r\nPING\r\n',
];

function commandOf(text: string | Command): Command {
  return typeof text === 'string' ? text.split(' ') : text;
}

async function withRedis(t: TestContext, action: (port: number) => Promise<void>): Promise<void> {
  const program = requirePeer(t, 'redis-server');
  if (program === undefined) return;
  const port = 20_000 + (process.pid % 20_000);
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const redis = spawn(program, [...args, '--dir', tmpdir()], { stdio: 'ignore' });
  try {
    for (let tries = 0; ; tries++) {
      try {
        (await RawClient.open(port)).close();
        break;
      } catch (error) {
        if (tries === 100) throw error;
        await sleep(50);
      }
    }
    await action(port);
  } finally {
    redis.kill('SIGKILL');
  }
}

describe('kv beside redis-server', () => {
  for (const version of [2, 3]) {
    test(`RESP${version}: the same replies, one by one and pipelined`, async t => {
      await withRedis(t, async redisPort => {
        await withService('kv', SERVER, async (_service, port) => {
          await withClient(redisPort, async redis => {
            await withClient(port, async ours => {
              for (const each of [redis, ours]) await each.run('HELLO', String(version));
              for (const text of SAME) {
                const command = commandOf(text);
                const wanted = await redis.run(...command);
                assert.equal(await ours.run(...command), wanted, `to ${String(text).slice(0, 80)}`);
              }
              const all = Buffer.concat(SAME.map(text => encode(commandOf(text))));
              assert.equal(await ours.ask(all), await redis.ask(all));
            });
          });
        });
      });
    });
  }

  test('inline commands and protocol errors: the same', async t => {
    await withRedis(t, async redisPort => {
      await withService('kv', SERVER, async (_service, port) => {
        for (const text of [
          'PING\r\n',
          'SET "a b" \'c\'\nGET "a b"\r\n',
          '\r\nECHO "\\x41\\n"\r\n',
          ...BROKEN,
        ]) {
          const answers: string[] = [];
          for (const each of [redisPort, port]) {
            await withClient(each, async client => {
              answers.push(await client.ask(Buffer.from(text)));
            });
          }
          assert.equal(answers[1], answers[0], `to ${JSON.stringify(text.slice(0, 40))}`);
        }
      });
    });
  });
});

describe('kv with Redis’ clients', () => {
  const run = promisify(execFile);

  test('redis-cli', async t => {
    const program = requirePeer(t, 'redis-cli');
    if (program === undefined) return;
    await withService('kv', SERVER, async (_service, port) => {
      const cli = async (...args: string[]): Promise<string> =>
        (await run(program, ['-p', String(port), ...args])).stdout.trim();
      assert.equal(await cli('SET', 'a', 'b'), 'OK');
      assert.equal(await cli('-3', 'GET', 'a'), 'b');
      assert.match(await cli('INFO'), /redis_version:[\s\S]*db0:keys=1/);
      assert.match(await cli('COMMAND', 'INFO', 'get'), /readonly/);
    });
  });

  test('redis-benchmark, pipelined and not', async t => {
    const program = requirePeer(t, 'redis-benchmark');
    if (program === undefined) return;
    await withService('kv', SERVER, async (_service, port) => {
      for (const pipeline of ['1', '16']) {
        const args = ['-p', String(port), '-t', 'ping,set,get,incr,mset', '-n', '3000', '-P', pipeline];
        const { stdout }: { stdout: string } = await run(program, [
          ...args,
          '-r',
          '100',
          '-d',
          '2000',
          '--csv',
        ]);
        assert.equal(stdout.match(/^"/gm)?.length, 7, stdout);
      }
    });
  });
});

describe('kv with hostile clients', () => {
  test('keys beyond the bound are refused, however they arrive', async () => {
    await withService('kv', SERVER, async (_service, port) => {
      await withClient(port, async client => {
        for (const length of [1023, 1024, 5000, 40_000]) {
          const key = 'k'.repeat(length);
          const stored = length < 1024;
          const refusal = '-ERR key is too long\r\n';
          assert.equal(await client.run('SET', key, 'v'), stored ? '+OK\r\n' : refusal);
          assert.equal(await client.run('INCR', `${key}i`.slice(1)), stored ? ':1\r\n' : refusal);
          assert.equal(await client.run('MSET', 'a', 'b', key, 'v'), stored ? '+OK\r\n' : refusal);
          assert.equal(await client.run('GET', key), stored ? '$1\r\nv\r\n' : '$-1\r\n');
          assert.equal(await client.run('DEL', key), stored ? ':1\r\n' : ':0\r\n');
        }
      });
    });
  });

  test('nonsense ends a connection, not the service; replies nobody reads hold up one client', async () => {
    await withService('kv', [...SERVER, '--clients', '60'], async (_service, port) => {
      await withClient(port, async good => {
        assert.equal(await good.run('SET', 'big', 'x'.repeat(100_000)), '+OK\r\n');
        const deaf = await RawClient.open(port);
        deaf.socket.pause();
        deaf.socket.write(Buffer.concat(Array.from({ length: 2000 }, () => encode(['GET', 'big']))));
        let seed = 1;
        for (let i = 0; i < 40; i++) {
          const bad = await RawClient.open(port);
          const bytes = Buffer.from(
            Array.from({ length: 500 }, () => {
              seed = (Math.imul(seed, 1_103_515_245) + 12_345) | 0;
              return i % 2 === 0 ? seed >>> 24 : '*$\r\n0123GETSPING" '.charCodeAt((seed >>> 16) % 18);
            }),
          );
          bad.socket.write(bytes);
          // Half a command, and a long argument that never comes.
          if (i % 3 === 0) bad.socket.write('*3\r\n$3\r\nSET\r\n$1\r\na\r\n$400000\r\nxx');
          if (i % 2 === 0) bad.close();
          else bad.socket.end();
          assert.equal(await good.run('GET', 'nothing'), '$-1\r\n');
        }
        const stat = await good.run('GET', 'big');
        assert.equal(stat.length, 100_000 + '$100000\r\n\r\n'.length);
        deaf.close();
      });
      const clients = await Promise.all(Array.from({ length: 70 }, () => RawClient.open(port)));
      const answers = await Promise.all(clients.map(client => client.run('PING')));
      assert.ok(answers.some(answer => answer.includes('max number of clients')));
      assert.ok(answers.filter(answer => answer === '+PONG\r\n').length >= 50);
      for (const client of clients) client.close();
    });
  });

  test('memory that is used up is an error, and reading goes on', async () => {
    await withService('kv', [...SERVER, '--memory', '1048576'], async (_service, port) => {
      await withClient(port, async client => {
        let reply = '';
        let keys = 0;
        for (; keys < 10_000 && !reply.includes('-OOM'); keys += 500) {
          const batch = Array.from({ length: 500 }, (_, i) =>
            encode(['SET', `key ${keys + i}`, 'v'.repeat(400)]),
          );
          reply = await client.ask(Buffer.concat(batch));
        }
        assert.match(reply, /^-OOM command not allowed/m);
        assert.match(await client.run('GET', 'key 0'), /^\$400\r\n/);
        assert.equal(await client.run('FLUSHDB'), '+OK\r\n');
        assert.equal(await client.run('SET', 'a', 'v'.repeat(400)), '+OK\r\n');
      });
    });
  });
});

describe('kv with a log', () => {
  test('what was acknowledged is there after a kill', async t => {
    const directory = mkdtempSync(join(tmpdir(), 'demikernel-kv-'));
    try {
      try {
        (await open({ libos: 'catnap', storage: { libos: 'catcollar', directory } })).shutDown();
      } catch (error) {
        t.skip((error as Error).message);
        return;
      }
      const args = [...SERVER, '--storage', 'catcollar', '--directory', directory, '--append-only', 'kv'];
      await assert.rejects(
        withService('kv', args, async (service, port) => {
          await withClient(port, async client => {
            assert.equal(await client.run('SET', 'a', '1'), '+OK\r\n');
            assert.equal(await client.run('INCRBY', 'a', '41'), ':42\r\n');
            await client.run('SET', 'long', 'x'.repeat(300_000));
            await client.run('MSET', 'b', '1', 'c', '2');
            await client.run('SET', 'timed', 't', 'EX', '1000');
            await client.run('SET', 'over', 't', 'PX', '1');
            await client.run('EXPIRE', 'b', '500');
            await client.run('DEL', 'c');
          });
          await service.kill();
        }),
      );
      for (let restart = 0; restart < 2; restart++) {
        await withService('kv', args, async (_service, port) => {
          await withClient(port, async client => {
            assert.equal(await client.run('GET', 'a'), '$2\r\n42\r\n');
            assert.equal((await client.run('GET', 'long')).length, 300_000 + '$300000\r\n\r\n'.length);
            assert.equal(await client.run('MGET', 'b', 'c', 'over'), '*3\r\n$1\r\n1\r\n$-1\r\n$-1\r\n');
            assert.match(await client.run('TTL', 'timed'), /^:(9[5-9]\d|1000)\r\n$/);
            assert.match(await client.run('TTL', 'b'), /^:(4[5-9]\d|500)\r\n$/);
          });
        });
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
