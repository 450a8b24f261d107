// The bench command: its arguments, the shape of what it prints, and that it leaves nothing behind. It runs alone: it fills
// every processor. No time is asserted.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { networkRefusal } from '@demikernel/lab';
import type { Report } from '../src/rows.ts';
import { alive, checkReport, childrenOf, namespacesOf, outcomeOf, startScript } from './run-command.ts';

test('--help says what there is', async () => {
  const { code, stdout } = await outcomeOf(startScript('main', ['--help']));
  assert.equal(code, 0);
  for (const word of ['--quick', '--json', 'echo', 'stack']) assert.match(stdout, new RegExp(word));
});

test('an unknown benchmark or option is refused with status 2, and nothing on standard output', async () => {
  for (const args of [[], ['nothing'], ['echo', '--nonsense']]) {
    const { code, stdout, stderr } = await outcomeOf(startScript('main', args));
    assert.equal(code, 2, args.join(' '));
    assert.equal(stdout, '');
    assert.match(stderr, /--help/);
  }
});

test('stack --quick --json: rows for every path, no collection, the planted allocation found', async () => {
  const { code, stdout, stderr } = await outcomeOf(startScript('main', ['stack', '--quick', '--json']));
  assert.equal(code, 0, stderr);
  const { rows } = checkReport(stdout, 'stack');
  const find = (path: string, protocol: string, sizeBytes: number): Report['rows'][0] => {
    const row = rows.find(
      each => each['path'] === path && each['protocol'] === protocol && each['sizeBytes'] === sizeBytes,
    );
    assert.ok(row !== undefined, `${path} ${protocol} ${sizeBytes}`);
    return row;
  };
  for (const protocol of ['tcp', 'udp']) {
    const small = find('receive', protocol, 64);
    assert.equal(typeof small['nsPerPacket'], 'number');
    assert.ok((small['bytesPerPacket'] as number) < 1, `${protocol} allocates ${small['bytesPerPacket']} B`);
    assert.equal(small['collections'], 0, `collections during ${small['collectionPackets']} packets`);
    assert.equal(small['collectionsWhileReading'], 0);
    const planted = find('planted', protocol, 64);
    const found = (planted['bytesPerPacket'] as number) - (small['bytesPerPacket'] as number);
    assert.ok(found > 0.02 && found < 0.5, `planted 0.04 B per packet, found ${found}`);
    find('parse', protocol, 64);
    find('two-stacks', protocol, 64);
    find('echo', protocol, 64);
  }
});

const ECHO = [
  'echo',
  '--quick',
  '--json',
  '--size',
  '64',
  '--connections',
  '1',
  '--rounds',
  '1',
  '--round-ms',
  '50',
];

test('echo --json: rows with parameters and figures, and nothing left behind', async t => {
  const refusal = networkRefusal();
  const child = startScript('main', ECHO);
  const { code, stdout, stderr } = await outcomeOf(child);
  assert.equal(code, 0, stderr);
  assert.deepEqual(namespacesOf(child.pid!), []);
  const { rows } = checkReport(stdout, 'echo');
  for (const row of rows) {
    for (const field of ['sizeBytes', 'connections', 'p50Us', 'p99Us', 'p999Us', 'cpuUsPerRequest']) {
      assert.equal(typeof row[field], 'number', `${row.system} ${field}`);
    }
    assert.ok(['spin', 'adaptive', 'interrupt'].includes(String(row['wait'])));
    assert.equal(row['corruptedReplies'], 0, row.system);
  }
  const systems = new Set(rows.map(row => row.system));
  for (const system of ['catnap', 'catmem', 'node:net', 'node:net-spin', 'node:dgram'])
    assert.ok(systems.has(system), system);
  if (refusal !== undefined) return t.diagnostic(`rows on interfaces not asked for: ${refusal}`);
  for (const system of ['catpowder', 'reflector', 'xdp-tx'])
    assert.ok(systems.has(system), `${system}: ${stderr}`);
});

test('SIGINT in the middle of a run leaves no namespace and no process', async t => {
  const refusal = networkRefusal();
  if (refusal !== undefined) return t.skip(refusal);
  const child = startScript('main', ['echo', '--protocol', 'tcp', '--quick']);
  const outcome = outcomeOf(child);
  const pid = child.pid!;
  // Services are up, and rounds under way, when some children are there.
  for (let i = 0; i < 200 && childrenOf(pid).length < 4; i++) await sleep(50);
  assert.ok(namespacesOf(pid).length > 0, 'it runs in namespaces');
  const children = childrenOf(pid);
  assert.ok(children.length >= 4, 'it has started services');
  child.kill('SIGINT');
  const { code } = await outcome;
  assert.equal(code, 130);
  assert.deepEqual(namespacesOf(pid), []);
  for (let i = 0; i < 100 && children.some(alive); i++) await sleep(20);
  assert.deepEqual(children.filter(alive), []);
});
