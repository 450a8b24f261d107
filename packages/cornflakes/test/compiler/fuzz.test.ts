// Damaged schemas: whatever is in the file, the compiler ends, and with either modules or errors at places in the file.
// CORNC_FUZZ and CORNC_SEED make the run longer or another one.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { compileSources, SchemaError } from '../../src/compiler/index.ts';
import { memory } from './sources.ts';

const ROUNDS = Number(process.env['CORNC_FUZZ'] ?? 1000);
const SEED = Number(process.env['CORNC_SEED'] ?? 1);
const SCHEMAS = [
  'contract/contract.proto',
  'compiler/golden/names.proto',
  'compiler/golden/shop/order.proto',
];
const PIECES =
  '{ } ; = [ ] ( ) < > , . / // /* */ " \' \\ message enum oneof map<string,int32> repeated optional required group ' +
  'extend extensions reserved option import package syntax service rpc stream to max 0 1 536870911 -1 0x 1e9 __proto__ ' +
  'null constructor \u0000 \ud800 \u2028 \r\n \t é';

/** Marsaglia's xorshift: the same damage for the same seed. */
function random(seed: number): (below: number) => number {
  let state = seed | 1;
  return below => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

function damage(text: string, pick: (below: number) => number): string {
  const pieces = PIECES.split(' ');
  for (let times = 1 + pick(4); times > 0; times--) {
    const at = pick(text.length + 1);
    const length = pick(pick(2) === 0 ? 4 : 60);
    const rest = text.slice(at + length);
    const kind = pick(4);
    if (kind === 0) text = text.slice(0, at) + rest;
    else if (kind === 1) text = `${text.slice(0, at)} ${pieces[pick(pieces.length)]} ${text.slice(at)}`;
    else if (kind === 2) text = text.slice(0, at) + text.slice(at, at + length).repeat(2) + rest;
    else text = text.slice(0, at) + text.slice(pick(text.length + 1)).slice(0, length) + rest;
  }
  return text;
}

function checkErrors(error: unknown, text: string): void {
  assert.ok(error instanceof SchemaError, String((error as Error).stack));
  assert.ok(error.diagnostics.length > 0);
  const lines = text.split('\n');
  for (const { file, line, column, message } of error.diagnostics) {
    if (file !== 't.proto') continue;
    assert.ok(message !== '' && line >= 1 && line <= lines.length, `${line}: ${message}`);
    assert.ok(column >= 1 && column <= lines[line - 1]!.length + 1, `${line}:${column}: ${message}`);
  }
}

describe('damaged schemas', () => {
  for (const name of SCHEMAS) {
    it(name, () => {
      const original = readFileSync(new URL(`../../../test/${name}`, import.meta.url), 'utf8');
      const money = readFileSync(
        new URL('../../../test/compiler/golden/shop/money.proto', import.meta.url),
        'utf8',
      );
      const pick = random(SEED);
      let compiled = 0;
      for (let round = 0; round < ROUNDS; round++) {
        const text = damage(original, pick);
        try {
          compileSources(['t.proto'], memory({ 't.proto': text, 'shop/money.proto': money }));
          compiled++;
        } catch (error) {
          try {
            checkErrors(error, text);
          } catch (problem) {
            throw new Error(`seed ${SEED}, round ${round}:\n${text}`, { cause: problem });
          }
        }
      }
      assert.ok(compiled > 0 && compiled < ROUNDS, `${compiled} of ${ROUNDS} compiled`);
    });
  }
});
