// The middle of several readings: what one reading that others have disturbed does not move.

/** The median; of an even number of values the upper one of the middle two. NaN when there are none. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
