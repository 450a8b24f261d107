// Heat maps as pictures: what a reader of XML sees.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type HybridCell, shapesOf } from '../../src/calibration/heat-map.ts';
import { percent, svgHeatMap } from '../../src/calibration/svg-map.ts';

function cells(): HybridCell[] {
  return shapesOf([1, 4], [256, 1024]).map((shape, i) => ({
    ...shape,
    copyNs: 100,
    gatherNs: 100,
    hybridNs: 100,
    gainPercent: { value: i * 30 - 45, low: i * 30 - 46, high: i * 30 - 44 },
    excessPercent: { value: 0, low: 0, high: 0 },
  }));
}

/** Names of elements in order; throws where a tag is not closed, or text is not escaped. */
function elements(xml: string): string[] {
  const open: string[] = [];
  const names: string[] = [];
  let rest = xml.trim();
  while (rest !== '') {
    const tag = /^<(\/?)([a-z]+)((?: [a-zA-Z-]+="[^"<&]*")*)(\/?)>/.exec(rest);
    if (tag === null) {
      const text = /^(?:[^<&\p{Cc}]|[\n]|&(?:amp|lt|gt|quot|apos);)+/u.exec(rest);
      assert.ok(text !== null, `no XML: ${rest.slice(0, 60)}`);
      rest = rest.slice(text[0].length);
      continue;
    }
    const [whole, end, name, , alone] = tag;
    if (end === '/') assert.equal(open.pop(), name);
    else {
      names.push(name!);
      if (alone === '') open.push(name!);
    }
    rest = rest.slice(whole.length);
  }
  assert.deepEqual(open, []);
  return names;
}

test('every cell has a colour and a number, those by reference a frame', () => {
  const title = { title: 'catmem', note: 'a machine' };
  const count = (threshold: number): number =>
    elements(svgHeatMap(cells(), threshold, title)).filter(name => name === 'rect').length;
  // The background, four cells.
  assert.equal(count(Number.POSITIVE_INFINITY), 5);
  assert.equal(count(256), 5 + 3);
  assert.equal(count(0), 5 + 4);
  const picture = svgHeatMap(cells(), 256, title);
  for (const text of ['-45', '-15', '+15', '+45', '256', '1024'])
    assert.ok(picture.includes(`>${text}<`), text);
});

test('names cannot break out of the picture', () => {
  const picture = svgHeatMap(cells(), 256, {
    title: '"><script>alert(1)</script>\u0000\u001b[31m',
    note: `a&b<c>'"`,
  });
  assert.ok(!elements(picture).includes('script'));
});

test('percents are rounded and have a sign', () => {
  assert.deepEqual([-0.4, 0, 0.4, 0.6, -12.3].map(percent), ['0', '0', '0', '+1', '-12']);
});
