// Not a test: fills messages in and writes them where they are sent from, beside protobufjs' generated code on the same
// values, in alternating rounds. What protobufjs returns still has to be copied there. As reading.ts prints it.

import { readFileSync } from 'node:fs';
import { heapRegion, SlotPool } from '@demikernel/memory';
import protobuf from 'protobufjs';
import { gatherMessage } from '../../src/fragments.ts';
import type { Message } from '../../src/index.ts';
import { Batch, GetReq, GetResp, Tick } from '../contract/contract.ts';
import { alternate, report } from './rounds.ts';

const SCHEMA = new URL('../../../test/contract/contract.proto', import.meta.url);
const { root } = protobuf.parse(readFileSync(SCHEMA, 'utf8'));
const pool = new SlotPool(heapRegion(1 << 22), { slotSizeBytes: 16_384 });
let sink = 0;

function send(message: Message): void {
  const out = gatherMessage(pool, message)!;
  message.release();
  sink += out.count;
  out.free();
}

function encoder(type: string): (value: Record<string, unknown>) => void {
  const pbType = root.lookupType(`contract.${type}`);
  return value => {
    sink += pbType.encode(value as unknown as protobuf.Message).finish().length;
  };
}

const slices = [6, 12, 20, 30, 50].map(length => pool.alloc(length)!);
const arrays = slices.map(slice => slice.bytes());
const long = pool.alloc(2000)!;
const longBytes = long.bytes();
const plain = arrays.map(bytes => bytes.slice());
const [pbTick, pbBatch, pbReq, pbResp] = ['Tick', 'Batch', 'GetReq', 'GetResp'].map(encoder);

const work: [string, (i: number) => void, (i: number) => void][] = [
  [
    '8 scalars',
    i => {
      const m = Tick.acquire();
      m.id = i;
      m.quantity = -i;
      m.price = i * 1.5;
      m.buy = true;
      m.venue = 7;
      m.sequence = i;
      m.weight = 0.5;
      m.color = 1;
      send(m);
    },
    i => {
      pbTick!({
        id: i,
        quantity: -i,
        price: i * 1.5,
        buy: true,
        venue: 7,
        sequence: i,
        weight: 0.5,
        color: 1,
      });
    },
  ],
  [
    '5 slices, copied',
    i => {
      const m = Batch.acquire();
      m.id = i;
      const { vals } = m;
      for (let k = 0; k < slices.length; k++) vals.add(slices[k]!);
      send(m);
    },
    i => pbBatch!({ id: i, vals: arrays }),
  ],
  [
    '5 arrays, copied',
    i => {
      const m = Batch.acquire();
      m.id = i;
      const { vals } = m;
      for (let k = 0; k < plain.length; k++) vals.add(plain[k]!);
      send(m);
    },
    i => pbBatch!({ id: i, vals: plain }),
  ],
  [
    '2000 bytes, referred',
    i => {
      const m = GetResp.acquire();
      m.id = i;
      m.val = long;
      send(m);
    },
    i => pbResp!({ id: i, val: longBytes }),
  ],
  [
    'nested, 7 messages',
    i => {
      const m = Batch.acquire();
      m.id = i;
      for (let k = 0; k < 4; k++) {
        const point = m.points.add();
        point.x = k;
        point.y = -k;
      }
      m.mutableFirst().x = i;
      m.note = 'a note';
      const next = m.mutableNext();
      next.id = 10;
      next.mutableFirst().y = 2;
      next.points.add().x = 3;
      next.note = 'another';
      send(m);
    },
    i =>
      pbBatch!({
        id: i,
        points: [
          { x: 0, y: 0 },
          { x: 1, y: -1 },
          { x: 2, y: -2 },
          { x: 3, y: -3 },
        ],
        first: { x: i },
        note: 'a note',
        next: { id: 10, first: { y: 2 }, points: [{ x: 3 }], note: 'another' },
      }),
  ],
  [
    'key of 65 characters',
    i => {
      const m = GetReq.acquire();
      m.id = i;
      m.key = 'user:000000000000000000000000000000000000000000000000000000000000';
      send(m);
    },
    i => pbReq!({ id: i, key: 'user:000000000000000000000000000000000000000000000000000000000000' }),
  ],
];

report(alternate(work));
if (sink === 1) console.log(sink);
