// What a network device does by itself, by the SIOCETHTOOL ioctl: checksum and segmentation offloads, GRO, channels.
// Devices are looked up in the calling thread's namespace.

import { DemiError } from '@demikernel/memory';
import { closeDescriptor } from './descriptor.ts';
import { EOPNOTSUPP, systemError } from './errno.ts';
import type { NativeBuffer } from './library.ts';
import { addressOf, errno, libc } from './library.ts';
import { openSocket, SOCK_DGRAM } from './socket.ts';
import { AF_INET } from './socket-address.ts';

// include/uapi/linux/sockios.h, ethtool.h
const SIOCETHTOOL = 0x8946;
const ETHTOOL_GDRVINFO = 0x03;
const ETHTOOL_GCHANNELS = 0x3c;
const ETHTOOL_SCHANNELS = 0x3d;

/** An offload with its get command; the set command is the next number. */
const OFFLOADS = {
  rxChecksum: 0x14,
  txChecksum: 0x16,
  scatterGather: 0x18,
  tcpSegmentation: 0x1e,
  genericSegmentation: 0x23,
  genericReceive: 0x2b,
} as const;

/** Names as of `ethtool -K`: rx, tx, sg, tso, gso, gro. */
export type Offload = keyof typeof OFFLOADS;

// struct ifreq: name 16 bytes, then the pointer; 40 bytes in all.
const IFREQ_BYTES = 40;
const NAME_BYTES = 16;

/** The ioctl with any ethtool structure, whose first word is the command. Returns 0 or a negative errno. */
export function ethtool(device: string, structure: NativeBuffer): number {
  const name = Buffer.from(device);
  if (name.length === 0 || name.length >= NAME_BYTES) {
    throw new DemiError('ERR_DEMI_NAME', `Not an interface name: ${JSON.stringify(device)}`);
  }
  const request = new Uint8Array(IFREQ_BYTES);
  request.set(name);
  new DataView(request.buffer).setBigUint64(NAME_BYTES, BigInt(addressOf(structure)), true);
  const fd = openSocket(AF_INET, SOCK_DGRAM);
  if (fd < 0) return fd;
  const result = libc().ioctl(fd, SIOCETHTOOL, request) === -1 ? -errno() : 0;
  closeDescriptor(fd);
  return result;
}

/** Whether an offload is on. @throws DemiError ENODEV, EOPNOTSUPP */
export function getOffload(device: string, offload: Offload): boolean {
  // struct ethtool_value { u32 cmd; u32 data; }
  const value = Uint32Array.of(OFFLOADS[offload], 0);
  run(device, value, `reading ${offload} of ${device}`);
  return value[1] !== 0;
}

/**
 * Turns an offload on or off.
 *
 * @throws DemiError ENODEV, EOPNOTSUPP, `ERR_DEMI_PERMISSION` without CAP_NET_ADMIN
 */
export function setOffload(device: string, offload: Offload, on: boolean): void {
  const value = Uint32Array.of(OFFLOADS[offload] + 1, on ? 1 : 0);
  run(device, value, `turning ${offload} of ${device} ${on ? 'on' : 'off'}`);
}

/** Hardware queues of a device, in use and at most. */
export interface Channels {
  rx: number;
  tx: number;
  combined: number;
  maxRx: number;
  maxTx: number;
  maxCombined: number;
}

/** The channels of a device. One that cannot say has one combined channel. @throws DemiError ENODEV */
export function getChannels(device: string): Channels {
  // struct ethtool_channels { u32 cmd, max_rx, max_tx, max_other, max_combined, rx, tx, other, combined; }
  const words = new Uint32Array(9);
  words[0] = ETHTOOL_GCHANNELS;
  const result = ethtool(device, words);
  if (result === -EOPNOTSUPP) return { rx: 0, tx: 0, combined: 1, maxRx: 0, maxTx: 0, maxCombined: 1 };
  if (result < 0) throw systemError('ioctl', { errno: result, detail: `counting the channels of ${device}` });
  return {
    rx: words[5]!,
    tx: words[6]!,
    combined: words[8]!,
    maxRx: words[1]!,
    maxTx: words[2]!,
    maxCombined: words[4]!,
  };
}

/** Sets the channels in use. @throws DemiError EINVAL beyond the most, EOPNOTSUPP, `ERR_DEMI_PERMISSION` */
export function setChannels(device: string, channels: { rx?: number; tx?: number; combined?: number }): void {
  const words = new Uint32Array(9);
  words[0] = ETHTOOL_GCHANNELS;
  run(device, words, `counting the channels of ${device}`);
  words[0] = ETHTOOL_SCHANNELS;
  words[5] = channels.rx ?? words[5]!;
  words[6] = channels.tx ?? words[6]!;
  words[8] = channels.combined ?? words[8]!;
  run(device, words, `setting the channels of ${device}`);
}

/** The name of a device's driver: `veth`, `virtio_net`, `ixgbe`, … @throws DemiError ENODEV, EOPNOTSUPP */
export function driverName(device: string): string {
  // struct ethtool_drvinfo: u32 cmd, then char driver[32]; 196 bytes.
  const info = new Uint8Array(196);
  new DataView(info.buffer).setUint32(0, ETHTOOL_GDRVINFO, true);
  run(device, info, `asking for the driver of ${device}`);
  return Buffer.from(info.subarray(4, 36)).toString('latin1').replace(/\0.*$/s, '');
}

function run(device: string, structure: NativeBuffer, detail: string): void {
  const result = ethtool(device, structure);
  if (result < 0) throw systemError('ioctl', { errno: result, detail, capabilities: ['CAP_NET_ADMIN'] });
}
