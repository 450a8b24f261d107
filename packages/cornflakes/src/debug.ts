// Debug mode: messages and leases that were never given back, with the place where they were taken, and fields that were
// changed between being sent and being let go by the device.

import { RELEASED, type ScatterGatherArray, Slice, staleSlice } from '@demikernel/memory';

/** Something found in debug mode. */
export interface Finding {
  kind: 'changed-in-flight' | 'leak';
  /** What it is about: a message type, or where in its region some bytes lie. */
  what: string;
  /** Stack of where the thing was acquired or sent. */
  stack: string;
}

/** One sending of some bytes: the checksum they had, and how many slices of it are left. */
class Flight {
  readonly checksum: number;
  readonly stack: string;
  readonly offset: number;
  readonly length: number;
  holders: number;

  constructor(slice: Slice) {
    this.checksum = checksum(slice.pool.region.bytes, slice.offset, slice.length);
    this.stack = stackOf();
    this.offset = slice.offset;
    this.length = slice.length;
    this.holders = 1;
  }
}

/** A slice that looks, when the last of its kind is released, whether the bytes are still what was sent. */
class WatchedSlice extends Slice {
  private readonly flight: Flight;

  constructor(pool: Slice['pool'], flight: Flight) {
    super(pool);
    this.flight = flight;
  }

  override share(): Slice {
    return this.sub(0, this.length);
  }

  override sub(start: number, length: number): Slice {
    // The plain class checks the arguments and takes the reference.
    const plain = super.sub(start, length);
    this.flight.holders++;
    return takeOver(plain, this.flight);
  }

  override release(): void {
    const { slot, pool, flight } = this;
    if (slot === RELEASED) throw staleSlice(this);
    if (--flight.holders === 0) {
      const now = checksum(pool.region.bytes, flight.offset, flight.length);
      if (now !== flight.checksum) {
        debugging.findings.push({
          kind: 'changed-in-flight',
          what: `${flight.length} bytes at ${flight.offset} of a region`,
          stack: flight.stack,
        });
      }
    }
    this.slot = RELEASED;
    // Not recycled: as a plain slice of a pool it would go on watching.
    pool.release(slot);
  }
}

function takeOver(plain: Slice, flight: Flight): WatchedSlice {
  const watched = new WatchedSlice(plain.pool, flight);
  watched.slot = plain.slot;
  watched.offset = plain.offset;
  watched.length = plain.length;
  plain.pool.recycleSlice(plain);
  plain.slot = RELEASED;
  return watched;
}

/** Debug mode of this process. Slow; for tests and for finding out. */
class Debugging {
  on: boolean;
  readonly findings: Finding[];
  private readonly held: Map<object, Finding>;

  constructor() {
    this.on = false;
    this.findings = [];
    this.held = new Map();
  }

  /** Begins to watch messages that are acquired and leases that are taken from now on. */
  enable(): void {
    this.on = true;
  }

  /** Stops, and forgets what was found. */
  disable(): void {
    this.on = false;
    this.held.clear();
    this.findings.length = 0;
  }

  /** Messages and leases that nobody has given back, with the stack of where each was acquired. */
  leaks(): Finding[] {
    for (const [holder] of this.held) {
      if ('segments' in holder && !(holder as ScatterGatherArray).live) this.held.delete(holder);
    }
    return [...this.held.values()];
  }

  /** @internal */
  acquired(message: { type: { name: string } }): void {
    this.held.set(message, { kind: 'leak', what: message.type.name, stack: stackOf() });
  }

  /** @internal */
  leased(lease: ScatterGatherArray): void {
    this.held.set(lease, { kind: 'leak', what: `a lease of ${lease.lengthBytes} bytes`, stack: stackOf() });
  }

  /** @internal */
  released(message: object): void {
    this.held.delete(message);
  }

  /** @internal takes over a slice that is sent */
  watch(slice: Slice): Slice {
    return takeOver(slice, new Flight(slice));
  }
}

export const debugging: Debugging = new Debugging();

// FNV-1a over 32 bits: it has to differ for a changed byte, not to resist anybody.
function checksum(bytes: Uint8Array, offset: number, length: number): number {
  let hash = 0x811c9dc5 | 0;
  for (let i = offset; i < offset + length; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash;
}

function stackOf(): string {
  const { stack } = new Error();
  return (stack ?? '').split('\n').slice(3).join('\n');
}
