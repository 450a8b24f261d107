// Not a test: writes and reads a message of small scalars, a get request and its reply, beside protobufjs' static code on
// the same values, in alternating rounds. Prints ns and heap bytes per operation; For the bytes:
// `node --expose-gc --min-semi-space-size=128 --max-semi-space-size=128`.

import { heapRegion, SlotPool } from '@demikernel/memory';
import protobuf from 'protobufjs';
import { Batch, Everything, GetReq, GetResp, Point, Tick } from '../contract/contract.ts';
import { OldEverything } from '../contract/old-everything.ts';

const SCHEMA = `syntax = "proto3";
enum Color { RED = 0; GREEN = 1; BLUE = 5; }
message Tick { uint32 id = 1; int32 quantity = 2; double price = 3; bool buy = 4; uint32 venue = 5;
  uint64 sequence = 6; float weight = 7; Color color = 8; }
message GetReq { uint32 id = 1; string key = 2; }
message GetResp { uint32 id = 1; bytes val = 2; }`;

const root = protobuf.parse(SCHEMA).root;
const PbTick = root.lookupType('Tick');
const PbReq = root.lookupType('GetReq');
const PbResp = root.lookupType('GetResp');

const pool = new SlotPool(heapRegion(1 << 22), { slotSizeBytes: 4096 });
const target = pool.allocArray(3000)!;
let sink = 0;

const tick = Tick.acquire();
function fillTick(i: number): void {
  tick.clear();
  tick.id = i;
  tick.quantity = -i;
  tick.price = i * 1.5;
  tick.buy = true;
  tick.venue = 7;
  tick.sequence = i;
  tick.weight = 0.5;
  tick.color = 1;
}

const tickWire = pool.allocArray(100)!;
fillTick(5);
tickWire.truncate(tick.copiedBytes());
tick.write(tickWire);
const readTick = Tick.acquire();

const value = pool.allocArray(1000)!;
const request = GetReq.acquire();
const reply = GetResp.acquire();
const requestWire = pool.allocArray(200)!;
request.id = 1;
request.key = 'user:0000000000000000000000000000000000000000000000000001';
requestWire.truncate(request.copiedBytes());
request.write(requestWire);
const incoming = GetReq.acquire();

const pbTickBytes = PbTick.encode({
  id: 5,
  quantity: -5,
  price: 7.5,
  buy: true,
  venue: 7,
  sequence: 5,
  weight: 0.5,
  color: 1,
}).finish();
const pbRequest = PbReq.encode({ id: 1, key: request.key }).finish();
const pbValue = new Uint8Array(1000);

const work: Record<string, (i: number) => void> = {
  'tick write, ours': i => {
    fillTick(i);
    sink += tick.copiedBytes();
    tick.write(target);
  },
  'tick write, protobufjs': i => {
    sink += PbTick.encode({
      id: i,
      quantity: -i,
      price: i * 1.5,
      buy: true,
      venue: 7,
      sequence: i,
      weight: 0.5,
      color: 1,
    }).finish().length;
  },
  'tick read all, ours': () => {
    readTick.tryRead(tickWire);
    sink += readTick.id + readTick.quantity + readTick.price + (readTick.buy ? 1 : 0) + readTick.venue;
    sink += readTick.sequenceNumber + readTick.weight + readTick.color;
  },
  'tick read all, protobufjs': () => {
    const m = PbTick.decode(pbTickBytes) as unknown as {
      id: number;
      quantity: number;
      price: number;
      buy: boolean;
      venue: number;
      sequence: { low: number };
      weight: number;
      color: number;
    };
    sink += m.id + m.quantity + m.price + (m.buy ? 1 : 0) + m.venue + m.sequence.low + m.weight + m.color;
  },
  'get read and reply, ours': () => {
    incoming.tryRead(requestWire);
    sink += incoming.keyField.length;
    reply.clear();
    reply.id = incoming.id;
    reply.val = value;
    const out = pool.allocArray(reply.copiedBytes())!;
    reply.write(out);
    reply.gather(out);
    out.free();
  },
  'get read and reply, protobufjs': () => {
    const m = PbReq.decode(pbRequest) as unknown as { id: number; key: string };
    sink += PbResp.encode({ id: m.id, val: pbValue }).finish().length;
  },
};

// A program with many types of messages: inline caches see more than one. Likewise for the peer.
const others = [Point, Batch, Everything, OldEverything, GetReq, GetResp];
for (let i = 0; i < 20_000; i++) {
  for (const type of others) {
    const message = type.acquire();
    message.copiedBytes();
    message.write(target);
    const read = type.acquire();
    read.tryRead(message.toBytes());
    read.release();
    message.release();
  }
}

function heapUsed(): number {
  return process.memoryUsage().heapUsed;
}

const names = Object.keys(work);
const rounds = 5;
const count = 300_000;
const best = new Map<string, number>();
for (let round = 0; round < rounds; round++) {
  for (const name of names) {
    const run = work[name]!;
    const begin = process.hrtime.bigint();
    for (let i = 0; i < count; i++) run(i);
    const ns = Number(process.hrtime.bigint() - begin) / count;
    best.set(name, Math.min(best.get(name) ?? Infinity, ns));
  }
}
for (const name of names) {
  const run = work[name]!;
  globalThis.gc?.();
  const before = heapUsed();
  for (let i = 0; i < 20_000; i++) run(i & 0xff);
  const bytes = (heapUsed() - before) / 20_000;
  console.log(
    `${name.padEnd(32)} ${best.get(name)!.toFixed(0).padStart(6)} ns ${bytes.toFixed(1).padStart(8)} B`,
  );
}
if (sink === 1) console.log(sink);
