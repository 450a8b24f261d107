// Who answers in the key-value benchmark, and how each is started: all on the same processor, in turns.

import { fileURLToPath } from 'node:url';
import { findProgram } from '@demikernel/lab';
import { PinnedProcess } from '../testbed/pinned-process.ts';
import type { Testbed, Wire } from '../testbed/testbed.ts';

const START_TIMEOUT_MS = 15_000;
const FIRST_PORT = 7600;

const NODE_SERVER: string = fileURLToPath(new URL('./node-net.js', import.meta.url));
const KV_APPLICATION: string = fileURLToPath(new URL('../../../../apps/dist/src/kv.js', import.meta.url));

/** A system and how it waits. */
export interface KvSystem {
  system: 'catpowder' | 'catnap' | 'catcollar' | 'redis-server' | 'node:net';
  wait: 'spin' | 'adaptive' | 'interrupt';
}

export const SYSTEMS: readonly KvSystem[] = [
  { system: 'redis-server', wait: 'interrupt' },
  { system: 'catpowder', wait: 'adaptive' },
  { system: 'catpowder', wait: 'spin' },
  { system: 'catpowder', wait: 'interrupt' },
  { system: 'catnap', wait: 'adaptive' },
  { system: 'catnap', wait: 'spin' },
  { system: 'catcollar', wait: 'adaptive' },
  { system: 'node:net', wait: 'interrupt' },
  { system: 'node:net', wait: 'spin' },
];

export interface KvService {
  system: KvSystem;
  process: PinnedProcess;
  address: string;
  port: number;
}

export interface KvPlace {
  testbed: Testbed;
  kernelWire: Wire;
}

export interface StartOptions {
  processor: number;
  /** Folder for processor profiles of our own services. */
  profileFolder?: string;
}

export function labelOf({ system, wait }: KvSystem): string {
  return `${system} ${wait}`;
}

/** Starts a system and waits until it takes connections. */
export async function startKv(
  system: KvSystem,
  index: number,
  place: KvPlace,
  options: StartOptions,
): Promise<KvService> {
  const port = FIRST_PORT + index;
  const wire =
    system.system === 'catpowder' ? place.testbed.addWire({ kernelAddress: false }) : place.kernelWire;
  const address = wire.serverAddress;
  const process = new PinnedProcess({
    name: labelOf(system),
    ...commandFor(system, wire, port, options.profileFolder),
    processor: options.processor,
    namespace: place.testbed.server,
  });
  try {
    // redis-server says much before it is ready.
    for (let line = ''; !/ready|kv: /i.test(line); ) line = await process.line(START_TIMEOUT_MS);
  } catch (error) {
    process.kill();
    throw error;
  }
  return { system, process, address, port };
}

function commandFor(
  { system, wait }: KvSystem,
  wire: Wire,
  port: number,
  profileFolder: string | undefined,
): { program?: string; script?: string; args: string[]; nodeArgs?: string[] } {
  const address = wire.serverAddress;
  if (system === 'node:net') return { script: NODE_SERVER, args: [String(port), wait] };
  if (system === 'redis-server') {
    const program = findProgram('redis-server');
    if (program === undefined) throw new Error('redis-server is missing (apt-get install redis-server)');
    const args = ['--port', String(port), '--bind', address, '--save', '', '--appendonly', 'no'];
    return { program, args: [...args, '--io-threads', '1', '--protected-mode', 'no'] };
  }
  const args = ['server', '--bind', `${address}:${port}`, '--libos', system, '--wait', wait];
  if (system === 'catpowder') args.push('--interface', wire.serverInterface, '--address', `${address}/24`);
  const nodeArgs = profileFolder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`];
  return { script: KV_APPLICATION, args, nodeArgs };
}
