// The switch's memory from user space: policy, addresses, ports, backends, counters. Every method is a few stores into
// memory that a running program reads at once, with no system call. The flow table is flows.ts.

import { DemiError } from '@demikernel/memory';
import { SipHash } from 'demikernel/migration';
import { type Candidate, fillMaglev, fillSchedule } from './choice.ts';
import * as L from './layout.ts';

const ERR_ARGUMENT = 'ERR_DEMI_ARGUMENT';

/** How new connections are spread. */
export type SwitchPolicy = 'maglev' | 'leastLoaded' | 'roundRobin';

/** What a backend may do. */
export type BackendState = 'active' | 'draining' | 'down';

/** A backend, as the tables keep it. */
export interface BackendRecord {
  /** Its MAC address, 6 bytes. */
  macAddress: Uint8Array;
  /** Index of the switch's port it is behind; left out: the port its clients come in by. */
  port?: number;
  /** Its own IPv4 address, for control messages, as a number. */
  address: number;
  /** The switch's MAC address on that port, 6 bytes; the port's by default. */
  sourceMacAddress?: Uint8Array;
  /** Share of new connections, 0.01 to 100; 1 by default. */
  weight?: number;
  state?: BackendState;
}

/** What a backend has and had. */
export interface BackendCounters {
  /** Entries it owns now. */
  connections: number;
  /** Connections it was given as new ones. */
  opened: number;
  /** Frames and bytes sent to it. */
  packets: number;
  bytes: number;
}

const POLICIES: Record<SwitchPolicy, number> = {
  maglev: L.POLICY_MAGLEV,
  leastLoaded: L.POLICY_LEAST_LOADED,
  roundRobin: L.POLICY_ROUND_ROBIN,
};

const STATES: Record<BackendState, number> = {
  active: L.BACKEND_ACTIVE,
  draining: L.BACKEND_DRAINING,
  down: L.BACKEND_DOWN,
};

/** The memory of one switch, the program's or the model's. */
export class SwitchTables {
  readonly geometry: L.Geometry;
  readonly buffer: ArrayBuffer;
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly #active: Uint16Array;
  readonly #schedule: Uint16Array;
  readonly #maglev: Uint16Array;

  /**
   * @param buffer at least `memoryBytes(geometry)`, zeros, or the memory of a switch: that stays as it is
   * @throws DemiError `ERR_DEMI_ARGUMENT`
   */
  constructor(geometry: L.Geometry, buffer: ArrayBuffer = new ArrayBuffer(L.memoryBytes(geometry))) {
    const { buckets, cpus } = geometry;
    if (!isPowerOfTwo(buckets) || buckets > L.MAX_BUCKETS || !isPowerOfTwo(cpus) || cpus > 4096)
      throw new DemiError(ERR_ARGUMENT, `no flow table: ${buckets} buckets, ${cpus} counter blocks`);
    if (buffer.byteLength < L.memoryBytes(geometry))
      throw new DemiError(ERR_ARGUMENT, `${buffer.byteLength} bytes are too few for the switch's tables`);
    this.geometry = geometry;
    this.buffer = buffer;
    this.words = new Int32Array(buffer);
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
    this.#active = new Uint16Array(buffer, L.AT_ACTIVE, L.MAX_BACKENDS);
    this.#schedule = new Uint16Array(buffer, L.AT_SCHEDULE, L.MAX_SCHEDULE);
    this.#maglev = new Uint16Array(buffer, L.AT_MAGLEV, L.MAGLEV_SLOTS);
    if (this.words[L.AT_FORMAT >> 2] === L.FORMAT) return;
    this.view.setUint32(L.AT_UPLINK, L.NONE, true);
    this.view.setUint32(L.AT_FENCE, 1, true);
    this.rebuild();
    this.words[L.AT_FORMAT >> 2] = L.FORMAT;
  }

