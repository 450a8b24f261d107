// Services are restarted one after the other while clients are at work, and none of these notices.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as after } from 'node:timers/promises';
import { requirePeer, WORKSPACE_ROOT } from '@demikernel/lab';
import * as T from '../switch/testbed.ts';
import { PORT, RollingFleet, type Running, until } from './rolling-fleet.ts';

const skip = T.testbedRefusal();
const WHERE = ['-h', T.VIRTUAL_ADDRESS, '-p', String(PORT)];

/** Asks without end and checks every answer; one line when something is wrong. */
const NODE_CLIENT = `
const { createRequire } = await import('node:module');
const Redis = createRequire(process.argv[1])('ioredis').Redis;
const redis = new Redis({ host: process.argv[2], port: Number(process.argv[3]), retryStrategy: () => null });
redis.on('error', error => console.log('error', error.message));
redis.on('close', () => console.log('closed'));
await redis.client('SETNAME', 'mover');
const id = await redis.client('ID');
let asked = 0;
process.on('SIGTERM', () => { console.log('asked ' + asked); process.exit(0); });
for (;; asked++) {
  const word = 'word ' + asked;
  const [echo, name, same] = await Promise.all([redis.echo(word), redis.client('GETNAME'), redis.client('ID')]);
  if (echo !== word || name !== 'mover' || same !== id) console.log('wrong', echo, name, same);
}
`;

async function roll(fleet: RollingFleet): Promise<number> {
  let left = 0;
  for (const id of fleet.ids) {
    left += await fleet.stopBackend(id);
    await after(200);
    await fleet.startBackend(id);
  }
  return left;
}

async function ended({ child }: Running): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise(resolve => {
    child.once('close', resolve);
    child.kill('SIGTERM');
  });
}

test('three key-value servers under redis-benchmark, redis-cli and ioredis: 0 errors, 0 reconnects', {
  skip,
  timeout: 90_000,
}, async t => {
  const benchmark = requirePeer(t, 'redis-benchmark');
  const cli = requirePeer(t, 'redis-cli');
  if (benchmark === undefined || cli === undefined) return;
  const fleet = new RollingFleet(['apps/dist/src/kv.js', 'server']);
  try {
    await fleet.start();
    const { client } = fleet.bed;
    const load = fleet.run(client, benchmark, [
      ...WHERE,
      '-c',
      '24',
      '-n',
      '100000000',
      '-t',
      'set',
      '-d',
      '100',
    ]);
    const shell = fleet.run(client, cli, [...WHERE, '-r', '1000000', '-i', '0.01', 'client', 'id']);
    const node = fleet.run(client, process.execPath, [
      ...['--input-type=module', '-e', NODE_CLIENT],
      ...[join(WORKSPACE_ROOT, 'apps/package.json'), T.VIRTUAL_ADDRESS, String(PORT)],
    ]);
    await until(
      () => shell.said.length > 100,
      () => shell.said,
    );
    const left = await roll(fleet);
    await after(500);
    for (const each of [load, shell, node]) {
      assert.equal(each.child.exitCode, null, each.said.slice(-500));
      await ended(each);
    }
    assert.doesNotMatch(load.said, /error|closed|refused|reset/i);
    const ids = new Set(shell.said.trim().split('\n'));
    assert.equal(ids.size, 1, [...ids].join());
    const [, asked] = /^asked (\d+)\n$/.exec(node.said) ?? [];
    assert.ok(Number(asked) > 100, node.said.slice(0, 500));
    assert.ok(left >= 26, `${left} connections moved`);
    t.diagnostic(`${left} connections left their servers; ioredis asked ${asked} times`);
  } finally {
    fleet.close();
  }
});

test('three HTTP servers under wrk and curl: 0 errors', { skip, timeout: 90_000 }, async t => {
  const wrk = requirePeer(t, 'wrk');
  const curl = requirePeer(t, 'curl');
  if (wrk === undefined || curl === undefined) return;
  const fleet = new RollingFleet(['apps/dist/src/http.js']);
  try {
    await fleet.start();
    const { client } = fleet.bed;
    const url = `http://${T.VIRTUAL_ADDRESS}:${PORT}/1k`;
    // Both use one connection over and over; wrk's would be made again when they break, and it counts that.
    const load = fleet.run(client, wrk, ['-c', '24', '-t', '1', '-d', '60s', url]);
    const urls = Array.from({ length: 2000 }, () => url);
    const one = fleet.run(client, curl, [
      ...[
        '--silent',
        '--show-error',
        '--fail',
        '--rate',
        '100/s',
        '--write-out',
        '%{http_code} %{num_connects}\\n',
      ],
      ...urls.flatMap(each => ['--output', '/dev/null', each]),
    ]);
    await until(
      () => one.said.length > 20,
      () => one.said,
    );
    const left = await roll(fleet);
    await after(500);
    assert.equal(load.child.exitCode, null, load.said);
    load.child.kill('SIGINT');
    await until(
      () => load.child.exitCode !== null || load.child.signalCode !== null,
      () => load.said,
    );
    await ended(one);
    assert.match(load.said, /Requests\/sec/);
    assert.doesNotMatch(load.said, /Socket errors|Non-2xx/);
    // The last line may have been cut off.
    const answers = one.said.split('\n').slice(0, -1);
    assert.equal(answers[0], '200 1');
    assert.deepEqual(new Set(answers.slice(1)), new Set(['200 0']));
    assert.ok(left >= 25, `${left} connections moved`);
    const [rate] = /\d+ requests in [\d.]+s/.exec(load.said) ?? [''];
    t.diagnostic(
      `${left} connections left their servers; wrk: ${rate}; curl: ${answers.length} on one connection`,
    );
  } finally {
    fleet.close();
  }
});
