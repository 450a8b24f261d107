// Catnip: the network stack on a device of DPDK's, whichever driver it has. The device is ours alone: nobody else has its address, and
// the kernel does not see its packets.

import { DemiError, type SlotPool } from '@demikernel/memory';
import { runInNamespace } from '@demikernel/native/kernel';
import { captureTo } from '../../devices/capture-file.ts';
import { DeviceMetrics } from '../../devices/device-metrics.ts';
import type { DpdkDevice } from '../../devices/dpdk.ts';
import type { ArpOptions } from '../../inetstack/arp/arp.ts';
import { NetworkStack } from '../../inetstack/network-stack.ts';
import type { TcpOptions } from '../../inetstack/tcp/tcp-configuration.ts';
import type { UdpOptions } from '../../inetstack/udp/udp-layer.ts';
import type { DeviceIdentity } from '../../runtime/device-identity.ts';
import type { LibraryOs, SocketType } from '../../runtime/library-os.ts';
import type { PacketDevice } from '../../runtime/packet-device.ts';
import type { Queue } from '../../runtime/queue.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { formatIpv4, parseIpv4, parseIpv4Prefix } from '../../runtime/socket-address.ts';
import { interfaceOf, openDevice } from './open-device.ts';

/** IPv4 and TCP headers with the timestamp option: what a slice leaves room for in a packet. */
const HEADERS_BYTES = 52;
/** How long a loop that sleeps does so at most: drivers poll, and nothing wakes it. */
const NAP_US = 50;

export interface CatnipOptions {
  /**
   * What DPDK is to drive: `net_af_packet0,iface=eth0`, `net_af_xdp0,iface=eth0`, `net_tap0,iface=dtap0`,
   * `net_memif0,role=client,socket=/run/x.sock`, or the address of a PCI device that is bound to vfio-pci: `0000:00:05.0`.
   */
  device: string;
  /** `10.0.0.2/24`: our address on that device's network. */
  address: string;
  /** Router for what is not on the link. */
  gateway?: string;
  /** Network namespace in which a virtual device finds or makes its interface; default the process's own. */
  namespace?: string;
  /** Receive queues; flows are spread over them where the device can. Default 1. */
  queues?: number;
  /** Entries of each queue, within the driver's limits. Default 512. */
  descriptors?: number;
  /** Largest IP packet; at most the device's. */
  mtuBytes?: number;
  /** Slots of packet memory; default 8192 of 2 KiB. */
  slots?: number;
  slotSizeBytes?: number;
  /** Whether to use the device's checksums where it offers them. Default true. */
  offload?: boolean;
  /**
   * Pieces of a frame of at least so many bytes are segments of their own, shorter ones are copied behind the headers; 0 and Infinity
   * are allowed. Default: as calibrated, else 512 where the driver sends several segments.
   */
  descriptorThresholdBytes?: number;
  /** File that every frame, both ways, is written to as pcapng. Slow. */
  capture?: string;
  tcp?: TcpOptions;
  udp?: UdpOptions;
  arp?: ArpOptions;
  /** Poison freed memory and name stale slices. Slow. */
  debugMemory?: boolean;
}

interface CatnipParts {
  hardware: DpdkDevice;
  device: PacketDevice;
  stack: NetworkStack;
  address: number;
  identity: DeviceIdentity;
  /** Everything to be closed, last one first. */
  opened: readonly { close(): void }[];
  inside: (action: () => void) => void;
}

/** The library OS. */
export class Catnip implements LibraryOs {
  readonly name: string;
  readonly runtime: Runtime;
  readonly pool: SlotPool;
  readonly sliceBytes: number;
  readonly descriptors: readonly number[];
  readonly stack: NetworkStack;
  readonly device: PacketDevice;
  readonly identity: DeviceIdentity;
  /** The device without what was put around it. */
  readonly hardware: DpdkDevice;
  /** Our IPv4 address, int32. */
  readonly address: number;
  private readonly opened: readonly { close(): void }[];
  private readonly inside: (action: () => void) => void;
  private closed: boolean;

