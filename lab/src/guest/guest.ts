// One virtual machine: started, given commands, ended. What it is made of lives in qemu-command.ts, what runs in it in
// init-scripts.ts.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, writeSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { commandScript } from './command-script.ts';
import { openNamelessFile } from './disk-image.ts';
import { assumedCounterKHz, correctedCounterKHz, type Moment } from './host-counter.ts';
import { PORTS, READY } from './init-scripts.ts';
import { makeInitialFileSystem } from './initial-file-system.ts';
import { fetchKernel } from './kernel-package.ts';
import { OutputStream } from './output-stream.ts';
import { findQemu, machineArguments } from './qemu-command.ts';

/** Kept of what the machine's console says. */
const CONSOLE_CHARACTERS = 16 * 1024;
/** First of our descriptors in the QEMU process. */
const FIRST_FD = 3;
/** How long a guest may take to boot: ten times what it takes on an idle machine. */
const BOOT_TIMEOUT_MS = 180_000;

export interface GuestOptions {
  /** Default 2048. */
  memoryMiB?: number;
  /** Default 2. */
  processors?: number;
  /** Namespaces of the NVMe controller; default one of 512 MiB in blocks of 512 and one of 256 MiB in blocks of 4096. */
  disks?: readonly { lengthBytes: number; blockBytes: number }[];
  /** Told about what takes long, by default nobody. */
  say?: (line: string) => void;
}

export interface CommandOptions {
  /** Default: this process's. */
  folder?: string;
  /** Default: this process's. */
  environment?: NodeJS.ProcessEnv;
  /** A command that takes longer ends the guest. Default: none. */
  timeoutMs?: number;
  onStdout?: (bytes: Buffer) => void;
  onStderr?: (bytes: Buffer) => void;
}

/** The guest ended, or never began; `console` is the end of what the machine had to say. */
export class GuestError extends Error {
  readonly console: string;
  /** Whether a time-out ended it. */
  readonly timedOut: boolean;

  constructor(message: string, console: string, timedOut = false) {
    super(message);
    this.name = 'GuestError';
    this.console = console;
    this.timedOut = timedOut;
  }
}

const DISKS = [
  { lengthBytes: 512 << 20, blockBytes: 512 },
  { lengthBytes: 256 << 20, blockBytes: 4096 },
];

/** A running guest. It dies with this process, however that ends. */
export class Guest {
  private readonly child: ChildProcess;
  private readonly control: Duplex;
  private readonly outputs: readonly OutputStream[];
  /** Settles when the machine is gone, with why. */
  private readonly gone: Promise<string>;
  /** What it was told of the processor's counter, and, once it is ready, what it should have been. */
  private counterKHz: number;
  private said: string;
  private closed: boolean;
  private running: boolean;
  private command: CommandOptions;
  private onEnd: (status: number) => void;

  private constructor(child: ChildProcess, mark: string, counterKHz: number) {
    this.child = child;
    this.counterKHz = counterKHz;
    this.said = '';
    this.closed = false;
    this.running = false;
    this.command = {};
    this.onEnd = () => {};
    this.control = this.port('control');
    this.outputs = [
      new OutputStream(
        mark,
        bytes => this.command.onStdout?.(bytes),
        status => this.onEnd(status),
      ),
      new OutputStream(
        mark,
        bytes => this.command.onStderr?.(bytes),
        status => this.onEnd(status),
      ),
    ];
    this.port('stdout').on('data', chunk => this.outputs[0]!.push(chunk));
    this.port('stderr').on('data', chunk => this.outputs[1]!.push(chunk));
    const remember = (chunk: Buffer): void => {
      this.said = (this.said + chunk.toString('latin1')).slice(-CONSOLE_CHARACTERS);
    };
    child.stdout!.on('data', remember);
    child.stderr!.on('data', remember);
    this.gone = new Promise(resolve => {
      child.once('error', error => resolve(error.message));
      child.once('close', (code, signal) => resolve(signal ?? `status ${code}`));
    });
  }

  private port(name: string): Duplex {
    const stream = this.child.stdio[FIRST_FD + PORTS.indexOf(name)] as Duplex;
    // A reset by a machine that ends is told by its end.
    stream.on('error', () => {});
    return stream;
  }

  /**
   * Boots a guest; it is ready when this resolves.
   *
   * @throws Error when QEMU, busybox or the kernel package are not to be had, with what to install; {@link GuestError}
   *   when it does not boot
   */
  static async boot(options: GuestOptions = {}): Promise<Guest> {
    const told = assumedCounterKHz();
    const guest = await Guest.bootOnce(options, told);
    if (guest.counterKHz === told) return guest;
    await guest.close();
    options.say?.('guest: its clock is wrong; booting again');
    return await Guest.bootOnce(options, guest.counterKHz);
  }