  /**
   * Sets the secrets.
   *
   * @param headerKey 16 bytes: the fleet's key for the MAC of control messages
   * @param hashKey 16 bytes, from which the flow table's hash and the Maglev choice derive: the same on every switch of
   *   a fleet and over restarts, so that connections nobody remembers still reach the same backend
   */
  setSecrets(headerKey: Uint8Array, hashKey: Uint8Array): void {
    if (headerKey.length !== 16 || hashKey.length !== 16)
      throw new DemiError(ERR_ARGUMENT, 'keys of a switch have 16 bytes');
    this.bytes.set(headerKey, L.AT_HEADER_KEY);
    const key = new DataView(hashKey.buffer, hashKey.byteOffset, 16);
    const draw = new SipHash(
      key.getInt32(0, true),
      key.getInt32(4, true),
      key.getInt32(8, true),
      key.getInt32(12, true),
    );
    const number = new Int32Array(1);
    for (let i = 0; i < 2 * L.HASH_WORDS; i++) {
      number[0] = i;
      draw.hash(number);
      this.words[(L.AT_HASH_FIRST >> 2) + i] = draw.low;
    }
  }

  set policy(policy: SwitchPolicy) {
    this.words[L.AT_POLICY >> 2] = POLICIES[policy];
  }

  get policy(): SwitchPolicy {
    const number = this.words[L.AT_POLICY >> 2];
    if (number === L.POLICY_LEAST_LOADED) return 'leastLoaded';
    return number === L.POLICY_ROUND_ROBIN ? 'roundRobin' : 'maglev';
  }

  /** The switch's clock, in milliseconds of any origin; flows are stamped with it. */
  set nowMs(nowMs: number) {
    Atomics.store(this.words, L.AT_NOW >> 2, nowMs | 0);
  }

  get nowMs(): number {
    return Atomics.load(this.words, L.AT_NOW >> 2);
  }

  /** Which start of the switch this is; messages that change entries must name it. Whoever starts one draws it. */
  set boot(boot: number) {
    this.words[L.AT_BOOT >> 2] = boot;
  }

  get boot(): number {
    return this.words[L.AT_BOOT >> 2]!;
  }

  /** While on, packets of unknown connections are dropped, rather than sent where they may be reset. */
  set learning(on: boolean) {
    this.words[L.AT_LEARNING >> 2] = on ? 1 : 0;
  }

  get learning(): boolean {
    return this.words[L.AT_LEARNING >> 2] !== 0;
  }

  /** Whether frames for a backend must come from its MAC address; on by default. */
  set fence(on: boolean) {
    this.words[L.AT_FENCE >> 2] = on ? 1 : 0;
  }

  get fence(): boolean {
    return this.words[L.AT_FENCE >> 2] !== 0;
  }

  /** Port for replies of connections without an entry; `undefined` leaves them to the kernel. */
  set uplink(port: number | undefined) {
    this.words[L.AT_UPLINK >> 2] = port === undefined ? L.NONE : checkedPort(port);
  }

  /** Where control messages are addressed to, as a number. */
  set switchAddress(address: number) {
    this.view.setUint32(L.AT_SWITCH_ADDRESS, address >>> 0);
  }

  /** @param macAddress the switch's own on that port: ARP answers name it, and frames for it are not forwarded */
  setPort(port: number, macAddress: Uint8Array): void {
    this.bytes.set(checkedMac(macAddress), L.AT_PORTS + checkedPort(port) * L.PORT_BYTES);
  }

  /** Serves a TCP port of a virtual address; the address is ours from the first of its ports on. */
  addService(address: number, port: number): void {
    let index = this.addressIndex(address);
    if (index < 0) {
      index = this.addressIndex(0);
      if (index < 0) throw new DemiError(ERR_ARGUMENT, `more than ${L.MAX_ADDRESSES} virtual addresses`);
      this.bytes.fill(0, serviceOffset(index), serviceOffset(index) + L.SERVICE_BYTES);
    }
    Atomics.or(this.words, serviceWord(index, port), 1 << (port & 31));
    this.view.setUint32(L.AT_ADDRESSES + index * 4, address >>> 0);
  }

