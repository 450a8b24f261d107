// No field's accessor may hide a member of the runtime's base class.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { BASE_MEMBERS } from '../../src/compiler/emit/member-names.ts';
import { compileSources } from '../../src/compiler/index.ts';
import { Message } from '../../src/index.ts';
import { Source } from './golden/names.ts';
import { type RandomSchema, randomSchema, schemaText } from './random-schema.ts';
import { memory } from './sources.ts';

/** Accessors' names by message and number. */
function accessors(schema: RandomSchema): Map<string, string> {
  const { files } = compileSources(['t.proto'], memory({ 't.proto': schemaText(schema, 'p') }));
  const names = new Map<string, string>();
  let message = '';
  const text = files.find(file => file.name === 't.ts')!.text;
  for (const match of text.matchAll(/name: '(p\.[\w.]+)'|number: (\d+),\s+name: '(\w+)'/g)) {
    if (match[1] === undefined) names.set(`${message} ${match[2]}`, match[3]!);
    else message = match[1];
  }
  return names;
}

describe('names of members', () => {
  it('keep clear of everything that messages have', () => {
    const instance = Source.acquire();
    const members = [...Object.keys(instance), ...Object.getOwnPropertyNames(Message.prototype)];
    instance.release();
    const missing = members.filter(name => !BASE_MEMBERS.has(name) && !/^present\d+$/.test(name));
    assert.deepEqual(missing, []);
  });

  it('stay when fields with higher numbers come', () => {
    const property = fc.property(randomSchema, fc.nat(), (schema, cut) => {
      const sorted = schema.map(fields => fields.toSorted((a, b) => a.number - b.number));
      const earlier = sorted.map(fields => fields.slice(0, cut % (fields.length + 1)));
      const now = accessors(sorted);
      for (const [place, name] of accessors(earlier)) assert.equal(now.get(place), name, place);
    });
    fc.assert(property, { seed: 1, numRuns: 50 });
  });
});
