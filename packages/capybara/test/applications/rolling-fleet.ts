// A fleet as an operator runs it: the switch's command, and each backend a program in a namespace of its own, which is stopped and
// started again while clients are at work.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { configure, WORKSPACE_ROOT } from '@demikernel/lab';
import * as kernel from '@demikernel/native/kernel';
import { askStatus } from '../../src/cli/verb.ts';
import * as T from '../switch/testbed.ts';

export const PORT = 8090;
const BACKENDS = 3;
const COMMAND = join(WORKSPACE_ROOT, 'packages/demikernel/bin/demikernel.js');
const ownAddress = (id: number): string => `10.88.0.${20 + id}`;
const LIMIT_MS = 20_000;

/** A program and what it has said. */
export interface Running {
  child: ChildProcess;
  said: string;
}

/** Starts a program in a namespace and gathers what it says. */
export function start(namespace: string, program: string, args: readonly string[]): Running {
  const child = kernel.runInNamespace(namespace, () =>
    spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] }),
  );
  const running: Running = { child, said: '' };
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.on('data', bytes => {
      running.said += String(bytes);
    });
  }
  return running;
}

/** Waits until it is so. */
export async function until(isSo: () => boolean | Promise<boolean>, what: () => string): Promise<void> {
  const limitMs = Date.now() + LIMIT_MS;
  while (!(await isSo())) {
    assert.ok(Date.now() < limitMs, `it never came about: ${what()}`);
    await after(10);
  }
}

/** Switch and backends. */
export class RollingFleet {
  readonly bed: T.SwitchTestbed;
  readonly backends: Running[];
  private readonly folder: string;
  /** Where the switch takes orders. */
  readonly path: string;
  private readonly fleet: string;
  private readonly programs: Running[];
  private readonly service: readonly string[];

  /** @param service the application: its file and arguments in front of the address */
  constructor(service: readonly string[]) {
    this.service = service;
    this.folder = mkdtempSync(join(tmpdir(), 'demi-rolling-'));
    this.path = join(this.folder, 'orders');
    this.fleet = join(this.folder, 'fleet.json');
    this.backends = [];
    this.programs = [];
    this.bed = new T.SwitchTestbed(BACKENDS, { ownPrograms: true });
    for (const namespace of this.bed.backends) {
      configure(namespace, netlink => {
        // The address is our stack's.
        kernel.deleteAddress(netlink, kernel.linkIndex('lo'), T.VIRTUAL_ADDRESS, 32);
      });
    }
  }

  get ids(): number[] {
    return Array.from({ length: BACKENDS }, (_, id) => id);
  }

  async start(): Promise<void> {
    const description = {
      services: [`${T.VIRTUAL_ADDRESS}:${PORT}`],
      address: T.SWITCH_ADDRESS,
      ports: [
        { interface: 'sc0', role: 'client' },
        ...this.ids.map(id => ({ interface: `sb${id}`, role: 'backend' })),
      ],
      keys: { header: '01'.repeat(16), hash: '02'.repeat(16), fleet: '03'.repeat(32) },
      backends: this.ids.map(number => ({ number, interface: `sb${number}` })),
      policy: { proactive: false },
    };
    writeFileSync(this.fleet, JSON.stringify(description), { mode: 0o600 });
    const args = [COMMAND, 'capybara', 'switch', '--fleet', this.fleet, '--socket', this.path];
    const balancer = this.run(this.bed.switch, process.execPath, args);
    await until(
      () => balancer.said.includes('switching'),
      () => balancer.said,
    );
    for (const id of this.ids) await this.startBackend(id);
  }

  /** Starts a program that ends with the fleet. */
  run(namespace: string, program: string, args: readonly string[]): Running {
    const running = start(namespace, program, args);
    this.programs.push(running);
    return running;
  }

  /** Starts a backend, and waits until the switch sends it connections. */
  async startBackend(id: number): Promise<void> {
    const [file, ...args] = this.service;
    const running = this.run(this.bed.backends[id]!, process.execPath, [
      join(WORKSPACE_ROOT, file!),
      ...args,
      `${T.VIRTUAL_ADDRESS}:${PORT}`,
      ...['--libos', 'catpowder', '--interface', 'eth0', '--address', `${ownAddress(id)}/24`],
      ...['--device', 'af-xdp', '--capybara', this.fleet, '--backend', String(id)],
      ...['--peers', this.ids.map(ownAddress).join(',')],
    ]);
    this.backends[id] = running;
    await until(
      async () => (await this.state(id)) === 'active',
      () => `backend ${id}: ${running.said}`,
    );
  }

  private async state(id: number): Promise<string | undefined> {
    return (await askStatus(this.path)).backends.find(each => each.id === id)?.state;
  }

  /** Stops a backend as an operator would; returns how many connections it gave away. */
  async stopBackend(id: number): Promise<number> {
    const running = this.backends[id]!;
    const ended = once(running.child, 'close');
    running.child.kill('SIGTERM');
    assert.deepEqual(await ended, [0, null], running.said);
    const [, stay, left] =
      /drained: (\d+) connections stay; (\d+) left, \d+ came, 0 lost/.exec(running.said) ?? [];
    assert.equal(stay, '0', running.said);
    return Number(left);
  }

  close(): void {
    for (const { child } of this.programs) child.kill('SIGKILL');
    this.bed.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
