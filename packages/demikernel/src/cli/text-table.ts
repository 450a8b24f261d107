// Aligned text tables for terminals.

/** One column: its heading, and whether its cells stand to the right. */
export interface Column {
  heading: string;
  right?: boolean;
}

/** Lines of a table, cells padded to the widest of their column; two spaces between columns. */
export function textTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map((column, i) =>
    rows.reduce((width, row) => Math.max(width, (row[i] ?? '').length), column.heading.length),
  );
  const line = (cells: readonly string[]): string =>
    columns
      .map((column, i) =>
        column.right === true ? (cells[i] ?? '').padStart(widths[i]!) : (cells[i] ?? '').padEnd(widths[i]!),
      )
      .join('  ')
      .trimEnd();
  return [line(columns.map(column => column.heading)), ...rows.map(line)].join('\n');
}