  private static async bootOnce(options: GuestOptions, counterKHz: number): Promise<Guest> {
    const qemu = findQemu();
    const kernel = fetchKernel(options.say ?? (() => {}));
    const mark = `end-of-command-${randomUUID()}`;
    const fds: number[] = [];
    try {
      const archive = makeInitialFileSystem(kernel, mark);
      fds.push(openNamelessFile(0));
      writeSync(fds[0]!, archive);
      const disks = options.disks ?? DISKS;
      for (const disk of disks) fds.push(openNamelessFile(disk.lengthBytes));
      const inQemu = (index: number): string => `/proc/self/fd/${FIRST_FD + PORTS.length + index}`;
      const args = machineArguments({
        kernelImage: kernel.image,
        initialFileSystem: inQemu(0),
        counterKHz,
        memoryMiB: options.memoryMiB ?? 2048,
        processors: options.processors ?? 2,
        disks: disks.map(({ blockBytes }, index) => ({ path: inQemu(index + 1), blockBytes })),
        portFds: PORTS.map((_, index) => FIRST_FD + index),
      });
      // The kernel kills QEMU when its parent dies; the shell sees to a parent that died before that was arranged.
      const guarded = `[ "$PPID" = ${process.pid} ] && exec "$@"`;
      const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'sh', '-c', guarded, 'sh', qemu, ...args], {
        stdio: ['ignore', 'pipe', 'pipe', ...PORTS.map(() => 'pipe' as const), ...fds],
      });
      const guest = new Guest(child, mark, counterKHz);
      await guest.waitReady();
      return guest;
    } finally {
      for (const fd of fds) closeSync(fd);
    }
  }

  private async waitReady(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const moments: Moment[] = [];
    const ready = new Promise<string | undefined>(resolve => {
      let heard = '';
      this.control.on('data', chunk => {
        heard += chunk;
        for (let end = heard.indexOf('\n'); end >= 0; end = heard.indexOf('\n')) {
          const [word, seconds] = heard.slice(0, end).split(' ');
          heard = heard.slice(end + 1);
          moments.push({ hostMs: Date.now(), guestMs: Number(seconds) * 1000 });
          if (word === READY) resolve(undefined);
        }
      });
      timer = setTimeout(() => resolve(`no answer in ${BOOT_TIMEOUT_MS / 1000} s`), BOOT_TIMEOUT_MS);
    });
    const trouble = await Promise.race([ready, this.gone]);
    clearTimeout(timer);
    if (trouble === undefined) {
      this.counterKHz = correctedCounterKHz(this.counterKHz, moments[0]!, moments.at(-1)!);
      return;
    }
    await this.close();
    throw new GuestError(`The guest did not boot (${trouble})`, this.said);
  }

  /** What the machine's console said last: kernel messages. */
  get console(): string {
    return this.said;
  }

  /**
   * Runs a command in the guest's shell, with this process's folder and environment unless told otherwise. What it
   * leaves running is killed. One at a time.
   *
   * @returns its exit status; 128 + n after signal n
   * @throws GuestError when the guest ends instead, or the time is over
   */
  async run(command: string, options: CommandOptions = {}): Promise<number> {
    if (this.running) throw new Error('The guest runs another command');
    if (this.closed) throw new GuestError('The guest has ended', this.said);
    this.running = true;
    this.command = options;
    let timer: NodeJS.Timeout | undefined;
    const ended = new Promise<number>(resolve => {
      let streams = 0;
      this.onEnd = status => {
        if (++streams === this.outputs.length) resolve(status);
      };
    });
    const late = new Promise<undefined>(resolve => {
      if (options.timeoutMs !== undefined) timer = setTimeout(resolve, options.timeoutMs, undefined);
    });
    const script = commandScript(
      command,
      options.folder ?? process.cwd(),
      options.environment ?? process.env,
    );
    this.control.write(`${Buffer.from(script).toString('base64')}\n`);
    try {
      const outcome = await Promise.race([ended, late, this.gone]);
      if (typeof outcome === 'number') return outcome;
      await this.close();
      if (outcome !== undefined) throw new GuestError(`The guest died (${outcome})`, this.said);
      throw new GuestError(`The command took longer than ${options.timeoutMs! / 1000} s`, this.said, true);
    } finally {
      clearTimeout(timer);
      this.running = false;
    }
  }

  /** Ends the guest, as pulling the plug does. Idempotent. */
  async close(): Promise<void> {
    if (!this.closed) {
      this.closed = true;
      this.child.kill('SIGKILL');
    }
    await this.gone;
  }
}
