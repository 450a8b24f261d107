// `bench -- switch`: rows of every kind, and nothing left behind. Proxies that are not installed are left out. No time is
// asserted.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networkRefusal } from '@demikernel/lab';
import { checkReport, namespacesOf, outcomeOf, startScript } from './run-command.ts';

test('switch --json: round trips, load, connections and frames', async t => {
  const refusal = networkRefusal();
  if (refusal !== undefined) return t.skip(refusal);
  const args = ['switch', '--quick', '--json', '--rounds', '1', '--round-ms', '50'];
  const child = startScript('main', args);
  const { code, stdout, stderr } = await outcomeOf(child);
  assert.equal(code, 0, stderr);
  assert.deepEqual(namespacesOf(child.pid!), []);
  const { rows } = checkReport(stdout, 'switch');
  for (const [measure, field] of [
    ['round trip', 'p50Us'],
    ['round trip, spinning', 'p50Us'],
    ['load', 'requestsPerS'],
    ['connections', 'connectionsPerS'],
    ['frames', 'framesPerCoreS'],
  ] as const) {
    const systems = measure === 'frames' ? ['plain XDP redirect', 'switch'] : ['direct', 'switch'];
    for (const system of systems) {
      const row = rows.find(each => each.system === system && each['measure'] === measure);
      assert.ok(row !== undefined, `${system}, ${measure}: ${stderr}`);
      assert.ok((row[field] as number) > 0, `${system}, ${measure}`);
    }
  }
});
