// A node:test reporter that writes what the runner counts, one JSON object per line. The default export that Node asks
// of a reporter is the one exception to the rule against them.

import type { TestEvent as NodeTestEvent } from 'node:test/reporters';

/** One test, or suite, that is over. */
export interface TestRecord {
  name: string;
  /** 0 at the top level of a file. */
  nesting: number;
  outcome: 'pass' | 'fail' | 'skip' | 'todo';
  /** A suite's own outcome is that of its tests: it is not counted. */
  suite: boolean;
  reason: string;
  durationMs: number;
  /** Why it failed, with the stack. */
  failure: string;
}

interface EventData {
  name: string;
  nesting: number;
  skip?: string | boolean;
  todo?: string | boolean;
  details: { duration_ms: number; type?: string; error?: Error & { cause?: unknown; failureType?: string } };
}

function describe(error: (Error & { cause?: unknown }) | undefined): string {
  if (error === undefined) return '';
  const { cause } = error;
  if (cause instanceof Error) return cause.stack ?? String(cause);
  // What crossed a process boundary is a plain object with a stack.
  if (typeof cause === 'object' && cause !== null && 'stack' in cause) return String(cause.stack);
  return cause === undefined ? (error.stack ?? String(error)) : String(cause);
}

async function* testReporter(source: AsyncIterable<NodeTestEvent>): AsyncGenerator<string> {
  for await (const event of source) {
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue;
    const data = event.data as unknown as EventData;
    const skipped = data.skip !== undefined && data.skip !== false;
    const todo = data.todo !== undefined && data.todo !== false;
    const failed = event.type === 'test:fail';
    const reason = skipped ? data.skip : data.todo;
    const record: TestRecord = {
      name: data.name,
      nesting: data.nesting,
      outcome: skipped ? 'skip' : todo ? 'todo' : failed ? 'fail' : 'pass',
      suite: data.details.type === 'suite',
      reason: typeof reason === 'string' ? reason : '',
      durationMs: data.details.duration_ms,
      failure: failed ? describe(data.details.error) : '',
    };
    yield `${JSON.stringify(record)}\n`;
  }
}

// biome-ignore lint/style/noDefaultExport: Node loads a reporter by its default export
export default testReporter;
