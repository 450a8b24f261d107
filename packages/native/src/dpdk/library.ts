// Debian's librte_* as typed functions, loaded on first use. Objects are native addresses as numbers; what they mean is in the files
// beside this one.

import { readdirSync } from 'node:fs';
import { DemiError } from '@demikernel/memory';
import { type Address, koffi, type NativeLibrary } from '../kernel/library.ts';
import { DPDK_ABI, DPDK_VERSION } from './layout.ts';

/** What has to be installed; the drivers are a package each, `librte-net-af-packet23` and so on. */
export const DPDK_PACKAGES =
  'librte-eal23 librte-ethdev23 librte-mempool-ring23 librte-bus-vdev23 librte-bus-pci23';

export interface DpdkLibrary {
  rte_version(): string;
  rte_eal_init(count: number, texts: Address): number;
  rte_eal_hotplug_add(bus: string, name: string, options: string): number;
  rte_eal_hotplug_remove(bus: string, name: string): number;
  rte_openlog_stream(file: Address): number;
  rte_extmem_register(
    memory: Address,
    lengthBytes: number,
    ioAddresses: Address,
    pages: number,
    pageBytes: number,
  ): number;
  rte_extmem_unregister(memory: Address, lengthBytes: number): number;
  rte_dev_dma_map(device: Address, memory: Address, ioAddress: number, lengthBytes: number): number;
  rte_dev_dma_unmap(device: Address, memory: Address, ioAddress: number, lengthBytes: number): number;
  rte_mempool_create_empty(
    name: string,
    count: number,
    elementBytes: number,
    cache: number,
    privateBytes: number,
    socket: number,
    flags: number,
  ): Address;
  rte_mempool_set_ops_byname(pool: Address, name: string, configuration: Address): number;
  rte_mempool_populate_iova(
    pool: Address,
    memory: Address,
    ioAddress: number,
    lengthBytes: number,
    release: Address,
    argument: Address,
  ): number;
  rte_mempool_obj_iter(pool: Address, each: Address, argument: Address): number;
  rte_mempool_avail_count(pool: Address): number;
  rte_mempool_free(pool: Address): void;
  rte_pktmbuf_pool_init(pool: Address, settings: Address): void;
  rte_pktmbuf_free_bulk(buffers: Address, count: number): void;
  rte_eth_dev_get_port_by_name(name: string, port: Address): number;
  rte_eth_dev_info_get(port: number, information: Address): number;
  rte_eth_dev_configure(
    port: number,
    receiveQueues: number,
    transmitQueues: number,
    settings: Address,
  ): number;
  rte_eth_rx_queue_setup(
    port: number,
    queue: number,
    descriptors: number,
    socket: number,
    settings: Address,
    pool: Address,
  ): number;
  rte_eth_tx_queue_setup(
    port: number,
    queue: number,
    descriptors: number,
    socket: number,
    settings: Address,
  ): number;
  rte_eth_dev_start(port: number): number;
  rte_eth_dev_stop(port: number): number;
  rte_eth_dev_close(port: number): number;
  rte_eth_macaddr_get(port: number, address: Address): number;
  rte_eth_dev_get_mtu(port: number, mtu: Address): number;
  rte_eth_link_get_nowait(port: number, link: Address): number;
  rte_eth_stats_get(port: number, statistics: Address): number;
  rte_eth_tx_done_cleanup(port: number, queue: number, count: number): number;
}

// P an address, H a 16-bit number, I an int, U an unsigned one, L a size, S a string, V nothing: library, result, arguments.
const SIGNATURES: Readonly<Record<keyof DpdkLibrary, string>> = {
  rte_version: 'eal S',
  rte_eal_init: 'eal IIP',
  rte_eal_hotplug_add: 'eal ISSS',
  rte_eal_hotplug_remove: 'eal ISS',
  rte_openlog_stream: 'eal IP',
  rte_extmem_register: 'eal IPLPUL',
  rte_extmem_unregister: 'eal IPL',
  rte_dev_dma_map: 'eal IPPLL',
  rte_dev_dma_unmap: 'eal IPPLL',
  rte_mempool_create_empty: 'mempool PSUUUUIU',
  rte_mempool_set_ops_byname: 'mempool IPSP',
  rte_mempool_populate_iova: 'mempool IPPLLPP',
  rte_mempool_obj_iter: 'mempool UPPP',
  rte_mempool_avail_count: 'mempool UP',
  rte_mempool_free: 'mempool VP',
  rte_pktmbuf_pool_init: 'mbuf VPP',
  rte_pktmbuf_free_bulk: 'mbuf VPU',
  rte_eth_dev_get_port_by_name: 'ethdev ISP',
  rte_eth_dev_info_get: 'ethdev IHP',
  rte_eth_dev_configure: 'ethdev IHHHP',
  rte_eth_rx_queue_setup: 'ethdev IHHHUPP',
  rte_eth_tx_queue_setup: 'ethdev IHHHUP',
  rte_eth_dev_start: 'ethdev IH',
  rte_eth_dev_stop: 'ethdev IH',
  rte_eth_dev_close: 'ethdev IH',
  rte_eth_macaddr_get: 'ethdev IHP',
  rte_eth_dev_get_mtu: 'ethdev IHP',
  rte_eth_link_get_nowait: 'ethdev IHP',
  rte_eth_stats_get: 'ethdev IHP',
  rte_eth_tx_done_cleanup: 'ethdev IHHU',
};
const TYPES: Readonly<Record<string, string>> = {
  P: 'uintptr_t',
  H: 'uint16_t',
  I: 'int',
  U: 'unsigned int',
  L: 'int64_t',
  S: 'const char *',
  V: 'void',
};

