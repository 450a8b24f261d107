// One test file in a process of its own, with its children in one process group that is ended with it.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestFile } from './test-files.ts';
import type { TestRecord } from './test-reporter.ts';

const REPORTER: string = fileURLToPath(new URL('./test-reporter.js', import.meta.url));
/** Kept of what a test file prints. */
const MAX_OUTPUT_BYTES = 64 * 1024;
/** How long a process group that was asked to end may take before it is killed. */
const GRACE_MS = 3000;

/** What became of a test file. */
export interface FileOutcome {
  file: TestFile;
  records: TestRecord[];
  /** What it printed. */
  output: string;
  /** Why the file as a whole failed: it crashed, hung, or was never compiled. Empty otherwise. */
  trouble: string;
  durationMs: number;
}

/** Runs test files and knows which are running. */
export class TestProcesses {
  /** A test file that takes longer is ended, and has failed. */
  readonly timeoutMs: number;
  private readonly scratch: string;
  private readonly environment: NodeJS.ProcessEnv;
  private readonly running: Set<ChildProcess>;
  private started: number;

  constructor(options: { scratch: string; timeoutMs: number; environment: NodeJS.ProcessEnv }) {
    this.timeoutMs = options.timeoutMs;
    this.scratch = options.scratch;
    this.environment = options.environment;
    this.running = new Set();
    this.started = 0;
  }

  /** Runs one file; never rejects. */
  async run(file: TestFile): Promise<FileOutcome> {
    const startedMs = Date.now();
    const outcome: FileOutcome = { file, records: [], output: '', trouble: '', durationMs: 0 };
    if (!existsSync(file.compiled)) {
      outcome.trouble = `not compiled: ${file.compiled} is missing (npm run build)`;
      return outcome;
    }
    const report = join(this.scratch, `${this.started++}.jsonl`);
    const child = spawn(
      process.execPath,
      [
        '--expose-gc',
        '--enable-source-maps',
        `--test-reporter=${REPORTER}`,
        `--test-reporter-destination=${report}`,
        file.compiled,
      ],
      // A group of its own, so that what a test leaves behind can be ended with it.
      { detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: this.environment },
    );
    this.running.add(child);
    const collect = (chunk: Buffer): void => {
      if (outcome.output.length < MAX_OUTPUT_BYTES) outcome.output += chunk.toString();
    };
    child.stdout!.on('data', collect);
    child.stderr!.on('data', collect);
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      void endGroup(child);
    }, this.timeoutMs);
    // 'exit', not 'close': a grandchild that holds the pipes open must not hold the runner.
    const { code, signal } = await new Promise<{ code: number | null; signal: string | null }>(resolve => {
      child.once('exit', (code, signal) => resolve({ code, signal }));
      child.once('error', () => resolve({ code: 1, signal: null }));
    });
    clearTimeout(timer);
    await endGroup(child);
    this.running.delete(child);
    child.stdout!.destroy();
    child.stderr!.destroy();
    outcome.records = readReport(report);
    outcome.durationMs = Date.now() - startedMs;
    const failed = outcome.records.some(record => record.outcome === 'fail');
    if (timedOut) outcome.trouble = `did not end within ${this.timeoutMs / 1000} s`;
    else if (signal !== null) outcome.trouble = `ended by ${signal}`;
    else if (code !== 0 && !failed) outcome.trouble = `exited with ${code}`;
    return outcome;
  }

  /** Ends everything that runs. */
  async endAll(): Promise<void> {
    await Promise.all([...this.running].map(child => endGroup(child)));
  }
}

function readReport(path: string): TestRecord[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n');
  rmSync(path);
  const records: TestRecord[] = [];
  for (const line of lines) {
    // The last line of a process that was killed may be cut.
    if (line.endsWith('}')) records.push(JSON.parse(line) as TestRecord);
  }
  return records;
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals | 0): boolean {
  if (child.pid === undefined) return false;
  try {
    process.kill(-child.pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Asks a process group to end, so that tests can put things back, then kills what is left of it. */
async function endGroup(child: ChildProcess): Promise<void> {
  if (!signalGroup(child, 'SIGTERM')) return;
  for (let waitedMs = 0; waitedMs < GRACE_MS; waitedMs += 20) {
    if (!signalGroup(child, 0)) return;
    await new Promise(resolve => setTimeout(resolve, 20));
  }
  signalGroup(child, 'SIGKILL');
}
