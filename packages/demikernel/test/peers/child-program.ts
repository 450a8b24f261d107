// Child processes of these tests: started inside a namespace, read line by line, and never left behind.

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { runInNamespace } from '@demikernel/native/kernel';

/** How a program ended. */
export interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** All of its standard output and standard error. */
  output: string;
  errors: string;
}

/** A program that runs. */
export class ChildProgram {
  readonly process: ChildProcess;
  /** Resolves when it is over and its pipes are closed. */
  readonly ended: Promise<Ending>;
  private output: string;
  private errors: string;
  private read: number;
  private over: boolean;
  private wake: () => void;

  constructor(process: ChildProcess) {
    this.process = process;
    this.output = '';
    this.errors = '';
    this.read = 0;
    this.over = false;
    this.wake = () => {};
    process.stdout!.on('data', chunk => {
      this.output += chunk;
      this.wake();
    });
    process.stderr!.on('data', chunk => {
      this.errors += chunk;
    });
    this.ended = new Promise((resolve, reject) => {
      process.once('error', reject);
      process.once('close', (code, signal) => {
        this.over = true;
        this.wake();
        resolve({ code, signal, output: this.output, errors: this.errors });
      });
    });
    this.ended.catch(() => {});
  }

  /** The next line of its standard output. @throws when the program has ended without one */
  async line(): Promise<string> {
    for (;;) {
      const end = this.output.indexOf('\n', this.read);
      if (end >= 0) {
        const line = this.output.slice(this.read, end);
        this.read = end + 1;
        return line;
      }
      if (this.over) throw new Error(`the program has ended: ${this.output}${this.errors}`);
      await new Promise<void>(resolve => {
        this.wake = resolve;
      });
    }
  }

  /** Asks it to end, and waits until it has. */
  stop(signal: NodeJS.Signals = 'SIGKILL'): Promise<Ending> {
    if (!this.over) this.process.kill(signal);
    return this.ended;
  }
}

/** Starts a program inside a namespace. */
export function startProgram(namespace: string, program: string, args: readonly string[]): ChildProgram {
  return new ChildProgram(
    runInNamespace(namespace, () => spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })),
  );
}

/** Starts one of this folder's programs, named without its ending. */
export function startNode(namespace: string, name: string, ...args: readonly string[]): ChildProgram {
  const path = fileURLToPath(new URL(`./${name}.js`, import.meta.url));
  const flags = (process.env['DEMIKERNEL_TEST_NODE_FLAGS'] ?? '').split(' ').filter(flag => flag !== '');
  return startProgram(namespace, process.execPath, [...(name === 'bulk-peer' ? [] : flags), path, ...args]);
}

/** Runs a Node program given as source text. */
export function startSource(namespace: string, source: string): ChildProgram {
  return startProgram(namespace, process.execPath, ['--input-type=module', '-e', source]);
}
