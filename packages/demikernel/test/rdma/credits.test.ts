// Credits on a wire that delays: whatever the schedule, no message finds its receiver without a receive, and both ends go on. And what
// a greeting and a description of pieces must not say.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Credits } from '../../src/rdma/credits.ts';
import {
  creditsOf,
  decodeGreeting,
  encodeGreeting,
  encodeWord,
  FLAG_ENDED,
  FLAG_MORE,
  finishedOf,
  GREETING_BYTES,
  type Greeting,
  KIND_CONTROL,
  KIND_DATA,
  KIND_RENDEZVOUS,
  kindOf,
  rendezvousBytes,
  wordIsValid,
} from '../../src/rdma/wire.ts';
import { SeededRandom } from '../../src/runtime/random.ts';

interface End {
  credits: Credits;
  /** Words on their way to this end, each with the step at which it may arrive at the earliest. */
  inbound: { word: number; step: number }[];
  unread: number;
  toSend: number;
  received: number;
  posted: number;
}

function end(window: number, toSend: number): End {
  return {
    credits: new Credits(window, window),
    inbound: [],
    unread: 0,
    toSend,
    received: 0,
    posted: window,
  };
}

const MESSAGES = 200;

/** One schedule: two ends, one of which may stop reading until the other has sent all it can. */
function schedule(seed: number): void {
  const random = new SeededRandom(seed);
  const window = 8 + random.below(25);
  const ends = [end(window, MESSAGES), end(window, random.below(2) * MESSAGES)] as const;
  const [left, right] = ends;
  const mostDelay = 1 + random.below(30);
  const total = left.toSend + right.toSend;
  const quietUntil = random.below(3000);
  for (let step = 0; left.received + right.received < total; step++) {
    assert.ok(step < 400_000, `seed ${seed}: locked up after ${left.received + right.received} of ${total}`);
    const here = random.below(2);
    const me = ends[here]!;
    const peer = ends[1 - here]!;
    const send = (kind: number): void => {
      const given = me.credits.takeOwed(window);
      me.credits.available--;
      assert.ok(me.credits.available >= 0, `seed ${seed}: sent without a credit`);
      const earliest = peer.inbound.at(-1)?.step ?? 0;
      peer.inbound.push({
        word: encodeWord(kind, 0, given, 0),
        step: Math.max(earliest, step + random.below(mostDelay)),
      });
    };
    if (me.toSend > 0 && me.credits.canSendData) {
      me.toSend--;
      send(KIND_DATA);
    }
    while (me.inbound.length > 0 && me.inbound[0]!.step <= step) {
      const { word } = me.inbound.shift()!;
      // What a device would call receiver not ready.
      assert.ok(me.credits.received(), `seed ${seed}: no receive for a message`);
      assert.ok(me.credits.give(creditsOf(word)), `seed ${seed}: more given back than taken`);
      if (kindOf(word) === KIND_CONTROL) me.credits.owedControl++;
      else me.unread++;
    }
    const reads = here === 0 || step >= quietUntil;
    if (reads && me.unread > 0 && random.below(3) === 0) {
      me.unread--;
      me.received++;
      me.credits.owedData++;
    }
    if (me.credits.worthControl && me.credits.available > 0) send(KIND_CONTROL);
  }
}

describe('credits', () => {
  test('thousands of schedules: never without a receive, never locked up', () => {
    const schedules = Number(process.env['CATMINT_SCHEDULES'] ?? 2000);
    for (let seed = 1; seed <= schedules; seed++) schedule(seed);
  });

  test('a peer that sends without a credit, or gives back what it never had, is found out', () => {
    const credits = new Credits(8, 1);
    assert.equal(credits.received(), true);
    assert.equal(credits.received(), false);
    assert.equal(credits.give(1), false);
  });

  test('what no receive is posted for is not given back', () => {
    const credits = new Credits(8, 8);
    for (let i = 0; i < 5; i++) credits.received();
    credits.owedData = 3;
    credits.owedControl = 2;
    assert.equal(credits.takeOwed(4), 4);
    assert.deepEqual([credits.owedData + credits.owedControl, credits.promised], [1, 7]);
  });
});

describe('the word beside a message', () => {
  test('says what was put in', () => {
    const word = encodeWord(KIND_RENDEZVOUS, FLAG_MORE | FLAG_ENDED, 4095, 255);
    assert.ok(wordIsValid(word));
    assert.deepEqual([kindOf(word), creditsOf(word), finishedOf(word)], [KIND_RENDEZVOUS, 4095, 255]);
  });

  test('has no kinds and flags but those', () => {
    for (const word of [3 << 20, 15 << 20, 1 << 27, 1 << 31, -1]) assert.equal(wordIsValid(word), false);
  });
});

const GREETING: Greeting = {
  message: true,
  credits: 16,
  base: 0x7f12_3456_7000n,
  lengthBytes: 64 << 20,
  key: -5,
  slotBytes: 16384,
};

describe('greetings', () => {
  test('come out as they went in, whatever follows them', () => {
    const bytes = new Uint8Array(GREETING_BYTES + 24);
    bytes.set(encodeGreeting(GREETING));
    assert.deepEqual(decodeGreeting(bytes), GREETING);
  });

  test('too short, of something else, or impossible: none', () => {
    for (const change of [{ credits: 7 }, { credits: 5000 }, { slotBytes: 0 }, { lengthBytes: 0x8000_0000 }])
      assert.equal(decodeGreeting(encodeGreeting({ ...GREETING, ...change })), undefined);
    const bytes = encodeGreeting(GREETING);
    for (let length = 0; length < bytes.length; length++)
      assert.equal(decodeGreeting(bytes.subarray(0, length)), undefined);
    for (const at of [0, 3, 4]) {
      const wrong = bytes.slice();
      wrong[at]! ^= 0x40;
      assert.equal(decodeGreeting(wrong), undefined);
    }
  });

  test('any bytes at all', () => {
    const random = new SeededRandom(3);
    const bytes = encodeGreeting(GREETING);
    for (let i = 0; i < 20_000; i++) {
      const wrong = bytes.slice();
      for (let n = random.below(4); n >= 0; n--) wrong[random.below(wrong.length)] = random.below(256);
      const said = decodeGreeting(wrong);
      assert.ok(said === undefined || (said.credits >= 8 && said.lengthBytes <= 0x7fff_ffff));
    }
  });
});

describe('descriptions of what is to be read', () => {
  const describeAll = (...numbers: number[]): number => {
    const view = new DataView(new ArrayBuffer(8 + numbers.length * 4));
    for (const [i, number] of numbers.entries()) view.setUint32(8 + 4 * i, number, true);
    return rendezvousBytes(view, 8, numbers.length * 4, 1 << 20);
  };

  test('the bytes in all', () => {
    assert.equal(describeAll(0, 100, 1000, 50), 150);
    assert.equal(describeAll((1 << 20) - 1, 1), 1);
  });

  test('outside the peer’s memory, empty, torn or too long: refused', () => {
    assert.equal(describeAll(), -1);
    assert.equal(describeAll(0), -1);
    assert.equal(describeAll(0, 0), -1);
    assert.equal(describeAll((1 << 20) - 1, 2), -1);
    assert.equal(describeAll(0xffff_ffff, 16), -1);
    assert.equal(describeAll(0, 0xffff_ffff), -1);
    assert.equal(describeAll(...Array.from({ length: 256 }, (_, i) => (i % 2 === 0 ? 0 : 1 << 20))), -1);
  });
});
