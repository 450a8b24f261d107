// Catcollar: PDPIX over io_uring. The kernel's own sockets, asked and answered through rings in memory: one system call for
// everything that a turn has produced, none at all while nothing happens.

import { DemiError, SlotPool } from '@demikernel/memory';
import { errnoName, mapRegion, SOCK_DGRAM, SOCK_STREAM } from '@demikernel/native/kernel';
import type { LibraryOs, SocketType } from '../../runtime/library-os.ts';
import type { Queue } from '../../runtime/queue.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { AF_INET } from '../../runtime/socket-address.ts';
import type { Waiter } from '../../runtime/waiter.ts';
import { Ring } from '../../uring/ring.ts';
import { UringWaiter } from '../../uring/uring-waiter.ts';
import { DatagramQueue } from './datagram-queue.ts';
import { RingHost } from './ring-host.ts';
import { StreamQueue } from './stream-queue.ts';

export interface CatcollarOptions {
  /** Memory for messages in bytes; default 64 MiB. Pages are touched when first used. */
  memoryBytes?: number;
  /** Bytes per slot, a power of two: what arrives takes whole slots. Default 4096. */
  slotSizeBytes?: number;
  /** Poison freed memory and name stale slices, at a price. */
  debugMemory?: boolean;
  /** Make the sockets in this network namespace (a name of `ip netns`); takes CAP_SYS_ADMIN. */
  namespace?: string;
  /**
   * A kernel thread looks for requests, so that sending takes no system call, and sleeps after so many milliseconds
   * without any (SQPOLL). It takes a processor of its own; without one to spare it makes everything slower. Default: none.
   */
  sqPollIdleMs?: number;
  /**
   * Streams send from this many bytes on without the kernel's copy (SEND_ZC). Pays on network cards that gather, never
   * over loopback or veth, where the receiver copies instead. Default: never.
   */
  zeroCopyBytes?: number;
}

/** Until receives that found no memory are tried again, when nothing else happens. */
const STARVED_RETRY_US = 100;

class Catcollar implements LibraryOs {
  readonly name: string;
  readonly runtime: Runtime;
  readonly pool: SlotPool;
  readonly sliceBytes: number;
  readonly takesForeignSlices = true;
  private readonly host: RingHost;

  constructor(runtime: Runtime, pool: SlotPool, host: RingHost) {
    this.name = 'catcollar';
    this.runtime = runtime;
    this.pool = pool;
    this.sliceBytes = pool.capacityBytes;
    this.host = host;
  }

  /** For the storage that shares the ring. */
  get ring(): Ring {
    return this.host.ring;
  }

  get descriptors(): readonly number[] {
    return [this.host.ring.descriptor];
  }

  createSocket(type: SocketType): Queue {
    const { host } = this;
    const fd = host.open(AF_INET, type === 'stream' ? SOCK_STREAM : SOCK_DGRAM);
    if (fd < 0) {
      const name = errnoName(-fd);
      throw new DemiError('ERR_DEMI_SYSCALL', `socket: ${name}`, {
        errno: -fd,
        errnoName: name,
        syscall: 'socket',
      });
    }
    return type === 'stream' ? new StreamQueue(host, fd) : new DatagramQueue(host, fd);
  }

  poll(): number {
    return this.host.poll();
  }

  flush(): number {
    return this.host.flush();
  }

  untilNextUs(): number {
    const { host } = this;
    if (host.hasSenders || !host.ring.sleepable()) return 0;
    return host.hasStarved ? STARVED_RETRY_US : Number.POSITIVE_INFINITY;
  }

  /** A loop that owns its thread sleeps inside io_uring_enter(2). */
  makeWaiter(): Waiter {
    return new UringWaiter(this.host.ring);
  }

  close(): void {
    this.host.shutDown();
    this.pool.region.release();
  }
}

/**
 * Opens Catcollar.
 *
 * @throws ERR_DEMI_IO_URING_DISABLED where the system does not allow it, naming the switch; ERR_DEMI_SYSCALL (EMFILE,
 *   ENOMEM), ERR_DEMI_SLOT_SIZE, ERR_DEMI_RANGE; with `namespace` ERR_DEMI_PERMISSION
 */
export function createCatcollar(runtime: Runtime, options: CatcollarOptions): LibraryOs {
  const { memoryBytes = 64 * 1024 * 1024, slotSizeBytes = 4096, debugMemory = false } = options;
  const region = mapRegion({ lengthBytes: memoryBytes });
  let ring: Ring | undefined;
  try {
    // The kernel writes headers into memory of its own: no headroom.
    const pool = new SlotPool(region, { slotSizeBytes, headroomBytes: 0, debug: debugMemory });
    ring = new Ring(runtime, { sqPollIdleMs: options.sqPollIdleMs });
    return new Catcollar(runtime, pool, new RingHost(runtime, pool, ring, options));
  } catch (error) {
    ring?.close();
    region.release();
    throw error;
  }
}
