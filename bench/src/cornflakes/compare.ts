// Columns that set a row beside others under the same conditions.

import { type Column, type Row, ratio } from '../rows.ts';

export interface Comparison {
  title: string;
  /** The figure that is compared. */
  field: string;
  /** Fields in which rows must agree to be compared. */
  under: readonly string[];
  /** Whom a row is compared with: of several, the best. */
  peers: (row: Row) => boolean;
  /** Whether more of the figure is better. Default: less is. */
  moreIsBetter?: boolean;
}

/** A row's figure as a multiple of its best peer's; blank without one. A row is no peer of its own. */
export function compared(rows: readonly Row[], comparison: Comparison): Column {
  const { field, moreIsBetter = false, peers, title, under } = comparison;
  return {
    title,
    right: true,
    value: row => {
      const figures: number[] = [];
      for (const other of rows) {
        if (other === row || !peers(other) || under.some(name => other[name] !== row[name])) continue;
        const figure = other[field];
        if (typeof figure === 'number') figures.push(figure);
      }
      if (figures.length === 0) return '';
      return ratio(row[field], moreIsBetter ? Math.max(...figures) : Math.min(...figures));
    },
  };
}

/** The row of Cornflakes as it is, nothing switched off. */
export function isOurs(row: Row): boolean {
  return row.system === 'cornflakes';
}

/** Framing by hand. */
export function isLimit(row: Row): boolean {
  return row.system === 'raw';
}

/** Neither ours, in any variant, nor the limit. */
export function isOtherLibrary(row: Row): boolean {
  return !isLimit(row) && !row.system.startsWith('cornflakes');
}
