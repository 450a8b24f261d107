// What the test runner prints: a line per file as it ends, each failure at once, and the counts at the end.

import type { FileOutcome } from './test-process.ts';
import type { TestRecord } from './test-reporter.ts';

interface Named {
  source: string;
  name: string;
  reason: string;
}

/** Collects outcomes. */
export class TestSummary {
  private readonly fileCount: number;
  private readonly say: (line: string) => void;
  private readonly startedMs: number;
  private done: number;
  private passed: number;
  private readonly failures: Named[];
  private readonly skips: Named[];

  constructor(fileCount: number, say: (line: string) => void) {
    this.fileCount = fileCount;
    this.say = say;
    this.startedMs = Date.now();
    this.done = 0;
    this.passed = 0;
    this.failures = [];
    this.skips = [];
  }

  add(outcome: FileOutcome): void {
    const { source } = outcome.file;
    let passed = 0;
    let skipped = 0;
    const failed: TestRecord[] = [];
    for (const record of outcome.records) {
      if (record.outcome === 'fail') failed.push(record);
      else if (record.outcome !== 'pass') {
        skipped++;
        this.skips.push({ source, name: record.name, reason: record.reason || record.outcome });
      } else if (!record.suite) passed++;
    }
    // A test with failing subtests fails too: count the leaves, unless the failure is its own.
    const leaves = failed.filter(record => !/subtests? failed/.test(record.failure));
    for (const record of leaves) this.failures.push({ source, name: record.name, reason: '' });
    if (outcome.trouble !== '') this.failures.push({ source, name: '', reason: outcome.trouble });
    this.passed += passed;
    this.done++;
    const bad = leaves.length > 0 || outcome.trouble !== '';
    const counts = [`${passed} passed`];
    if (leaves.length > 0) counts.push(`${leaves.length} failed`);
    if (skipped > 0) counts.push(`${skipped} skipped`);
    if (outcome.trouble !== '') counts.push(outcome.trouble);
    const place = `${this.done}/${this.fileCount}`.padStart(7);
    const seconds = (outcome.durationMs / 1000).toFixed(1);
    this.say(`${place} ${bad ? '✗' : '✓'} ${source}: ${counts.join(', ')} (${seconds} s)`);
    for (const record of leaves) this.say(indent(`✗ ${record.name}\n${indent(record.failure)}`));
    if (bad && outcome.output.trim() !== '') this.say(indent(`output:\n${indent(outcome.output.trim())}`));
  }

  /** Prints the end of the run; returns whether anything failed. */
  print(): boolean {
    const { say } = this;
    say('');
    if (this.skips.length > 0) {
      say('skipped:');
      for (const { source, name, reason } of this.skips) say(`  ${source}: ${name}: ${reason}`);
    }
    if (this.failures.length > 0) {
      say('failed:');
      for (const { source, name, reason } of this.failures) {
        say(`  ${source}${name === '' ? '' : `: ${name}`}${reason === '' ? '' : `: ${reason}`}`);
      }
    }
    if (this.done < this.fileCount) say(`not run: ${this.fileCount - this.done} of ${this.fileCount} files`);
    const seconds = ((Date.now() - this.startedMs) / 1000).toFixed(0);
    say(
      `${this.passed} passed, ${this.failures.length} failed, ${this.skips.length} skipped (${this.done} files, ${seconds} s)`,
    );
    return this.failures.length > 0 || this.done < this.fileCount;
  }
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '        ');
}
