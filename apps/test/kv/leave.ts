// How a test with simulated hosts ends: whoever has held something has given it back.

import assert from 'node:assert/strict';
import type { Demikernel } from 'demikernel';

/** Shuts hosts down; afterwards every slot must be free and every queue gone. */
export function leaveNothing(...hosts: readonly Demikernel[]): void {
  for (const os of hosts) {
    os.shutDown();
    const { pool, runtime } = os.libraryOs;
    assert.equal(pool.freeSlots, pool.slotCount, 'slots are missing');
    assert.equal(runtime.queues.liveCount, 0, 'queues are left');
  }
}
