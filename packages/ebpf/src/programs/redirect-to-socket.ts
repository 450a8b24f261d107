// What Catpowder attaches: the program that hands our packets to AF_XDP sockets, with its maps. The decision itself is
// in redirect-to-socket-code.ts.

import type { MapReference } from '../assembler/assembler.ts';
import { PROGRAM_XDP_HAS_FRAGS } from '../constants.ts';
import { DemiError, ERR_ARGUMENT } from '../error.ts';
import { PerCpuArray } from '../maps/per-cpu.ts';
import { XskMap } from '../maps/redirect.ts';
import { Program } from '../program.ts';
import { PortTable } from './port-table.ts';
import { REDIRECT_PATHS, type RedirectPath, redirectToSocketCode } from './redirect-to-socket-code.ts';

/** What is ours. */
export interface RedirectToSocketOptions {
  /**
   * `address`: everything to the IPv4 address, and ARP for it; the kernel must not have that address itself.
   * `ports`: chosen TCP and UDP ports of an address that stays the kernel's, and ICMP errors about them.
   */
  mode: 'address' | 'ports';
  /** As a number, signed or not: 10.0.0.1 is 0x0a000001. */
  address: number;
  /**
   * Addresses of ours that other hosts have as well, behind a load balancer: everything to them is ours in either mode, and nobody
   * answers ARP for them. The kernel must not have them.
   */
  virtualAddresses?: readonly number[];
  /** Receive queues that may get a socket; 64 by default. */
  queues?: number;
  /** Redirect into this map rather than an own XSKMAP; its owner closes it. */
  sockets?: MapReference;
}

/** How often each way through the program was taken. */
export type RedirectCounters = Record<RedirectPath, number>;

/**
 * The program, ready to attach with `XdpLink`, and its maps.
 *
 * ```ts
 * const redirect = new RedirectToSocket({ mode: 'ports', address: 0x0a000001 });
 * redirect.ports.add('tcp', 7);
 * redirect.setSocket(0, socketDescriptor);
 * const link = new XdpLink({ program: redirect.program, ifindex });
 * ```
 */
export class RedirectToSocket {
  readonly program: Program;
  readonly counters: PerCpuArray;
  readonly mode: 'address' | 'ports';
  readonly #sockets: XskMap | undefined;
  readonly #ports: PortTable | undefined;

  /** @throws DemiError as `Program` and `BpfMap` do. */
  constructor(options: RedirectToSocketOptions) {
    const { mode, address, virtualAddresses } = options;
    if (address >>> 0 !== address && (address | 0) !== address)
      throw new DemiError(ERR_ARGUMENT, `${address} is no IPv4 address`);
    this.mode = mode;
    const opened: { close(): void }[] = [];
    const open = <T extends { close(): void }>(thing: T): T => {
      opened.push(thing);
      return thing;
    };
    try {
      this.counters = open(
        new PerCpuArray({ name: 'demi_paths', maxEntries: REDIRECT_PATHS.length, valueBytes: 8 }),
      );
      this.#sockets =
        options.sockets === undefined
          ? open(new XskMap({ name: 'demi_sockets', maxEntries: options.queues ?? 64 }))
          : undefined;
      this.#ports = mode === 'ports' ? open(new PortTable()) : undefined;
      const code = redirectToSocketCode({
        address,
        virtualAddresses,
        sockets: options.sockets ?? this.#sockets!,
        counters: this.counters,
        ports: this.#ports?.map,
      });
      this.program = open(new Program({ name: 'demi_redirect', code, flags: PROGRAM_XDP_HAS_FRAGS }));
    } catch (error) {
      for (const thing of opened) thing.close();
      throw error;
    }
  }

  /** The ports that are ours, in mode `ports`; a change takes effect at once. */
  get ports(): PortTable {
    if (this.#ports === undefined) throw new DemiError(ERR_ARGUMENT, 'mode "address" has no port table');
    return this.#ports;
  }

  /** The sockets by queue, unless a map was given. */
  get sockets(): XskMap {
    if (this.#sockets === undefined)
      throw new DemiError(ERR_ARGUMENT, 'the sockets are in a map of your own');
    return this.#sockets;
  }

  /** Packets of `queue` go to this AF_XDP socket from now on. Closing the socket takes it out. */
  setSocket(queue: number, socketDescriptor: number): void {
    this.sockets.update(queue, socketDescriptor);
  }

  /** Packets of `queue` go to the kernel from now on. */
  deleteSocket(queue: number): void {
    this.sockets.delete(queue);
  }

  /** Sums over CPUs, into `out` when given. A few µs per counter. */
  readCounters(out: RedirectCounters = {} as RedirectCounters): RedirectCounters {
    for (let i = 0; i < REDIRECT_PATHS.length; i++) out[REDIRECT_PATHS[i]!] = this.counters.sum(i);
    return out;
  }

  /** Closes program and maps; an attached program runs on until its link closes. Idempotent. */
  close(): void {
    this.program.close();
    this.#ports?.close();
    this.#sockets?.close();
    this.counters.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
