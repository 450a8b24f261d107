// From a heat map to the one number that programs need: from how many bytes per field on gathering pays.

import { type Cell, isDecided } from './heat-map.ts';

/** What a cell counts whose measurement does not say which way is better. */
const UNDECIDED_WEIGHT = 0.01;
/** A threshold between two measured sizes is rounded to this many bytes. */
const GRAIN_BYTES = 8;

function logGain(cell: Cell): number {
  return Math.log1p(cell.gainPercent.value / 100);
}

/** What a threshold loses against the better choice in each cell, squared, so that no cell is given up for the sake of many. */
function loss(cells: readonly Cell[], thresholdBytes: number): number {
  let sum = 0;
  for (const cell of cells) {
    const gain = logGain(cell);
    const lost = cell.fieldBytes < thresholdBytes ? Math.max(0, gain) : Math.max(0, -gain);
    sum += lost * lost * (isDecided(cell) ? 1 : UNDECIDED_WEIGHT);
  }
  return sum;
}

function meanGain(cells: readonly Cell[], fieldBytes: number): number {
  const gains = cells.filter(cell => cell.fieldBytes === fieldBytes).map(logGain);
  return gains.reduce((sum, gain) => sum + gain, 0) / gains.length;
}

/**
 * The threshold that loses least over all cells: values of at least so many bytes are better sent by reference.
 *
 * Between two measured sizes it lies where the gain, a straight line over the logarithm of the size, crosses zero. The smallest
 * size that was measured is the lowest answer, Infinity the highest.
 *
 * @returns `undefined` when no cell says which way is better
 */
export function chooseThreshold(cells: readonly Cell[]): number | undefined {
  if (!cells.some(isDecided)) return undefined;
  const sizes = [...new Set(cells.map(cell => cell.fieldBytes))].sort((a, b) => a - b);
  let best = Number.POSITIVE_INFINITY;
  let least = loss(cells, best);
  // From the largest on: among equals, copying is the simpler thing.
  for (let i = sizes.length - 1; i >= 0; i--) {
    const lost = loss(cells, sizes[i]!);
    if (lost >= least) continue;
    least = lost;
    best = sizes[i]!;
  }
  const at = sizes.indexOf(best);
  return at <= 0 ? best : between(cells, sizes[at - 1]!, best);
}

function between(cells: readonly Cell[], belowBytes: number, aboveBytes: number): number {
  const below = meanGain(cells, belowBytes);
  const above = meanGain(cells, aboveBytes);
  if (!(below < 0 && above > 0)) return aboveBytes;
  const part = -below / (above - below);
  const bytes = belowBytes * (aboveBytes / belowBytes) ** part;
  const rounded = Math.ceil(bytes / GRAIN_BYTES) * GRAIN_BYTES;
  return rounded > belowBytes && rounded < aboveBytes ? rounded : aboveBytes;
}
