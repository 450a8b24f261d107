// Catnap: PDPIX over the kernel's own sockets. Runs wherever Linux runs, without privilege.

import { DemiError, SlotPool } from '@demikernel/memory';
import { errnoName, mapRegion, SOCK_DGRAM, SOCK_STREAM } from '@demikernel/native/kernel';
import type { LibraryOs, SocketType } from '../../runtime/library-os.ts';
import type { Queue } from '../../runtime/queue.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { AF_INET } from '../../runtime/socket-address.ts';
import { DatagramQueue } from './datagram-queue.ts';
import { SocketHost } from './socket-host.ts';
import { StreamQueue } from './stream-queue.ts';

export interface CatnapOptions {
  /** Memory for messages in bytes; default 64 MiB. Pages are touched when first used. */
  memoryBytes?: number;
  /** Bytes per slot, a power of two: a received message takes whole slots. Default 4096. */
  slotSizeBytes?: number;
  /** Poison freed memory and name stale slices, at a price. */
  debugMemory?: boolean;
  /** Make the sockets in this network namespace (a name of `ip netns`); takes CAP_SYS_ADMIN. */
  namespace?: string;
}

/** Until a pop that found no memory is tried again, when nothing else happens. */
const STARVED_RETRY_US = 100;

class Catnap implements LibraryOs {
  readonly name: string;
  readonly runtime: Runtime;
  readonly pool: SlotPool;
  readonly sliceBytes: number;
  readonly takesForeignSlices = true;
  readonly descriptors: readonly number[];
  private readonly host: SocketHost;

  constructor(runtime: Runtime, pool: SlotPool, host: SocketHost) {
    this.name = 'catnap';
    this.runtime = runtime;
    this.pool = pool;
    this.sliceBytes = pool.capacityBytes;
    this.host = host;
    this.descriptors = [host.epoll.fd];
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

  /** Nothing is left for the end of a turn: a push goes to the kernel at once. */
  flush(): number {
    return 0;
  }

  untilNextUs(): number {
    return this.host.hasStarved ? STARVED_RETRY_US : Number.POSITIVE_INFINITY;
  }

  close(): void {
    this.host.shutDown();
    this.pool.region.release();
  }
}

/**
 * Opens Catnap.
 *
 * @throws ERR_DEMI_SYSCALL (EMFILE, ENOMEM), ERR_DEMI_SLOT_SIZE, ERR_DEMI_RANGE; with `namespace` ERR_DEMI_PERMISSION
 */
export function createCatnap(runtime: Runtime, options: CatnapOptions): LibraryOs {
  const { memoryBytes = 64 * 1024 * 1024, slotSizeBytes = 4096, debugMemory = false } = options;
  const region = mapRegion({ lengthBytes: memoryBytes });
  // The kernel writes headers into memory of its own: no headroom.
  const pool = new SlotPool(region, { slotSizeBytes, headroomBytes: 0, debug: debugMemory });
  return new Catnap(runtime, pool, new SocketHost(runtime, pool, options.namespace));
}
