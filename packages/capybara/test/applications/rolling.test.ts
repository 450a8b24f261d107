// Services are restarted one after the other while clients are at work, and none of these notices.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as after } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { requirePeer, WORKSPACE_ROOT } from '@demikernel/lab';
import * as kernel from '@demikernel/native/kernel';
import { Switch } from '../../src/switch/switch.ts';
import * as T from '../switch/testbed.ts';
import { PORT, RollingFleet, type Running, start, until } from './rolling-fleet.ts';

const skip = T.testbedRefusal();
const NODE_SERVICE = fileURLToPath(new URL('../hand-over/service-program.js', import.meta.url));
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

/** wrk and curl ask all the time while `roll` restarts the servers; returns what they have to say. */
async function underWebClients(
  run: (program: string, args: readonly string[]) => Running,
  tools: { wrk: string; curl: string },
  roll: () => Promise<void>,
): Promise<string> {
  const url = `http://${T.VIRTUAL_ADDRESS}:${PORT}/`;
  const load = run(tools.wrk, ['-c', '24', '-t', '1', '-d', '60s', url]);
  // A connection that breaks is made again, without an error; curl counts them. Its standard output would be gathered.
  const one = run(tools.curl, [
    ...['--silent', '--show-error', '--fail', '--rate', '100/s'],
    ...['--write-out', '%{stderr}%{http_code} %{num_connects}\\n'],
    ...Array.from({ length: 2000 }, () => ['--output', '/dev/null', url]).flat(),
  ]);
  await until(
    () => one.said.length > 20,
    () => one.said,
  );
  await roll();
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
  const [rate] = /\d+ requests in [\d.]+s/.exec(load.said) ?? [''];
  return `wrk: ${rate}; curl: ${answers.length} on one connection`;
}

/** A switch in front of servers that do not announce themselves. */
function kernelSwitch(bed: T.SwitchTestbed, ids: readonly number[]): Switch {
  const balancer = kernel.runInNamespace(
    bed.switch,
    () =>
      new Switch({
        ports: [
          { interface: 'sc0', role: 'client' },
          ...ids.map(id => ({ interface: `sb${id}`, role: 'backend' as const })),
        ],
        headerKey: new Uint8Array(16),
        hashKey: new Uint8Array(16),
        address: T.SWITCH_ADDRESS,
        connections: 1024,
        policy: 'roundRobin',
        mode: 'native',
      }),
  );
  balancer.addService(T.VIRTUAL_ADDRESS, PORT);
  for (const id of ids) {
    const macAddress = bed.macAddresses[id]!;
    balancer.addBackend(id, { macAddress, interface: `sb${id}`, address: T.backendAddress(id) });
  }
  return balancer;
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

test('three HTTP servers of our own stack under wrk and curl: 0 errors', {
  skip,
  timeout: 90_000,
}, async t => {
  const wrk = requirePeer(t, 'wrk');
  const curl = requirePeer(t, 'curl');
  if (wrk === undefined || curl === undefined) return;
  const fleet = new RollingFleet(['apps/dist/src/http.js']);
  try {
    await fleet.start();
    let left = 0;
    const run = (program: string, args: readonly string[]): Running =>
      fleet.run(fleet.bed.client, program, args);
    const said = await underWebClients(run, { wrk, curl }, async () => {
      left = await roll(fleet);
    });
    assert.ok(left >= 25, `${left} connections moved`);
    t.diagnostic(`${left} connections left their servers; ${said}`);
  } finally {
    fleet.close();
  }
});

test('three servers of node:http, each handed over to its successor, under wrk and curl: 0 errors', {
  skip,
  timeout: 90_000,
}, async t => {
  const wrk = requirePeer(t, 'wrk');
  const curl = requirePeer(t, 'curl');
  if (wrk === undefined || curl === undefined) return;
  const ids = [0, 1, 2];
  const bed = new T.SwitchTestbed(ids.length);
  const folder = mkdtempSync(join(tmpdir(), 'demi-rolling-'));
  const programs: Running[] = [];
  let balancer: Switch | undefined;
  const run = (namespace: string, program: string, args: readonly string[]): Running => {
    const running = start(namespace, program, args);
    programs.push(running);
    return running;
  };
  const serve = async (id: number): Promise<Running> => {
    const args = [NODE_SERVICE, 'http', join(folder, String(id)), String(PORT), T.VIRTUAL_ADDRESS];
    const running = run(bed.backends[id]!, process.execPath, args);
    await until(
      () => running.said.includes('serving'),
      () => running.said,
    );
    return running;
  };
  try {
    balancer = kernelSwitch(bed, ids);
    const servers: Running[] = [];
    for (const id of ids) servers.push(await serve(id));
    let moved = 0;
    const said = await underWebClients(
      (program, args) => run(bed.client, program, args),
      { wrk, curl },
      async () => {
        for (const id of ids) {
          const before = servers[id]!;
          servers[id] = await serve(id);
          await until(
            () => before.child.exitCode !== null,
            () => before.said,
          );
          const [, count, kept] = /handed over true (\d+) (\d+)/.exec(before.said) ?? [];
          assert.equal(kept, '0', before.said);
          moved += Number(count);
        }
      },
    );
    assert.ok(moved >= 25, `${moved} connections moved`);
    t.diagnostic(`${moved} connections went to a successor; ${said}`);
  } finally {
    for (const { child } of programs) child.kill('SIGKILL');
    balancer?.close();
    bed.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
