// The table in docs/conformance.md is the one that the suite checks. To write it anew: CONFORMANCE_WRITE=1 with this test.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { supportTable } from './support.ts';

const PAGE = fileURLToPath(new URL('../../../../../docs/conformance.md', import.meta.url));
const BEGIN = '<!-- table: begin -->\n';
const END = '\n<!-- table: end -->';

test('docs/conformance.md shows the table that the suite checks', () => {
  const page = readFileSync(PAGE, 'utf8');
  const begin = page.indexOf(BEGIN) + BEGIN.length;
  const end = page.indexOf(END);
  assert.ok(begin >= BEGIN.length && end >= begin);
  if (process.env['CONFORMANCE_WRITE'] === '1') {
    writeFileSync(PAGE, page.slice(0, begin) + supportTable() + page.slice(end));
    return;
  }
  assert.equal(page.slice(begin, end), supportTable());
});
