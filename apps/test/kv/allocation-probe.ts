// Run in a process of its own by allocation.test.ts: prints the heap bytes that a command allocates, parsing, store and
// reply included, beside a planted allocation.

import { bytesPerOperation } from '@demikernel/lab';
import { heapRegion, SlotPool } from '@demikernel/memory';
import { ClientState } from '../../src/kv/client-state.ts';
import { Commands } from '../../src/kv/commands.ts';
import { DEFAULT_LIMITS } from '../../src/kv/limits.ts';
import { Output } from '../../src/kv/output.ts';
import { COMMAND, RespParser } from '../../src/kv/resp-parser.ts';
import type { ServiceFacts } from '../../src/kv/service-commands.ts';
import { Store } from '../../src/kv/store.ts';
import { encode } from './raw-client.ts';

const ROUNDS = 4000;
const SLICE_BYTES = 1448;

const pool = new SlotPool(heapRegion(1024 * 2048), { slotSizeBytes: 2048 });
const store = new Store({ pool, sliceBytes: SLICE_BYTES, limits: DEFAULT_LIMITS, secret: [1, 2] });
const facts: ServiceFacts = {
  name: 'probe',
  port: 0,
  uptimeSeconds: 0,
  clients: 0,
  accepted: 0,
  commands: 0,
  appendOnly: false,
  clientList: () => [],
};
const commands = new Commands(store, facts);
const out = new Output(pool, SLICE_BYTES, heapRegion(SLICE_BYTES));
const client = new ClientState(1, new RespParser(store), out, undefined);
store.nowMs[0] = 1e12;

// Short and long values, counters, expiry, several keys; cut into slices at an odd place.
const script: Buffer = Buffer.concat([
  encode(['SET', 'key:1', 'v'.repeat(64)]),
  encode(['GET', 'key:1']),
  encode(['SET', 'key:2', 'w'.repeat(300), 'PX', '100000']),
  encode(['INCR', 'counter']),
  encode(['MGET', 'key:1', 'key:2', 'nothing']),
  encode(['EXPIRE', 'key:2', '100']),
  encode(['TTL', 'key:2']),
  encode(['SET', 'long', 'x'.repeat(2000)]),
  encode(['GET', 'long']),
  encode(['EXISTS', 'key:1', 'nothing']),
  encode(['DEL', 'key:2']),
  encode(['PING']),
]);
const COMMANDS_PER_ROUND = 12;
const CUT = 1000;

function feed(): void {
  const array = pool.array();
  for (let at = 0; at < script.length; at += CUT) {
    const slice = pool.alloc(Math.min(CUT, script.length - at))!;
    const { bytes } = pool.region;
    for (let i = 0; i < slice.length; i++) bytes[slice.offset + i] = script[at + i]!;
    array.append(slice);
  }
  client.parser.feed(array);
}

let planted: { round: number } | undefined;

function rounds(count: number, plant: boolean): void {
  for (let i = 0; i < count; i++) {
    feed();
    while (client.parser.next() === COMMAND) commands.execute(client);
    out.take()!.free();
    if (plant) planted = { round: i };
  }
}

function bytesPerCommand(plant: boolean): number {
  return bytesPerOperation(ROUNDS, count => rounds(count, plant)) / COMMANDS_PER_ROUND;
}

rounds(5 * ROUNDS, true);
const withPlant = bytesPerCommand(true);
const bare = bytesPerCommand(false);
process.stdout.write(`${JSON.stringify({ bare, planted: withPlant, kept: planted !== undefined })}\n`);
