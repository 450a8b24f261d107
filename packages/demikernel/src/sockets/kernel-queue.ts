// What queues over a socket of the kernel share, however they wait for it: the descriptor, its names, its options, its ends.

import type { SocketAddress as NativeAddress } from '@demikernel/native/kernel';
import {
  bindSocket,
  EAFNOSUPPORT,
  EINVAL,
  AF_INET as KERNEL_AF_INET,
  peerName,
  socketName,
} from '@demikernel/native/kernel';
import type { Operation, OperationList, OperationTable } from '../runtime/operation.ts';
import { Queue, type SocketOptionName } from '../runtime/queue.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { SocketAddress } from '../runtime/socket-address.ts';
import { readNative, writeNative } from './address.ts';
import { kernelOption, setKernelOption } from './options.ts';

/** Pushes, and pops, that may wait on one queue; one more fails with EAGAIN. */
export const MAX_WAITING = 1024;

/** What such a queue needs of its library OS. */
export interface SocketHome {
  readonly runtime: Runtime;
  /** For calls at set-up: bind, connect, accept, getsockname. */
  readonly scratch: NativeAddress;
  /** A fresh socket. The descriptor or a negative errno. */
  open(family: number, type: number): number;
  close(fd: number): void;
}

/** A queue over one kernel socket. */
export abstract class KernelQueue<Host extends SocketHome> extends Queue {
  /** -1 once closed. */
  fd: number;
  protected readonly host: Host;
  protected readonly operations: OperationTable;
  /** SOCK_STREAM or SOCK_DGRAM. */
  private readonly type: number;
  protected family: number;
  /** Somebody waits for this descriptor's events already: it cannot be exchanged any more. */
  protected watched: boolean;
  /** What is known of the names so far; ask `localAddress` and `remoteAddress`. */
  protected readonly localName: SocketAddress;
  protected readonly remoteName: SocketAddress;
  // Options that were set, to be set again should the family turn out to be another one.
  private chosen: Map<SocketOptionName, number | boolean> | undefined;

  /** @param fd a fresh socket of `family`, or an accepted one */
  constructor(host: Host, type: number, fd: number, family: number = KERNEL_AF_INET) {
    super();
    this.fd = fd;
    this.host = host;
    this.operations = host.runtime.operations;
    this.type = type;
    this.family = family;
    this.watched = false;
    this.localName = new SocketAddress();
    this.remoteName = new SocketAddress();
    this.chosen = undefined;
  }

  /** Asked of the kernel until there is one. */
  override get localAddress(): SocketAddress {
    if (this.localName.port === 0 && this.fd >= 0) {
      const { scratch } = this.host;
      if (socketName(this.fd, scratch) === 0) readNative(this.localName, scratch);
    }
    return this.localName;
  }

  /** Asked of the kernel until there is one. */
  override get remoteAddress(): SocketAddress {
    if (this.remoteName.port === 0 && this.remoteName.text === '' && this.fd >= 0) {
      const { scratch } = this.host;
      if (peerName(this.fd, scratch) === 0) readNative(this.remoteName, scratch);
    }
    return this.remoteName;
  }

  /** Learns both names while the kernel still knows them: a reset socket has no peer. */
  protected learnNames(): void {
    void this.localAddress;
    void this.remoteAddress;
  }

  override bind(address: SocketAddress): number {
    const errno = this.suit(address);
    if (errno !== 0) return errno;
    return -bindSocket(this.fd, this.host.scratch);
  }

  /** Makes the socket one of the address's family, and leaves the address in `host.scratch`. 0 or an errno. */
  protected suit(address: SocketAddress): number {
    if (this.fd < 0) return EINVAL;
    if (!writeNative(this.host.scratch, address)) return EINVAL;
    if (address.family === this.family) return 0;
    // Sockets are made before their family is known; a fresh one can still be exchanged.
    if (this.watched || this.localAddress.port !== 0) return EAFNOSUPPORT;
    const errno = this.reopen(address.family);
    if (errno === 0) writeNative(this.host.scratch, address);
    return errno;
  }

  /** Puts a fresh socket in the place of the present one. 0 or an errno. */
  protected reopen(family: number = this.family): number {
    const fd = this.host.open(family, this.type);
    if (fd < 0) return -fd;
    this.host.close(this.fd);
    this.fd = fd;
    this.family = family;
    this.watched = false;
    this.localName.setIpv4(0, 0);
    if (this.chosen !== undefined) for (const [name, value] of this.chosen) setKernelOption(fd, name, value);
    return 0;
  }

  override getOption(name: SocketOptionName): number | boolean | undefined {
    return this.fd < 0 ? undefined : kernelOption(this.fd, name);
  }

  /** Whether the application has set an option itself. */
  protected hasChosen(name: SocketOptionName): boolean {
    return this.chosen?.has(name) === true;
  }

  override setOption(name: SocketOptionName, value: number | boolean): number {
    if (this.fd < 0) return EINVAL;
    const errno = setKernelOption(this.fd, name, value);
    if (errno !== 0 || this.watched) return errno;
    if (this.chosen === undefined) this.chosen = new Map();
    this.chosen.set(name, value);
    return 0;
  }

  /** Ends a push: its payload is given up. */
  protected finishPush(operation: Operation, errno: number): void {
    const { array } = operation;
    if (array !== undefined) {
      operation.array = undefined;
      array.free();
    }
    this.operations.complete(operation, errno);
  }

  /** Ends every operation on a list. */
  protected end(list: OperationList, errno: number): void {
    for (let operation = list.shift(); operation !== undefined; operation = list.shift()) {
      this.finishPush(operation, errno);
    }
  }
}
