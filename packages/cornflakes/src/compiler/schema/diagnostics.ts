// Where something stands in a schema, and what is wrong or worth knowing there.
// Says nothing about how schemas are read.

import { DemiError } from '@demikernel/memory';

/** A place in a schema; line and column count from 1, the column in UTF-16 units as editors show it. */
export interface Position {
  /** The file's name as it was found: on disk, or as imported when it ships with the compiler. */
  file: string;
  line: number;
  column: number;
}

/** One finding. A note is information (a skipped service); an error means that nothing is generated. */
export interface Diagnostic extends Position {
  severity: 'error' | 'note';
  message: string;
}

/** Thrown by the compiler with everything found wrong, in the order of the sources. */
export class SchemaError extends DemiError {
  readonly diagnostics: readonly Diagnostic[];

  constructor(diagnostics: readonly Diagnostic[]) {
    super('ERR_DEMI_SCHEMA', diagnostics.map(formatDiagnostic).join('\n'));
    this.name = 'SchemaError';
    this.diagnostics = diagnostics;
  }
}

/** `file:line:column: message`, the form that editors and terminals turn into links. */
export function formatDiagnostic(diagnostic: Diagnostic): string {
  const { file, line, column, message } = diagnostic;
  const prefix = diagnostic.severity === 'note' ? 'note: ' : '';
  return `${file}:${line}:${column}: ${prefix}${message}`;
}

/** Gathers findings while a schema is read, so that one run reports them all. */
export class Findings {
  readonly errors: Diagnostic[] = [];
  readonly notes: Diagnostic[] = [];

  error(position: Position, message: string): void {
    this.errors.push({ severity: 'error', ...position, message });
  }

  note(position: Position, message: string): void {
    this.notes.push({ severity: 'note', ...position, message });
  }

  /** @throws SchemaError when anything was wrong. */
  throwIfAny(): void {
    if (this.errors.length > 0) throw new SchemaError(this.errors);
  }
}
