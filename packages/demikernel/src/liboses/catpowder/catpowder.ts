// Catpowder: the network stack on an interface of this host, by AF_XDP, or by AF_PACKET where XDP is refused.
// It joins device and stack; how the interface is taken hold of is attachment.ts.

import { DemiError, type SlotPool } from '@demikernel/memory';
import { runInNamespace } from '@demikernel/native/kernel';
import { captureTo } from '../../devices/capture-file.ts';
import type { ArpOptions } from '../../inetstack/arp/arp.ts';
import { NetworkStack } from '../../inetstack/network-stack.ts';
import type { TcpOptions } from '../../inetstack/tcp/tcp-configuration.ts';
import type { UdpOptions } from '../../inetstack/udp/udp-layer.ts';
import type { DeviceIdentity } from '../../runtime/device-identity.ts';
import type { LibraryOs, SocketType } from '../../runtime/library-os.ts';
import type { PacketDevice } from '../../runtime/packet-device.ts';
import type { Queue } from '../../runtime/queue.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { parseIpv4 } from '../../runtime/socket-address.ts';
import { type Attachment, type AttachOptions, attach } from './attachment.ts';
import { attachmentMetrics } from './device-metrics.ts';
import { type HostInterface, readHostInterface } from './host-interface.ts';
import { type Identity, identify } from './identity.ts';
import { KernelNeighbours } from './kernel-neighbours.ts';
import { KernelPorts } from './kernel-ports.ts';
import { checkPath, type PathReport } from './self-check.ts';

/** IPv4 and TCP headers with the timestamp option: what a slice leaves room for in a packet. */
const HEADERS_BYTES = 52;
/** How long to sleep at most while frames wait for the kernel: no descriptor says when it takes them. */
const BACKLOG_US = 200;
/** The kernel lets a link that has just come up send after a second at most (net/core/link_watch.c). */
const CHECK_TIMEOUT_US = 1_600_000;

export interface CatpowderOptions {
  /** Name of the interface. */
  interface: string;
  /**
   * `10.0.0.2/24`: an address of our own on that interface. An address that the host has, or none, shares the host's: then
   * only the ports bound here are ours, and the kernel keeps everything else.
   */
  address?: string;
  /** Whether the address is shared with the host by port; decided by `address` when left out. */
  ports?: boolean;
  /**
   * Addresses of ours that other hosts have as well, behind a load balancer: `10.0.0.100`. The kernel must not have them; nobody
   * answers ARP for them.
   */
  virtualAddresses?: readonly string[];
  /** Router for what is not on the link. Default: the kernel's over this interface. */
  gateway?: string;
  /** Network namespace in which the interface lies; default the process's own. */
  namespace?: string;
  /** `auto` (default): AF_XDP, or AF_PACKET, with a notice, where XDP is refused. */
  device?: 'auto' | 'af-xdp' | 'af-packet';
  /** One receive queue of the interface, for one of several workers. Default: all of them. */
  queue?: number;
  /** Largest IP packet; at most the interface's MTU. */
  mtuBytes?: number;
  /** Slots of packet memory; default 8192 of 2 KiB. */
  slots?: number;
  slotSizeBytes?: number;
  xdpMode?: 'auto' | 'copy' | 'zero-copy';
  transmitChecksum?: 'none' | 'offload' | 'software';
  /** Whether to ask the gateway for an answer at the start (up to 1.6 s when none comes). Default true. */
  selfCheck?: boolean;
  /** Told what the user should know; default `process.emitWarning`. */
  onNotice?: (notice: string) => void;
  /** File that every frame, both ways, is written to as pcapng. Slow. */
  capture?: string;
  /**
   * AF_XDP: pieces of a frame of at least so many bytes get a descriptor of their own, shorter ones are copied behind the headers;
   * 0 and Infinity are allowed. Default: as calibrated, else Infinity.
   */
  descriptorThresholdBytes?: number;
  tcp?: TcpOptions;
  udp?: UdpOptions;
  arp?: ArpOptions;
  /** Poison freed memory and name stale slices. Slow. */
  debugMemory?: boolean;
}

/** The library OS. */
export class Catpowder implements LibraryOs {
  readonly name: string;
  readonly runtime: Runtime;
  readonly pool: SlotPool;
  readonly sliceBytes: number;
  readonly descriptors: readonly number[];
  readonly stack: NetworkStack;
  readonly device: PacketDevice;
  readonly identity: DeviceIdentity;
  readonly attachment: Attachment;
  readonly mode: 'address' | 'ports';
  /** Our IPv4 address, int32. */
  readonly address: number;
  /** What `onNotice` was told. */
  readonly notices: readonly string[];
  private readonly opened: readonly { close(): void }[];
  private closed: boolean;

