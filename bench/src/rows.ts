// What a benchmark yields: flat rows, printed as a table for people or as one JSON object for programs.

import type { Machine } from './machine.ts';

/** One measured line. Parameters first, then figures; every figure's name ends in its unit. */
export type Row = Record<string, string | number | boolean> & { system: string };

export interface Report {
  bench: string;
  machine: Machine;
  rows: Row[];
}

/** How a table shows one column: its heading, its field, and what `format` makes of the field. */
export interface Column {
  title: string;
  value: (row: Row) => string;
  /** Numbers stand right, words left. */
  right?: boolean;
}

/** A figure with `digits` decimals; blank when the row has none. */
export function figure(title: string, field: string, digits = 1): Column {
  return {
    title,
    right: true,
    value: row => {
      const value = row[field];
      return typeof value === 'number' && Number.isFinite(value) ? value.toFixed(digits) : '';
    },
  };
}

/** A field as it is. */
export function word(title: string, field: string): Column {
  return { title, value: row => String(row[field] ?? '') };
}

/** Rows as aligned text. */
export function formatTable(rows: readonly Row[], columns: readonly Column[]): string {
  const cells = rows.map(row => columns.map(column => column.value(row)));
  const widths = columns.map((column, i) =>
    Math.max(column.title.length, ...cells.map(line => line[i]!.length)),
  );
  const pad = (text: string, i: number): string =>
    columns[i]!.right === true ? text.padStart(widths[i]!) : text.padEnd(widths[i]!);
  const lines = [columns.map((column, i) => pad(column.title, i)), widths.map(width => '-'.repeat(width))];
  for (const line of cells) lines.push(line.map(pad));
  return lines.map(line => line.join('  ').trimEnd()).join('\n');
}

/** A ratio as people read it: `0.42x`; blank when either side is missing. */
export function ratio(value: unknown, base: unknown): string {
  if (typeof value !== 'number' || typeof base !== 'number' || !(base > 0)) return '';
  return `${(value / base).toFixed(2)}x`;
}

/** A number with at most three decimals, for rows. */
export function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
