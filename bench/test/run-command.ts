// Running the commands of this workspace as users do, from the compiled files, and looking at what they leave behind.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Report } from '../src/rows.ts';

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Path of a compiled script of bench. */
export function scriptPath(name: string): string {
  return fileURLToPath(new URL(`../src/${name}.js`, import.meta.url));
}

/** Starts a script of bench; `wrapper` is a command to put in front. */
export function startScript(
  name: string,
  args: readonly string[],
  wrapper: readonly string[] = [],
): ChildProcess {
  const command = [...wrapper, process.execPath, scriptPath(name), ...args];
  return spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Collects what a process prints until it ends. */
export function outcomeOf(child: ChildProcess): Promise<Outcome> {
  const outcome: Outcome = { code: null, stdout: '', stderr: '' };
  child.stdout!.on('data', (data: Buffer) => {
    outcome.stdout += data.toString();
  });
  child.stderr!.on('data', (data: Buffer) => {
    outcome.stderr += data.toString();
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', code => resolve({ ...outcome, code }));
  });
}

/** Namespaces that a process has named after itself. */
export function namespacesOf(pid: number): string[] {
  if (!existsSync('/run/netns')) return [];
  return readdirSync('/run/netns').filter(name => name.startsWith(`demi-${pid}-`));
}

/** Processes whose parent is, or was made by, `pid`: found by the parent's id in /proc. */
export function childrenOf(pid: number): number[] {
  const children: number[] = [];
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'latin1');
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      if (parent === pid) children.push(Number(entry));
    } catch {
      // It has ended meanwhile.
    }
  }
  return children;
}

/** Whether a process exists. */
export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** What `--json` prints: rows that are flat, of a benchmark, on this machine. */
export function checkReport(text: string, bench: string): Report {
  const report = JSON.parse(text) as Report;
  assert.deepEqual(Object.keys(report), ['bench', 'machine', 'rows']);
  assert.equal(report.bench, bench);
  assert.equal(report.machine.node, process.versions.node);
  assert.ok(report.machine.cores > 0);
  assert.ok(report.rows.length > 0);
  for (const row of report.rows) {
    assert.equal(typeof row.system, 'string');
    for (const [name, value] of Object.entries(row)) {
      assert.ok(['string', 'number', 'boolean'].includes(typeof value), `${name} is flat`);
    }
  }
  return report;
}
