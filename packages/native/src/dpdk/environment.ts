// DPDK's environment abstraction layer: set up once per process, without huge pages, without files that others share. Devices are
// plugged in afterwards, one by one, and out again.

import { rmdirSync } from 'node:fs';
import { DemiError } from '@demikernel/memory';
import { getAffinity } from '../kernel/affinity.ts';
import { missingCapabilities } from '../kernel/capabilities.ts';
import { capabilityAdvice, EACCES, EPERM, errnoName } from '../kernel/errno.ts';
import { addressOf, koffi } from '../kernel/library.ts';
import { type MemoryMap, mapAnonymous } from '../kernel/memory-map.ts';
import { pciDeviceExists, pciDriver } from '../vfio/pci-device.ts';
import { type DpdkLibrary, dpdkLibrary } from './library.ts';

/** DPDK's own memory: rings, device structures. Packets lie in ours. */
const OWN_MEBIBYTES = 64;
const LOG_BYTES = 4096;
/** Error and worse: what is said of a call that fails. */
const LOG_LEVEL = 4;

/** What DPDK says goes here instead of to the terminal, so that an error can repeat it. */
class Log {
  private readonly map: MemoryMap;
  private readonly file: number;
  private readonly flush: (file: number) => number;
  private readonly rewind: (file: number) => void;

  constructor(library: DpdkLibrary) {
    const libc = koffi().load(null);
    const open = libc.func('fmemopen', 'uintptr_t', ['uintptr_t', 'int64_t', 'const char *']);
    this.flush = libc.func('fflush', 'int', ['uintptr_t']) as (file: number) => number;
    this.rewind = libc.func('rewind', 'void', ['uintptr_t']) as (file: number) => void;
    this.map = mapAnonymous({ lengthBytes: LOG_BYTES });
    this.file = open(this.map.addressNumber, LOG_BYTES, 'w') as number;
    if (this.file !== 0) library.rte_openlog_stream(this.file);
  }

  /** What was said since the last time; then forgets it. */
  take(): string {
    if (this.file === 0) return '';
    this.flush(this.file);
    const bytes = this.map.bytes();
    const end = bytes.indexOf(0);
    const text = Buffer.from(bytes.subarray(0, end < 0 ? bytes.length : end)).toString('latin1');
    this.rewind(this.file);
    bytes.fill(0);
    return text.trim().replaceAll(/\s*\n\s*/g, '; ');
  }
}

interface Environment {
  library: DpdkLibrary;
  log: Log;
  withPci: boolean;
  failed: string;
}

let environment: Environment | undefined;

/** A device to plug in. */
export interface DeviceName {
  bus: 'vdev' | 'pci';
  /** `net_tap0`, `0000:00:05.0` */
  name: string;
  /** `iface=dtap0,remote=eth0` */
  options: string;
}

/**
 * Splits what the user wrote: `net_af_packet0,iface=eth0`, or the address of a PCI device.
 *
 * @throws ERR_DEMI_OPTION for what is neither
 */
export function parseDevice(text: string): DeviceName {
  const comma = text.indexOf(',');
  const name = comma < 0 ? text : text.slice(0, comma);
  const options = comma < 0 ? '' : text.slice(comma + 1);
  if (/^[\da-f]{4}:[\da-f]{2}:[\da-f]{2}\.[0-7]$/.test(name)) return { bus: 'pci', name, options };
  if (/^net_[\w.-]{1,48}$/.test(name)) return { bus: 'vdev', name, options };
  throw new DemiError(
    'ERR_DEMI_OPTION',
    `'${text}' is no device of DPDK: want a virtual one, as in net_af_packet0,iface=eth0, or a PCI address, as in 0000:00:05.0`,
  );
}

/**
 * Sets DPDK up for this process, on the first call.
 *
 * @param device what will be plugged in: PCI devices must be allowed from the start
 * @throws ERR_DEMI_UNSUPPORTED naming the packages, or when DPDK cannot be set up; ERR_DEMI_DEVICE_BUSY when another thread of this
 *   process has it
 */
export function startEnvironment(device: DeviceName): Environment {
  if (environment !== undefined) {
    if (environment.failed !== '') throw new DemiError('ERR_DEMI_UNSUPPORTED', environment.failed);
    if (device.bus === 'vdev' || environment.withPci) return environment;
    const message = `DPDK was set up in this process without PCI: open ${device.name} before virtual devices`;
    throw new DemiError('ERR_DEMI_UNSUPPORTED', message);
  }
  const library = dpdkLibrary();
  const log = new Log(library);
  const withPci = device.bus === 'pci';
  const result = initialise(library, [
    'demikernel',
    '--no-huge',
    '-m',
    String(OWN_MEBIBYTES),
    '--no-telemetry',
    '--no-shconf',
    '--iova-mode=va',
    // One logical core, which may run wherever this thread may: DPDK pins it otherwise.
    `--lcores=0@(${getAffinity().join(',')})`,
    `--log-level=${LOG_LEVEL}`,
    ...(withPci ? ['-a', [device.name, device.options].filter(part => part !== '').join(',')] : ['--no-pci']),
  ]);
  const said = log.take();
  if (result < 0) {
    if (said.includes('already called')) {
      const message = 'DPDK serves one thread of a process, and another one has it: use processes, one each';
      throw new DemiError('ERR_DEMI_DEVICE_BUSY', message);
    }
    const failed = `DPDK cannot be set up: ${said}. It wants a writable runtime directory (/run/dpdk, or XDG_RUNTIME_DIR)`;
    // A second attempt is refused by DPDK itself.
    environment = { library, log, withPci, failed };
    throw new DemiError('ERR_DEMI_UNSUPPORTED', failed);
  }
  removeRuntimeFolder();
  environment = { library, log, withPci, failed: '' };
  return environment;
}

