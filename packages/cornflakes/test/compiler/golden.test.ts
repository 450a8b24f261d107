// What is generated, byte for byte. The outputs beside the schemas are compiled with the tests, so they are
// type-checked under the project's strict settings, isolated declarations among them; use.test.ts runs them.
// After a change on purpose: UPDATE_GOLDEN=1 writes them anew.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { compile } from '../../src/compiler/index.ts';

const TESTS = fileURLToPath(new URL('../../../test/', import.meta.url));

interface Golden {
  directory: string;
  files: string[];
  /** As --runtime; the default is the package itself. */
  runtime: string | undefined;
}

const GOLDENS: Golden[] = [
  {
    directory: 'compiler/golden',
    files: ['names.proto', 'numbers.proto', 'shop/order.proto'],
    runtime: undefined,
  },
  { directory: 'contract', files: ['contract.proto'], runtime: '../../src/index.ts' },
];

/** The first lines that differ, headings apart: the hand-made example has one of its own. */
function firstDifference(generated: string, expected: string): string | undefined {
  const [left, right] = [generated, expected].map(text => text.replace(/^(\/\/.*\n)+/, '').split('\n'));
  const at = left!.findIndex((line, index) => line !== right![index]);
  if (at < 0 && left!.length === right!.length) return undefined;
  return `line ${at}: generated ${left![at]}, expected ${right![at]}`;
}

describe('generated code', () => {
  for (const { directory, files, runtime } of GOLDENS) {
    const root = path.join(TESTS, directory);
    const paths = files.map(file => path.join(root, file));
    const { files: generated } = compile({ files: paths, importPaths: [root], runtime });
    for (const { name, text } of generated) {
      it(`${directory}/${name}`, () => {
        const file = path.join(root, name);
        if (process.env['UPDATE_GOLDEN'] === '1' && directory !== 'contract') {
          mkdirSync(path.dirname(file), { recursive: true });
          writeFileSync(file, text);
        }
        assert.equal(firstDifference(text, readFileSync(file, 'utf8')), undefined);
      });
    }
  }
});
