// Runs both ends of a bulk transfer and judges their accounts.

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { OpenOptions } from '../../src/pdpix/open.ts';
import { type BulkPlan, type BulkReport, opposite } from './bulk-plan.ts';
import { type ChildProgram, startNode } from './child-program.ts';

/** Where a transfer runs. */
export interface BulkPlace {
  /** Namespaces of our stack and of the kernel's. */
  near: string;
  far: string;
  open: OpenOptions;
}

/**
 * Runs a plan of ours against the kernel: both ends must be satisfied, and every slot must come back.
 *
 * @param meanwhile runs once the first connection is there
 */
export async function transfer(
  t: TestContext,
  place: BulkPlace,
  ours: BulkPlan,
  meanwhile: () => Promise<void> = async () => {},
): Promise<BulkReport> {
  const programs: ChildProgram[] = [];
  const start = async (program: ChildProgram): Promise<ChildProgram> => {
    programs.push(program);
    assert.equal(await program.line(), 'up');
    return program;
  };
  const startService = (): Promise<ChildProgram> =>
    start(startNode(place.near, 'bulk-service', JSON.stringify(ours), JSON.stringify(place.open)));
  const startPeer = (): Promise<ChildProgram> =>
    start(startNode(place.far, 'bulk-peer', JSON.stringify(opposite(ours))));
  try {
    let service: ChildProgram;
    let peer: ChildProgram;
    if (ours.role === 'listen') {
      service = await startService();
      peer = await startPeer();
    } else {
      peer = await startPeer();
      service = await startService();
    }
    const kernelsLine = peer.line();
    // A peer that fails would leave the service waiting for ever.
    const kernelsTrouble = kernelsLine.then(line => {
      const { trouble } = JSON.parse(line) as BulkReport;
      return trouble === '' ? new Promise<never>(() => {}) : Promise.reject(new Error(trouble));
    });
    kernelsTrouble.catch(() => {});
    assert.equal(await Promise.race([service.line(), kernelsTrouble]), 'begun');
    await meanwhile();
    const mine = JSON.parse(await Promise.race([service.line(), kernelsTrouble])) as BulkReport;
    const kernels = JSON.parse(await kernelsLine) as BulkReport;
    for (const program of programs) assert.equal((await program.ended).code, 0);
    t.diagnostic(describeReport('ours', mine));
    t.diagnostic(describeReport('kernel', kernels));
    for (const room of ['device', 'tcp'])
      t.diagnostic(`${room} ${JSON.stringify(notZero(mine.counters?.[room] ?? {}))}`);
    assert.equal(mine.trouble, '');
    assert.equal(mine.sent, ours.sendBytes * ours.connections);
    assert.equal(mine.received, ours.receiveBytes * ours.connections);
    assert.equal(mine.slotsHeld, 0);
    return mine;
  } finally {
    for (const program of programs) await program.stop();
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
