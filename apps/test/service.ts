// Starts an application as a user would, for tests on the loopback interface.

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export class Service {
  readonly process: ChildProcess;
  /** What it has printed, by line. */
  readonly lines: string[];
  errors: string;
  private waiting: (() => void)[];
  private ended: boolean;
  private readonly end: Promise<number>;

  constructor(app: string, args: readonly string[]) {
    const path = fileURLToPath(new URL(`../src/${app}.js`, import.meta.url));
    this.process = spawn(process.execPath, [path, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.lines = [];
    this.errors = '';
    this.waiting = [];
    this.ended = false;
    createInterface({ input: this.process.stdout! }).on('line', line => {
      this.lines.push(line);
      this.wake();
    });
    this.process.stderr!.on('data', (chunk: Buffer) => {
      this.errors += chunk.toString();
    });
    this.end = new Promise(resolve => {
      this.process.once('close', (code, signal) => {
        this.ended = true;
        this.wake();
        if (signal !== null) this.errors += `ended by ${signal}`;
        resolve(code ?? -1);
      });
    });
  }

  private wake(): void {
    const { waiting } = this;
    this.waiting = [];
    for (const resume of waiting) resume();
  }

  /** The first line that matches, waiting for it. */
  async line(pattern: RegExp): Promise<RegExpExecArray> {
    for (let i = 0; ; ) {
      for (; i < this.lines.length; i++) {
        const match = pattern.exec(this.lines[i]!);
        if (match !== null) return match;
      }
      if (this.ended)
        throw new Error(`ended without a line like ${pattern}: ${this.lines.join('\n')}${this.errors}`);
      await new Promise<void>(resolve => this.waiting.push(resolve));
    }
  }

  /** The port in the line with which a service says where it listens. */
  async port(): Promise<number> {
    return Number((await this.line(/\d+\.\d+\.\d+\.\d+:(\d+)/))[1]);
  }

  /** Ends it as Ctrl-C does; its exit status. */
  stop(): Promise<number> {
    if (!this.ended) this.process.kill('SIGINT');
    return this.status();
  }

  /** Its exit status, once it has ended by itself. */
  status(): Promise<number> {
    return this.end;
  }

  /** For `finally`: whatever it does, it ends. */
  async kill(): Promise<void> {
    if (!this.ended) this.process.kill('SIGKILL');
    await this.end;
  }
}

/** Runs `action` with a service, and ends that. After `action` it must end cleanly on Ctrl-C. */
export async function withService(
  app: string,
  args: readonly string[],
  action: (service: Service, port: number) => Promise<void>,
): Promise<void> {
  const service = new Service(app, args);
  try {
    await action(service, await service.port());
    const status = await service.stop();
    if (status !== 0) throw new Error(`${app} ended with ${status}: ${service.errors}`);
    if (service.errors !== '') throw new Error(`${app} complained: ${service.errors}`);
  } finally {
    await service.kill();
  }
}

/** Runs an application that ends by itself; what it printed. */
export async function output(app: string, args: readonly string[]): Promise<string> {
  const service = new Service(app, args);
  try {
    const status = await service.status();
    if (status !== 0) throw new Error(`${app} ended with ${status}: ${service.errors}`);
    return service.lines.join('\n');
  } finally {
    await service.kill();
  }
}
