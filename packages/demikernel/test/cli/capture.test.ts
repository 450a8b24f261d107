// Captures as Wireshark reads them: a service's own, with --capture, and `demikernel capture` at the far end of the wire.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { requirePeer } from '@demikernel/lab';
import { FAR_DEVICE, NEAR_ADDRESS, NEAR_DEVICE, VethPair } from '../devices/af-veth.ts';

const PROGRAM = fileURLToPath(new URL('../../../bin/demikernel.js', import.meta.url));
const MESSAGES = 200;
const MESSAGE_BYTES = 3000;

function start(...args: string[]): ChildProcess {
  return spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** Ends a command as Ctrl-C does; returns what it said. */
async function interrupt(child: ChildProcess): Promise<string> {
  let said = '';
  child.stderr!.on('data', chunk => {
    said += String(chunk);
  });
  child.kill('SIGINT');
  if (child.exitCode === null) await once(child, 'exit');
  assert.equal(child.exitCode, 0, said);
  return said;
}

/** Bytes of sequence space that segments cover; a busy machine may have had one sent twice. */
function coveredBytes(segments: [sequence: number, length: number][]): number {
  let covered = 0;
  let end = 0;
  for (const [sequence, length] of segments.sort((a, b) => a[0] - b[0])) {
    covered += Math.max(0, sequence + length - Math.max(end, sequence));
    end = Math.max(end, sequence + length);
  }
  return covered;
}

test('tshark reads captures of both kinds as one intact conversation', { timeout: 60_000 }, async t => {
  const tshark = requirePeer(t, 'tshark');
  if (tshark === undefined) return;
  const pair = VethPair.create();
  if (typeof pair === 'string') {
    t.skip(pair);
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), 'demi-capture-'));
  const near = join(folder, 'near.pcapng');
  const far = join(folder, 'far.pcapng');
  const children: ChildProcess[] = [];
  try {
    const capture = start('capture', '--interface', FAR_DEVICE, '--namespace', pair.far, '--write', far);
    children.push(capture);
    const server = start(
      ...['echo', 'server', '--bind', '*:7', '--libos', 'catpowder', '--interface', NEAR_DEVICE],
      ...['--namespace', pair.near, '--address', `${NEAR_ADDRESS}/24`, '--capture', near],
    );
    children.push(server);
    await once(server.stderr!, 'data');
    const client = spawnSync(
      process.execPath,
      [
        ...[PROGRAM, 'echo', 'client', '--to', `${NEAR_ADDRESS}:7`, '--namespace', pair.far],
        ...['--count', String(MESSAGES), '--size', String(MESSAGE_BYTES)],
      ],
      { encoding: 'utf8', timeout: 30_000 },
    );
    assert.equal(client.status, 0, client.stderr);
    await interrupt(server);
    assert.match(await interrupt(capture), /^capture: \d+ frames written, 0 missed$/m);
    for (const file of [near, far]) {
      const read = (filter: string, ...fields: string[]): string[] => {
        const args = ['-r', file, '-Y', filter, '-T', 'fields', ...fields.flatMap(field => ['-e', field])];
        const { status, stdout, stderr } = spawnSync(tshark, args, { encoding: 'utf8' });
        assert.equal(status, 0, stderr);
        return stdout.split('\n').filter(line => line !== '');
      };
      assert.deepEqual(read('_ws.malformed || tcp.analysis.lost_segment', 'frame.number'), []);
      assert.deepEqual([...new Set(read('tcp', 'tcp.stream'))], ['0'], 'one connection');
      for (const direction of ['tcp.srcport == 7', 'tcp.dstport == 7']) {
        const segments = read(`${direction} && tcp.len > 0`, 'tcp.seq', 'tcp.len').map(line =>
          line.split('\t').map(Number),
        );
        const bytes = coveredBytes(segments as [number, number][]);
        assert.equal(bytes, MESSAGES * MESSAGE_BYTES, `${file}: ${direction}`);
      }
    }
  } finally {
    for (const child of children) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
    pair.remove();
  }
});
