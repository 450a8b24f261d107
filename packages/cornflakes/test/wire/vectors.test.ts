// Golden vectors: values and their bytes, as data. docs/wire-format.md explains them byte by byte.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { JsonValue, Message, MessageType } from '../../src/index.ts';
import * as contract from '../contract/contract.ts';
import { assertBalanced, cut, smallPool } from '../runtime/support.ts';

interface Vector {
  name: string;
  type: string;
  json: JsonValue;
  hex: string;
}

// Compiled to dist/test/wire; the data stays where it is.
const file = new URL('../../../test/wire/vectors.json', import.meta.url);
const vectors = JSON.parse(readFileSync(file, 'utf8')) as Vector[];
const types = new Map<string, MessageType<Message>>();
for (const value of Object.values(contract)) {
  if (typeof value === 'function') types.set(value.type.name, value.type);
}

for (const { name, type, json, hex } of vectors) {
  test(name, () => {
    const messageType = types.get(type)!;
    const written = messageType.fromJSON(json);
    assert.equal(Buffer.from(written.toBytes()).toString('hex'), hex);
    const bytes = Buffer.from(hex, 'hex');
    assert.deepEqual(messageType.read(bytes, { strict: true }).toJSON(), json);
    const pool = smallPool();
    const array = cut(pool, bytes, [1]);
    const read = messageType.read(array, { strict: true });
    array.free();
    assert.deepEqual(read.toJSON(), json);
    assert.equal(Buffer.from(read.toBytes()).toString('hex'), hex);
    read.release();
    assertBalanced(pool);
  });
}
