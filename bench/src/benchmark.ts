// What a benchmark is to the command that runs it.

import type { Column, Row } from './rows.ts';

/** Options that make no sense: the message is all there is to say. */
export class UsageError extends Error {}

export interface BenchmarkOption {
  type: 'string' | 'boolean';
  /** One line for `--help`. */
  help: string;
}

export interface RunOptions {
  /** At most 45 seconds in all. */
  quick: boolean;
  /** The benchmark's own options, as given. */
  values: Readonly<Record<string, string | undefined>>;
  /** Tells people what happens; goes to standard error. */
  progress: (text: string) => void;
  /**
   * Registers what must be undone however the run ends, Ctrl-C included. Returns a function that does it now and
   * forgets it.
   */
  onExit: (undo: () => void) => () => void;
}

/** Some of the rows as people see them. */
export interface Table {
  rows: readonly Row[];
  columns: Column[];
  notes: readonly string[];
}

export interface Benchmark {
  name: string;
  summary: string;
  options: Readonly<Record<string, BenchmarkOption>>;
  run: (options: RunOptions) => Promise<Row[]>;
  columns: (rows: readonly Row[]) => Column[];
  /** Where rows of several kinds do not fit one table: the tables, each above its notes. Those without rows are left out. */
  tables?: (rows: readonly Row[]) => Table[];
  /** What the table means, below it. */
  notes: readonly string[];
}
