// Mutated messages: whatever the verifier lets through can be read to its last byte, read the same whatever lies around
// the message, and be written again; nothing else is ever thrown than what the documentation says. In greater numbers, and
// beside memory that must not be touched: guard.test.ts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MalformedMessageError, type Message, type MessageType, OK } from '../../src/index.ts';
import { mutate, Random, READ_AS, READ_WITH, wellFormed } from './mutation.ts';
import { assertBalanced, cut, smallPool } from './support.ts';

// By hand: CORNFLAKES_FUZZ_MESSAGES=100000000 CORNFLAKES_FUZZ_SEED=$RANDOM
const MESSAGES = Number(process.env['CORNFLAKES_FUZZ_MESSAGES'] ?? 500_000);
const SEED = Number(process.env['CORNFLAKES_FUZZ_SEED'] ?? 1);

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
  const random = new Random(SEED);
  const wires = wellFormed(SEED);
  const counts = new Map<number, number>();
  const room = new Uint8Array(1 << 16);
  const view = new DataView(room.buffer);
  for (let tried = 0; tried < MESSAGES; tried++) {
    const original = wires[random.below(wires.length)]!;
    const place = random.below(64);
    const length = random.below(4) === 0 ? 4 + random.below(original.length - 3) : original.length;
    room.fill(random.below(256), 0, place + length + 64);
    const bytes = room.subarray(place, place + length);
    bytes.set(original.subarray(0, length));
    mutate(random, view, place, length);
    const type = READ_AS[random.below(8) < 6 ? random.below(2) : random.below(READ_AS.length)]!;
    const message = type.acquire();
    const reason = message.tryRead(bytes, READ_WITH[random.below(READ_WITH.length)]);
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
    if (reason === OK && random.below(4) === 0) readToTheEnd(message, type, bytes, place);
    message.release();
  }
  assertBalanced(pool);
  // With few messages the rarer reasons may be missing, but both verdicts must have been passed.
  assert.ok((counts.get(OK) ?? 0) > 0 && counts.size > 4);
  console.log(
    `# ${MESSAGES} messages, seed ${SEED}, by reason: ${JSON.stringify([...counts].sort((a, b) => a[0] - b[0]))}`,
  );

  function readToTheEnd(
    message: Message,
    type: MessageType<Message>,
    bytes: Uint8Array,
    place: number,
  ): void {
    const seen = walk(message);
    // An over-read would show as a difference when the surroundings change.
    const after = place + bytes.length;
    for (let i = 0; i < place; i++) room[i]! ^= 0x5a;
    for (let i = after; i < after + 64; i++) room[i]! ^= 0x5a;
    const array = cut(pool, bytes, [1 + random.below(120)]);
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
