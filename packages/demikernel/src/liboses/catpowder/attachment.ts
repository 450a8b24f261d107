// Getting hold of the interface: the XDP program and its sockets, or, where XDP is refused, a packet socket.

import { readFileSync } from 'node:fs';
import { RedirectToSocket, XdpLink } from '@demikernel/ebpf';
import { DemiError } from '@demikernel/memory';
import { EBUSY, EINVAL, libc } from '@demikernel/native/kernel';
import { AfPacketDevice } from '../../devices/af-packet.ts';
import { AfXdpDevice, type AfXdpDeviceOptions, slotMtuBytes } from '../../devices/af-xdp.ts';
import { AfXdpQueues } from '../../devices/af-xdp-queues.ts';
import type { PacketDevice } from '../../runtime/packet-device.ts';
import { formatIpv4 } from '../../runtime/socket-address.ts';
import { type HostInterface, quietly } from './host-interface.ts';

/** A process that was killed leaves its queues to a kernel worker: they are free a moment after it is gone. */
const BUSY_RETRIES = 60;
const BUSY_RETRY_MS = 5;
const VETH = 'veth';
/** More than any frame has. */
const MOST_BYTES = 1 << 16;

export interface AttachOptions {
  host: HostInterface;
  mode: 'address' | 'ports';
  address: number;
  /** int32 */
  virtualAddresses: readonly number[];
  /** `auto`: AF_XDP, or AF_PACKET where it is refused. */
  device: 'auto' | 'af-xdp' | 'af-packet';
  /** One receive queue; all of them when left out. */
  queue?: number;
  slots?: number;
  slotSizeBytes?: number;
  mtuBytes?: number;
  transmitChecksum?: 'none' | 'offload' | 'software';
  xdpMode?: 'auto' | 'copy' | 'zero-copy';
  /** As {@link AfXdpDeviceOptions.copyThresholdBytes}; a finite one lets frames have several descriptors. */
  descriptorThresholdBytes?: number;
  debugMemory?: boolean;
}

/** A device that can say whether the kernel has taken its frames. */
export type HostDevice = AfXdpDevice | AfXdpQueues | AfPacketDevice;

/** What {@link attach} got. Closing gives the interface back as it was. */
export class Attachment {
  /** The device; whoever wraps it puts the wrapper here, to be closed with the rest. */
  device: PacketDevice;
  /** The device itself, without what was put around it. */
  readonly hardware: HostDevice;
  /** The XDP program; `undefined` on AF_PACKET. */
  readonly redirect: RedirectToSocket | undefined;
  readonly link: XdpLink | undefined;
  /** What the user should know. */
  readonly notices: readonly string[];

  constructor(
    device: HostDevice,
    redirect: RedirectToSocket | undefined,
    link: XdpLink | undefined,
    notices: readonly string[],
  ) {
    this.device = device;
    this.hardware = device;
    this.redirect = redirect;
    this.link = link;
    this.notices = notices;
  }

  /** Takes the program off first, so that nothing more comes in; then lets frames under way leave. */
  close(): void {
    this.link?.close();
    this.device.close();
    this.redirect?.close();
  }
}

/**
 * Takes hold of the interface, in the namespace of the calling thread.
 *
 * @throws DemiError `ERR_DEMI_PERMISSION` naming the capabilities, `ERR_DEMI_EBPF_BUSY` and `ERR_DEMI_DEVICE_BUSY` when
 *   somebody else has the interface, `ERR_DEMI_UNSUPPORTED` for ports mode without XDP
 */
export function attach(options: AttachOptions): Attachment {
  if (options.device === 'af-packet') return attachPacket(options, []);
  try {
    return attachXdp(options);
  } catch (cause) {
    if (options.device === 'af-xdp' || !(cause instanceof DemiError) || isBusy(cause)) throw cause;
    const because = `AF_XDP is refused on ${options.host.link.name}: ${cause.message}`;
    if (options.mode === 'ports') {
      const message = `${because}. Sharing the host's address by port needs XDP: only it keeps packets from the kernel`;
      throw new DemiError(cause.code, message, { cause, errno: cause.errno, errnoName: cause.errnoName });
    }
    const notice = `${because}. Going on with AF_PACKET: every frame is copied, and the kernel looks at it too`;
    return attachPacket(options, [notice]);
  }
}

function attachXdp(options: AttachOptions): Attachment {
  const { host, mode, address, virtualAddresses } = options;
  const notices: string[] = [];
  const redirect = new RedirectToSocket({
    mode,
    address: address >>> 0,
    virtualAddresses,
    queues: host.receiveQueues,
  });
  let link: XdpLink | undefined;
  let device: AfXdpDevice | AfXdpQueues | undefined;
  try {
    // In generic mode frames that a local sender's offload left whole are lost; AF_PACKET can cut them. Only who cannot or
    // will not use that gets generic mode.
    const xdp = mode === 'address' && options.device === 'auto' ? 'native' : 'best';
    link = patiently(() => new XdpLink({ program: redirect.program, ifindex: host.link.index, mode: xdp }));
    // Until a queue has a socket, the program leaves its packets to the kernel.
    device = openDevice(options, link.mode);
    const queues = device instanceof AfXdpQueues ? device.queues : [device];
    for (const queue of queues) redirect.setSocket(queue.socket.queue, queue.socket.descriptor);
    if (link.mode === 'generic') {
      notices.push(
        `${host.link.name}: the driver runs no XDP program, the kernel does it instead: slower, and senders on this ` +
          `machine must not leave long frames whole: ethtool -K ${host.link.name} gro off; ethtool -K SENDER tso off gso off`,
      );
    }
    if (queues.length < host.receiveQueues) {
      notices.push(
        `${host.link.name} has ${host.receiveQueues} receive queues, and only number ${options.queue} is ours: ` +
          'packets on the others go to the kernel',
      );
    }
    const wantedMtu = Math.min(options.mtuBytes ?? host.link.mtuBytes, host.link.mtuBytes);
    if (device.mtuBytes < wantedMtu) {
      notices.push(
        `${host.link.name} has an MTU of ${wantedMtu}, and a slot of ${device.pool.slotSizeBytes} bytes holds packets up to ` +
          `${device.mtuBytes}: longer datagrams to us are lost. Lower the MTU, or use slots of 4096 bytes`,
      );
    }
    return new Attachment(device, redirect, link, notices);
  } catch (error) {
    link?.close();
    device?.close();
    redirect.close();
    throw error;
  }
}

