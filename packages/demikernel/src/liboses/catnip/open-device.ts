// Opening a device for Catnip, with what some drivers leave behind or are late with.

import { rmSync, statSync } from 'node:fs';
import { detachXdp, programHolders, queryXdp } from '@demikernel/ebpf';
import { DemiError } from '@demikernel/memory';
import {
  AF_UNIX,
  closeDescriptor,
  connectSocket,
  ECONNREFUSED,
  getSocketOption,
  libc,
  linkIndex,
  openDescriptors,
  openSocket,
  SO_DOMAIN,
  SOCK_DGRAM,
  SOL_SOCKET,
  SocketAddress,
} from '@demikernel/native/kernel';
import { DpdkDevice, type DpdkDeviceOptions } from '../../devices/dpdk.ts';

/** The kernel gives a queue free a moment after its AF_XDP socket is closed, or its process gone; the driver only says that it failed. */
const BUSY_RETRIES = 60;
const BUSY_RETRY_MS = 5;
const AF_XDP = 44;
/** The program that libxdp attaches for net_af_xdp where no bpffs is mounted. */
const LIBXDP_PROGRAM = 'xsk_def_prog';

/** The interface that a device's options name; empty for none. */
export function interfaceOf(device: string): string {
  return /(?:^|,)iface=([^,]+)/.exec(device)?.[1] ?? '';
}

/** Opens it, in the namespace of the calling thread. @throws DemiError as `DpdkDevice` */
export function openDevice(options: DpdkDeviceOptions): DpdkDevice {
  if (options.device.startsWith('net_memif')) removeStaleSocket(options.device);
  if (!options.device.startsWith('net_af_xdp')) return new DpdkDevice(options);
  removeOrphan(interfaceOf(options.device));
  const before = xdpSockets();
  for (let tries = 0; ; tries++) {
    try {
      const device = new DpdkDevice(options);
      const own = xdpSockets().filter(each => !before.includes(each));
      device.afterClose = () => closeLeft(own);
      return device;
    } catch (error) {
      const busy = error instanceof DemiError && error.message.includes('xsk socket');
      if (!busy || tries === BUSY_RETRIES) throw error;
      libc().poll(0, 0, BUSY_RETRY_MS);
    }
  }
}

/**
 * net_af_xdp attaches its program without a link: killed, it leaves it on the interface, where it refuses the next one. Takes it off
 * when no process has it.
 *
 * @returns whether there was one
 */
export function removeOrphan(interfaceName: string): boolean {
  const index = linkIndex(interfaceName);
  if (index === 0) return false;
  const { linkId, programId, programName } = queryXdp(index);
  if (programName !== LIBXDP_PROGRAM || linkId !== 0 || programHolders(programId).length > 0) return false;
  detachXdp(index);
  return true;
}

/** A process that was killed leaves the socket on which net_memif listened: its name goes when nobody has it. */
export function removeStaleSocket(device: string): void {
  const path = /(?:^|,)socket=([^,]+)/.exec(device)?.[1];
  if (path === undefined || !/,role=(server|master)\b/.test(device) || !/,socket-abstract=no\b/.test(device))
    return;
  const fd = openSocket(AF_UNIX, SOCK_DGRAM);
  const name = new SocketAddress();
  try {
    name.setUnix(path);
    // Of the wrong type, so that whoever listens sees nothing of it: EPROTOTYPE then, in whichever network namespace that is.
    if (connectSocket(fd, name) === -ECONNREFUSED && statSync(path).isSocket()) rmSync(path);
  } catch {
    // It is too long, or not ours to remove: the driver will say so.
  } finally {
    name.close();
    closeDescriptor(fd);
  }
}

/** Descriptors of this process's AF_XDP sockets, each with what it stands for: `24 socket:[30997841]`. */
function xdpSockets(): string[] {
  const found: string[] = [];
  for (const [fd, target] of openDescriptors()) {
    if (target.startsWith('socket:') && getSocketOption(fd, SOL_SOCKET, SO_DOMAIN) === AF_XDP)
      found.push(`${fd} ${target}`);
  }
  return found;
}

/** net_af_xdp keeps its socket open after it has closed its port (libxdp will not delete its UMEM), and the queue with it. */
function closeLeft(own: readonly string[]): void {
  for (const each of xdpSockets()) {
    if (own.includes(each)) closeDescriptor(Number.parseInt(each, 10));
  }
}
