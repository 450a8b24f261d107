// One port: a device of DPDK's, its queues, and the two functions through which its driver moves bursts.

import { DemiError } from '@demikernel/memory';
import { type Address, libc, viewOf } from '../kernel/library.ts';
import { type MemoryMap, mapAnonymous } from '../kernel/memory-map.ts';
import { type DeviceName, dpdkError, plugIn, plugOut } from './environment.ts';
import {
  CONFIGURATION_BYTES,
  CONFIGURATION_HASH_FUNCTIONS,
  CONFIGURATION_MTU,
  CONFIGURATION_RECEIVE_MODE,
  CONFIGURATION_RECEIVE_OFFLOADS,
  CONFIGURATION_TRANSMIT_OFFLOADS,
  FAST_PATH_BYTES,
  FAST_PATH_RECEIVE,
  FAST_PATH_RECEIVE_QUEUES,
  FAST_PATH_TRANSMIT,
  FAST_PATH_TRANSMIT_QUEUES,
  HASH_FUNCTIONS,
  INFORMATION_BYTES,
  INFORMATION_DEVICE,
  INFORMATION_DRIVER_NAME,
  INFORMATION_HASH_FUNCTIONS,
  INFORMATION_INTERFACE,
  INFORMATION_MAX_MTU,
  INFORMATION_RECEIVE_LIMITS,
  INFORMATION_RECEIVE_OFFLOADS,
  INFORMATION_RECEIVE_QUEUES,
  INFORMATION_TRANSMIT_LIMITS,
  INFORMATION_TRANSMIT_OFFLOADS,
  INFORMATION_TRANSMIT_QUEUES,
  OFFLOAD_SEGMENTS,
  OFFLOAD_TCP_CHECKSUM,
  OFFLOAD_UDP_CHECKSUM,
  RECEIVE_MODE_HASH,
  STATISTICS_BYTES,
  STATISTICS_RECEIVE_ERRORS,
  STATISTICS_RECEIVE_MISSED,
  STATISTICS_RECEIVE_NO_BUFFER,
  STATISTICS_TRANSMIT_ERRORS,
} from './layout.ts';
import { type BurstCall, burstCall, type DpdkLibrary, dpdkLibrary, symbolAddress } from './library.ts';
import type { DpdkMemory } from './memory.ts';

const TRANSPORT_CHECKSUMS = OFFLOAD_UDP_CHECKSUM | OFFLOAD_TCP_CHECKSUM;
const SETTLE_MS = 20;
/** What a driver that states no limit gets (UINT16_MAX stands for none). */
const NO_LIMIT = 0xffff;

/** What a driver says of its device, rte_eth_dev_info_get. */
export interface PortInformation {
  /** `net_af_packet`, `net_virtio`, … */
  driver: string;
  /** Interface of the kernel's behind it; 0 for none. */
  interfaceIndex: number;
  maxMtuBytes: number;
  maxReceiveQueues: number;
  maxTransmitQueues: number;
  /** Segments of one frame that it sends; 1 when it takes single ones only. */
  segmentLimit: number;
  /** It fills TCP's and UDP's checksums in. */
  transmitChecksum: boolean;
  receiveChecksum: boolean;
  /** It spreads flows over queues. */
  hashes: boolean;
  receiveDescriptors: { most: number; least: number; multiple: number };
  transmitDescriptors: { most: number; least: number; multiple: number };
}

export interface PortQueues {
  receiveQueues: number;
  receiveDescriptors: number;
  transmitDescriptors: number;
  mtuBytes: number;
  /** Have the device do checksums where it offers to. */
  offload: boolean;
}

/** What the driver and its device have lost. */
export interface PortLosses {
  receiveDropped: number;
  transmitDropped: number;
}