function openDevice(options: AttachOptions, xdpMode: 'native' | 'generic'): AfXdpDevice | AfXdpQueues {
  const { host, queue } = options;
  const veth = host.driver === VETH;
  const gathers =
    options.descriptorThresholdBytes !== undefined && options.descriptorThresholdBytes < MOST_BYTES;
  const wanted: AfXdpDeviceOptions = {
    name: host.link.name,
    interfaceIndex: host.link.index,
    macAddress: host.macAddress,
    // However many descriptors a frame may have: the stack receives, and copies, into one slot.
    interfaceMtuBytes: Math.min(
      options.mtuBytes ?? host.link.mtuBytes,
      host.link.mtuBytes,
      gathers ? slotMtuBytes(options.slotSizeBytes) : MOST_BYTES,
    ),
    slots: options.slots,
    slotSizeBytes: options.slotSizeBytes,
    mode: options.xdpMode,
    multiBuffer: gathers,
    copyThresholdBytes: gathers ? options.descriptorThresholdBytes : undefined,
    // A veth hands frames to a kernel on this machine, which takes the checksum as read.
    transmitChecksum: options.transmitChecksum ?? (veth ? 'offload' : 'none'),
    // The same the other way round; and in generic mode (bridges, taps) the kernel's own packets come as they are.
    partialChecksums: veth || xdpMode === 'generic',
    debugMemory: options.debugMemory,
  };
  const open = (): AfXdpDevice | AfXdpQueues =>
    queue === undefined && host.receiveQueues > 1
      ? new AfXdpQueues(wanted, host.receiveQueues)
      : new AfXdpDevice({ ...wanted, queue: queue ?? 0 });
  try {
    return patiently(open);
  } catch (error) {
    // Before Linux 6.8 there is no transmit metadata: the stack sums by itself.
    const old = error instanceof DemiError && error.errno === EINVAL && error.syscall === 'setsockopt';
    if (!old || wanted.transmitChecksum === 'none' || options.transmitChecksum !== undefined) throw error;
    wanted.transmitChecksum = 'none';
    return patiently(open);
  }
}

function attachPacket(options: AttachOptions, notices: string[]): Attachment {
  const { host, mode, address } = options;
  if (mode === 'ports') {
    throw new DemiError(
      'ERR_DEMI_UNSUPPORTED',
      `AF_PACKET cannot share ${formatIpv4(address)} with the kernel, which would answer for our ports: use XDP`,
    );
  }
  if (quietly(() => readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim(), '0') === '1') {
    notices.push(
      `this host forwards packets, and on AF_PACKET its kernel sees ours too and may send them on: sysctl net.ipv4.ip_forward=0`,
    );
  }
  const device = new AfPacketDevice({
    name: host.link.name,
    interfaceIndex: host.link.index,
    macAddress: host.macAddress,
    interfaceMtuBytes: Math.min(options.mtuBytes ?? host.link.mtuBytes, host.link.mtuBytes),
    slots: options.slots,
    filter: addressFilter([address, ...options.virtualAddresses]),
    debugMemory: options.debugMemory,
  });
  return new Attachment(device, undefined, undefined, notices);
}

/** Classic BPF (linux/filter.h): ARP, and IPv4 to our addresses. The kernel copies nothing else for us. */
function addressFilter(addresses: readonly number[]): Uint8Array {
  const accept = 4 + addresses.length;
  const code = new DataView(new ArrayBuffer((accept + 2) * 8));
  const put = (i: number, operation: number, jumpTrue: number, jumpFalse: number, value: number): void => {
    code.setUint16(i * 8, operation, true);
    code.setUint8(i * 8 + 2, jumpTrue);
    code.setUint8(i * 8 + 3, jumpFalse);
    code.setInt32(i * 8 + 4, value, true);
  };
  put(0, 0x28, 0, 0, 12); // load half word: EtherType
  // Jumps count from the next instruction.
  put(1, 0x15, accept - 2, 0, 0x0806); // ARP: accept
  put(2, 0x15, 0, accept - 2, 0x0800); // not IPv4: refuse
  put(3, 0x20, 0, 0, 30); // load word: destination
  addresses.forEach((address, i) => {
    const last = i === addresses.length - 1;
    put(4 + i, 0x15, accept - 5 - i, last ? 1 : 0, address); // ours: accept
  });
  put(accept, 0x06, 0, 0, 0x40000); // accept, whole
  put(accept + 1, 0x06, 0, 0, 0); // refuse
  return new Uint8Array(code.buffer);
}

function isBusy(error: DemiError): boolean {
  return error.errno === EBUSY;
}

/** Tries again for a moment while the interface is busy. */
function patiently<T>(open: () => T): T {
  for (let tries = 0; ; tries++) {
    try {
      return open();
    } catch (error) {
      if (!(error instanceof DemiError) || !isBusy(error) || tries === BUSY_RETRIES) throw error;
      libc().poll(0, 0, BUSY_RETRY_MS);
    }
  }
}
