// Setting an AF_XDP socket up: memory, ring sizes, binding, and what the kernel's refusals mean.
// What the socket does afterwards is af-xdp.ts. Source: linux/if_xdp.h, Documentation/networking/af_xdp.rst.

import { DemiError, type Region } from '@demikernel/memory';
import { EBUSY, EINVAL, ENETDOWN, ENOBUFS, EOPNOTSUPP, EPERM, systemError } from './errno.ts';
import { errno, libc } from './library.ts';

const AF_XDP = 44;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const SOL_XDP = 283;

// linux/if_xdp.h: socket options
export const XDP_MMAP_OFFSETS = 1;
export const XDP_RX_RING = 2;
export const XDP_TX_RING = 3;
const XDP_UMEM_REG = 4;
export const XDP_UMEM_FILL_RING = 5;
export const XDP_UMEM_COMPLETION_RING = 6;
export const XDP_STATISTICS = 7;
export const XDP_OPTIONS = 8;
const XDP_MAX_TX_SKB_BUDGET = 9;

// sxdp_flags
const XDP_SHARED_UMEM = 1;
const XDP_COPY = 2;
const XDP_ZEROCOPY = 4;
const XDP_USE_NEED_WAKEUP = 8;
const XDP_USE_SG = 16;

// xdp_umem_reg.flags
const XDP_UMEM_TX_SW_CSUM = 2;
const XDP_UMEM_TX_METADATA_LEN = 4;

// A frame in copy mode is an skb until the other side has taken it: the default 208 KiB would hold 90 of them.
const SEND_BUFFER_BYTES = 16 * 1024 * 1024;

/** Bytes of `struct xsk_tx_metadata` that the kernel asks for: flags u64, then a union of 16. */
export const XDP_TX_METADATA_BYTES = 24;

/** A new socket. @throws DemiError `ERR_DEMI_PERMISSION` */
export function openXdpSocket(): number {
  const fd = libc().socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd === -1) {
    throw systemError('socket', { detail: 'opening an AF_XDP socket', capabilities: ['CAP_NET_RAW'] });
  }
  return fd;
}

/** The memory of all frames (`struct xdp_umem_reg`). */
export interface UmemRegistration {
  region: Region;
  chunkBytes: number;
  headroomBytes: number;
  transmitChecksum: 'none' | 'offload' | 'software';
}

export function registerMemory(fd: number, registration: UmemRegistration): void {
  const { region, chunkBytes, transmitChecksum } = registration;
  const raw = new DataView(new ArrayBuffer(32));
  raw.setBigUint64(0, region.address, true);
  raw.setBigUint64(8, BigInt(region.lengthBytes), true);
  raw.setUint32(16, chunkBytes, true);
  raw.setUint32(20, registration.headroomBytes, true);
  if (transmitChecksum !== 'none') {
    const software = transmitChecksum === 'software' ? XDP_UMEM_TX_SW_CSUM : 0;
    raw.setUint32(24, XDP_UMEM_TX_METADATA_LEN | software, true);
    raw.setUint32(28, XDP_TX_METADATA_BYTES, true);
  }
  if (libc().setsockopt(fd, SOL_XDP, XDP_UMEM_REG, raw, raw.byteLength) === 0) return;
  const number = errno();
  const detail =
    number === ENOBUFS
      ? `locking ${region.lengthBytes} bytes: raise the limit with ulimit -l, or grant CAP_IPC_LOCK`
      : `registering ${region.lengthBytes} bytes in chunks of ${chunkBytes}`;
  throw systemError('setsockopt', { errno: number, detail });
}

/** Where a socket is bound (`struct sockaddr_xdp`). */
export interface XdpBinding {
  interfaceIndex: number;
  queue: number;
  mode: 'auto' | 'copy' | 'zero-copy';
  multiBuffer: boolean;
  /** Descriptor of the socket whose memory is shared. */
  sharedWith: number | undefined;
}

export function bindXdpSocket(fd: number, binding: XdpBinding): void {
  const { mode, multiBuffer, sharedWith } = binding;
  const address = new DataView(new ArrayBuffer(16));
  address.setUint16(0, AF_XDP, true);
  address.setUint32(4, binding.interfaceIndex, true);
  address.setUint32(8, binding.queue, true);
  if (sharedWith === undefined) {
    const copy = mode === 'copy' ? XDP_COPY : mode === 'zero-copy' ? XDP_ZEROCOPY : 0;
    address.setUint16(2, copy | XDP_USE_NEED_WAKEUP | (multiBuffer ? XDP_USE_SG : 0), true);
  } else {
    // The mode, wake-up and multi-buffer flags are those of the first socket.
    address.setUint16(2, XDP_SHARED_UMEM, true);
    address.setUint32(12, sharedWith, true);
  }
  if (libc().bindBuffer(fd, address, 16) !== 0) throw bindRefused(errno(), binding);
}

function bindRefused(number: number, binding: XdpBinding): DemiError {
  const where = `queue ${binding.queue} of interface ${binding.interfaceIndex}`;
  const cause = systemError('bind', {
    errno: number,
    detail: `binding to ${where}`,
    capabilities: ['CAP_NET_RAW', 'CAP_NET_ADMIN'],
  });
  const because = (code: string, message: string): DemiError =>
    new DemiError(code, message, { errno: number, errnoName: cause.errnoName, syscall: 'bind', cause });
  if (number === EPERM) return cause;
  if (number === EBUSY)
    return because('ERR_DEMI_DEVICE_BUSY', `another AF_XDP socket has ${where}, see: ss -a --xdp`);
  if (number === ENETDOWN) {
    return because('ERR_DEMI_DEVICE_DOWN', `${where} is down, bring it up with: ip link set DEVICE up`);
  }
  if (number === EOPNOTSUPP || number === EINVAL) {
    const wants = `${binding.mode === 'zero-copy' ? 'zero-copy ' : ''}${binding.multiBuffer ? 'multi-buffer ' : ''}`;
    return because('ERR_DEMI_XDP_UNSUPPORTED', `${where} does not exist or takes no ${wants}AF_XDP socket`);
  }
  return cause;
}

/** More room under way in copy mode; both are best effort. */
export function widenTransmit(fd: number, transmitEntries: number): void {
  const value = Int32Array.of(SEND_BUFFER_BYTES);
  libc().setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, value, 4);
  // Linux 6.17: frames that one sendto may send.
  value[0] = transmitEntries;
  libc().setsockopt(fd, SOL_XDP, XDP_MAX_TX_SKB_BUDGET, value, 4);
}

/** Makes a ring. @param option XDP_RX_RING and the like */
export function makeRing(fd: number, option: number, entries: number, name: string): void {
  if (libc().setsockopt(fd, SOL_XDP, option, Int32Array.of(entries), 4) !== 0) {
    throw systemError('setsockopt', { detail: `making the ${name} ring of ${entries} entries` });
  }
}

/** Reads an option of the socket. */
export function readXdpOption(fd: number, option: number, into: DataView, detail: string): void {
  if (libc().getsockopt(fd, SOL_XDP, option, into, Int32Array.of(into.byteLength)) !== 0) {
    throw systemError('getsockopt', { detail });
  }
}
