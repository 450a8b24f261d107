// The command-line flags with which a service lets its user choose the library OS: one spelling for every program.

import { DemiError } from '@demikernel/memory';
import type { WaitMode } from '../runtime/poll-loop.ts';
import { LIBRARY_OSES, type OpenOptions, STORAGE_LIBRARY_OSES, type StorageOptions } from './open.ts';

/** For `parseArgs` of node:util: spread it into `options`. */
export const OPEN_FLAGS: {
  readonly libos: { readonly type: 'string'; readonly default: 'catnap' };
  readonly interface: { readonly type: 'string' };
  readonly address: { readonly type: 'string' };
  readonly gateway: { readonly type: 'string' };
  readonly ports: { readonly type: 'boolean' };
  readonly device: { readonly type: 'string' };
  readonly queue: { readonly type: 'string' };
  readonly slots: { readonly type: 'string' };
  readonly namespace: { readonly type: 'string' };
  readonly wait: { readonly type: 'string' };
  readonly 'spin-us': { readonly type: 'string' };
  readonly capture: { readonly type: 'string' };
  readonly receive: { readonly type: 'string' };
  readonly 'sq-poll-ms': { readonly type: 'string' };
  readonly 'copy-threshold': { readonly type: 'string' };
  readonly storage: { readonly type: 'string' };
  readonly directory: { readonly type: 'string' };
  readonly nvme: { readonly type: 'string' };
  readonly 'nvme-namespace': { readonly type: 'string' };
} = {
  libos: { type: 'string', default: 'catnap' },
  interface: { type: 'string' },
  address: { type: 'string' },
  gateway: { type: 'string' },
  ports: { type: 'boolean' },
  device: { type: 'string' },
  queue: { type: 'string' },
  slots: { type: 'string' },
  namespace: { type: 'string' },
  wait: { type: 'string' },
  'spin-us': { type: 'string' },
  capture: { type: 'string' },
  receive: { type: 'string' },
  'sq-poll-ms': { type: 'string' },
  'copy-threshold': { type: 'string' },
  storage: { type: 'string' },
  directory: { type: 'string' },
  nvme: { type: 'string' },
  'nvme-namespace': { type: 'string' },
};

/** The lines of `--help` for {@link OPEN_FLAGS}. */
export const OPEN_FLAGS_HELP: string = `  --libos NAME        ${LIBRARY_OSES.join(', ')} (default catnap)
  --wait MODE         spin, adaptive or interrupt (default adaptive)
  --spin-us N         adaptive: spin N microseconds before sleeping (default 50)
  --namespace NAME    open the sockets in this network namespace
  --copy-threshold N  bytes from which values are sent by reference; 0, or Infinity (default: as calibrated)
  --storage NAME      logs, too: ${STORAGE_LIBRARY_OSES.join(', ')} (memory: gone with the process)
  --directory PATH    storage catcollar: where the logs are
  --nvme ADDRESS      storage cattree: PCI address of the controller, as 0000:00:07.0
  --nvme-namespace N  storage cattree: the namespace that the logs are on (default 1)
  catpowder:
  --interface NAME    the network interface
  --address IP/LEN    an address of the stack's own on that interface
  --ports             share the host's address instead: only bound ports are taken over
  --gateway IP        next hop for other networks (default: the kernel's route)
  --device KIND       af-xdp or af-packet (default: af-xdp, else af-packet)
  --queue N           device queue (default 0)
  --slots N           slots of device memory (default 8192)
  --capture FILE      write every frame, both ways, as pcapng
  catnip:
  --device DEVICE     what DPDK is to drive: net_af_packet0,iface=eth0, or a PCI address
  --address, --gateway, --slots, --capture as for catpowder
  catmem:
  --receive HOW       reference or copy: how messages arrive (default reference)
  catcollar:
  --sq-poll-ms N      a kernel thread submits, and sleeps after N idle milliseconds (default: none)
`;