const RTLD_NOW = 2;

let loaded: DpdkLibrary | undefined;
let lookUp: ((library: string, name: string) => Address) | undefined;

function fileName(library: string): string {
  return `librte_${library}.so.${DPDK_ABI}`;
}

/** Of another version there would be another file; this is a second look. @throws ERR_DEMI_UNSUPPORTED naming the version */
export function checkVersion(version: string): void {
  if (version === DPDK_VERSION || version.startsWith(`${DPDK_VERSION}.`)) return;
  throw new DemiError(
    'ERR_DEMI_UNSUPPORTED',
    `this is ${version}; the structures of ${DPDK_VERSION} are known here, and no others`,
  );
}

/**
 * @throws ERR_DEMI_UNSUPPORTED naming Debian's packages where DPDK 22.11 is not installed, and the version where it is another one;
 *   ERR_DEMI_PLATFORM
 */
export function dpdkLibrary(): DpdkLibrary {
  if (loaded !== undefined) return loaded;
  const door = koffi();
  const libraries: Record<string, NativeLibrary> = {};
  try {
    for (const name of ['eal', 'mempool', 'mbuf', 'ethdev']) libraries[name] = door.load(fileName(name));
  } catch (cause) {
    const message = `${DPDK_VERSION} (librte_*.so.${DPDK_ABI}) is not installed: apt-get install ${DPDK_PACKAGES}`;
    throw new DemiError('ERR_DEMI_UNSUPPORTED', message, { cause });
  }
  const bound: Record<string, unknown> = {};
  for (const [name, signature] of Object.entries(SIGNATURES)) {
    const [library = '', letters = ''] = signature.split(' ');
    const [result, ...args] = letters.split('').map(letter => TYPES[letter]!);
    bound[name] = libraries[library]!.func(name, result!, args);
  }
  const candidate = bound as unknown as DpdkLibrary;
  checkVersion(candidate.rte_version());
  const libc = door.load(null);
  const dlopen = libc.func('dlopen', 'uintptr_t', ['const char *', 'int']);
  const dlsym = libc.func('dlsym', 'uintptr_t', ['uintptr_t', 'const char *']);
  lookUp = (library, name) => dlsym(dlopen(fileName(library), RTLD_NOW), name) as Address;
  loaded = candidate;
  return loaded;
}

/** Where Debian puts the drivers; DPDK loads all that it finds there. */
const DRIVERS = `/usr/lib/x86_64-linux-gnu/dpdk/pmds-${DPDK_ABI}.0`;

/** Names of the network drivers that are installed: `net_af_packet`, … */
export function installedDrivers(): string[] {
  let files: string[] = [];
  try {
    files = readdirSync(DRIVERS);
  } catch {
    // None are.
  }
  return files.map(file => /^librte_(net_\w+)\.so\.\d+$/.exec(file)?.[1] ?? '').filter(name => name !== '');
}

/** Why a driver (`net_tap`) cannot be used, or `undefined`. */
export function driverRefusal(driver: string): string | undefined {
  try {
    dpdkLibrary();
  } catch (error) {
    if (error instanceof DemiError) return error.message;
    throw error;
  }
  if (installedDrivers().includes(driver)) return undefined;
  return `the driver ${driver} is not installed: apt-get install librte-${driver.replaceAll('_', '-')}${DPDK_ABI}`;
}

/** Where a variable or function of a library lies. @throws ERR_DEMI_UNSUPPORTED when it has none of that name */
export function symbolAddress(library: string, name: string): Address {
  dpdkLibrary();
  const address = lookUp!(library, name);
  if (address !== 0) return address;
  throw new DemiError('ERR_DEMI_UNSUPPORTED', `${fileName(library)} has no ${name}`);
}

/** A driver's function that moves a burst: `uint16_t f(void *queue, struct rte_mbuf **buffers, uint16_t count)`. */
export type BurstCall = (queue: Address, buffers: Address, count: number) => number;
/** A pool's function that gives objects out: `int f(struct rte_mempool *pool, void **objects, unsigned count)`. */
export type PoolCall = (pool: Address, objects: Address, count: number) => number;

let burstType: unknown;
let poolType: unknown;

export function burstCall(address: bigint): BurstCall {
  burstType ??= koffi().proto('uint16_t demi_dpdk_burst(uintptr_t, uintptr_t, uint16_t)');
  return koffi().decode(address, burstType) as BurstCall;
}

export function poolCall(address: bigint): PoolCall {
  poolType ??= koffi().proto('int demi_dpdk_pool(uintptr_t, uintptr_t, unsigned int)');
  return koffi().decode(address, poolType) as PoolCall;
}
