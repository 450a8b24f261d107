// `bench -- skew`: in virtual time figures may be asserted, for they are the same for a seed everywhere; live they may not.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { networkRefusal } from '@demikernel/lab';
import { type FleetResult, runFleet } from '../src/skew/fleet.ts';
import { VirtualPlace } from '../src/skew/virtual-place.ts';
import { checkReport, namespacesOf, outcomeOf, startScript } from './run-command.ts';

test('skew --json: moving connections lowers p99 tenfold, and the fleet comes to rest', async () => {
  const { code, stdout, stderr } = await outcomeOf(
    startScript('main', ['skew', '--json', '--ms', '1200', '--seed', '3', '--place', 'virtual']),
  );
  assert.equal(code, 0, stderr);
  const { rows } = checkReport(stdout, 'skew');
  assert.equal(rows.length, 4);
  const [stay, move] = rows;
  assert.ok((stay!['p99Us'] as number) > 10 * (move!['p99Us'] as number));
  assert.equal(stay!['moved'], 0);
  assert.ok((move!['moved'] as number) > 0);
  assert.ok((move!['mostMoves'] as number) <= 2, 'a connection was thrown to and fro');
  assert.equal(rows[2]!['scenario'], 'skewed from the middle on');
  assert.ok((rows[2]!['p99Us'] as number) > (rows[3]!['p99Us'] as number));
});

async function inVirtualTime(seed: number): Promise<FleetResult> {
  const place = new VirtualPlace(seed);
  try {
    return await runFleet(place, { seed, durationUs: 200_000, migrating: true, hotFromUs: 0 });
  } finally {
    place.close();
  }
}

test('skew: a seed decides', async () => {
  const [one, same, other] = [await inVirtualTime(5), await inVirtualTime(5), await inVirtualTime(6)];
  assert.deepEqual(same, one);
  assert.notDeepEqual(other.latencies.toSparse(), one.latencies.toSparse());
});

test('skew --place live: every request is answered, and nothing is left behind', async t => {
  const refusal = networkRefusal();
  if (refusal !== undefined) return t.skip(refusal);
  const child = startScript('main', ['skew', '--json', '--ms', '200', '--place', 'live']);
  const { code, stdout, stderr } = await outcomeOf(child);
  assert.equal(code, 0, stderr);
  assert.deepEqual(namespacesOf(child.pid!), []);
  const { rows } = checkReport(stdout, 'skew');
  assert.deepEqual(
    rows.map(row => [row['place'], row.system]),
    [
      ['live', 'connections stay'],
      ['live', 'connections move'],
      ['live', 'connections stay'],
      ['live', 'connections move'],
    ],
  );
  for (const row of rows) assert.ok((row['requests'] as number) > 0);
  assert.equal(rows[0]!['moved'], 0);
});

test('skew --place live: Ctrl-C leaves no namespace', async t => {
  const refusal = networkRefusal();
  if (refusal !== undefined) return t.skip(refusal);
  const child = startScript('main', ['skew', '--place', 'live']);
  for (let waited = 0; namespacesOf(child.pid!).length === 0 && waited < 200; waited++) await sleep(50);
  child.kill('SIGINT');
  const { code } = await outcomeOf(child);
  assert.notEqual(code, 0);
  assert.deepEqual(namespacesOf(child.pid!), []);
});

test('skew: arguments that make no sense', async () => {
  for (const args of [
    ['--seed', 'x'],
    ['--ms', '5'],
    ['--place', 'nowhere'],
  ]) {
    const { code, stderr } = await outcomeOf(startScript('main', ['skew', '--quick', ...args]));
    assert.equal(code, 2);
    assert.match(stderr, /wants/);
  }
});
