// The flow table from user space: walking, ageing, and entering owners again after a restart. Entries change by the same
// compare-exchange that the program uses, so both may work at once.

import * as L from './layout.ts';
import { backendOffset, type SwitchTables } from './tables.ts';

/** What a connection is known by, as numbers. */
export interface FlowKey {
  clientAddress: number;
  clientPort: number;
  virtualAddress: number;
  virtualPort: number;
}

/** One flow, as it was when it was looked at. */
export interface Flow extends FlowKey {
  epoch: number;
  owner: number;
  /** Backend it is prepared for; `undefined` when it is simply owned. */
  target: number | undefined;
  flags: number;
  /** The switch's clock when a packet was last seen, in ms modulo 2^32. */
  lastSeenMs: number;
  packets: number;
  bytesIn: number;
  bytesOut: number;
}

/** A connection and who has it: what a backend says after the switch was restarted. */
export interface OwnerClaim extends FlowKey {
  owner: number;
  epoch: number;
}

/** How long entries live without a packet, in ms. */
export interface FlowTimeouts {
  /** Both ends have finished, or the backend has reset it. */
  closedMs: number;
  /** The client says that it has finished, or reset it: which others could say in its name. */
  closingMs: number;
  /** Only a SYN was seen. */
  embryonicMs: number;
  establishedMs: number;
}

export const DEFAULT_TIMEOUTS: FlowTimeouts = {
  closedMs: 10_000,
  closingMs: 120_000,
  embryonicMs: 10_000,
  establishedMs: 3_600_000,
};

const SERVER_ENDED = L.FLOW_SERVER_RST;
const BOTH_FINISHED = L.FLOW_CLIENT_FIN | L.FLOW_SERVER_FIN;
const CLIENT_ENDED = L.FLOW_CLIENT_FIN | L.FLOW_CLIENT_RST | L.FLOW_SERVER_FIN;

/** The flow table of one switch. */
export class FlowTable {
  readonly #tables: SwitchTables;
  readonly #words: Int32Array;
  /** Each entry's first two words as one. */
  readonly #pairs: BigInt64Array;
  readonly #first: number;
  readonly #capacity: number;
  #cursor: number;

  constructor(tables: SwitchTables) {
    this.#tables = tables;
    this.#words = tables.words;
    this.#pairs = new BigInt64Array(tables.buffer);
    this.#first = L.flowsOffset(tables.geometry);
    this.#capacity = tables.geometry.buckets * L.WAYS;
    this.#cursor = 0;
  }

  /** Entries there is room for. */
  get capacity(): number {
    return this.#capacity;
  }

