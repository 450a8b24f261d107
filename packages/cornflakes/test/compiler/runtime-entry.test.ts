// The runtime's entry loads neither the compiler nor its parser: generated code runs where they are not installed.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';

const ENTRY = new URL('../../src/index.js', import.meta.url).href;

describe('the runtime entry', () => {
  it('does not load the parser', () => {
    // The parser is a CommonJS package: what of it is loaded stands in that loader's cache.
    const script = `
      import module from 'node:module';
      await import(${JSON.stringify(ENTRY)});
      console.log(Object.keys(module._cache).length);
      await import('protobufjs');
      console.log(Object.keys(module._cache).length > 0);`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      cwd: new URL('.', import.meta.url),
      encoding: 'utf8',
    });
    assert.equal(stderr, '');
    assert.equal(stdout, '0\ntrue\n');
  });
});
