// One host of a simulated world: a runtime, a stack on the world's wire, and the library OS that applications see.

import { heapRegion, SlotPool } from '@demikernel/memory';
import { PcapTap } from '../../devices/pcap-tap.ts';
import type { Wire } from '../../devices/wire.ts';
import type { WireDevice, WireDeviceOptions } from '../../devices/wire-device.ts';
import { NetworkStack, type NetworkStackOptions } from '../../inetstack/network-stack.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { LibraryOs, SocketType } from '../../runtime/library-os.ts';
import type { Queue } from '../../runtime/queue.ts';
import { SeededRandom } from '../../runtime/random.ts';
import { Runtime } from '../../runtime/runtime.ts';
import { parseIpv4, parseIpv4Prefix } from '../../runtime/socket-address.ts';

/** IPv4 and TCP headers with timestamps: what a full packet has beside its data. */
const HEADERS_BYTES = 52;

/** Options of a host, beside its address. */
export interface SimulatedHostOptions
  extends Omit<Partial<NetworkStackOptions>, 'device' | 'runtime' | 'address' | 'prefixLength' | 'gateway'> {
  /** Router, as a dotted quad. */
  gateway?: string;
  /** Slots of the host's pool. Default 2048. */
  slots?: number;
  /** Default 2048. */
  slotSizeBytes?: number;
  /** Slots kept for the stack. Default 64. */
  reserveSlots?: number;
  /** Poison freed slots and name stale slices. */
  debugMemory?: boolean;
  /** The host's device on the wire. */
  device?: Omit<WireDeviceOptions, 'pool'>;
  /** Takes a pcapng capture of everything the host sends and receives. */
  capture?: (blocks: Uint8Array) => void;
  /** Operations that can be outstanding at once. Default 4096. */
  operations?: number;
  /** Queues that can be open at once. Default 1024. */
  queues?: number;
}

/** The stack on a wire, behind the seam of every library OS. */
export class SimulatedLibraryOs implements LibraryOs {
  readonly name = 'simulator';
  readonly runtime: Runtime;
  readonly pool: SlotPool;
  readonly sliceBytes: number;
  readonly descriptors: readonly number[];
  readonly stack: NetworkStack;

  constructor(stack: NetworkStack) {
    this.runtime = stack.runtime;
    this.pool = stack.pool;
    this.sliceBytes = Math.min(stack.device.mtuBytes - HEADERS_BYTES, stack.pool.capacityBytes);
    this.descriptors = [];
    this.stack = stack;
  }

  createSocket(type: SocketType): Queue {
    return type === 'stream' ? this.stack.createTcpQueue() : this.stack.createUdpQueue();
  }

  poll(): number {
    return this.stack.poll();
  }

  flush(): number {
    return this.stack.flush();
  }

  untilNextUs(): number {
    return this.stack.untilNextUs();
  }

  close(): void {
    this.stack.close();
    this.stack.device.close();
  }
}

/** What turns with a host beside its stack: storage. */
export interface SimulatedCompanion {
  poll(): number;
  flush(): number;
  untilNextUs(): number;
}

/** A host. Use `SimulatedWorld.host`. */
export class SimulatedHost {
  readonly address: number;
  readonly runtime: Runtime;
  readonly pool: SlotPool;
  readonly device: WireDevice;
  readonly stack: NetworkStack;
  readonly libos: SimulatedLibraryOs;
  /** Runs after every poll of this host: continuations, a test's application. Returns how much it did. */
  afterPoll: (() => number) | undefined;
  companion: SimulatedCompanion | undefined;

  constructor(wire: Wire, clock: Clock, seed: number, prefix: string, options: SimulatedHostOptions) {
    const { slots = 2048, slotSizeBytes = 2048, reserveSlots = 64, debugMemory = false } = options;
    const { operations = 4096, queues = 1024, device, gateway, capture } = options;
    const { ipv4, prefixLength } = parseIpv4Prefix(prefix);
    this.address = ipv4;
    this.pool = new SlotPool(heapRegion(slots * slotSizeBytes), {
      slotSizeBytes,
      reserveSlots,
      debug: debugMemory,
    });
    this.device = wire.attach({ name: prefix, ...device, pool: this.pool });
    this.runtime = new Runtime({ clock, random: new SeededRandom(seed), operations, queues });
    const tapped = capture === undefined ? this.device : new PcapTap(this.device, { clock, sink: capture });
    this.stack = new NetworkStack({
      ...options,
      device: tapped,
      runtime: this.runtime,
      address: ipv4,
      prefixLength,
      gateway: gateway === undefined ? undefined : parseIpv4(gateway),
    });
    this.libos = new SimulatedLibraryOs(this.stack);
    this.afterPoll = undefined;
    this.companion = undefined;
  }

  /** Receives, runs timers, then the application. Returns the work done. */
  poll(): number {
    const { companion, runtime } = this;
    let work = this.libos.poll();
    if (companion !== undefined) work += companion.poll();
    work += runtime.timers.advance() + runtime.deferred.run();
    return this.afterPoll === undefined ? work : work + this.afterPoll();
  }

  /** Sends what the turn has produced. */
  flush(): number {
    const work = this.libos.flush();
    return this.companion === undefined ? work : work + this.companion.flush();
  }

  /** Microseconds until the host has something to do of its own accord; frames that wait count as 0. */
  untilNextUs(): number {
    if (this.device.waiting > 0) return 0;
    const untilUs = this.libos.untilNextUs();
    return this.companion === undefined ? untilUs : Math.min(untilUs, this.companion.untilNextUs());
  }

  /** Slots in use: 0 when the application and the stack have given everything back. */
  get usedSlots(): number {
    return this.pool.slotCount - this.pool.freeSlots;
  }
}
