// The seam between PDPIX and the library OSes: what each of them must provide.

import type { SlotPool } from '@demikernel/memory';
import type { DeviceIdentity } from './device-identity.ts';
import type { Operation } from './operation.ts';
import type { Queue } from './queue.ts';
import type { Runtime } from './runtime.ts';
import type { OpenMode } from './segment-store.ts';
import type { Waiter } from './waiter.ts';

/** Socket types, as in PDPIX; and `message`, a connection of whole messages, which shared memory has. */
export type SocketType = 'stream' | 'datagram' | 'message';

/** How to open a log. */
export interface LogOptions {
  /** Default `existing`. */
  mode?: OpenMode;
  /**
   * What to do when records in the middle are damaged, not just the end torn: `refuse` with EBADMSG (the default), or
   * `cut` the log before the damage and lose what lies behind.
   */
  damaged?: 'refuse' | 'cut';
}

/**
 * A library OS: one kind of device behind PDPIX. The poll loop drives it in turns:
 *
 * ```
 * clock.update -> poll (receive burst) -> timers -> continuations of completed operations -> flush (transmit) -> …
 * ```
 */
export interface LibraryOs {
  /** `catnap`, `catpowder`, … */
  readonly name: string;
  readonly runtime: Runtime;
  /** Where `alloc` takes its memory from. */
  readonly pool: SlotPool;
  /** Which device this is, where the name does not say it all: what calibrated thresholds are looked up by. */
  readonly identity?: DeviceIdentity;
  /** Bytes per slice that `alloc` should hand out, so that one slice fills one packet. */
  readonly sliceBytes: number;
  /** Whether there are sockets of type `message`; others are never asked for one. */
  readonly hasMessageSockets?: boolean;
  /** Whether pushed arrays may have slices of other pools. Where not, PDPIX copies what a Gatherable brings of them. */
  readonly takesForeignSlices?: boolean;
  /** A new unbound socket. @throws ERR_DEMI_UNSUPPORTED when this library OS has no such sockets. */
  createSocket(type: SocketType): Queue;
  /** Opens a log: its queue's descriptor comes as `operation.acceptedQd`. Absent: there is no storage. */
  openLog?(operation: Operation, name: string, options: LogOptions): void;
  /** One receive burst. The loop has updated the clock, and runs the timers after it. Returns how much there was to do. */
  poll(): number;
  /** Sends what the turn has produced. Returns how many frames or calls that took. */
  flush(): number;
  /**
   * Turns without work for which one reading of the clock will do; default 1. For a library OS whose own look at its device
   * costs less than the clock does. One of the two turns after one with work always reads it.
   */
  readonly idleTurnsPerClock?: number;
  /** Descriptors that become readable when `poll` has work; the loop sleeps on them. Empty: open it with `spin`. */
  readonly descriptors: readonly number[];
  /** How a loop that owns its thread sleeps, where that can be done better than by ppoll(2) over {@link descriptors}. */
  makeWaiter?(): Waiter;
  /** Microseconds until `poll` has work of its own accord; `Infinity` when only a descriptor can bring some. */
  untilNextUs(): number;
  /** Ends every queue and gives the device back. */
  close(): void;
}