  /** Returns whether it was served. The address stays ours until {@link removeAddress}. */
  removeService(address: number, port: number): boolean {
    const index = this.addressIndex(address);
    if (index < 0 || address === 0) return false;
    const bit = 1 << (port & 31);
    return (Atomics.and(this.words, serviceWord(index, port), ~bit) & bit) !== 0;
  }

  removeAddress(address: number): boolean {
    const index = this.addressIndex(address);
    if (index < 0 || address === 0) return false;
    this.view.setUint32(L.AT_ADDRESSES + index * 4, 0);
    return true;
  }

  /** Index among the virtual addresses; -1 for none of them. */
  addressIndex(address: number): number {
    for (let i = 0; i < L.MAX_ADDRESSES; i++)
      if (this.view.getUint32(L.AT_ADDRESSES + i * 4) === address >>> 0) return i;
    return -1;
  }

  /** Adds or replaces a backend; its counts stay. */
  setBackend(id: number, record: BackendRecord): void {
    const at = backendOffset(id);
    const { port } = record;
    this.bytes.set(checkedMac(record.macAddress), at + L.BACKEND_MAC);
    this.view.setUint16(at + L.BACKEND_PORT, port === undefined ? L.NONE : checkedPort(port), true);
    this.view.setUint32(at + L.BACKEND_ADDRESS, record.address >>> 0);
    const portAt = L.AT_PORTS + (port ?? 0) * L.PORT_BYTES;
    const source = record.sourceMacAddress ?? this.bytes.slice(portAt, portAt + 6);
    this.bytes.set(checkedMac(source), at + L.BACKEND_SOURCE_MAC);
    this.#weigh(at, record.weight ?? 1);
    this.words[(at + L.BACKEND_STATE) >> 2] = STATES[record.state ?? 'active'];
    this.rebuild();
  }

  /** Takes a backend out; its flows behave as those of one that is down until they are moved or age. */
  removeBackend(id: number): void {
    this.words[(backendOffset(id) + L.BACKEND_STATE) >> 2] = L.BACKEND_ABSENT;
    this.rebuild();
  }

  setBackendState(id: number, state: BackendState): void {
    const word = (backendOffset(id) + L.BACKEND_STATE) >> 2;
    if (this.words[word] === L.BACKEND_ABSENT) throw new DemiError(ERR_ARGUMENT, `no backend ${id}`);
    this.words[word] = STATES[state];
    this.rebuild();
  }

  backendState(id: number): BackendState | undefined {
    const state = this.words[(backendOffset(id) + L.BACKEND_STATE) >> 2];
    if (state === L.BACKEND_ACTIVE) return 'active';
    if (state === L.BACKEND_DRAINING) return 'draining';
    return state === L.BACKEND_DOWN ? 'down' : undefined;
  }

  setWeight(id: number, weight: number): void {
    this.#weigh(backendOffset(id), weight);
    this.rebuild();
  }

  /** Load a backend reports: adds `connections` to those it has, when the least loaded is sought. */
  setReportedLoad(id: number, connections: number): void {
    const at = backendOffset(id);
    const load = connections * this.view.getUint32(at + L.BACKEND_COST, true);
    this.view.setUint32(at + L.BACKEND_LOAD, Math.max(0, Math.min(Math.round(load), 0xffff_ffff)), true);
  }

