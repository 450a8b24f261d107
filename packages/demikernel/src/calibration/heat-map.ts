// The heat map of the Cornflakes paper as data: fields × total size, and what sending by reference gains over copying in each
// cell. Made from measurements here; shown by text-map.ts and svg-map.ts.

import { type Estimate, medianEstimate, medianOf } from './statistics.ts';

/** Messages of one shape. */
export interface Shape {
  fields: number;
  /** Of all fields together. */
  sizeBytes: number;
  fieldBytes: number;
}

/** A shape, measured. */
export interface Cell extends Shape {
  /** Medians, in nanoseconds per message. */
  copyNs: number;
  gatherNs: number;
  /** By how many percent more messages go by reference than copied, in the same time. */
  gainPercent: Estimate;
}

/** A shape, measured with the threshold that was chosen. */
export interface HybridCell extends Cell {
  hybridNs: number;
  /** By how many percent longer the hybrid takes than the better of copying and gathering. */
  excessPercent: Estimate;
}

/** Every shape of a grid that gives each field a whole number of bytes. Rows are field counts, columns sizes. */
export function shapesOf(fields: readonly number[], sizesBytes: readonly number[]): Shape[] {
  const shapes: Shape[] = [];
  for (const count of fields) {
    for (const sizeBytes of sizesBytes) {
      const fieldBytes = sizeBytes / count;
      if (Number.isInteger(fieldBytes)) shapes.push({ fields: count, sizeBytes, fieldBytes });
    }
  }
  return shapes;
}

/** How much longer `slow` took than `fast`, in percent, over pairs of measurements made next to each other. */
export function percentOver(slow: ArrayLike<number>, fast: ArrayLike<number>): Estimate {
  const ratios = new Float64Array(slow.length);
  for (let i = 0; i < ratios.length; i++) ratios[i] = (slow[i]! / fast[i]! - 1) * 100;
  return medianEstimate(ratios);
}

/** The cell of measurements in nanoseconds per message; the i-th of each were made next to each other. */
export function cellOf(shape: Shape, copyNs: ArrayLike<number>, gatherNs: ArrayLike<number>): Cell {
  return {
    ...shape,
    copyNs: medianOf(copyNs),
    gatherNs: medianOf(gatherNs),
    gainPercent: percentOver(copyNs, gatherNs),
  };
}

/** As {@link cellOf}, with the hybrid. */
export function hybridCellOf(
  shape: Shape,
  copyNs: ArrayLike<number>,
  gatherNs: ArrayLike<number>,
  hybridNs: ArrayLike<number>,
): HybridCell {
  const cell = cellOf(shape, copyNs, gatherNs);
  return {
    ...cell,
    hybridNs: medianOf(hybridNs),
    excessPercent: percentOver(hybridNs, cell.gainPercent.value > 0 ? gatherNs : copyNs),
  };
}

/** Whether the measurement says which of the two is better. */
export function isDecided(cell: Cell): boolean {
  return cell.gainPercent.low > 0 || cell.gainPercent.high < 0;
}

/**
 * What one way to gather gains over another, by their gains over copying, measured one after the other. The interval is wider than it
 * need be: nothing was measured side by side.
 */
export function gainOver(better: Cell, worse: Cell): Cell {
  const factor = (percent: number): number => 1 + percent / 100;
  const ratio = (above: number, below: number): number => (factor(above) / factor(below) - 1) * 100;
  const [a, b] = [better.gainPercent, worse.gainPercent];
  const gainPercent = {
    value: ratio(a.value, b.value),
    low: ratio(a.low, b.high),
    high: ratio(a.high, b.low),
  };
  return { ...better, copyNs: worse.gatherNs, gainPercent };
}
