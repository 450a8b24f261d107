// Neighbours by address: how many there may be, how many of them strangers may have made us ask for, and who goes when there
// is no room. How a neighbour is found: arp.ts.

import type { Runtime } from '../../runtime/runtime.ts';
import { FlowTable } from '../flow-table.ts';
import { EVICTED, TABLE_FULL } from './counters.ts';
import { NEIGHBOUR_PERMANENT, NEIGHBOUR_UNKNOWN, Neighbour, type NeighbourOwner } from './neighbour.ts';

/** Places of the table looked at for a neighbour to drop. */
const EVICTION_PLACES = 128;

export class NeighbourTable {
  private readonly runtime: Runtime;
  private readonly owner: NeighbourOwner;
  private readonly counters: Float64Array;
  private readonly table: FlowTable<Neighbour>;
  private readonly capacity: number;
  /** Neighbours of the table that frames cannot be sent to: asked for, given up, or not asked for yet. */
  private unresolved: number;
  private readonly maximumUnresolved: number;

  /** @param owner what the neighbours' timers tell @param capacity neighbours kept at most */
  constructor(runtime: Runtime, owner: NeighbourOwner, counters: Float64Array, capacity: number) {
    this.runtime = runtime;
    this.owner = owner;
    this.counters = counters;
    this.table = new FlowTable<Neighbour>(runtime.random.int32());
    this.capacity = capacity;
    this.unresolved = 0;
    this.maximumUnresolved = Math.max(1, capacity >> 1);
  }

  /** Neighbours in the table. */
  get count(): number {
    return this.table.count;
  }

  /**
   * Whether strangers have made us ask for as many neighbours as they may: half of those that may be unresolved at once, the
   * rest being for whom we ourselves want. What an unknown host of the link gets then must do without the table.
   */
  get crowded(): boolean {
    return this.unresolved >= (this.maximumUnresolved + 1) >> 1;
  }

  /** The neighbour of an address if there is one. */
  get(address: number): Neighbour | undefined {
    return this.table.get(address | 0, 0);
  }

  /** The neighbour of an address whom we want, made when there is none; `undefined` when there is no room. */
  wanted(address: number): Neighbour | undefined {
    const known = this.get(address);
    if (known !== undefined) return known;
    if (!this.hasRoom()) {
      this.counters[TABLE_FULL]!++;
      return undefined;
    }
    return this.make(address);
  }

  /**
   * A new neighbour for who asks for us: a station that is there, and comes before those that may not be; not before its
   * equals. `undefined` when there is no room.
   */
  announced(address: number): Neighbour | undefined {
    if (this.table.count >= this.capacity && !this.evict(isIdleAndUnresolved)) return undefined;
    return this.make(address);
  }

  /** Room for one more that is not resolved yet: by nobody's going who answers and is made use of. */
  private hasRoom(): boolean {
    if (this.unresolved >= this.maximumUnresolved) return this.evict(isIdleAndUnresolved);
    return this.table.count < this.capacity || this.evict(isIdleAndUnresolved) || this.evict(isIdleAndUnused);
  }

  private make(address: number): Neighbour {
    const neighbour = new Neighbour(address | 0, this.owner);
    this.table.set(address | 0, 0, neighbour);
    this.unresolved++;
    return neighbour;
  }

  /** Enters what is known of a neighbour of the table: frames can be sent to it. */
  learn(neighbour: Neighbour, macHigh: number, macLow: number, state: number): void {
    if (!neighbour.ready) this.unresolved--;
    neighbour.learn(macHigh, macLow, state);
  }

  /** Frames cannot be sent to a neighbour of the table any more; it stays in it, as `state`. */
  lose(neighbour: Neighbour, state: number): void {
    if (neighbour.ready) this.unresolved++;
    neighbour.ready = false;
    neighbour.state = state;
  }

  /** Takes a neighbour out; routes that still hold it find that nothing is known. */
  forget(neighbour: Neighbour): void {
    this.runtime.timers.cancel(neighbour.timer);
    if (this.table.get(neighbour.address, 0) === neighbour) {
      this.table.delete(neighbour.address, 0);
      if (!neighbour.ready) this.unresolved--;
    }
    neighbour.state = NEIGHBOUR_UNKNOWN;
    neighbour.ready = false;
  }

  /** Makes room: drops a neighbour that may go, if there is one in sight. */
  private evict(mayGo: (neighbour: Neighbour) => boolean): boolean {
    // Somewhere in the table, and not the best of all: strangers decide how often this runs.
    const victim = this.table.findFrom(this.runtime.random.int32(), EVICTION_PLACES, mayGo);
    if (victim === undefined) return false;
    this.counters[EVICTED]!++;
    this.forget(victim);
    return true;
  }

  /** Stops every timer. */
  close(): void {
    this.table.forEach(neighbour => {
      this.runtime.timers.cancel(neighbour.timer);
    });
  }
}

function isIdleAndUnresolved(neighbour: Neighbour): boolean {
  return !neighbour.ready && neighbour.waiters.length === 0;
}

function isIdleAndUnused(neighbour: Neighbour): boolean {
  return !neighbour.used && neighbour.waiters.length === 0 && neighbour.state !== NEIGHBOUR_PERMANENT;
}