  /** Entries in use. Walks the table. */
  count(): number {
    let count = 0;
    for (let i = 0; i < this.#capacity; i++) if (this.#inUse(this.#at(i))) count++;
    return count;
  }

  /** Calls `visit` for each flow and its place in the table, or for those of one backend. */
  forEach(visit: (flow: Flow, slot: number) => void, owner?: number): void {
    for (let i = 0; i < this.#capacity; i++) {
      const at = this.#at(i);
      const ownership = this.#words[(at + L.FLOW_OWNERSHIP) >> 2]!;
      if (ownership < L.PHASE_OWNED) continue;
      if (owner !== undefined && (ownership & L.BACKEND_MASK) !== owner) continue;
      visit(this.#read(at, ownership), i);
    }
  }

  /** The flow of a connection, or `undefined`. */
  find(key: FlowKey): Flow | undefined {
    const at = this.#offsetOf(key);
    return at < 0 ? undefined : this.#read(at, this.#words[(at + L.FLOW_OWNERSHIP) >> 2]!);
  }

  /**
   * Frees the entries among the next `limit` whose time is over, and returns how many those were. Call it often with a
   * part of the table.
   */
  sweep(timeouts: FlowTimeouts = DEFAULT_TIMEOUTS, limit: number = this.#capacity): number {
    let freed = 0;
    const now = this.#tables.nowMs;
    for (let n = 0; n < Math.min(limit, this.#capacity); n++) {
      const at = this.#at(this.#cursor);
      this.#cursor = this.#cursor + 1 === this.#capacity ? 0 : this.#cursor + 1;
      if (!this.#inUse(at)) continue;
      const idleMs = (now - this.#words[(at + L.FLOW_LAST_SEEN) >> 2]!) | 0;
      if (idleMs > lifetime(this.#words[(at + L.FLOW_FLAGS) >> 2]!, timeouts) && this.#free(at)) freed++;
    }
    return freed;
  }

  /**
   * Enters owners that backends have named, as a RELEARN does in the program: where there is no entry, or an older one.
   *
   * @returns how many hold now as they were named
   */
  claimExisting(claims: Iterable<OwnerClaim>): number {
    let held = 0;
    for (const claim of claims) if (this.#claim(claim)) held++;
    return held;
  }

  /** Removes a flow, whoever owns it; whether it was there. */
  remove(key: FlowKey): boolean {
    const at = this.#offsetOf(key);
    return at >= 0 && this.#free(at);
  }

  #offsetOf(key: FlowKey): number {
    const { first, second, words } = this.#locate(key);
    for (const bucket of [first, second]) {
      for (let way = 0; way < L.WAYS; way++) {
        const at = bucket + way * L.FLOW_BYTES;
        if (this.#inUse(at) && this.#isKey(at, words)) return at;
      }
    }
    return -1;
  }

  #claim(claim: OwnerClaim): boolean {
    if (!(claim.owner >= 0 && claim.owner < L.MAX_BACKENDS) || !Number.isInteger(claim.owner)) return false;
    if (this.#tables.backendState(claim.owner) === undefined) return false;
    const located = this.#locate(claim);
    const state = pack(claim.epoch, L.PHASE_OWNED | claim.owner);
    let vacant = -1;
    for (const bucket of [located.first, located.second]) {
      for (let way = 0; way < L.WAYS; way++) {
        const at = bucket + way * L.FLOW_BYTES;
        const seen = Atomics.load(this.#pairs, at >> 3);
        const ownership = Number(seen >> 32n);
        if (ownership === L.PHASE_FREE && vacant < 0) vacant = at;
        if (ownership < L.PHASE_OWNED || !this.#isKey(at, located.words)) continue;
        if (seen === state) return true;
        if (((claim.epoch - Number(BigInt.asIntN(32, seen))) | 0) <= 0) return false;
        if (Atomics.compareExchange(this.#pairs, at >> 3, seen, state) !== seen) return false;
        this.#count(ownership & L.BACKEND_MASK, -1);
        this.#count(claim.owner, 1);
        return true;
      }
    }
    return vacant >= 0 && this.#insert(vacant, located, state, claim.owner);
  }

  #insert(at: number, located: Located, state: bigint, owner: number): boolean {
    const mark = pack(located.tag, L.PHASE_CLAIMED);
    if (Atomics.compareExchange(this.#pairs, at >> 3, 0n, mark) !== 0n) return false;
    const w = this.#words;
    w[(at + L.FLOW_CLIENT_ADDRESS) >> 2] = located.words[0]!;
    w[(at + L.FLOW_VIRTUAL_ADDRESS) >> 2] = located.words[1]!;
    w[(at + L.FLOW_PORTS) >> 2] = located.words[2]!;
    w[(at + L.FLOW_LAST_SEEN) >> 2] = this.#tables.nowMs;
    w[(at + L.FLOW_FLAGS) >> 2] = L.FLOW_ESTABLISHED;
    w[(at + L.FLOW_CLIENT_PORT) >> 2] = this.#uplink();
    w.fill(0, (at + L.FLOW_PACKETS) >> 2, (at + L.FLOW_BYTES) >> 2);
    // Whoever enters the same connection at the same time gives way; see the program.
    for (const bucket of [located.first, located.second]) {
      for (let way = 0; way < L.WAYS; way++) {
        const other = bucket + way * L.FLOW_BYTES;
        if (other !== at && this.#rivals(other, mark, located.words)) {
          Atomics.store(this.#pairs, at >> 3, 0n);
          return false;
        }
      }
    }
    Atomics.store(this.#pairs, at >> 3, state);
    this.#count(owner, 1);
    return true;
  }

  #rivals(at: number, mark: bigint, words: Int32Array): boolean {
    const seen = Atomics.load(this.#pairs, at >> 3);
    if (seen === mark) return true;
    return Number(seen >> 32n) >= L.PHASE_OWNED && this.#isKey(at, words);
  }

  // The port clients come in by is not known before one of their packets is.
  #uplink(): number {
    return this.#words[L.AT_UPLINK >> 2]!;
  }

  #free(at: number): boolean {
    const seen = Atomics.load(this.#pairs, at >> 3);
    const ownership = Number(seen >> 32n);
    if (ownership < L.PHASE_OWNED) return false;
    if (Atomics.compareExchange(this.#pairs, at >> 3, seen, 0n) !== seen) return false;
    this.#count(ownership & L.BACKEND_MASK, -1);
    return true;
  }

  #count(backend: number, change: number): void {
    Atomics.add(this.#words, (backendOffset(backend) + L.BACKEND_CONNECTIONS) >> 2, change);
  }

  #locate(key: FlowKey): Located {
    const raw = new DataView(new ArrayBuffer(12));
    raw.setUint32(0, key.clientAddress >>> 0);
    raw.setUint32(4, key.virtualAddress >>> 0);
    raw.setUint16(8, key.clientPort);
    raw.setUint16(10, key.virtualPort);
    const words = new Int32Array(raw.buffer);
    const mask = this.#tables.geometry.buckets - 1;
    const first = L.multilinear(this.#words, L.AT_HASH_FIRST >> 2, words[0]!, words[1]!, words[2]!);
    const second = L.multilinear(this.#words, L.AT_HASH_SECOND >> 2, words[0]!, words[1]!, words[2]!);
    return {
      words,
      tag: first,
      first: this.#first + (first & mask) * L.BUCKET_BYTES,
      second: this.#first + (second & mask) * L.BUCKET_BYTES,
    };
  }

  #at(index: number): number {
    return this.#first + index * L.FLOW_BYTES;
  }

  #inUse(at: number): boolean {
    return Atomics.load(this.#words, (at + L.FLOW_OWNERSHIP) >> 2) >= L.PHASE_OWNED;
  }

  #isKey(at: number, words: Int32Array): boolean {
    const i = (at + L.FLOW_CLIENT_ADDRESS) >> 2;
    return this.#words[i] === words[0] && this.#words[i + 1] === words[1] && this.#words[i + 2] === words[2];
  }

  #read(at: number, ownership: number): Flow {
    const { view } = this.#tables;
    return {
      clientAddress: view.getUint32(at + L.FLOW_CLIENT_ADDRESS),
      virtualAddress: view.getUint32(at + L.FLOW_VIRTUAL_ADDRESS),
      clientPort: view.getUint16(at + L.FLOW_PORTS),
      virtualPort: view.getUint16(at + L.FLOW_PORTS + 2),
      epoch: view.getInt32(at + L.FLOW_EPOCH, true),
      owner: ownership & L.BACKEND_MASK,
      target: ownership >= L.PHASE_PREPARED ? (ownership >> L.TARGET_SHIFT) & L.BACKEND_MASK : undefined,
      flags: view.getInt32(at + L.FLOW_FLAGS, true),
      lastSeenMs: view.getInt32(at + L.FLOW_LAST_SEEN, true),
      packets: this.#tables.count64(at + L.FLOW_PACKETS),
      bytesIn: this.#tables.count64(at + L.FLOW_BYTES_IN),
      bytesOut: this.#tables.count64(at + L.FLOW_BYTES_OUT),
    };
  }
}

interface Located {
  /** The key as three words of a packet. */
  words: Int32Array;
  tag: number;
  /** Offsets of the two buckets. */
  first: number;
  second: number;
}

function pack(epoch: number, ownership: number): bigint {
  return (BigInt(ownership) << 32n) | BigInt(epoch >>> 0);
}

function lifetime(flags: number, timeouts: FlowTimeouts): number {
  if ((flags & SERVER_ENDED) !== 0 || (flags & BOTH_FINISHED) === BOTH_FINISHED) return timeouts.closedMs;
  if ((flags & CLIENT_ENDED) !== 0) return timeouts.closingMs;
  return (flags & L.FLOW_ESTABLISHED) === 0 ? timeouts.embryonicMs : timeouts.establishedMs;
}
