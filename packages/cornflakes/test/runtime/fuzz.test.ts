// Mutated messages: whatever the verifier lets through can be read to its last byte, read the same whatever lies around
// the message, and be written again; nothing else is ever thrown than what the documentation says.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  MalformedMessageError,
  type Message,
  type MessageType,
  OK,
  type ReadOptions,
} from '../../src/index.ts';
import { Batch, Everything, GetResp, Point, Tick } from '../contract/contract.ts';
import { OldEverything } from '../contract/old-everything.ts';
import { assertBalanced, cut, everythingJson, smallPool } from './support.ts';

// By hand: CORNFLAKES_FUZZ_SECONDS=3600 CORNFLAKES_FUZZ_SEED=$RANDOM
const SECONDS = Number(
  process.env['CORNFLAKES_FUZZ_SECONDS'] ?? 30 * Number(process.env['TEST_SCALE'] ?? 0.3),
);
const SEED = Number(process.env['CORNFLAKES_FUZZ_SEED'] ?? 1);

let state = SEED | 0;
/** Mulberry32: the same mutations for the same seed. */
function random(below: number): number {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) % below;
}

const INTERESTING = [
  0, 1, 2, 7, 8, 31, 32, 64, 0xff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0xffff_fff8, 0x2000_0001,
];

function mutate(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let i = 1 + random(3); i > 0; i--) {
    // Headers and tables stand in front: most mutations go there.
    const end = random(3) === 0 ? bytes.length : Math.min(bytes.length, 160);
    const at = random(Math.max(1, end - 3)) & (random(2) === 0 ? ~3 : ~0);
    switch (random(5)) {
      case 0:
        bytes[at]! ^= 1 << random(8);
        break;
      case 1:
        bytes[at] = random(256);
        break;
      case 2:
        view.setUint32(at, INTERESTING[random(INTERESTING.length)]!, true);
        break;
      case 3:
        view.setUint32(at, random(bytes.length + 9), true);
        break;
      default:
        // An entry or offset from elsewhere: shares parts, crosses kinds.
        view.setUint32(at, view.getUint32(random(bytes.length - 3), true), true);
    }
  }
}

/** JSON, or the name of what reading threw after all: a string that is no UTF-8, a field unset by a mutated bit. */
function walk(message: Message): string {
  try {
    return JSON.stringify(message);
  } catch (error) {
    if (error instanceof MalformedMessageError) return `malformed: ${error.reason}`;
    throw error;
  }
}

test('mutated messages', () => {
  const pool = smallPool();
  const wires = fc.sample(everythingJson, { numRuns: 60, seed: SEED }).map(json => {
    const message = Everything.fromJSON(json);
    const bytes = message.toBytes();
    message.release();
    return bytes;
  });
  const resp = GetResp.acquire();
  resp.id = 1;
  resp.val = new Uint8Array(100);
  wires.push(resp.toBytes());
  const batch = Batch.acquire();
  for (let i = 0; i < 8; i++) {
    const inner = i < 4 ? batch : batch.mutableNext();
    inner.vals.add(new Uint8Array(10 * i));
    inner.points.add().x = i;
    inner.mutableFirst().y = i;
    inner.note = 'note';
    inner.when = -1;
    for (let j = 0; j < 8; j++) wires.push(batch.toBytes());
  }
  const types: MessageType<Message>[] = [
    Everything.type,
    Batch.type,
    OldEverything.type,
    GetResp.type,
    Point.type,
    Tick.type,
  ];
  const options: (ReadOptions | undefined)[] = [undefined, undefined, { strict: true }, { maxDepth: 2 }];
  const counts = new Map<number, number>();
  const room = new Uint8Array(1 << 16);
  const began = Date.now();
  let tried = 0;
  while (Date.now() - began < SECONDS * 1000) {
    for (let batch = 0; batch < 200; batch++, tried++) {
      const original = wires[random(wires.length)]!;
      const place = random(64);
      const length = random(4) === 0 ? 4 + random(original.length - 3) : original.length;
      room.fill(random(256), 0, place + length + 64);
      const bytes = room.subarray(place, place + length);
      bytes.set(original.subarray(0, length));
      mutate(bytes);
      const type = types[random(8) < 6 ? random(2) : random(types.length)]!;
      const message = type.acquire();
      const option = options[random(options.length)];
      const reason = message.tryRead(bytes, option);
      counts.set(reason, (counts.get(reason) ?? 0) + 1);
      if (reason === OK && random(4) === 0) readToTheEnd(message, type, bytes, room, place);
      message.release();
    }
  }
  assertBalanced(pool);
  // With few iterations the rarer reasons may be missing, but both verdicts must have been passed.
  assert.ok((counts.get(OK) ?? 0) > 0 && counts.size > 4);
  console.log(
    `# ${tried} messages, seed ${SEED}, by reason: ${JSON.stringify([...counts].sort((a, b) => a[0] - b[0]))}`,
  );

  function readToTheEnd(
    message: Message,
    type: MessageType<Message>,
    bytes: Uint8Array,
    around: Uint8Array,
    place: number,
  ): void {
    const seen = walk(message);
    // An over-read would show as a difference when the surroundings change.
    const after = place + bytes.length;
    for (let i = 0; i < place; i++) around[i]! ^= 0x5a;
    for (let i = after; i < after + 64; i++) around[i]! ^= 0x5a;
    const array = cut(pool, bytes, [1 + random(120)]);
    const other = type.acquire();
    assert.equal(other.tryRead(array), OK);
    array.free();
    assert.equal(walk(other), seen);
    const written = other.toBytes();
    assert.ok(written.length <= 16 * bytes.length + 256, 'writing multiplied the message');
    const again = type.acquire();
    assert.equal(again.tryRead(written), OK);
    assert.equal(walk(again), seen);
    again.release();
    other.release();
  }
});
