// A datagram over Catnip allocates less than a byte; and the reading would see it if it did. Runs alone: a reading wants a processor.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ALLOCATION_FLAGS } from '@demikernel/lab';
import { testedDriverRefusal } from '../devices/dpdk-drivers.ts';

test('a datagram allocates nothing, and an empty poll is cheap', { timeout: 120_000 }, t => {
  const refusal = testedDriverRefusal('net_memif');
  if (refusal !== undefined) {
    t.skip(refusal);
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), 'demi-memif-'));
  try {
    const probe = fileURLToPath(new URL('./catnip-allocation-probe.js', import.meta.url));
    const args = [...ALLOCATION_FLAGS, probe, join(folder, 'socket')];
    const { bare, planted, emptyBurstNs, emptyTurnNs } = JSON.parse(
      execFileSync(process.execPath, args, { encoding: 'utf8', timeout: 100_000 }),
    ) as Record<'bare' | 'planted' | 'emptyBurstNs' | 'emptyTurnNs', number>;
    t.diagnostic(`${bare.toFixed(3)} bytes per datagram, ${planted.toFixed(3)} with a planted object`);
    t.diagnostic(`empty poll: ${emptyTurnNs.toFixed()} ns, ${emptyBurstNs.toFixed()} of them the driver's`);
    assert.ok(planted > bare + 1, `a planted allocation was read as ${planted} bytes per datagram`);
    assert.ok(bare < 1, `${bare} bytes per datagram`);
    // Two readings of one run: nothing in a turn costs many times what asking the driver does.
    assert.ok(emptyTurnNs < 20 * emptyBurstNs, `an empty poll takes ${emptyTurnNs} ns`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
