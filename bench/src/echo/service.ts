// Starting the systems of the echo benchmark: each a process of its own, pinned, in the service's namespace, with an
// interface of its own where it takes frames from below the kernel.

import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PinnedProcess } from '../testbed/pinned-process.ts';
import type { Testbed, Wire } from '../testbed/testbed.ts';
import { labelOf, type System } from './scenario.ts';

const START_TIMEOUT_MS = 15_000;
const FIRST_PORT = 7000;

/** Compiled scripts of this workspace, and the application that our rows measure: what users run. */
const SERVERS: URL = new URL('../servers/', import.meta.url);
const ECHO_APPLICATION: URL = new URL('../../../../apps/dist/src/echo.js', import.meta.url);

/** Where a service is reached. */
export interface Service {
  system: System;
  process: PinnedProcess;
  address: string;
  port: number;
}

export interface ServiceOptions {
  /** Processor of the service. */
  processor: number;
  /** Folder for processor profiles of our own services (`node --cpu-prof`). */
  profileFolder?: string;
}

/** Where services run: a pair of namespaces, or the loopback interface where those are not permitted. */
export type Place = { testbed: Testbed; kernelWire: Wire } | undefined;

let nextPort = FIRST_PORT;

/** Starts a system and waits until it answers for itself. Rejects with what it printed when it does not start. */
export async function startService(system: System, place: Place, options: ServiceOptions): Promise<Service> {
  const port = nextPort++;
  const local = system.protocol === 'local';
  const wire = local ? undefined : wireFor(system, place);
  const name = `demikernel-bench-${globalThis.process.pid}-${port}`;
  const address = local ? localName(system, name) : (wire?.serverAddress ?? '127.0.0.1');
  const { script, args } = commandFor(system, wire, address, port, place?.testbed.client ?? '');
  const profiled = options.profileFolder !== undefined && script === ECHO_APPLICATION;
  const process = new PinnedProcess({
    name: labelOf(system),
    script: fileURLToPath(script),
    args,
    nodeArgs: profiled ? ['--cpu-prof', `--cpu-prof-dir=${options.profileFolder}`] : [],
    processor: options.processor,
    namespace: local ? undefined : place?.testbed.server,
  });
  try {
    await process.line(START_TIMEOUT_MS);
  } catch (error) {
    process.kill();
    throw error;
  }
  return { system, process, address, port };
}

/** Whether a system takes frames from an interface, and so needs namespaces. */
export function needsInterface(system: System): boolean {
  return ['catpowder', 'catnip', 'reflector', 'xdp-tx'].includes(system.system);
}

function localName({ system }: System, name: string): string {
  return system === 'catmem' ? `@${name}` : join(tmpdir(), name);
}

function wireFor(system: System, place: Place): Wire | undefined {
  if (place === undefined) return undefined;
  if (!needsInterface(system)) return place.kernelWire;
  const stateless = system.system !== 'catpowder' && system.system !== 'catnip';
  return place.testbed.addWire({
    kernelAddress: system.system === 'xdp-tx',
    fixedNeighbour: stateless,
    wholeChecksums: system.system === 'xdp-tx',
  });
}

function commandFor(
  system: System,
  wire: Wire | undefined,
  address: string,
  port: number,
  clientNamespace: string,
): { script: URL; args: string[] } {
  const server = (name: string): URL => new URL(`${name}.js`, SERVERS);
  switch (system.system) {
    case 'node:net':
    case 'node:net-spin':
      return {
        script: server('node-net'),
        args: [system.protocol === 'local' ? address : String(port), system.wait],
      };
    case 'node:dgram':
    case 'node:dgram-spin':
      return { script: server('node-dgram'), args: [String(port), system.wait] };
    case 'xdp-tx':
      return {
        script: server('xdp-tx'),
        args: [wire!.serverInterface, String(port), clientNamespace, wire!.clientInterface],
      };
    case 'reflector':
      return {
        script: server('reflector'),
        args: [wire!.serverInterface, wire!.serverMac, address, String(port)],
      };
    default: {
      const local = system.protocol === 'local';
      const args = ['server', local ? address : `${address}:${port}`];
      args.push('--protocol', local ? 'tcp' : system.protocol);
      args.push('--libos', system.system, '--wait', system.wait);
      if (system.system === 'catpowder') {
        args.push('--interface', wire!.serverInterface, '--address', `${address}/24`);
      }
      if (system.system === 'catnip') {
        args.push('--device', `net_af_xdp0,iface=${wire!.serverInterface}`, '--address', `${address}/24`);
      }
      return { script: ECHO_APPLICATION, args };
    }
  }
}
