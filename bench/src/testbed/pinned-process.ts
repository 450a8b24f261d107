// A process, of Node unless said otherwise, pinned to one processor, in a namespace if asked, that speaks lines of JSON. It can be stood still
// between its rounds, so that services that spin do not disturb each other.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { getAffinity, platformRefusal, runInNamespace, setAffinity } from '@demikernel/native/kernel';

const STOP_GRACE_MS = 1500;
const SETPRIV = '/usr/bin/setpriv';

export interface PinnedProcessOptions {
  /** What it is called in messages. */
  name: string;
  /** Another program than Node. */
  program?: string;
  /** The script that Node runs. */
  script?: string;
  /** Arguments of the script, or of the program. */
  args?: readonly string[];
  /** Options for node itself. */
  nodeArgs?: readonly string[];
  /** Processor to run on, all threads of it; default wherever this process may run. */
  processor?: number;
  namespace?: string;
}

interface Waiting {
  resolve: (line: string) => void;
  reject: (error: Error) => void;
}

/** Every process that runs, so that an interrupted benchmark leaves none behind. */
const running = new Set<PinnedProcess>();

export class PinnedProcess {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #lines: string[];
  #waiting: Waiting | undefined;
  #errors: string;
  #ended: Error | undefined;

  constructor(options: PinnedProcessOptions) {
    this.name = options.name;
    this.#lines = [];
    this.#waiting = undefined;
    this.#errors = '';
    this.#ended = undefined;
    this.#child = start(options);
    running.add(this);
    const { stdout, stderr, stdin } = this.#child;
    createInterface({ input: stdout! }).on('line', line => this.#line(line));
    stderr!.on('data', (data: Buffer) => {
      this.#errors = (this.#errors + data.toString()).slice(-2000);
    });
    // A process that dies with a request on its way is reported by `exit`.
    stdin!.on('error', () => {});
    this.#child.on('error', error => this.#end(error));
    this.#child.on('close', (code, signal) => {
      const why = reasonIn(this.#errors);
      this.#end(new Error(`${this.name} ended (${signal ?? code})${why === '' ? '' : `: ${why}`}`));
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** The next line it prints. Rejects when it ends first, or after `timeoutMs`. */
  line(timeoutMs: number): Promise<string> {
    const line = this.#lines.shift();
    if (line !== undefined) return Promise.resolve(line);
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting = undefined;
        reject(new Error(`${this.name} said nothing for ${timeoutMs} ms: ${reasonIn(this.#errors)}`));
      }, timeoutMs);
      this.#waiting = {
        resolve: text => {
          clearTimeout(timer);
          resolve(text);
        },
        reject: error => {
          clearTimeout(timer);
          reject(error);
        },
      };
    });
  }

  /** Sends a request and takes the answer. */
  async ask<Answer>(request: unknown, timeoutMs: number): Promise<Answer> {
    this.#child.stdin!.write(`${JSON.stringify(request)}\n`);
    return JSON.parse(await this.line(timeoutMs)) as Answer;
  }

  /** Stands it still: it keeps its sockets and takes no processor time. */
  freeze(): void {
    this.#child.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child.kill('SIGCONT');
  }

  /** Ends it: politely, then not. */
  async stop(): Promise<void> {
    if (this.#ended !== undefined) return;
    const closed = new Promise(resolve => this.#child.once('close', resolve));
    this.thaw();
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.kill(), STOP_GRACE_MS);
    await closed;
    clearTimeout(timer);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #line(line: string): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) this.#lines.push(line);
    else waiting.resolve(line);
  }

  #end(error: Error): void {
    this.#ended ??= error;
    running.delete(this);
    this.#waiting?.reject(this.#ended);
    this.#waiting = undefined;
  }
}

/** Kills what still runs; for the way out. */
export function killAll(): void {
  for (const each of running) each.kill();
}

/** The one line of what a process has printed that says why it ended. */
function reasonIn(errors: string): string {
  const lines = errors.trim().split('\n');
  return lines.find(line => /^\w*Error\b/.test(line)) ?? lines.at(-1) ?? '';
}

function start(options: PinnedProcessOptions): ChildProcess {
  const { program, script = '', args = [], nodeArgs = [], processor, namespace } = options;
  const command =
    program === undefined ? [process.execPath, ...nodeArgs, script, ...args] : [program, ...args];
  // A benchmark that is killed itself must not leave spinning services behind (PR_SET_PDEATHSIG).
  if (existsSync(SETPRIV)) command.unshift(SETPRIV, '--pdeathsig', 'KILL');
  const launch = (): ChildProcess =>
    spawn(command[0]!, command.slice(1), { stdio: ['pipe', 'pipe', 'pipe'] });
  const place = (): ChildProcess => (namespace === undefined ? launch() : runInNamespace(namespace, launch));
  if (processor === undefined || platformRefusal() !== undefined) return place();
  // A child inherits the affinity of the thread that forks it, and V8's helper threads that of the child.
  const home = getAffinity();
  setAffinity([processor]);
  try {
    return place();
  } finally {
    setAffinity(home);
  }
}
