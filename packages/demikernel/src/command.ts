// What a command of another package, found by `demikernel NAME`, shares with ours: its shape, tables for terminals, metrics as text.

export { type Command, pause, stopOnSignals, UsageError } from './cli/command.ts';
export { type Labels, MetricsText, type MetricType } from './cli/metrics-text.ts';
export { type Column, textTable } from './cli/text-table.ts';
