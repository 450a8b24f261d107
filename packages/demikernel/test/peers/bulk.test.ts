// Bulk transfers between our TCP on Catpowder and Linux's, byte for byte. Runs alone.
//
// DEMIKERNEL_TEST_BULK_MIB sets the size per direction.

import { describe, it, type TestContext } from 'node:test';
import type { OpenOptions } from '../../src/pdpix/open.ts';
import { FAR_ADDRESS, NEAR_ADDRESS, NEAR_DEVICE, VethPair } from '../devices/af-veth.ts';
import type { BulkPlan } from './bulk-plan.ts';
import { transfer } from './bulk-transfer.ts';

const MIB = 1 << 20;
const asked = process.env['DEMIKERNEL_TEST_BULK_MIB'];
const BYTES = Number(asked ?? 1024) * MIB;
/** Both at once take longer than one after the other: everybody wants the same two processors. */
const SIMULTANEOUS_BYTES = Number(asked ?? 256) * MIB;

const PLAN: BulkPlan = {
  role: 'listen',
  address: `${NEAR_ADDRESS}:7000`,
  connections: 1,
  sendBytes: 0,
  receiveBytes: 0,
  sendSeed: 11,
  receiveSeed: 23,
  pieceBytes: 65536,
};

async function overVeth(t: TestContext, plan: Partial<BulkPlan>, device?: 'af-packet'): Promise<void> {
  const pair = VethPair.create();
  if (typeof pair === 'string') {
    t.skip(pair);
    return;
  }
  const open: OpenOptions = {
    libos: 'catpowder',
    interface: NEAR_DEVICE,
    address: `${NEAR_ADDRESS}/24`,
    device,
  };
  try {
    await transfer(t, { near: pair.near, far: pair.far, open }, { ...PLAN, ...plan });
  } finally {
    pair.remove();
  }
}

describe('bulk transfers with Linux', { timeout: 170_000 }, () => {
  it('sends', t => overVeth(t, { sendBytes: BYTES }));
  it('receives', t => overVeth(t, { receiveBytes: BYTES }));
  it('sends and receives at the same time, having connected itself', t => {
    const bytes = SIMULTANEOUS_BYTES;
    return overVeth(t, {
      role: 'connect',
      address: `${FAR_ADDRESS}:8000`,
      sendBytes: bytes,
      receiveBytes: bytes,
    });
  });
  it('shares the device between connections', t =>
    overVeth(t, { connections: 16, sendBytes: 4 * MIB, receiveBytes: 4 * MIB, pieceBytes: 10_007 }));
  it('moves bytes by AF_PACKET too', t =>
    overVeth(t, { sendBytes: 64 * MIB, receiveBytes: 64 * MIB }, 'af-packet'));
});
