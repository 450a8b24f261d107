// Bulk transfers between our TCP on Catpowder and Linux's, byte for byte. Runs alone.
//
// DEMIKERNEL_TEST_BULK_MIB sets the size per direction.

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { OpenOptions } from '../../src/pdpix/open.ts';
import { FAR_ADDRESS, NEAR_ADDRESS, NEAR_DEVICE, VethPair } from '../devices/af-veth.ts';
import { type BulkPlan, type BulkReport, opposite } from './bulk-plan.ts';
import { type ChildProgram, startNode } from './child-program.ts';

const MIB = 1 << 20;
const BYTES = Number(process.env['DEMIKERNEL_TEST_BULK_MIB'] ?? 1024) * MIB;

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

const OPEN: OpenOptions = { libos: 'catpowder', interface: NEAR_DEVICE, address: `${NEAR_ADDRESS}/24` };

/** Runs a plan of ours against the kernel; both ends must be satisfied, and every slot must come back. */
async function transfer(t: TestContext, ours: BulkPlan, open: OpenOptions = OPEN): Promise<void> {
  const pair = VethPair.create();
  if (typeof pair === 'string') {
    t.skip(pair);
    return;
  }
  const programs: ChildProgram[] = [];
  try {
    const service = (): ChildProgram =>
      startNode(pair.near, 'bulk-service', JSON.stringify(ours), JSON.stringify(open));
    const peer = (): ChildProgram => startNode(pair.far, 'bulk-peer', JSON.stringify(opposite(ours)));
    for (const start of ours.role === 'listen' ? [service, peer] : [peer, service]) {
      const program = start();
      programs.push(program);
      assert.equal(await program.line(), 'up');
    }
    const [oursEnd, theirs] = ours.role === 'listen' ? programs : [programs[1], programs[0]];
    const reports = await Promise.all(
      [oursEnd!, theirs!].map(async program => JSON.parse(await program.line()) as BulkReport),
    );
    for (const program of programs) assert.equal((await program.ended).code, 0);
    const [mine, kernels] = reports as [BulkReport, BulkReport];
    t.diagnostic(describeReport('ours', mine));
    t.diagnostic(describeReport('kernel', kernels));
    t.diagnostic(`device ${JSON.stringify(mine.counters?.['device'] ?? {})}`);
    t.diagnostic(`tcp ${JSON.stringify(notZero(mine.counters?.['tcp'] ?? {}))}`);
    assert.equal(mine.trouble, '');
    assert.equal(kernels.trouble, '');
    assert.equal(mine.sent, ours.sendBytes * ours.connections);
    assert.equal(mine.received, ours.receiveBytes * ours.connections);
    assert.equal(mine.slotsHeld, 0);
  } finally {
    for (const program of programs) await program.stop();
    pair.remove();
  }
}

function describeReport(name: string, report: BulkReport): string {
  const gigabits = ((report.sent + report.received) * 8) / report.seconds / 1e9;
  const { seconds, cpuSeconds } = report;
  return `${name}: ${gigabits.toFixed(2)} Gbit/s, ${seconds.toFixed(2)} s, cpu ${cpuSeconds.toFixed(2)} s ${report.trouble}`;
}

function notZero(counters: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(counters).filter(([, value]) => value !== 0));
}

describe('bulk transfers with Linux', { timeout: 170_000 }, () => {
  it('sends', t => transfer(t, { ...PLAN, sendBytes: BYTES }));
  it('receives', t => transfer(t, { ...PLAN, receiveBytes: BYTES }));
  it('sends and receives at the same time, having connected itself', t =>
    transfer(t, {
      ...PLAN,
      role: 'connect',
      address: `${FAR_ADDRESS}:8000`,
      sendBytes: BYTES,
      receiveBytes: BYTES,
    }));
  it('shares the device between connections', t =>
    transfer(t, { ...PLAN, connections: 16, sendBytes: 4 * MIB, receiveBytes: 4 * MIB, pieceBytes: 10_007 }));
  it('moves bytes by AF_PACKET too', t =>
    transfer(t, { ...PLAN, sendBytes: 64 * MIB, receiveBytes: 64 * MIB }, { ...OPEN, device: 'af-packet' }));
});
