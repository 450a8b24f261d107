// Random schemas and values: the output type-checks, values survive the wire, and protobufjs sees the same in JSON.
// CORNC_SCHEMAS, CORNC_VALUES and CORNC_SEED make the run longer or another one.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import protojson from 'protobufjs/ext/protojson.js';
import type { JsonValue } from '../../src/index.ts';
import { type Built, build, type GeneratedClass } from './build.ts';
import { type RandomSchema, randomSchema, randomValue, schemaText } from './random-schema.ts';
import { memory } from './sources.ts';
import { WELL_KNOWN } from './well-known-values.ts';

const SCHEMAS = Number(process.env['CORNC_SCHEMAS'] ?? 24);
const VALUES = Number(process.env['CORNC_VALUES'] ?? 25);
const SEED = Number(process.env['CORNC_SEED'] ?? 1);

const wellKnownFiles = new Set(Object.values(WELL_KNOWN).map(({ file }) => `google/protobuf/${file}.proto`));

describe('random schemas', () => {
  const schemas: RandomSchema[] = fc.sample(randomSchema, { numRuns: SCHEMAS, seed: SEED });
  const texts = schemas.map((schema, at) => schemaText(schema, `random.s${at}`));
  let built: Built;

  before(() => {
    const files = Object.fromEntries(texts.map((text, at) => [`s${at}.proto`, text]));
    built = build(Object.keys(files), memory(files));
  });
  after(() => built.remove());

  schemas.forEach((schema, at) => {
    it(`schema ${at} of seed ${SEED}`, async () => {
      const module = await built.import(`s${at}`);
      const root = new protobuf.Root();
      for (const file of wellKnownFiles) root.addJSON(protobuf.common.get(file)!.nested!);
      protobuf.parse(texts[at]!, root);
      schema.forEach((_, index) => {
        const ours = module[`M${index}`]!;
        const theirs = root.lookupType(`random.s${at}.M${index}`);
        fc.assert(
          fc.property(randomValue(schema, index), json => sameView(ours, theirs, json)),
          { numRuns: VALUES, seed: SEED },
        );
      });
    });
  });
});

function sameView(ours: GeneratedClass, theirs: protobuf.Type, json: JsonValue): void {
  const message = ours.fromJSON(json);
  const bytes = message.toBytes();
  const read = ours.read(bytes);
  const again = read.toBytes();
  const written = read.toJSON();
  read.release();
  message.release();
  const encoded = theirs.encode(protojson.fromJson(theirs, json)).finish();
  assert.deepEqual(written, protojson.toJson(theirs, theirs.decode(encoded)));
  assert.deepEqual(again, bytes, 'what was read is written as it was');
}
