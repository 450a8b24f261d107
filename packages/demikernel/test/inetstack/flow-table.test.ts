// The open-addressed table against a Map, under additions, replacements and deletions.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { FlowTable } from '../../src/inetstack/flow-table.ts';

describe('flow table', () => {
  it('does what a Map does', () => {
    const key = fc.integer({ min: -20, max: 20 });
    const step = fc.tuple(fc.constantFrom('set', 'delete'), key, fc.integer({ min: 0, max: 3 }));
    fc.assert(
      fc.property(fc.integer(), fc.array(step, { maxLength: 300 }), (secret, steps) => {
        const table = new FlowTable<number>(secret);
        const model = new Map<string, number>();
        let value = 1;
        for (const [what, a, b] of steps) {
          if (what === 'set') {
            table.set(a, b, ++value);
            model.set(`${a},${b}`, value);
          } else {
            assert.equal(table.delete(a, b), model.delete(`${a},${b}`));
          }
        }
        assert.equal(table.count, model.size);
        for (let a = -20; a <= 20; a++) {
          for (let b = 0; b <= 3; b++) assert.equal(table.get(a, b), model.get(`${a},${b}`));
        }
      }),
    );
  });

  it('grows to many entries and keeps them all', () => {
    const table = new FlowTable<number>(99);
    for (let i = 0; i < 20_000; i++) table.set(Math.imul(i, 0x01000193), i << 16, i);
    for (let i = 0; i < 20_000; i++) assert.equal(table.get(Math.imul(i, 0x01000193), i << 16), i);
    let seen = 0;
    table.forEach(() => {
      seen++;
    });
    assert.equal(seen, 20_000);
  });

  it('finds a value from any place on, within the places it may look at', () => {
    const table = new FlowTable<number>(7);
    assert.equal(
      table.findFrom(3, 1000, () => true),
      undefined,
    );
    for (let i = 0; i < 100; i++) table.set(i, i, i);
    for (const start of [0, 1, 255, -1, 0x7fffffff, -0x80000000]) {
      assert.ok(table.findFrom(start, 1000, () => true) !== undefined);
      assert.equal(
        table.findFrom(start, Number.POSITIVE_INFINITY, value => value === 42),
        42,
      );
      let looked = 0;
      table.findFrom(start, 10, () => {
        looked++;
        return false;
      });
      assert.ok(looked <= 10);
    }
  });
});