  /** Fills the tables of choice from the backends that are active. Every method here that changes them has done so. */
  rebuild(): void {
    const candidates: Candidate[] = [];
    for (let id = 0; id < L.MAX_BACKENDS; id++) {
      const at = backendOffset(id);
      if (this.words[(at + L.BACKEND_STATE) >> 2] !== L.BACKEND_ACTIVE) continue;
      candidates.push({ id, weight: this.view.getFloat32(at + L.BACKEND_WEIGHT, true) });
    }
    // Built aside: a packet sees old slots and new ones, never empty ones.
    const slots = new Uint16Array(L.MAGLEV_SLOTS);
    fillMaglev(slots, candidates);
    this.#maglev.set(slots);
    const turns = new Uint16Array(L.MAX_SCHEDULE);
    const length = fillSchedule(turns, candidates);
    this.#schedule.set(turns);
    this.words[L.AT_SCHEDULE_LENGTH >> 2] = length;
    // Slots behind the last say so: the program reads them in groups.
    for (let i = 0; i < L.MAX_BACKENDS; i++) this.#active[i] = candidates[i]?.id ?? L.NONE;
    this.words[L.AT_ACTIVE_COUNT >> 2] = candidates.length;
  }

  /** Sums over CPUs, into `out` when given. */
  readCounters(
    out: Record<L.SwitchPath, number> = {} as Record<L.SwitchPath, number>,
  ): Record<L.SwitchPath, number> {
    for (let i = 0; i < L.SWITCH_PATHS.length; i++) out[L.SWITCH_PATHS[i]!] = this.#sum(i * 8);
    return out;
  }

  /** What backend `id` has and had. */
  readBackend(id: number): BackendCounters {
    const at = backendOffset(id);
    const counter = L.COUNTERS_BACKENDS + id * L.BACKEND_COUNTER_BYTES;
    return {
      connections: this.words[(at + L.BACKEND_CONNECTIONS) >> 2]!,
      opened: this.view.getUint32(at + L.BACKEND_OPENED, true),
      packets: this.#sum(counter),
      bytes: this.#sum(counter + 8),
    };
  }

  #sum(offset: number): number {
    let sum = 0;
    for (let cpu = 0; cpu < this.geometry.cpus; cpu++)
      sum += this.count64(L.AT_COUNTERS + cpu * L.COUNTER_BLOCK_BYTES + offset);
    return sum;
  }

  /** The u64 at `at`; exact to 2^53. */
  count64(at: number): number {
    return this.view.getUint32(at, true) + this.view.getUint32(at + 4, true) * 0x1_0000_0000;
  }

  #weigh(at: number, weight: number): void {
    if (!(weight >= 0.01 && weight <= 100))
      throw new DemiError(ERR_ARGUMENT, `a weight of ${weight}: want 0.01 to 100`);
    this.view.setFloat32(at + L.BACKEND_WEIGHT, weight, true);
    this.view.setUint32(at + L.BACKEND_COST, Math.round(65_536 / weight), true);
  }
}

/** Offset of a backend's record. @throws DemiError `ERR_DEMI_ARGUMENT` */
export function backendOffset(id: number): number {
  if (!Number.isInteger(id) || id < 0 || id >= L.MAX_BACKENDS)
    throw new DemiError(ERR_ARGUMENT, `${id} is no backend: want 0 to ${L.MAX_BACKENDS - 1}`);
  return L.AT_BACKENDS + id * L.BACKEND_BYTES;
}

function serviceOffset(index: number): number {
  return L.AT_SERVICES + index * L.SERVICE_BYTES;
}

function serviceWord(index: number, port: number): number {
  if (!Number.isInteger(port) || port < 0 || port > 0xffff)
    throw new DemiError(ERR_ARGUMENT, `${port} is not a port`);
  return (serviceOffset(index) >> 2) + (port >> 5);
}

function checkedPort(port: number): number {
  if (!Number.isInteger(port) || port < 0 || port >= L.MAX_PORTS)
    throw new DemiError(ERR_ARGUMENT, `${port} is no port of a switch: want 0 to ${L.MAX_PORTS - 1}`);
  return port;
}

function checkedMac(macAddress: Uint8Array): Uint8Array {
  if (macAddress.length !== 6) throw new DemiError(ERR_ARGUMENT, 'a MAC address has 6 bytes');
  return macAddress;
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(value) && value > 0 && (value & (value - 1)) === 0;
}
