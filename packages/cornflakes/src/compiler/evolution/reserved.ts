// Numbers that a schema has put out of use.

import type { Reservations } from '../schema/model.ts';

export function isReserved({ ranges }: Reservations, number: number): boolean {
  return ranges.some(({ from, to }) => number >= from && number <= to);
}
