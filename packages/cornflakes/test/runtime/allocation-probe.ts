// Run in a process of its own by allocation.test.ts: prints the heap bytes that one get request and its reply allocate.
// Slope between N and 2N rounds, without a collection in between; a planted object shows that the reading would see it.

import { getHeapSpaceStatistics } from 'node:v8';
import { heapRegion, SlotPool } from '@demikernel/memory';
import { gatherMessage } from '../../src/fragments.ts';
import { Framed, OK } from '../../src/index.ts';
import { GetReq, GetResp, Tick } from '../contract/contract.ts';

declare const gc: () => void;

const ROUNDS = 20_000;

function usedBytes(): number {
  let total = 0;
  for (const space of getHeapSpaceStatistics()) total += space.space_used_size;
  return total;
}

function slope(round: (i: number) => void): number {
  const run = (count: number): void => {
    for (let i = 0; i < count; i++) round(i);
  };
  run(3 * ROUNDS);
  // The least of a few: whatever V8 does beside (optimising, feedback) only adds.
  let least = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 5; attempt++) {
    gc();
    const start = usedBytes();
    run(ROUNDS);
    const middle = usedBytes();
    run(2 * ROUNDS);
    const end = usedBytes();
    least = Math.min(least, Math.abs(end - middle - (middle - start)) / ROUNDS);
  }
  return least;
}

const pool = new SlotPool(heapRegion(1 << 22), { slotSizeBytes: 4096 });
const framed = new Framed();
const value = pool.allocArray(2000)!;
const small = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const key = new TextEncoder().encode('user:00000000000000000000000000000000000000000000000000000000001');

function getRound(answer: Uint8Array | typeof value): void {
  const request = GetReq.acquire();
  request.id = 1;
  request.key = key;
  const sent = gatherMessage(pool, request)!;
  request.release();

  const received = GetReq.acquire();
  if (received.tryRead(sent) !== OK) throw new Error('refused');
  sent.free();
  const reply = GetResp.acquire();
  reply.id = received.id;
  if (received.keyField.equals(key) && received.keyField.hash() !== 0) reply.val = answer;
  received.release();
  const replySent = gatherMessage(pool, framed.of(reply))!;
  reply.release();
  replySent.free();
}

const results: Record<string, number> = {};
const planted: { value: number }[] = [];
results['planted'] = slope(i => {
  if (i % 10 === 0) planted[0] = { value: i };
});
results['getByReference'] = slope(() => getRound(value));
results['getByCopy'] = slope(() => getRound(small));
results['tick'] = slope(i => {
  const tick = Tick.acquire();
  tick.id = i;
  tick.price = 1.5;
  tick.sequence = 5;
  const sent = gatherMessage(pool, tick)!;
  tick.release();
  const read = Tick.acquire();
  read.tryRead(sent);
  sent.free();
  read.release();
});
console.log(JSON.stringify(results));
