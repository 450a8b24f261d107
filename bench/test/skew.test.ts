// `bench -- skew`: in virtual time, so that figures may be asserted: the same for a seed everywhere.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runFleet } from '../src/skew/fleet.ts';
import { checkReport, outcomeOf, startScript } from './run-command.ts';

test('skew --json: moving connections lowers p99 tenfold, and the fleet comes to rest', async () => {
  const { code, stdout, stderr } = await outcomeOf(
    startScript('main', ['skew', '--quick', '--json', '--ms', '1000', '--seed', '3']),
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

test('skew: a seed decides', () => {
  const options = { seed: 5, durationUs: 200_000, migrating: true, hotFromUs: 0 };
  const [one, same, other] = [runFleet(options), runFleet(options), runFleet({ ...options, seed: 6 })];
  assert.deepEqual(same, one);
  assert.notDeepEqual(other.latencies.toSparse(), one.latencies.toSparse());
});

test('skew: arguments that make no sense', async () => {
  for (const args of [
    ['--seed', 'x'],
    ['--ms', '5'],
  ]) {
    const { code, stderr } = await outcomeOf(startScript('main', ['skew', '--quick', ...args]));
    assert.equal(code, 2);
    assert.match(stderr, /wants/);
  }
});