/** What `parseArgs` makes of {@link OPEN_FLAGS}. */
export interface OpenFlagValues {
  libos?: string;
  interface?: string;
  address?: string;
  gateway?: string;
  ports?: boolean;
  device?: string;
  queue?: string;
  slots?: string;
  namespace?: string;
  wait?: string;
  'spin-us'?: string;
  capture?: string;
  receive?: string;
  'sq-poll-ms'?: string;
  'copy-threshold'?: string;
  storage?: string;
  directory?: string;
  nvme?: string;
  'nvme-namespace'?: string;
}

/** The options for `open` that the flags say. @throws ERR_DEMI_OPTION naming the flag that is wrong */
export function openOptions(flags: OpenFlagValues): OpenOptions {
  const common = {
    wait: oneOf('wait', flags.wait, ['spin', 'adaptive', 'interrupt']) as WaitMode | undefined,
    spinUs: wholeNumber('spin-us', flags['spin-us']),
    namespace: flags.namespace,
    copyThresholdBytes: thresholdBytes('copy-threshold', flags['copy-threshold']),
    storage: storageOptions(flags),
  };
  const libos = oneOf('libos', flags.libos ?? 'catnap', LIBRARY_OSES);
  if (libos === 'catmem') {
    return { ...common, libos, receive: oneOf('receive', flags.receive, ['reference', 'copy']) };
  }
  if (libos === 'catcollar') {
    return { ...common, libos, sqPollIdleMs: wholeNumber('sq-poll-ms', flags['sq-poll-ms']) };
  }
  if (libos === 'catmint') return { ...common, libos, rdmaDevice: flags.device };
  if (libos === 'catnip') {
    if (flags.device === undefined) throw badFlag('device', undefined, 'catnip needs one');
    if (flags.address === undefined) throw badFlag('address', undefined, 'catnip needs one');
    const { address, capture, device, gateway } = flags;
    return { ...common, libos, device, address, gateway, slots: wholeNumber('slots', flags.slots), capture };
  }
  if (libos !== 'catpowder') return { ...common, libos: 'catnap' };
  if (flags.interface === undefined) throw badFlag('interface', undefined, 'catpowder needs one');
  return {
    ...common,
    libos,
    interface: flags.interface,
    address: flags.address,
    gateway: flags.gateway,
    ports: flags.ports,
    device: oneOf('device', flags.device, ['af-xdp', 'af-packet']),
    queue: wholeNumber('queue', flags.queue),
    slots: wholeNumber('slots', flags.slots),
    capture: flags.capture,
  };
}

function storageOptions(flags: OpenFlagValues): StorageOptions | undefined {
  const libos = oneOf('storage', flags.storage, STORAGE_LIBRARY_OSES);
  if (libos === 'catcollar') {
    if (flags.directory === undefined) throw badFlag('directory', undefined, 'storage catcollar needs one');
    return { libos, directory: flags.directory };
  }
  if (flags.directory !== undefined) throw badFlag('directory', undefined, 'is for --storage catcollar');
  if (libos === 'cattree') {
    if (flags.nvme === undefined) throw badFlag('nvme', undefined, 'storage cattree needs one');
    return { libos, device: flags.nvme, namespaceId: wholeNumber('nvme-namespace', flags['nvme-namespace']) };
  }
  for (const flag of ['nvme', 'nvme-namespace'] as const) {
    if (flags[flag] !== undefined) throw badFlag(flag, undefined, 'is for --storage cattree');
  }
  return libos === undefined ? undefined : { libos };
}

function oneOf<T extends string>(
  flag: string,
  value: string | undefined,
  allowed: readonly T[],
): T | undefined {
  if (value === undefined || allowed.includes(value as T)) return value as T | undefined;
  throw badFlag(flag, value, `expected ${allowed.join(', ')}`);
}

function wholeNumber(flag: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (!/^\d{1,9}$/.test(value)) throw badFlag(flag, value, 'expected a whole number');
  return Number(value);
}

function thresholdBytes(flag: string, value: string | undefined): number | undefined {
  return value === 'Infinity' ? Number.POSITIVE_INFINITY : wholeNumber(flag, value);
}

function badFlag(flag: string, value: string | undefined, why: string): DemiError {
  return new DemiError('ERR_DEMI_OPTION', `--${flag}${value === undefined ? '' : ` ${value}`}: ${why}`);
}
