// What the model of the switch does to the shared memory: finding and entering flows, choosing backends, counting. Every
// function here is one of the program's in program-flow.ts; how frames lead to them is model.ts and model-control.ts.

import * as L from './layout.ts';
import { backendOffset, type SwitchTables } from './tables.ts';

/** The key of a flow and its hashes, and the functions on the tables. One to a model: it is reused for each frame. */
export class ModelState {
  readonly tables: SwitchTables;
  readonly words: Int32Array;
  readonly view: DataView;
  /** The key, as the words of a packet. */
  clientAddress: number;
  virtualAddress: number;
  ports: number;
  /** Its hashes, from the last {@link lookup}. */
  first: number;
  second: number;
  readonly #flows: number;
  readonly #mask: number;
  readonly #cpuBlock: number;
  readonly #halves: Uint16Array;

  /** @param cpu which counter block to use */
  constructor(tables: SwitchTables, cpu: number) {
    this.tables = tables;
    this.words = tables.words;
    this.view = tables.view;
    this.clientAddress = 0;
    this.virtualAddress = 0;
    this.ports = 0;
    this.first = 0;
    this.second = 0;
    this.#flows = L.flowsOffset(tables.geometry);
    this.#mask = tables.geometry.buckets - 1;
    this.#cpuBlock = L.AT_COUNTERS + (cpu & (tables.geometry.cpus - 1)) * L.COUNTER_BLOCK_BYTES;
    this.#halves = new Uint16Array(tables.buffer, 0, L.AT_SERVICES >> 1);
  }

  /** Offset of the key's flow, or -1. */
  lookup(): number {
    const { words, clientAddress: a, virtualAddress: b, ports: c } = this;
    this.first = L.multilinear(words, L.AT_HASH_FIRST >> 2, a, b, c);
    this.second = L.multilinear(words, L.AT_HASH_SECOND >> 2, a, b, c);
    for (let way = 0; way < 2 * L.WAYS; way++) {
      const at = this.#way(way);
      if (this.#isKey(at) && words[(at + L.FLOW_OWNERSHIP) >> 2]! >= L.PHASE_OWNED) return at;
    }
    return -1;
  }

  /** Enters the key, after a lookup that did not find it: INSERTED or INSERT_FULL. */
  insert(epoch: number, ownership: number, flags: number, clientPort: number, lengthBytes: number): number {
    const { words } = this;
    let at = -1;
    for (let way = 0; way < 2 * L.WAYS && at < 0; way++) {
      const candidate = this.#way(way);
      if (words[candidate >> 2] === 0 && words[(candidate + L.FLOW_OWNERSHIP) >> 2] === 0) at = candidate;
    }
    if (at < 0) return L.INSERT_FULL;
    words[(at + L.FLOW_CLIENT_ADDRESS) >> 2] = this.clientAddress;
    words[(at + L.FLOW_VIRTUAL_ADDRESS) >> 2] = this.virtualAddress;
    words[(at + L.FLOW_PORTS) >> 2] = this.ports;
    words[(at + L.FLOW_LAST_SEEN) >> 2] = words[L.AT_NOW >> 2]!;
    words[(at + L.FLOW_FLAGS) >> 2] = flags;
    words[(at + L.FLOW_CLIENT_PORT) >> 2] = clientPort;
    words.fill(0, (at + L.FLOW_PACKETS) >> 2, (at + L.FLOW_BYTES) >> 2);
    if (lengthBytes > 0) {
      words[(at + L.FLOW_PACKETS) >> 2] = 1;
      words[(at + L.FLOW_BYTES_IN) >> 2] = lengthBytes;
    }
    // No rivals in here: the model runs alone. See the program.
    words[at >> 2] = epoch;
    words[(at + L.FLOW_OWNERSHIP) >> 2] = ownership;
    return L.INSERTED;
  }

  /** A backend for a new connection by the policy, or a number from MAX_BACKENDS on. */
  choose(): number {
    const { words } = this;
    const policy = words[L.AT_POLICY >> 2];
    if (policy === L.POLICY_LEAST_LOADED) return this.leastLoaded(L.NONE);
    if (policy !== L.POLICY_ROUND_ROBIN) return this.maglev();
    const length = words[L.AT_SCHEDULE_LENGTH >> 2]! & (2 * L.MAX_SCHEDULE - 1);
    if (length === 0) return L.NONE;
    const turn = words[L.AT_TURN >> 2]! >>> 0;
    words[L.AT_TURN >> 2] = turn + 1;
    return this.#halves[(L.AT_SCHEDULE >> 1) + ((turn % length) & (L.MAX_SCHEDULE - 1))]!;
  }

  /** The backend that connections without an entry go to, or a number from MAX_BACKENDS on. */
  maglev(): number {
    return this.#halves[(L.AT_MAGLEV >> 1) + L.maglevSlot(this.second)]!;
  }

  /** The active backend with the fewest connections for its weight, but not `excluded`. */
  leastLoaded(excluded: number): number {
    const { view, words } = this;
    const count = Math.min(words[L.AT_ACTIVE_COUNT >> 2]! >>> 0, L.MAX_BACKENDS);
    let best = L.NONE;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < count; i++) {
      const id = this.#halves[(L.AT_ACTIVE >> 1) + i]! & L.BACKEND_MASK;
      if (id === excluded) continue;
      const at = L.AT_BACKENDS + id * L.BACKEND_BYTES;
      const load =
        (view.getUint32(at + L.BACKEND_CONNECTIONS, true) + 1) * view.getUint32(at + L.BACKEND_COST, true) +
        view.getUint32(at + L.BACKEND_LOAD, true);
      if (load < least) {
        least = load;
        best = id;
      }
    }
    return best;
  }

  backendState(id: number): number {
    return this.words[(backendOffset(id) + L.BACKEND_STATE) >> 2]!;
  }

  countConnections(id: number, change: number): void {
    const word = (backendOffset(id) + L.BACKEND_CONNECTIONS) >> 2;
    this.words[word] = (this.words[word]! + change) | 0;
  }

  countOpened(id: number): void {
    const word = (backendOffset(id) + L.BACKEND_OPENED) >> 2;
    this.words[word] = (this.words[word]! + 1) | 0;
  }

  countPath(path: number): void {
    this.add64(this.#cpuBlock + path * 8, 1);
  }

  countBackend(id: number, lengthBytes: number): void {
    const at = this.#cpuBlock + L.COUNTERS_BACKENDS + id * L.BACKEND_COUNTER_BYTES;
    this.add64(at, 1);
    this.add64(at + 8, lengthBytes);
  }

  add64(at: number, amount: number): void {
    const low = this.view.getUint32(at, true) + amount;
    this.view.setUint32(at, low, true);
    if (low > 0xffff_ffff) this.view.setUint32(at + 4, this.view.getUint32(at + 4, true) + 1, true);
  }

  #way(way: number): number {
    const hash = way < L.WAYS ? this.first : this.second;
    return this.#flows + (hash & this.#mask) * L.BUCKET_BYTES + (way & (L.WAYS - 1)) * L.FLOW_BYTES;
  }

  #isKey(at: number): boolean {
    const { words } = this;
    return (
      words[(at + L.FLOW_CLIENT_ADDRESS) >> 2] === this.clientAddress &&
      words[(at + L.FLOW_VIRTUAL_ADDRESS) >> 2] === this.virtualAddress &&
      words[(at + L.FLOW_PORTS) >> 2] === this.ports
    );
  }
}