/** A plugged-in device. Calls are of the thread that set DPDK up. */
export class DpdkPort {
  readonly device: DeviceName;
  readonly information: PortInformation;
  readonly macAddress: Uint8Array;
  private readonly library: DpdkLibrary;
  /** DPDK's number for it. */
  readonly port: number;
  private readonly scratch: MemoryMap;
  private memory: DpdkMemory | undefined;
  private receiveCall: BurstCall | undefined;
  private transmitCall: BurstCall | undefined;
  // Addresses that go with every burst. Private by `#`, and in an array that is not of numbers alone, so that V8 keeps each as one
  // number on the heap and hands that over: a field or an array of doubles makes a new one at every reading.
  readonly #receiveQueues: (Address | undefined)[];
  #transmitQueue: Address;
  #receiveArray: Address;
  #transmitArray: Address;
  private cleans: boolean;
  /** RTE_ETH_RSS_*, the low word. */
  private hashFunctions: number;
  /** struct rte_device */
  private genericDevice: Address;
  private started: boolean;
  private closed: boolean;

  /** Plugs the device in, in the namespace of the calling thread. @throws DemiError as {@link plugIn} */
  constructor(device: DeviceName) {
    this.device = device;
    this.library = dpdkLibrary();
    this.port = plugIn(device);
    this.scratch = mapAnonymous({ lengthBytes: 4096 });
    this.memory = undefined;
    this.receiveCall = undefined;
    this.transmitCall = undefined;
    this.#receiveQueues = [undefined];
    this.#transmitQueue = 0;
    this.#receiveArray = 0;
    this.#transmitArray = 0;
    this.cleans = true;
    this.hashFunctions = 0;
    this.genericDevice = 0;
    this.started = false;
    this.closed = false;
    try {
      this.information = this.readInformation();
      const { addressNumber } = this.scratch;
      this.check('rte_eth_macaddr_get', this.library.rte_eth_macaddr_get(this.port, addressNumber));
      this.macAddress = this.scratch.bytes(0, 6).slice();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * Sets queues up and starts. The pool of `memory` must have mbufs by now: drivers take some at once.
   *
   * @throws DemiError `ERR_DEMI_DEVICE` in DPDK's words, `ERR_DEMI_PERMISSION`
   */
  start(queues: PortQueues, memory: DpdkMemory): void {
    const { device, library, port } = this;
    const { receiveQueues, receiveDescriptors, transmitDescriptors } = queues;
    this.memory = memory;
    if (device.bus === 'pci') this.mapForDevice(memory);
    this.configure(queues);
    for (let queue = 0; queue < receiveQueues; queue++) {
      const result = library.rte_eth_rx_queue_setup(port, queue, receiveDescriptors, 0, 0, memory.pool);
      this.check('rte_eth_rx_queue_setup', result);
      // Many drivers want as many queues one way as the other; we send by the first.
      const other = library.rte_eth_tx_queue_setup(port, queue, transmitDescriptors, 0, 0);
      this.check('rte_eth_tx_queue_setup', other);
    }
    this.check('rte_eth_dev_start', library.rte_eth_dev_start(port));
    this.started = true;
    // The driver's functions are in place once it has started.
    const table = new DataView(
      viewOf(symbolAddress('ethdev', 'rte_eth_fp_ops') + port * FAST_PATH_BYTES, FAST_PATH_BYTES),
    );
    this.receiveCall = burstCall(table.getBigUint64(FAST_PATH_RECEIVE, true));
    this.transmitCall = burstCall(table.getBigUint64(FAST_PATH_TRANSMIT, true));
    const received = new BigUint64Array(
      viewOf(table.getBigUint64(FAST_PATH_RECEIVE_QUEUES, true), receiveQueues * 8),
    );
    for (let queue = 0; queue < receiveQueues; queue++)
      this.#receiveQueues[queue + 1] = Number(received[queue]);
    const sent = new BigUint64Array(viewOf(table.getBigUint64(FAST_PATH_TRANSMIT_QUEUES, true), 8));
    this.#transmitQueue = Number(sent[0]);
    this.#receiveArray = memory.map.addressNumber + memory.receivePointers;
    this.#transmitArray = memory.map.addressNumber + memory.transmitPointers;
  }

  private configure(queues: PortQueues): void {
    const { information, library, port, scratch } = this;
    const { receiveQueues } = queues;
    const view = scratch.view();
    scratch.bytes().fill(0, 0, CONFIGURATION_BYTES);
    view.setUint32(CONFIGURATION_MTU, queues.mtuBytes, true);
    if (information.receiveChecksum)
      view.setUint32(CONFIGURATION_RECEIVE_OFFLOADS, TRANSPORT_CHECKSUMS, true);
    const segments = information.segmentLimit > 1 ? OFFLOAD_SEGMENTS : 0;
    const checksums = queues.offload && information.transmitChecksum ? TRANSPORT_CHECKSUMS : 0;
    view.setUint32(CONFIGURATION_TRANSMIT_OFFLOADS, segments | checksums, true);
    if (receiveQueues > 1 && information.hashes) {
      view.setUint32(CONFIGURATION_RECEIVE_MODE, RECEIVE_MODE_HASH, true);
      view.setUint32(CONFIGURATION_HASH_FUNCTIONS, HASH_FUNCTIONS & this.hashFunctions, true);
    }
    const result = library.rte_eth_dev_configure(port, receiveQueues, receiveQueues, scratch.addressNumber);
    this.check('rte_eth_dev_configure', result);
  }

  /** Lets a device behind an IOMMU reach the memory. */
  private mapForDevice(memory: DpdkMemory): void {
    const { ioAddress } = memory;
    const { addressNumber, lengthBytes } = memory.map;
    const registered = this.library.rte_extmem_register(addressNumber, lengthBytes, 0, 0, 4096);
    this.check('rte_extmem_register', registered);
    const mapped = this.library.rte_dev_dma_map(this.genericDevice, addressNumber, ioAddress, lengthBytes);
    this.check('rte_dev_dma_map', mapped);
  }

  private readInformation(): PortInformation {
    const { library, port, scratch } = this;
    const view = scratch.view(0, INFORMATION_BYTES);
    this.check('rte_eth_dev_info_get', library.rte_eth_dev_info_get(port, scratch.addressNumber));
    const receive = view.getUint32(INFORMATION_RECEIVE_OFFLOADS, true);
    const transmit = view.getUint32(INFORMATION_TRANSMIT_OFFLOADS, true);
    this.hashFunctions = view.getUint32(INFORMATION_HASH_FUNCTIONS, true);
    this.genericDevice = Number(view.getBigUint64(INFORMATION_DEVICE, true));
    const segments = view.getUint16(INFORMATION_TRANSMIT_LIMITS + 6, true) || NO_LIMIT;
    const limits = (at: number): PortInformation['receiveDescriptors'] => ({
      most: view.getUint16(at, true) || NO_LIMIT,
      least: view.getUint16(at + 2, true),
      multiple: view.getUint16(at + 4, true) || 1,
    });
    return {
      driver: textAt(view.getBigUint64(INFORMATION_DRIVER_NAME, true)),
      interfaceIndex: view.getUint32(INFORMATION_INTERFACE, true),
      maxMtuBytes: view.getUint16(INFORMATION_MAX_MTU, true),
      maxReceiveQueues: view.getUint16(INFORMATION_RECEIVE_QUEUES, true),
      maxTransmitQueues: view.getUint16(INFORMATION_TRANSMIT_QUEUES, true),
      segmentLimit: (transmit & OFFLOAD_SEGMENTS) === 0 ? 1 : segments,
      transmitChecksum: (transmit & TRANSPORT_CHECKSUMS) === TRANSPORT_CHECKSUMS,
      receiveChecksum: (receive & TRANSPORT_CHECKSUMS) === TRANSPORT_CHECKSUMS,
      hashes: (this.hashFunctions & HASH_FUNCTIONS) !== 0,
      receiveDescriptors: limits(INFORMATION_RECEIVE_LIMITS),
      transmitDescriptors: limits(INFORMATION_TRANSMIT_LIMITS),
    };
  }

  /** Takes up to `count` frames of a queue: pointers to mbufs at `receivePointers` of the memory. */
  receive(queue: number, count: number): number {
    return this.receiveCall!(this.#receiveQueues[queue + 1]!, this.#receiveArray, count);
  }

  /** Gives frames to the driver: `count` pointers to mbufs at `transmitPointers` of the memory. @returns how many it took */
  transmit(count: number): number {
    return this.transmitCall!(this.#transmitQueue, this.#transmitArray, count);
  }

  /** Has the driver let go of mbufs that are sent: drivers do so by themselves only when they need room. */
  clean(): void {
    if (this.cleans) this.cleans = this.library.rte_eth_tx_done_cleanup(this.port, 0, 0) >= 0;
    // Where that is not offered, sending nothing makes some look.
    if (!this.cleans) this.transmitCall!(this.#transmitQueue, this.#transmitArray, 0);
  }

  /** Whether the link is up; asks the driver. */
  linkUp(): boolean {
    this.library.rte_eth_link_get_nowait(this.port, this.scratch.addressNumber);
    // struct rte_eth_link: u32 speed, then bits: duplex, autonegotiation, status
    return (this.scratch.view().getUint16(4, true) & 4) !== 0;
  }

  mtuBytes(): number {
    this.check(
      'rte_eth_dev_get_mtu',
      this.library.rte_eth_dev_get_mtu(this.port, this.scratch.addressNumber),
    );
    return this.scratch.view().getUint16(0, true);
  }

  /** Asks the driver. */
  losses(): PortLosses {
    this.scratch.bytes(0, STATISTICS_BYTES).fill(0);
    if (this.closed || this.library.rte_eth_stats_get(this.port, this.scratch.addressNumber) < 0)
      return { receiveDropped: 0, transmitDropped: 0 };
    const view = this.scratch.view();
    const read = (index: number): number => Number(view.getBigUint64(index * 8, true));
    return {
      receiveDropped:
        read(STATISTICS_RECEIVE_MISSED) +
        read(STATISTICS_RECEIVE_ERRORS) +
        read(STATISTICS_RECEIVE_NO_BUFFER),
      transmitDropped: read(STATISTICS_TRANSMIT_ERRORS),
    };
  }

  /** Stops, closes and unplugs it; every mbuf comes back to the pool. In the namespace it was opened in. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    const { device, library, memory, port } = this;
    this.settle();
    if (this.started) library.rte_eth_dev_stop(port);
    this.settle();
    if (device.bus === 'pci' && memory !== undefined) {
      const { addressNumber, lengthBytes } = memory.map;
      library.rte_dev_dma_unmap(this.genericDevice, addressNumber, memory.ioAddress, lengthBytes);
      library.rte_extmem_unregister(addressNumber, lengthBytes);
    }
    library.rte_eth_dev_close(port);
    plugOut(device);
    this.scratch.release();
  }

  /** net_memif hears of its peer in a thread of DPDK's, which frees what closing frees too, without a lock: it goes first. */
  private settle(): void {
    if (this.device.name.startsWith('net_memif')) libc().poll(0, 0, SETTLE_MS);
  }

  private check(call: string, result: number): void {
    if (result < 0) throw dpdkError(call, result, `setting ${this.device.name} up`);
  }
}

/** How many descriptors a queue gets: as many as wanted, within the driver's limits. @throws ERR_DEMI_DEVICE when there are none */
export function descriptorCount(wanted: number, limits: PortInformation['receiveDescriptors']): number {
  const { least, most, multiple } = limits;
  const count = Math.floor(Math.min(Math.max(wanted, least), most) / multiple) * multiple;
  if (count > 0) return count;
  throw new DemiError('ERR_DEMI_DEVICE', `a driver with ${most} descriptors in multiples of ${multiple}`);
}

/** A short text of C's, at an address in a library. */
function textAt(address: bigint): string {
  const bytes = new Uint8Array(viewOf(address, 32));
  const end = bytes.indexOf(0);
  return Buffer.from(bytes.subarray(0, end < 0 ? bytes.length : end)).toString('latin1');
}
