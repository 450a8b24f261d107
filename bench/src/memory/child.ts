// The processes of `bench -- memory`. `serve SYSTEM NAME` answers, and first prints where it is; `call SYSTEM WHERE` takes
// tasks as lines of JSON and prints figures; `allocate` prints bytes allocated per echo.

import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { isMainThread, parentPort } from 'node:worker_threads';
import type { WaitMode } from 'demikernel';
import { exitOnRequest } from '../servers/ready.ts';
import { measureAllocation } from './allocation.ts';
import { BareClient, makeBare, serveBare } from './bare-peer.ts';
import { CatmemClient, type CatmemPeerOptions, serveCatmem } from './catmem-peer.ts';
import { type Client, carryOut, type Task } from './peer.ts';
import { PortClient, servePort } from './port-peer.ts';
import { SleepingClient, type SleepKind, serveSleeping } from './sleep-peer.ts';
import { NodeClient, serveUnix, UnixClient } from './unix-peer.ts';

function print(value: unknown): void {
  writeSync(1, `${JSON.stringify(value)}\n`);
}

function catmemOptions(wait: string, address: string): CatmemPeerOptions {
  const [mode, variant] = wait.split('-');
  return {
    address,
    wait: mode as WaitMode,
    receive: variant === 'copy' ? 'copy' : 'reference',
    slotSizeBytes: variant === '16k' ? 16384 : undefined,
  };
}

async function serve(system: string, wait: string, name: string): Promise<void> {
  if (system === 'bare') {
    const { words, path } = makeBare();
    print({ where: path });
    serveBare(words);
  } else if (system === 'catmem') {
    await serveCatmem(catmemOptions(wait, name), () => print({ where: name }));
  } else if (system === 'sleep') {
    serveSleeping(wait as SleepKind, where => print({ where }));
  } else if (system === 'port') {
    print({ where: '' });
    setInterval(() => {}, 1 << 30);
    exitOnRequest();
  } else {
    exitOnRequest();
    serveUnix(name, wait !== 'interrupt', () => print({ where: name }));
  }
}

async function makeClient(system: string, wait: string, where: string): Promise<Client> {
  if (system === 'bare') return new BareClient(where);
  if (system === 'catmem') return await CatmemClient.connect(catmemOptions(wait, where));
  if (system === 'sleep') return new SleepingClient(wait as SleepKind, where);
  if (system === 'port') return new PortClient(new URL(import.meta.url));
  if (wait === 'both') return new NodeClient(where, true);
  return new UnixClient(where);
}

async function call(system: string, wait: string, where: string): Promise<void> {
  exitOnRequest();
  const client = await makeClient(system, wait, where);
  print({ connected: true });
  for await (const line of createInterface({ input: process.stdin })) {
    print(await carryOut(client, JSON.parse(line) as Task));
  }
}

if (isMainThread) {
  const [role = '', system = '', wait = '', where = ''] = process.argv.slice(2);
  if (role === 'serve') await serve(system, wait, where);
  else if (role === 'call') await call(system, wait, where);
  else print(await measureAllocation(Number(system)));
} else servePort(parentPort!);
