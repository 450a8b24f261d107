// Run in a process of its own by allocation.test.ts: prints the heap bytes that one get request and its reply allocate, and
// other rounds of writing and reading. A planted object shows that the reading would see it.

import { bytesPerOperation } from '@demikernel/lab';
import { heapRegion, SlotPool } from '@demikernel/memory';
import { gatherMessage } from '../../src/fragments.ts';
import { Deframer, Framed, OK } from '../../src/index.ts';
import { Batch, GetReq, GetResp, Tick } from '../contract/contract.ts';

const ROUNDS = 20_000;
/** V8 may compile a loop once more after many rounds, and allocates until then. */
const WARM_UP = 100_000;

function bytesPerRound(round: (i: number) => void): number {
  const run = (count: number): void => {
    for (let i = 0; i < count; i++) round(i);
  };
  run(WARM_UP);
  return bytesPerOperation(ROUNDS, run);
}

const pool = new SlotPool(heapRegion(1 << 22), { slotSizeBytes: 4096 });
const framed = new Framed();
const value = pool.allocArray(2000)!;
const small = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const key = new TextEncoder().encode('user:00000000000000000000000000000000000000000000000000000000001');

const deframer = new Deframer();

function getRound(answer: Uint8Array | typeof value): void {
  const request = GetReq.acquire();
  request.id = 1;
  request.key = key;
  const sent = gatherMessage(pool, framed.of(request))!;
  request.release();

  deframer.add(sent);
  sent.free();
  const frame = deframer.next()!;
  const received = GetReq.acquire();
  if (received.tryRead(frame) !== OK) throw new Error('refused');
  frame.free();
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
results['planted'] = bytesPerRound(i => {
  if (i % 10 === 0) planted[0] = { value: i };
});
results['getByReference'] = bytesPerRound(() => getRound(value));
results['getByCopy'] = bytesPerRound(() => getRound(small));
results['tick'] = bytesPerRound(i => {
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
{
  const batch = Batch.acquire();
  for (let i = 0; i < 4; i++) {
    batch.points.add().x = i;
    batch.vals.add(value);
  }
  batch.mutableNext().mutableFirst().y = 1;
  const sent = gatherMessage(pool, batch)!;
  batch.release();
  // Everything but text and views, which are objects; and what was received goes on into another message.
  results['relay'] = bytesPerRound(() => {
    const read = Batch.acquire();
    read.tryRead(sent);
    const { vals, points } = read;
    const onwards = Batch.acquire();
    for (let i = 0; i < vals.length; i++) onwards.vals.add(vals.fieldAt(i));
    for (let i = 0; i < points.length; i++) onwards.points.add().x = points.at(i).x;
    onwards.mutableFirst().y = read.next!.first!.y;
    read.release();
    const out = gatherMessage(pool, framed.of(onwards))!;
    onwards.release();
    out.free();
  });
}
console.log(JSON.stringify(results));
