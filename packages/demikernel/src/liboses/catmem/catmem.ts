// Catmem: PDPIX over memory that processes of one machine share. Messages travel by reference; the kernel sees the first
// meeting and the end of a connection, and wakes who sleeps.

import { DemiError, SlotPool } from '@demikernel/memory';
import {
  addSeals,
  closeDescriptor,
  createMemfd,
  F_SEAL_FUTURE_WRITE,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  type MemoryMap,
  mapDescriptor,
  PAGE_BYTES,
  regionOf,
  systemError,
} from '@demikernel/native/kernel';
import type { LibraryOs, SocketType } from '../../runtime/library-os.ts';
import type { Queue } from '../../runtime/queue.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { SystemWaiter, type Waiter } from '../../runtime/waiter.ts';
import { Bell } from '../../shm/bell.ts';
import { FutexWaiter } from './futex-waiter.ts';
import { MemoryHost } from './memory-host.ts';
import { MemorySocket } from './memory-socket.ts';
import { keyOf, PeerMemories } from './peer-memory.ts';

export interface CatmemOptions {
  /** Address space for messages in bytes; default 256 MiB. A page takes memory when a message first lies in it. */
  memoryBytes?: number;
  /** Bytes per slot, a power of two: a message takes whole slots. Default 65536; 16384 where there is little memory. */
  slotSizeBytes?: number;
  /**
   * How messages arrive. `reference` (the default): as slices of the sender's memory, which can be read and sent on, but not
   * written, and whose bytes a sender of ill will could still change. `copy`: in memory of one's own.
   */
  receive?: 'reference' | 'copy';
  /** Poison freed memory and name stale slices, at a price. */
  debugMemory?: boolean;
  /** Names of this network namespace (a name of `ip netns`) are meant; takes CAP_SYS_ADMIN. */
  namespace?: string;
}

class Catmem implements LibraryOs {
  readonly name: string;
  readonly runtime: Runtime;
  readonly pool: SlotPool;
  readonly sliceBytes: number;
  readonly takesForeignSlices = true;
  readonly hasMessageSockets: boolean;
  readonly idleTurnsPerClock: number;
  readonly descriptors: readonly number[];
  private readonly host: MemoryHost;
  private readonly bellAddress: number;
  private readonly release: () => void;

  constructor(runtime: Runtime, host: MemoryHost, bellAddress: number, release: () => void) {
    this.name = 'catmem';
    this.runtime = runtime;
    this.pool = host.pool;
    this.sliceBytes = host.pool.capacityBytes;
    this.hasMessageSockets = true;
    this.idleTurnsPerClock = IDLE_TURNS_PER_CLOCK;
    this.descriptors = [host.epoll.fd];
    this.host = host;
    this.bellAddress = bellAddress;
    this.release = release;
  }

  createSocket(type: SocketType): Queue {
    if (type === 'datagram') {
      throw new DemiError(
        'ERR_DEMI_UNSUPPORTED',
        "catmem has stream and message sockets, no 'datagram' ones",
      );
    }
    return new MemorySocket(this.host, type);
  }

  poll(): number {
    return this.host.poll();
  }

  flush(): number {
    return this.host.flush();
  }

  /** Where io_uring is switched off, or knows no futexes yet, peers wake us through their sockets. */
  makeWaiter(): Waiter {
    try {
      return new FutexWaiter(this.host, this.bellAddress);
    } catch {
      return new SystemWaiter(this.descriptors);
    }
  }

  untilNextUs(): number {
    return this.host.untilNextUs();
  }

  close(): void {
    this.host.close();
    this.release();
  }
}

/** A look at the rings of a few connections takes 10 ns, the clock 70. */
const IDLE_TURNS_PER_CLOCK = 8;

const DEFAULT_MEMORY_BYTES = 256 << 20;
/** A large slot costs a small message address space, of which there is plenty, and saves a large one descriptors. */
const LARGE_SLOT_BYTES = 65536;
const SMALL_SLOT_BYTES = 16384;

/** Memory that peers map for reading only: sealed against new writable maps once we have ours. */
function shareReadOnly(name: string, lengthBytes: number): { fd: number; map: MemoryMap } {
  const fd = createMemfd({ name, lengthBytes, seals: F_SEAL_SHRINK | F_SEAL_GROW });
  const map = mapDescriptor({ fd, lengthBytes });
  const result = addSeals(fd, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
  if (result < 0) throw systemError('fcntl', { errno: result, detail: 'sealing a memfd' });
  return { fd, map };
}

/**
 * Opens Catmem.
 *
 * @throws ERR_DEMI_SYSCALL (EMFILE, ENOMEM), ERR_DEMI_SLOT_SIZE, ERR_DEMI_RANGE; with `namespace` ERR_DEMI_PERMISSION
 */
export function createCatmem(runtime: Runtime, options: CatmemOptions): LibraryOs {
  const { memoryBytes = DEFAULT_MEMORY_BYTES, debugMemory = false } = options;
  const { slotSizeBytes = memoryBytes < 1024 * LARGE_SLOT_BYTES ? SMALL_SLOT_BYTES : LARGE_SLOT_BYTES } =
    options;
  const slots = shareReadOnly('demikernel-slots', memoryBytes);
  const sleep = shareReadOnly('demikernel-bell', PAGE_BYTES);
  const region = regionOf(slots.map);
  const pool = new SlotPool(region, { slotSizeBytes, headroomBytes: 0, debug: debugMemory });
  const bell = new Bell(sleep.map.signedWords(0, 1));
  const bellAddress = sleep.map.addressNumber;
  const key = keyOf(slots.fd, sleep.fd);
  const host = new MemoryHost(runtime, {
    pool,
    poolFd: slots.fd,
    bellFd: sleep.fd,
    bell,
    // Our own memory is never unmapped for want of users.
    peers: new PeerMemories({ key, region, bell, bellAddress, users: 1, unmap: () => {} }),
    namespace: options.namespace,
    copy: options.receive === 'copy',
    debug: debugMemory,
  });
  return new Catmem(runtime, host, bellAddress, () => {
    region.release();
    sleep.map.release();
    closeDescriptor(slots.fd);
    closeDescriptor(sleep.fd);
  });
}
