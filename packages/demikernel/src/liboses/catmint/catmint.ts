// Catmint: PDPIX over RDMA. Small messages go inline in their work request, larger ones by reference from registered memory, the
// largest are read by the receiver. The kernel sees set-up and the end of a connection.

import { DemiError, SlotPool } from '@demikernel/memory';
import { mapRegion } from '@demikernel/native/kernel';
import { ConnectionManager, VerbsDevice } from '@demikernel/native/verbs';
import type { RdmaDoor } from '../../rdma/door.ts';
import type { DeviceIdentity } from '../../runtime/device-identity.ts';
import type { LibraryOs, SocketType } from '../../runtime/library-os.ts';
import type { Queue } from '../../runtime/queue.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { RdmaHost } from './rdma-host.ts';
import { RdmaSocket } from './rdma-socket.ts';

export interface CatmintOptions {
  /** RDMA device, as `rdma link` names it. Default: the first. */
  rdmaDevice?: string;
  /** Registered memory in bytes, pinned. Default 64 MiB. */
  memoryBytes?: number;
  /** Bytes per slot, a power of two; also the largest message that is sent and not read. Default 16384. */
  slotSizeBytes?: number;
  /** Receives kept posted for all connections together; each takes 8 of them at least. Default half of the slots. */
  receiveSlots?: number;
  /** Messages of so many bytes are copied into their work request. Default 192. */
  inlineBytes?: number;
  /**
   * Longer messages are read by their receiver from our memory, which it can then read, all of it. Infinity: none are, and nobody
   * can. Default 32768.
   */
  rendezvousBytes?: number;
  /** Poison freed memory and name stale slices, at a price. */
  debugMemory?: boolean;
}

const DEFAULT_MEMORY_BYTES = 64 << 20;
const DEFAULT_SLOT_BYTES = 16384;
const DEFAULT_INLINE_BYTES = 192;
const DEFAULT_RENDEZVOUS_BYTES = 32768;
const COMPLETION_QUEUE_ENTRIES = 32000;
/** Completions per poll. */
const BATCH = 32;
/** Slots beside the posted ones that applications cannot hold. */
const SPARE_SLOTS = 16;

export interface CatmintParts {
  door: RdmaDoor;
  pool: SlotPool;
  receiveSlots: number;
  inlineBytes: number;
  rendezvousBytes: number;
  /** Gives the memory back. */
  release(): void;
}

export class Catmint implements LibraryOs {
  readonly name: string;
  readonly runtime: Runtime;
  readonly pool: SlotPool;
  readonly identity: DeviceIdentity;
  readonly sliceBytes: number;
  readonly hasMessageSockets: boolean;
  readonly descriptors: readonly number[];
  private readonly host: RdmaHost;
  private readonly release: () => void;

  constructor(runtime: Runtime, parts: CatmintParts) {
    this.name = 'catmint';
    this.runtime = runtime;
    this.pool = parts.pool;
    const { name } = parts.door.device;
    this.identity = { libos: 'catmint', device: name, interface: '', driver: '' };
    this.sliceBytes = parts.pool.capacityBytes;
    this.hasMessageSockets = true;
    this.host = new RdmaHost(runtime, parts);
    this.descriptors = this.host.descriptors;
    this.release = () => parts.release();
  }

  createSocket(type: SocketType): Queue {
    if (type === 'datagram') {
      throw new DemiError(
        'ERR_DEMI_UNSUPPORTED',
        "catmint has stream and message sockets, no 'datagram' ones",
      );
    }
    return new RdmaSocket(this.host, type === 'message');
  }

  poll(): number {
    return this.host.poll();
  }

  /** Messages are posted as they are pushed. */
  flush(): number {
    return 0;
  }

  untilNextUs(): number {
    return this.host.untilNextUs();
  }

  close(): void {
    this.host.close();
    this.release();
  }
}

/**
 * Opens Catmint.
 *
 * @throws ERR_DEMI_UNSUPPORTED without rdma-core or a device, ERR_DEMI_PERMISSION, ERR_DEMI_SYSCALL (ENOMEM: `ulimit -l`),
 *   ERR_DEMI_SLOT_SIZE, ERR_DEMI_OPTION
 */
export function createCatmint(runtime: Runtime, options: CatmintOptions): LibraryOs {
  const { memoryBytes = DEFAULT_MEMORY_BYTES, slotSizeBytes = DEFAULT_SLOT_BYTES } = options;
  const { inlineBytes = DEFAULT_INLINE_BYTES, rendezvousBytes = DEFAULT_RENDEZVOUS_BYTES } = options;
  const slots = Math.floor(memoryBytes / slotSizeBytes);
  const { receiveSlots = slots >> 1 } = options;
  if (!(receiveSlots >= 1 && receiveSlots + SPARE_SLOTS < slots))
    throw new DemiError('ERR_DEMI_OPTION', `receiveSlots: ${receiveSlots} of ${slots} slots`);
  const region = mapRegion({ lengthBytes: memoryBytes });
  const pool = new SlotPool(region, {
    slotSizeBytes,
    headroomBytes: 0,
    reserveSlots: SPARE_SLOTS,
    debug: options.debugMemory ?? false,
  });
  let device: VerbsDevice;
  try {
    device = new VerbsDevice({
      device: options.rdmaDevice,
      region,
      completions: COMPLETION_QUEUE_ENTRIES,
      receives: receiveSlots,
      remoteRead: rendezvousBytes !== Number.POSITIVE_INFINITY,
      batch: BATCH,
    });
  } catch (error) {
    region.release();
    throw error;
  }
  const manager = new ConnectionManager();
  const door: RdmaDoor = {
    device,
    manager,
    createQueuePair: (id, queuePairOptions) => manager.createQueuePair(id, device, queuePairOptions),
  };
  return new Catmint(runtime, {
    door,
    pool,
    receiveSlots,
    inlineBytes,
    rendezvousBytes,
    release: () => region.release(),
  });
}