function initialise(library: DpdkLibrary, words: readonly string[]): number {
  // DPDK keeps the words: they are never given back.
  const map = mapAnonymous({ lengthBytes: 4096 });
  const pointers = new BigUint64Array(map.buffer, 0, words.length + 1);
  let at = pointers.byteLength;
  words.forEach((word, i) => {
    pointers[i] = map.address + BigInt(at);
    at += Buffer.from(`${word}\0`, 'latin1').copy(map.bytes(), at);
  });
  return library.rte_eal_init(words.length, map.addressNumber);
}

/** DPDK makes a folder for what processes share; nothing is shared, and it is empty. */
function removeRuntimeFolder(): void {
  const base = process.getuid?.() === 0 ? '/var/run' : (process.env['XDG_RUNTIME_DIR'] ?? '/tmp');
  try {
    rmdirSync(`${base}/dpdk/rte`);
    rmdirSync(`${base}/dpdk`);
  } catch {
    // Another program's: not empty.
  }
}

/** The error for a refusal of DPDK's, in its own words as far as it had any. */
export function dpdkError(call: string, result: number, detail: string): DemiError {
  const errno = Math.abs(result);
  const said = environment?.log.take() ?? '';
  const words = said === '' ? '' : ` (${said})`;
  const missing = missingCapabilities(['CAP_NET_ADMIN', 'CAP_NET_RAW']);
  // Drivers pass the kernel's refusal on as any error number, or as -1, which is EPERM's too.
  const denied =
    (errno === EPERM || errno === EACCES || /not permitted|denied/i.test(said)) && missing.length > 0;
  const message = `${call}: ${errnoName(errno)} while ${detail}${words}`;
  if (denied) {
    return new DemiError('ERR_DEMI_PERMISSION', `${message}. ${capabilityAdvice(missing)}`, {
      errno: EPERM,
      errnoName: 'EPERM',
      syscall: call,
    });
  }
  return new DemiError('ERR_DEMI_DEVICE', message, { errno, errnoName: errnoName(errno), syscall: call });
}

/**
 * Plugs a device in, in the network namespace of the calling thread.
 *
 * @returns its port's number
 * @throws ERR_DEMI_DEVICE in DPDK's words, ERR_DEMI_PERMISSION, and as {@link startEnvironment}
 */
export function plugIn(device: DeviceName): number {
  const { library, log } = startEnvironment(device);
  const port = new Uint16Array(1);
  const find = (): boolean => library.rte_eth_dev_get_port_by_name(device.name, addressOf(port)) === 0;
  log.take();
  if (device.name.startsWith('net_af_xdp')) silenceLibxdp();
  if (device.bus === 'vdev' && find())
    throw new DemiError(
      'ERR_DEMI_DEVICE_BUSY',
      `${device.name} is open in this process: give it another number`,
    );
  const result = find() ? 0 : library.rte_eal_hotplug_add(device.bus, device.name, device.options);
  if (result < 0)
    throw dpdkError('rte_eal_hotplug_add', result, `opening ${device.name}${described(device)}`);
  if (find()) return port[0]!;
  library.rte_eal_hotplug_remove(device.bus, device.name);
  throw dpdkError(
    'rte_eth_dev_get_port_by_name',
    0,
    `opening ${device.name}${described(device)}: no driver took it`,
  );
}

/** What net_af_xdp is built on tells the terminal how it loads programs. */
function silenceLibxdp(): void {
  for (const library of ['libbpf', 'libxdp']) {
    try {
      koffi().load(`${library}.so.1`).func(`${library}_set_print`, 'uintptr_t', ['uintptr_t'])(0);
    } catch {
      // Not installed: the driver will say so.
    }
  }
}

/** What may be wrong with a device that does not open. */
function described(device: DeviceName): string {
  const options = device.options === '' ? '' : ` with ${device.options}`;
  if (device.bus === 'vdev') {
    const driver = device.name.replace(/\d+$/, '').replaceAll('_', '-');
    return `${options} (its driver is in librte-${driver}23)`;
  }
  if (!pciDeviceExists(device.name)) return `${options}, which is not there`;
  const present = pciDriver(device.name);
  if (present === 'vfio-pci') return options;
  return `${options}, which ${present ?? 'nothing'} drives (driverctl set-override ${device.name} vfio-pci)`;
}

/** Takes a device out; its port must be closed. */
export function plugOut(device: DeviceName): void {
  environment?.library.rte_eal_hotplug_remove(device.bus, device.name);
}
