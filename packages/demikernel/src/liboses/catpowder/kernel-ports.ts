// Ports of an address that is the host's too. Each one of ours is held by a bound kernel socket, so that no other program
// gets it, and is known to the XDP program, so that its packets come to us.

import type { PortTable } from '@demikernel/ebpf';
import {
  AF_INET,
  bindSocket,
  closeDescriptor,
  IPPROTO_TCP,
  SocketAddress as KernelAddress,
  openSocket,
  SO_RCVBUF,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
  setSocketOption,
  socketName,
} from '@demikernel/native/kernel';
import type { PortReservation } from '../../inetstack/port-reservation.ts';

interface Held {
  fd: number;
  count: number;
}

/** Reserves ports in the namespace in which `inside` runs its argument. */
export class KernelPorts implements PortReservation {
  private readonly address: number;
  private readonly table: PortTable;
  private readonly inside: <T>(action: () => T) => T;
  private readonly held: Map<number, Held>;
  private readonly name: KernelAddress;

  constructor(address: number, table: PortTable, inside: <T>(action: () => T) => T) {
    this.address = address;
    this.table = table;
    this.inside = inside;
    this.held = new Map();
    this.name = new KernelAddress();
  }

  /** @returns the port, or a negative errno: EADDRINUSE when a kernel socket has it. */
  reserve(protocol: number, port: number): number {
    const known = this.held.get(keyOf(protocol, port));
    if (port !== 0 && known !== undefined) {
      known.count++;
      return port;
    }
    const fd = this.inside(() => openSocket(AF_INET, protocol === IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM));
    if (fd < 0) return fd;
    const bound = this.bind(fd, port);
    if (bound < 0) {
      closeDescriptor(fd);
      return bound;
    }
    // Nobody reads it: what slips through before the program knows the port must not pile up.
    setSocketOption(fd, SOL_SOCKET, SO_RCVBUF, 1);
    this.held.set(keyOf(protocol, bound), { fd, count: 1 });
    this.table.add(protocol === IPPROTO_TCP ? 'tcp' : 'udp', bound);
    return bound;
  }

  release(protocol: number, port: number): void {
    const key = keyOf(protocol, port);
    const known = this.held.get(key);
    if (known === undefined || --known.count > 0) return;
    this.held.delete(key);
    this.table.delete(protocol === IPPROTO_TCP ? 'tcp' : 'udp', port);
    closeDescriptor(known.fd);
  }

  close(): void {
    for (const { fd } of this.held.values()) closeDescriptor(fd);
    this.held.clear();
    this.table.clear();
  }

  /** The port the kernel gave, or a negative errno. */
  private bind(fd: number, port: number): number {
    this.name.setIpv4(this.address, port);
    const result = bindSocket(fd, this.name);
    if (result < 0) return result;
    if (port !== 0) return port;
    this.name.clear();
    const named = socketName(fd, this.name);
    return named < 0 ? named : this.name.port;
  }
}

function keyOf(protocol: number, port: number): number {
  return (protocol << 16) | port;
}