  /** Use {@link createCatnip}. */
  constructor(runtime: Runtime, parts: CatnipParts) {
    const { device } = parts;
    this.name = 'catnip';
    this.runtime = runtime;
    this.pool = device.pool;
    this.sliceBytes = Math.min(device.mtuBytes - HEADERS_BYTES, device.pool.capacityBytes);
    this.descriptors = device.descriptors;
    this.stack = parts.stack;
    this.device = device;
    this.identity = parts.identity;
    this.hardware = parts.hardware;
    this.address = parts.address;
    this.opened = parts.opened;
    this.inside = parts.inside;
    this.closed = false;
  }

  createSocket(type: SocketType): Queue {
    return type === 'stream' ? this.stack.createTcpQueue() : this.stack.createUdpQueue();
  }

  poll(): number {
    return this.stack.poll();
  }

  flush(): number {
    return this.stack.flush();
  }

  untilNextUs(): number {
    return Math.min(this.stack.untilNextUs(), NAP_US);
  }

  /** Ends every queue, lets what is under way leave, and gives the device back. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.inside(() => closeAll(this.opened));
  }
}

/**
 * Opens Catnip. All of a process's are of one thread: DPDK is set up once, for the thread that opens the first one.
 *
 * @param calibrated the descriptor threshold that was measured for a device
 * @throws DemiError `ERR_DEMI_UNSUPPORTED` naming the packages that are missing, or a version of DPDK that is not known;
 *   `ERR_DEMI_DEVICE` with DPDK's words, `ERR_DEMI_DEVICE_BUSY`, `ERR_DEMI_PERMISSION`, `ERR_DEMI_OPTION`, `ERR_DEMI_ADDRESS`
 */
export function createCatnip(
  runtime: Runtime,
  options: CatnipOptions,
  calibrated: (device: DeviceIdentity) => number | undefined = () => undefined,
): Catnip {
  const { namespace } = options;
  const { ipv4: address, prefixLength } = ownAddress(options.address);
  const gateway = gatewayOf(options.gateway, address, prefixLength);
  const inside = <T>(action: () => T): T =>
    namespace === undefined ? action() : runInNamespace(namespace, action);
  return inside(() => {
    const hardware = openDevice({
      device: options.device,
      queues: options.queues,
      descriptors: options.descriptors,
      mtuBytes: options.mtuBytes,
      slots: options.slots,
      slotSizeBytes: options.slotSizeBytes,
      offload: options.offload,
      debugMemory: options.debugMemory,
      descriptorThresholdBytes: driver =>
        options.descriptorThresholdBytes ?? calibrated(identityOf(options.device, driver)),
    });
    let device: PacketDevice = hardware;
    const opened: { close(): void }[] = [];
    try {
      if (options.capture !== undefined) {
        const captured = captureTo(hardware, runtime, options.capture);
        device = captured.device;
        opened.push(captured);
      }
      opened.push(device);
      const stack = new NetworkStack({
        device,
        runtime,
        address,
        prefixLength,
        gateway,
        tcp: options.tcp,
        udp: options.udp,
        arp: options.arp,
      });
      opened.push(stack, new DeviceMetrics(runtime, device));
      const identity = identityOf(options.device, hardware.port.information.driver);
      return new Catnip(runtime, { hardware, device, stack, address, identity, opened, inside });
    } catch (error) {
      closeAll(opened);
      hardware.close();
      throw error;
    }
  });
}

function closeAll(opened: readonly { close(): void }[]): void {
  for (let i = opened.length - 1; i >= 0; i--) opened[i]!.close();
}

function identityOf(device: string, driver: string): DeviceIdentity {
  const name = interfaceOf(device) || device.replace(/,.*/, '');
  return { libos: 'catnip', device: 'dpdk', interface: name, driver };
}

function ownAddress(text: string | undefined): { ipv4: number; prefixLength: number } {
  if (text?.includes('/') === true) return parseIpv4Prefix(text);
  throw new DemiError(
    'ERR_DEMI_ADDRESS',
    `catnip needs an address with a prefix length, as in 10.0.0.2/24, not ${text}`,
  );
}

function gatewayOf(text: string | undefined, address: number, prefixLength: number): number {
  if (text === undefined) return 0;
  const gateway = parseIpv4(text);
  const mask = prefixLength === 0 ? 0 : -1 << (32 - prefixLength);
  if (gateway !== undefined && ((gateway ^ address) & mask) === 0) return gateway;
  const network = `${formatIpv4(address)}/${prefixLength}`;
  throw new DemiError('ERR_DEMI_ADDRESS', `${text} is no gateway on the network of ${network}`);
}
