// Shares, evenness and stability of the tables that choose backends.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Candidate, fillMaglev, fillSchedule } from '../../src/switch/choice.ts';
import { MAGLEV_SLOTS, MAX_SCHEDULE, NONE } from '../../src/switch/layout.ts';

function maglev(candidates: readonly Candidate[]): Uint16Array {
  const slots = new Uint16Array(MAGLEV_SLOTS);
  fillMaglev(slots, candidates);
  return slots;
}

function shares(slots: Uint16Array, length = slots.length): Map<number, number> {
  const counts = new Map<number, number>();
  for (let i = 0; i < length; i++) counts.set(slots[i]!, (counts.get(slots[i]!) ?? 0) + 1);
  return counts;
}

const even = (n: number): Candidate[] => Array.from({ length: n }, (_, id) => ({ id, weight: 1 }));

test('every backend gets its share of the slots', () => {
  for (const n of [1, 2, 3, 7, 64, 256]) {
    const counts = shares(maglev(even(n)));
    assert.equal(counts.size, n);
    for (const [id, count] of counts)
      assert.ok(Math.abs(count - MAGLEV_SLOTS / n) <= 2, `backend ${id} of ${n} has ${count} slots`);
  }
});

test('weights are shares of the slots', () => {
  const candidates = [1, 2, 0.5, 4].map((weight, id) => ({ id, weight }));
  const counts = shares(maglev(candidates));
  for (const { id, weight } of candidates) {
    const want = (MAGLEV_SLOTS * weight) / 7.5;
    assert.ok(
      Math.abs(counts.get(id)! - want) < want * 0.02 + 2,
      `backend ${id}: ${counts.get(id)}, want ${want}`,
    );
  }
});

test('a backend that goes or comes moves few slots of the others', () => {
  for (const n of [3, 10, 50]) {
    const all = maglev(even(n));
    const without = maglev(even(n).filter(({ id }) => id !== 1));
    let moved = 0;
    for (let i = 0; i < all.length; i++) if (all[i] !== 1 && all[i] !== without[i]) moved++;
    assert.ok(moved < MAGLEV_SLOTS * 0.1, `${moved} slots of others moved among ${n}`);
  }
});

test('no backends leave no slot and no turn', () => {
  assert.ok(maglev([]).every(slot => slot === NONE));
  assert.equal(fillSchedule(new Uint16Array(MAX_SCHEDULE), []), 0);
});

test('turns come in proportion and not in runs', () => {
  const turns = new Uint16Array(MAX_SCHEDULE);
  assert.equal(fillSchedule(turns, even(4)), 4);
  assert.deepEqual([...turns.subarray(0, 4)], [0, 1, 2, 3]);
  const length = fillSchedule(turns, [
    { id: 5, weight: 2 },
    { id: 6, weight: 1 },
    { id: 7, weight: 1 },
  ]);
  assert.equal(length, 4);
  assert.deepEqual([...turns.subarray(0, 4)], [5, 6, 7, 5]);
  const odd = fillSchedule(turns, [
    { id: 0, weight: 1 },
    { id: 1, weight: 1.5 },
  ]);
  assert.equal(odd, 5);
  assert.equal(shares(turns, odd).get(1), 3);
});

test('many backends with uneven weights fit in the turns there are', () => {
  const turns = new Uint16Array(MAX_SCHEDULE);
  const candidates = Array.from({ length: 256 }, (_, id) => ({
    id,
    weight: id === 0 ? 100 : 0.01 + id / 300,
  }));
  const length = fillSchedule(turns, candidates);
  assert.ok(length <= MAX_SCHEDULE);
  assert.equal(shares(turns, length).size, 256);
});
