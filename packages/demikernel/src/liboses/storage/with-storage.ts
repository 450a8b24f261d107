// A library OS made of two: one for the network, one for storage, in one loop, with one wait set over both. The memory is
// the network's.

import type { SlotPool } from '@demikernel/memory';
import { Logs } from '../../log/logs.ts';
import type { LogSettings } from '../../log/settings.ts';
import type { LibraryOs, LogOptions, SocketType } from '../../runtime/library-os.ts';
import type { Operation } from '../../runtime/operation.ts';
import type { Queue } from '../../runtime/queue.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { Storage } from '../../runtime/segment-store.ts';

export class LibraryOsWithStorage implements LibraryOs {
  readonly name: string;
  readonly runtime: Runtime;
  readonly pool: SlotPool;
  readonly sliceBytes: number;
  readonly descriptors: readonly number[];
  readonly network: LibraryOs;
  readonly logs: Logs;

  /** @throws ERR_DEMI_RANGE for settings out of bounds */
  constructor(network: LibraryOs, storage: Storage, settings: Partial<LogSettings> = {}) {
    this.name = `${network.name}+${storage.name}`;
    this.runtime = network.runtime;
    this.pool = network.pool;
    this.sliceBytes = network.sliceBytes;
    this.descriptors = [...network.descriptors, ...storage.descriptors];
    this.network = network;
    // Records are then stored from where they were received, without a copy, if the device can.
    storage.register?.(network.pool.region);
    this.logs = new Logs(network.runtime, network.pool, network.sliceBytes, storage, settings);
  }

  createSocket(type: SocketType): Queue {
    return this.network.createSocket(type);
  }

  openLog(operation: Operation, name: string, options: LogOptions): void {
    this.logs.openLog(operation, name, options);
  }

  poll(): number {
    return this.network.poll() + this.logs.poll();
  }

  flush(): number {
    return this.network.flush() + this.logs.flush();
  }

  untilNextUs(): number {
    return Math.min(this.network.untilNextUs(), this.logs.untilNextUs());
  }

  close(): void {
    // Pops hold memory of the network's: the logs end first.
    this.logs.close();
    this.network.close();
  }
}
