// No field's accessor may hide a member of the runtime's base class.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BASE_MEMBERS } from '../../src/compiler/emit/member-names.ts';
import { Message } from '../../src/index.ts';
import { Source } from './golden/names.ts';

describe('names of members', () => {
  it('keep clear of everything that messages have', () => {
    const instance = Source.acquire();
    const members = [...Object.keys(instance), ...Object.getOwnPropertyNames(Message.prototype)];
    instance.release();
    // `presentN` is taken for each class, by how many it has.
    const missing = members.filter(name => !BASE_MEMBERS.has(name) && name !== 'present0');
    assert.deepEqual(missing, []);
  });
});