  /** Use {@link createCatpowder}. */
  constructor(runtime: Runtime, parts: CatpowderParts) {
    const { attachment, identity } = parts;
    const { device } = attachment;
    this.name = 'catpowder';
    this.runtime = runtime;
    this.pool = device.pool;
    this.sliceBytes = Math.min(device.mtuBytes - HEADERS_BYTES, device.pool.capacityBytes);
    this.descriptors = device.descriptors;
    this.stack = parts.stack;
    this.device = device;
    this.identity = parts.device;
    this.attachment = attachment;
    this.mode = identity.mode;
    this.address = identity.address;
    this.notices = parts.notices;
    this.opened = parts.opened;
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
    const untilUs = this.stack.untilNextUs();
    return untilUs > BACKLOG_US && this.attachment.hardware.backlogged ? BACKLOG_US : untilUs;
  }

  /** Ends every queue, lets what is under way leave, and gives the interface back as it was. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (let i = this.opened.length - 1; i >= 0; i--) this.opened[i]!.close();
  }
}

interface CatpowderParts {
  attachment: Attachment;
  device: DeviceIdentity;
  identity: Identity;
  stack: NetworkStack;
  /** Everything to be closed, last one first. */
  opened: readonly { close(): void }[];
  notices: readonly string[];
}

/**
 * Opens Catpowder.
 *
 * @throws DemiError `ERR_DEMI_INTERFACE` for an interface that cannot be used, `ERR_DEMI_ADDRESS`, and as `attach`:
 *   `ERR_DEMI_PERMISSION` names the missing capabilities, `ERR_DEMI_EBPF_BUSY` who holds the interface
 * @param calibrated the descriptor threshold that was measured for a device
 */
export function createCatpowder(
  runtime: Runtime,
  options: CatpowderOptions,
  calibrated: (device: DeviceIdentity) => number | undefined = () => undefined,
): Catpowder {
  const { namespace } = options;
  const inside = <T>(action: () => T): T =>
    namespace === undefined ? action() : runInNamespace(namespace, action);
  return inside(() => {
    const host = readHostInterface(options.interface);
    const identity = identify(options, host);
    const device: DeviceIdentity = {
      libos: 'catpowder',
      device: 'af-xdp',
      interface: options.interface,
      driver: host.driver,
    };
    const threshold = options.descriptorThresholdBytes ?? calibrated(device);
    const attachment = attach({
      ...attachOptions(options, host, identity),
      descriptorThresholdBytes: threshold,
    });
    if (attachment.redirect === undefined) device.device = 'af-packet';
    const opened: { close(): void }[] = [attachment];
    try {
      const shared = identity.mode === 'ports';
      const ports = shared
        ? new KernelPorts(identity.address, attachment.redirect!.ports, inside)
        : undefined;
      if (ports !== undefined) opened.push(ports);
      const neighbours = shared ? new KernelNeighbours(runtime, host.link.index) : undefined;
      if (neighbours !== undefined) opened.push(neighbours);
      if (options.capture !== undefined) {
        const captured = captureTo(attachment.device, runtime, options.capture);
        attachment.device = captured.device;
        opened.unshift(captured);
      }
      const stack = new NetworkStack({
        device: attachment.device,
        runtime,
        address: identity.address,
        virtualAddresses: virtualAddressesOf(options, host),
        prefixLength: identity.prefixLength,
        gateway: identity.gateway,
        routes: host.routes,
        tcp: options.tcp,
        udp: options.udp,
        arp: options.arp,
        neighbours,
        sharedAddress: shared,
        ports,
      });
      opened.push(stack, attachmentMetrics(runtime, attachment));
      const notices = [...attachment.notices];
      const report = selfCheck(runtime, stack, attachment, identity, options);
      if (report !== undefined && report.advice !== '') notices.push(report.advice);
      const tell = options.onNotice ?? (notice => process.emitWarning(notice, 'DemikernelNotice'));
      for (const notice of notices) tell(notice);
      return new Catpowder(runtime, { attachment, device, identity, stack, opened, notices });
    } catch (error) {
      for (const part of opened.reverse()) part.close();
      throw error;
    }
  });
}

function attachOptions(options: CatpowderOptions, host: HostInterface, identity: Identity): AttachOptions {
  return {
    host,
    mode: identity.mode,
    address: identity.address,
    virtualAddresses: virtualAddressesOf(options, host),
    device: options.device ?? 'auto',
    queue: options.queue,
    slots: options.slots,
    slotSizeBytes: options.slotSizeBytes,
    mtuBytes: options.mtuBytes,
    transmitChecksum: options.transmitChecksum,
    xdpMode: options.xdpMode,
    debugMemory: options.debugMemory,
  };
}

function virtualAddressesOf(options: CatpowderOptions, host: HostInterface): number[] {
  return (options.virtualAddresses ?? []).map(text => {
    const address = parseIpv4(text);
    if (address === undefined) throw new DemiError('ERR_DEMI_ADDRESS', `${text} is no IPv4 address`);
    if (!host.hostAddresses.includes(address)) return address;
    throw new DemiError('ERR_DEMI_ADDRESS', `${text} is the kernel's address: take it off this host`);
  });
}

function selfCheck(
  runtime: Runtime,
  stack: NetworkStack,
  attachment: Attachment,
  identity: Identity,
  options: CatpowderOptions,
): PathReport | undefined {
  if (options.selfCheck === false || identity.gateway === 0) return undefined;
  return checkPath(runtime, stack, attachment, identity.gateway, CHECK_TIMEOUT_US);
}
