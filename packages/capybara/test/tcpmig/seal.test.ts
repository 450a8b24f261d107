// Sealed states: golden bytes, and that nothing else opens; fragments, in every order; what travels in a state.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from 'demikernel/simulator';
import { packState, unpackState } from '../../src/host/connection-state.ts';
import {
  FRAGMENT_WINDOW,
  fragmentCount,
  IncomingFragments,
  OutgoingFragments,
} from '../../src/tcpmig/fragments.ts';
import { FRAGMENT_BYTES } from '../../src/tcpmig/header.ts';
import { SEAL_BYTES, type SealName, StateSeal } from '../../src/tcpmig/seal.ts';

const NAME: SealName = {
  clientAddress: 0x0a000001,
  clientPort: 40_000,
  virtualAddress: 0x0a0000fe,
  virtualPort: 80,
  identifierLow: 0x55667788,
  identifierHigh: 0x11223344,
  epoch: 7,
  origin: 1,
  target: 2,
};
const KEY = Uint8Array.from({ length: 32 }, (_, i) => i);
const STATE = Uint8Array.from(Buffer.from('the state of a connection'));
/** HMAC-SHA256 for the key, AES-256-GCM with twelve zeros, by another implementation. */
const GOLDEN = '3f4b36fb6260d6d0e85b483a1062e986644633db8452b4341c94954135fc84a2410a673b49f167b738';

test('golden bytes of a sealed state', () => {
  const sealed = new StateSeal(KEY).seal(NAME, STATE);
  assert.equal(Buffer.from(sealed).toString('hex'), GOLDEN);
  assert.deepEqual(Uint8Array.from(new StateSeal(KEY).open(NAME, sealed)!), STATE);
});

test('nothing opens that was changed, cut, meant for others or sealed under another key', () => {
  const seal = new StateSeal(KEY);
  const sealed = seal.seal(NAME, STATE);
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const changed = Uint8Array.from(sealed);
    changed[bit >> 3]! ^= 1 << (bit & 7);
    assert.equal(seal.open(NAME, changed), undefined, `bit ${bit}`);
  }
  for (let length = 0; length < sealed.length; length++) {
    assert.equal(seal.open(NAME, sealed.subarray(0, length)), undefined, `${length} bytes`);
  }
  for (const field of Object.keys(NAME) as (keyof SealName)[]) {
    assert.equal(seal.open({ ...NAME, [field]: NAME[field] ^ 1 }, sealed), undefined, field);
  }
  assert.equal(new StateSeal(KEY.map(byte => byte ^ 1)).open(NAME, sealed), undefined);
  assert.throws(() => new StateSeal(new Uint8Array(16)), RangeError);
});

test('an empty state is sealed, too', () => {
  const seal = new StateSeal(KEY);
  const sealed = seal.seal(NAME, new Uint8Array(0));
  assert.equal(sealed.length, SEAL_BYTES);
  assert.equal(seal.open(NAME, sealed)?.length, 0);
});

test('fragments arrive in any order, more than once, and are sent until they have', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = new SeededRandom(seed);
    const sealed = Uint8Array.from({ length: 1 + random.below(200_000) }, () => random.below(256));
    const outgoing = new OutgoingFragments(sealed);
    const incoming = new IncomingFragments(sealed.length);
    assert.equal(outgoing.count, fragmentCount(sealed.length));
    let flight: number[] = [];
    for (let turns = 0; !outgoing.done; turns++) {
      assert.ok(turns < 10_000);
      for (let index = outgoing.takeNext(); index >= 0; index = outgoing.takeNext()) flight.push(index);
      if (turns === 0) assert.equal(flight.length, Math.min(outgoing.count, FRAGMENT_WINDOW));
      if (flight.length === 0) outgoing.again(index => flight.push(index));
      const at = random.below(flight.length);
      const [index] = flight.splice(at, 1);
      if (random.below(5) === 0) continue; // lost
      if (random.below(5) === 0) flight.push(index!);
      assert.ok(incoming.take(index!, outgoing.bytes(index!)));
      if (random.below(5) !== 0) outgoing.acknowledge(index!);
      flight = flight.slice(-200);
    }
    assert.deepEqual(incoming.whole, sealed);
  }
});

function isWhole(incoming: IncomingFragments): boolean {
  return incoming.whole !== undefined;
}

test('fragments that have no place are not taken', () => {
  const incoming = new IncomingFragments(FRAGMENT_BYTES + 10);
  assert.ok(!incoming.take(2, new Uint8Array(10)));
  assert.ok(!incoming.take(0, new Uint8Array(FRAGMENT_BYTES - 1)));
  assert.ok(!incoming.take(1, new Uint8Array(11)));
  assert.ok(incoming.take(1, new Uint8Array(10)));
  assert.ok(!isWhole(incoming));
  assert.ok(incoming.take(0, new Uint8Array(FRAGMENT_BYTES)));
  assert.ok(isWhole(incoming));
  incoming.clear();
  assert.ok(!isWhole(incoming));
  const outgoing = new OutgoingFragments(new Uint8Array(10));
  assert.ok(!outgoing.acknowledge(0), 'not sent yet');
});

test('what travels is the record and what the application saved', () => {
  const record = Uint8Array.of(1, 2, 3);
  const saved = Uint8Array.of(4, 5);
  const bytes = packState(record, saved);
  const state = unpackState(bytes)!;
  assert.deepEqual([...state.record], [1, 2, 3]);
  assert.deepEqual([...state.saved], [4, 5]);
  for (let length = 0; length < 11; length++) assert.equal(unpackState(bytes.subarray(0, length)), undefined);
  bytes[4] = 200;
  assert.equal(unpackState(bytes), undefined);
  bytes[4] = 3;
  bytes[0] = 2;
  assert.equal(unpackState(bytes), undefined);
});
