// Links on a veth device: attached, seen from outside, refused when taken, gone after close and after kill -9.

import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { XdpAttachment } from '../src/attachment.ts';
import { bpfRefusal } from './privilege.ts';

const NAMESPACE = `demi-${process.pid}-link`;
const HOLDER = fileURLToPath(new URL('./link-holder.js', import.meta.url));

function ip(...args: string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

const skip = bpfRefusal() ?? namespaceRefusal();

/** Makes the namespace with a veth pair in it, or says why not. */
function namespaceRefusal(): string | undefined {
  try {
    ip('netns', 'add', NAMESPACE);
    ip('-n', NAMESPACE, 'link', 'add', 'demi0', 'type', 'veth', 'peer', 'name', 'demi1');
    return undefined;
  } catch (error) {
    removeNamespace();
    return `no network namespace with a veth pair here: ${(error as Error).message}`;
  }
}

function removeNamespace(): void {
  try {
    ip('netns', 'del', NAMESPACE);
  } catch {
    // It was never made.
  }
}

interface Answer extends Partial<XdpAttachment> {
  code?: string;
  errnoName?: string;
  message?: string;
  info?: { id: number; ifindex: number; programId: number };
  ifindex?: number;
}

/** A process in the namespace that answers commands. */
class Holder {
  readonly process: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(device: string, mode: 'native' | 'generic' | 'best') {
    const args = ['netns', 'exec', NAMESPACE, process.execPath, HOLDER, String(ifindexOf(device)), mode];
    this.process = spawn('ip', args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.process.stdout! })[Symbol.asyncIterator]();
  }

  async ask(command: string): Promise<Answer> {
    this.process.stdin!.write(`${command}\n`);
    const line = await this.#lines.next();
    assert.equal(line.done, false, `the holder ended before answering "${command}"`);
    return JSON.parse(line.value as string) as Answer;
  }

  async end(signal?: NodeJS.Signals): Promise<void> {
    const exit = once(this.process, 'exit');
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    if (signal === undefined) this.process.stdin!.end();
    else this.process.kill(signal);
    await exit;
  }
}

function ifindexOf(device: string): number {
  return Number(ip('-n', NAMESPACE, '-o', 'link', 'show', 'dev', device).split(':')[0]);
}

/** What `ip` says about XDP on the device: the eyes of another program. */
function xdpSeen(device: string): string | undefined {
  return /prog\/xdp id (\d+)/.exec(ip('-n', NAMESPACE, '-d', 'link', 'show', 'dev', device))?.[1];
}

const holders: Holder[] = [];
function hold(device: string, mode: 'native' | 'generic' | 'best'): Holder {
  const holder = new Holder(device, mode);
  holders.push(holder);
  return holder;
}

after(async () => {
  for (const holder of holders) await holder.end('SIGKILL');
  removeNamespace();
});

for (const mode of ['native', 'generic', 'best'] as const) {
  test(`${mode}: attached, seen, replaced, taken off by close`, { skip }, async () => {
    const holder = hold('demi0', mode);
    const attached = await holder.ask('attach');
    assert.equal(attached.mode, mode === 'generic' ? 'generic' : 'native', attached.message);
    assert.equal(xdpSeen('demi0'), String(attached.info!.programId));
    const seen = await holder.ask('query');
    assert.deepEqual(seen, {
      device: 'demi0',
      mode: attached.mode,
      programId: attached.info!.programId,
      programName: 'demi_pass',
      linkId: attached.info!.id,
    });
    await holder.ask('replace');
    assert.equal((await holder.ask('query')).programName, 'demi_reflect');
    await holder.ask('close');
    assert.equal(xdpSeen('demi0'), undefined);
    const gone = await holder.ask('query');
    assert.deepEqual([gone.mode, gone.programId, gone.linkId], ['none', 0, 0]);
    await holder.end();
  });
}

test('a driver without XDP: best falls back to generic, native says so', { skip }, async () => {
  const best = hold('lo', 'best');
  assert.equal((await best.ask('attach')).mode, 'generic');
  assert.equal((await best.ask('query')).mode, 'generic');
  await best.end();
  const native = hold('lo', 'native');
  const refused = await native.ask('attach');
  assert.equal(refused.errnoName, 'EOPNOTSUPP');
  assert.match(refused.message!, /attaching program "demi_pass" to device 1 \(native mode\)/);
  await native.end();
});

test('a device that is taken: who holds it and how to take it off', { skip }, async () => {
  const first = hold('demi0', 'native');
  const { info } = await first.ask('attach');
  for (const mode of ['native', 'generic', 'best'] as const) {
    const second = hold('demi0', mode);
    const refused = await second.ask('attach');
    assert.equal(refused.code, 'ERR_DEMI_EBPF_BUSY', mode);
    assert.match(refused.message!, /demi0 already carries an XDP program \(native, id \d+, "demi_pass"\)/);
    assert.match(refused.message!, new RegExp(`held by link ${info!.id} of process ${first.process.pid}`));
    assert.match(refused.message!, new RegExp(`bpftool link detach id ${info!.id}`));
    await second.end();
  }
  await first.end();
  assert.equal(xdpSeen('demi0'), undefined);
});

test('kill -9 of the process takes the program off', { skip }, async () => {
  const holder = hold('demi0', 'native');
  await holder.ask('attach');
  assert.notEqual(xdpSeen('demi0'), undefined);
  await holder.end('SIGKILL');
  // The kernel lets go while the process is reaped, perhaps just after.
  for (let n = 0; n < 100 && xdpSeen('demi0') !== undefined; n++) await new Promise(r => setTimeout(r, 20));
  assert.equal(xdpSeen('demi0'), undefined);
});

test('a device that goes takes its link with it; one that never was is ENODEV', { skip }, async () => {
  ip('-n', NAMESPACE, 'link', 'add', 'demi2', 'type', 'veth', 'peer', 'name', 'demi3');
  const holder = hold('demi2', 'best');
  const attached = await holder.ask('attach');
  assert.ok(attached.info!.ifindex > 0, attached.message);
  ip('-n', NAMESPACE, 'link', 'del', 'demi2');
  assert.equal((await holder.ask('info')).ifindex, 0);
  assert.equal((await holder.ask('query')).errnoName, 'ENODEV');
  assert.equal((await holder.ask('attach')).errnoName, 'ENODEV');
  await holder.end();
});
