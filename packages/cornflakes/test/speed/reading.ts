// Not a test: reads messages to their last field, from a received array, beside protobufjs' generated code on the same
// values, in alternating rounds. Prints the least and the middle nanoseconds of processor time per message, and the heap
// bytes that one allocates (`node --expose-gc --min-semi-space-size=128 --max-semi-space-size=128`).

import { readFileSync } from 'node:fs';
import { heapRegion, type ScatterGatherArray, SlotPool } from '@demikernel/memory';
import protobuf from 'protobufjs';
import type { Message } from '../../src/index.ts';
import { Batch, GetReq, Tick } from '../contract/contract.ts';
import { alternate, report } from './rounds.ts';

const SCHEMA = new URL('../../../test/contract/contract.proto', import.meta.url);
const { root } = protobuf.parse(readFileSync(SCHEMA, 'utf8'));

const pool = new SlotPool(heapRegion(1 << 22), { slotSizeBytes: 16_384 });
let sink = 0;

function arrayOf(message: Message): ScatterGatherArray {
  const array = pool.allocArray(message.copiedBytes())!;
  message.write(array);
  message.gather(array);
  return array;
}

interface PbBatch {
  id: number;
  vals: Uint8Array[];
  points: { x: number; y: number }[];
  first: { x: number; y: number } | null;
  note: string;
  when: { low: number };
  ratio: number;
  next: PbBatch | null;
}

interface PbTick {
  id: number;
  quantity: number;
  price: number;
  buy: boolean;
  venue: number;
  sequence: { low: number };
  weight: number;
  color: number;
}

function readTick(m: Tick): number {
  return m.id + m.quantity + m.price + (m.buy ? 1 : 0) + m.venue + m.sequenceNumber + m.weight + m.color;
}

function readPbTick(m: PbTick): number {
  return m.id + m.quantity + m.price + (m.buy ? 1 : 0) + m.venue + m.sequence.low + m.weight + m.color;
}

function readBatch(m: Batch): number {
  let sum = m.id + m.whenNumber + m.ratio + m.note.length;
  const { vals, points } = m;
  for (let i = 0; i < vals.length; i++) sum += vals.at(i).length;
  for (let i = 0; i < points.length; i++) {
    const point = points.at(i);
    sum += point.x + point.y;
  }
  const first = m.first;
  if (first !== undefined) sum += first.x + first.y;
  const next = m.next;
  if (next !== undefined) sum += readBatch(next);
  return sum;
}

/** As `readBatch`, but looking at bytes where they lie. */
function readBatchInPlace(m: Batch): number {
  let sum = m.id + m.whenNumber + m.ratio + m.noteField.length;
  const { vals, points } = m;
  for (let i = 0; i < vals.length; i++) sum += vals.fieldAt(i).length;
  for (let i = 0; i < points.length; i++) {
    const point = points.at(i);
    sum += point.x + point.y;
  }
  const first = m.first;
  if (first !== undefined) sum += first.x + first.y;
  const next = m.next;
  if (next !== undefined) sum += readBatchInPlace(next);
  return sum;
}

function readPbBatch(m: PbBatch): number {
  let sum = m.id + m.when.low + m.ratio + m.note.length;
  for (let i = 0; i < m.vals.length; i++) sum += m.vals[i]!.length;
  for (let i = 0; i < m.points.length; i++) sum += m.points[i]!.x + m.points[i]!.y;
  if (m.first) sum += m.first.x + m.first.y;
  if (m.next) sum += readPbBatch(m.next);
  return sum;
}

const tick = Tick.fromJSON({
  id: 5,
  quantity: -5,
  price: 7.5,
  buy: true,
  venue: 7,
  sequence: '123456789',
  weight: 0.5,
  color: 'GREEN',
});
const nested = Batch.fromJSON({
  id: 9,
  points: [1, 2, 3, 4].map(i => ({ x: i, y: -i })),
  first: { x: 100, y: 200 },
  note: 'a note',
  when: '1700000000',
  ratio: 0.25,
  next: { id: 10, first: { x: 1, y: 2 }, points: [{ x: 3, y: 4 }], note: 'another', when: '5', ratio: 2 },
});
const values = Batch.fromJSON({
  id: 9,
  vals: [6, 12, 20, 30, 50].map(length => Buffer.alloc(length, 7).toString('base64')),
});
const request = GetReq.fromJSON({ id: 1, key: `user:${'0'.repeat(60)}` });

function pbBytes(type: string, message: Message): Uint8Array {
  const pbType = root.lookupType(`contract.${type}`);
  return pbType.encode(pbType.fromObject(message.toJSON() as Record<string, unknown>)).finish();
}

const work: [string, (i: number) => void, (i: number) => void][] = [];
function compare<O extends Message, T>(
  name: string,
  type: string,
  message: O,
  ours: (m: O) => number,
  theirs: (m: T) => number,
): void {
  const array = arrayOf(message);
  const messageType = message.type;
  const pbType = root.lookupType(`contract.${type}`);
  const bytes = pbBytes(type, message);
  const expected = theirs(pbType.decode(bytes) as unknown as T);
  const one = messageType.acquire() as O;
  one.tryRead(array);
  if (ours(one) !== expected) throw new Error(`${name}: ${ours(one)} is not ${expected}`);
  one.release();
  work.push([
    name,
    () => {
      const m = messageType.acquire() as O;
      m.tryRead(array);
      sink += ours(m);
      m.release();
    },
    () => {
      sink += theirs(pbType.decode(bytes) as unknown as T);
    },
  ]);
}

compare('8 scalars', 'Tick', tick, readTick, readPbTick);
compare('nested, 7 messages', 'Batch', nested, readBatch, readPbBatch);
compare('nested, in place', 'Batch', nested, readBatchInPlace, readPbBatch);
compare('5 values, views', 'Batch', values, readBatch, readPbBatch);
compare('5 values, in place', 'Batch', values, readBatchInPlace, readPbBatch);
compare(
  'key, text',
  'GetReq',
  request,
  m => m.id + m.key.length,
  (m: { id: number; key: string }) => m.id + m.key.length,
);
compare(
  'key, hash in place',
  'GetReq',
  request,
  m => m.id + 0 * m.keyField.hash() + m.keyField.length,
  (m: { id: number; key: string }) => m.id + m.key.length,
);

report(alternate(work));
if (sink === 1) console.log(sink);
