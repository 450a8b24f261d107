// A map in the kernel: creation, lookup, update, delete, iteration, batches, with one value per entry.
// Per-CPU values, mapped arrays, sockets, devices and rings are beside this file.

import { EAGAIN, ENOENT, libc } from '@demikernel/native/kernel';
import * as bpf from '../bpf.ts';
import { UPDATE_ANY } from '../constants.ts';
import { DemiError, ERR_ARGUMENT, ERR_CLOSED } from '../error.ts';
import { CURSOR_BYTES, type MapCursor } from './cursor.ts';

/** A key: its bytes, or, for keys of 4 bytes, a number. */
export type MapKey = Uint8Array | number;
/** A value: its bytes, or, for values of 4 or 8 bytes, a non-negative safe integer. */
export type MapValue = Uint8Array | number;

/** What every kind of map is made from. */
export interface MapShape {
  /** Up to 15 letters, digits, `_` and `.`; what `bpftool map` shows. */
  name: string;
  maxEntries: number;
}

/** What {@link BpfMap} itself is made from. */
export interface MapOptions extends MapShape {
  /** MAP_TYPE_…; see linux/bpf.h. */
  type: number;
  keyBytes: number;
  /** As the map is created. */
  valueBytes: number;
  /** What one lookup gives, when it is not `valueBytes`: per-CPU maps. */
  lookupBytes?: number;
  /** MAP_NO_PREALLOC, MAP_MMAPABLE. */
  flags?: number;
}

/**
 * A map. The descriptor keeps it alive; programs that use it do too.
 *
 * Operations copy through one buffer of the package: nothing is allocated but what the caller passes.
 * A call costs about 2 µs. Source: bpf(2), linux/bpf.h.
 */
export class BpfMap {
  readonly name: string;
  readonly type: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  /** Bytes of one value as read and written from here. */
  readonly lookupBytes: number;
  readonly maxEntries: number;
  #descriptor: number;

  /**
   * Creates the map.
   *
   * @throws DemiError `ERR_DEMI_PERMISSION` without CAP_BPF, `ERR_DEMI_SYSCALL` with the errno otherwise.
   */
  constructor(options: MapOptions) {
    this.name = options.name;
    this.type = options.type;
    this.keyBytes = options.keyBytes;
    this.valueBytes = options.valueBytes;
    this.lookupBytes = options.lookupBytes ?? options.valueBytes;
    this.maxEntries = options.maxEntries;
    const s = bpf.beginCall(0);
    s.view.setUint32(0, options.type, true);
    s.view.setUint32(4, options.keyBytes, true);
    s.view.setUint32(8, options.valueBytes, true);
    s.view.setUint32(12, options.maxEntries, true);
    s.view.setUint32(16, options.flags ?? 0, true);
    bpf.setName(s, 28, options.name);
    const result = bpf.call(bpf.BPF_MAP_CREATE);
    if (result < 0) throw bpf.refused(result, `creating map "${options.name}"`);
    this.#descriptor = result;
  }

  /** The file descriptor; -1 once closed. */
  get descriptor(): number {
    return this.#descriptor;
  }

  /** Copies the value under `key` into `out`; `false` when there is none. */
  lookup(key: MapKey, out: Uint8Array): boolean {
    if (out.length < this.lookupBytes)
      throw this.#misfit('a buffer for the value', out.length, this.lookupBytes);
    if (!this.#lookup(key)) return false;
    this.#readValue(out);
    return true;
  }

  /** The value under `key` as a number, for values of 4 or 8 bytes (exact to 2^53). */
  lookupNumber(key: MapKey): number | undefined {
    if (this.lookupBytes !== 4 && this.lookupBytes !== 8) {
      throw this.#misfit('a value to be read as a number', this.lookupBytes, 8);
    }
    if (!this.#lookup(key)) return undefined;
    const s = bpf.currentScratch();
    const at = this.#valueOffset();
    return this.lookupBytes === 4 ? s.view.getUint32(at, true) : bpf.readCount(s.view, at);
  }

  /**
   * Writes `value` under `key`.
   *
   * @param flags UPDATE_ANY, UPDATE_NO_EXIST or UPDATE_EXIST.
   * @throws DemiError with errno E2BIG (full), EEXIST, ENOENT, or what the map's kind says.
   */
  update(key: MapKey, value: MapValue, flags: number = UPDATE_ANY): void {
    const s = this.#begin();
    this.#writeKey(key, bpf.PAYLOAD);
    this.#writeValue(value);
    bpf.setAddress(s, 16, this.#valueOffset());
    s.view.setUint32(24, flags, true);
    const result = bpf.call(bpf.BPF_MAP_UPDATE_ELEM);
    if (result < 0) throw bpf.refused(result, `updating map "${this.name}"`);
  }

  /** Removes `key`; `false` when it was not there. Arrays refuse with EINVAL. */
  delete(key: MapKey): boolean {
    this.#begin();
    this.#writeKey(key, bpf.PAYLOAD);
    const result = bpf.call(bpf.BPF_MAP_DELETE_ELEM);
    if (result === -ENOENT) return false;
    if (result < 0) throw bpf.refused(result, `deleting from map "${this.name}"`);
    return true;
  }

  /**
   * Copies the key after `key` into `out`, or the first one for `undefined`; `false` at the end. A hash map whose `key`
   * was deleted meanwhile starts again, so a walk that deletes takes the next key first.
   */
  nextKey(key: MapKey | undefined, out: Uint8Array): boolean {
    const s = this.#begin();
    if (key === undefined) s.view.setBigUint64(8, 0n, true);
    else this.#writeKey(key, bpf.PAYLOAD);
    const at = this.#valueOffset();
    bpf.setAddress(s, 16, at);
    const result = bpf.call(bpf.BPF_MAP_GET_NEXT_KEY);
    if (result === -ENOENT) return false;
    if (result < 0) throw bpf.refused(result, `walking map "${this.name}"`);
    bpf.copy(s.bytes, at, out, this.keyBytes);
    return true;
  }

  /**
   * Calls `visit` for each entry, with the same two buffers each time. Entries put in or taken out meanwhile may or may
   * not be seen; at most `maxEntries` are visited, so that a busy map cannot hold the walk for ever.
   */
  forEach(visit: (key: Uint8Array, value: Uint8Array) => void): void {
    const key = new Uint8Array(this.keyBytes);
    const next = new Uint8Array(this.keyBytes);
    const value = new Uint8Array(this.lookupBytes);
    let more = this.nextKey(undefined, key);
    for (let visited = 0; more && visited < this.maxEntries; visited++) {
      more = this.nextKey(key, next);
      if (this.lookup(key, value)) visit(key, value);
      key.set(next);
    }
  }

  /**
   * Reads up to `capacity` entries in one call, from where `cursor` stands: `keys` and `values` receive them one after
   * another. Returns how many; the walk is over when `cursor.done`.
   *
   * @param cursor From {@link MapCursor}; reused over calls, and reset for another walk.
   */
  lookupBatch(cursor: MapCursor, keys: Uint8Array, values: Uint8Array, capacity: number): number {
    if (keys.length < capacity * this.keyBytes)
      throw this.#misfit('keys', keys.length, capacity * this.keyBytes);
    if (values.length < capacity * this.lookupBytes) {
      throw this.#misfit('values', values.length, capacity * this.lookupBytes);
    }
    const { s, keysAt, valuesAt } = this.#beginBatch(capacity);
    if (cursor.started) {
      s.bytes.set(cursor.position, bpf.PAYLOAD);
      bpf.setAddress(s, 0, bpf.PAYLOAD);
    }
    bpf.setAddress(s, 8, bpf.PAYLOAD + CURSOR_BYTES);
    const result = bpf.call(bpf.BPF_MAP_LOOKUP_BATCH);
    if (result < 0 && result !== -ENOENT) throw bpf.refused(result, `reading a batch of map "${this.name}"`);
    const count = Math.min(s.view.getUint32(32, true), capacity);
    bpf.copy(s.bytes, bpf.PAYLOAD + CURSOR_BYTES, cursor.position, CURSOR_BYTES);
    cursor.started = true;
    cursor.done = result === -ENOENT;
    bpf.copy(s.bytes, keysAt, keys, count * this.keyBytes);
    bpf.copy(s.bytes, valuesAt, values, count * this.lookupBytes);
    return count;
  }

  /** Writes `count` entries, about 0.6 µs each. Returns how many were written before the map refused one. */
  updateBatch(keys: Uint8Array, values: Uint8Array, count: number): number {
    const { s, keysAt, valuesAt } = this.#beginBatch(count);
    this.#fill(keys, keysAt, count * this.keyBytes);
    this.#fill(values, valuesAt, count * this.lookupBytes);
    const result = bpf.call(bpf.BPF_MAP_UPDATE_BATCH);
    return this.#batchCount(result, s.view.getUint32(32, true), count, 'writing');
  }

  /** Removes `count` keys. Returns how many were removed before one was not found. */
  deleteBatch(keys: Uint8Array, count: number): number {
    const { s, keysAt } = this.#beginBatch(count);
    this.#fill(keys, keysAt, count * this.keyBytes);
    const result = bpf.call(bpf.BPF_MAP_DELETE_BATCH);
    return this.#batchCount(result, s.view.getUint32(32, true), count, 'deleting');
  }

  /** Closes the descriptor. Programs that use the map keep it. Idempotent. */
  close(): void {
    if (this.#descriptor < 0) return;
    libc().close(this.#descriptor);
    this.#descriptor = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #lookup(key: MapKey): boolean {
    const s = this.#begin();
    this.#writeKey(key, bpf.PAYLOAD);
    bpf.setAddress(s, 16, this.#valueOffset());
    const result = bpf.call(bpf.BPF_MAP_LOOKUP_ELEM);
    // EAGAIN: an XSKMAP or similar that has the slot and nothing in it.
    if (result === -ENOENT || result === -EAGAIN) return false;
    if (result < 0) throw bpf.refused(result, `reading map "${this.name}"`);
    return true;
  }

  #begin(): bpf.Scratch {
    this.#open();
    const s = bpf.beginCall(align8(this.keyBytes) + Math.max(this.lookupBytes, this.keyBytes));
    s.view.setUint32(0, this.#descriptor, true);
    bpf.setAddress(s, 8, bpf.PAYLOAD);
    return s;
  }

  #beginBatch(count: number): { s: bpf.Scratch; keysAt: number; valuesAt: number } {
    this.#open();
    if (this.keyBytes > CURSOR_BYTES) throw this.#misfit('a batch with keys', this.keyBytes, CURSOR_BYTES);
    if (!Number.isInteger(count) || count < 1 || count > 1 << 20) {
      throw new DemiError(ERR_ARGUMENT, `a batch of ${count} entries: want 1 to ${1 << 20}`);
    }
    const keysAt = bpf.PAYLOAD + 2 * CURSOR_BYTES;
    const valuesAt = keysAt + align8(count * this.keyBytes);
    const s = bpf.beginCall(valuesAt - bpf.PAYLOAD + count * this.lookupBytes);
    bpf.setAddress(s, 16, keysAt);
    bpf.setAddress(s, 24, valuesAt);
    s.view.setUint32(32, count, true);
    s.view.setUint32(36, this.#descriptor, true);
    return { s, keysAt, valuesAt };
  }

  #fill(from: Uint8Array, at: number, lengthBytes: number): void {
    if (from.length < lengthBytes) throw this.#misfit('a batch', from.length, lengthBytes);
    bpf.currentScratch().bytes.set(from.length === lengthBytes ? from : from.subarray(0, lengthBytes), at);
  }

  #batchCount(result: number, done: number, count: number, doing: string): number {
    if (result >= 0) return done;
    // The kernel says how far it came, except when it refused the call as a whole.
    if (done >= count) throw bpf.refused(result, `${doing} a batch of map "${this.name}"`);
    return done;
  }

  #writeKey(key: MapKey, at: number): void {
    const s = bpf.currentScratch();
    if (typeof key === 'number') {
      if (this.keyBytes !== 4 || key >>> 0 !== key) {
        throw new DemiError(ERR_ARGUMENT, `map "${this.name}": ${key} is no key of ${this.keyBytes} bytes`);
      }
      s.view.setUint32(at, key, true);
      return;
    }
    if (key.length !== this.keyBytes) throw this.#misfit('a key', key.length, this.keyBytes);
    s.bytes.set(key, at);
  }

  #writeValue(value: MapValue): void {
    const s = bpf.currentScratch();
    const at = this.#valueOffset();
    if (typeof value !== 'number') {
      if (value.length !== this.lookupBytes) throw this.#misfit('a value', value.length, this.lookupBytes);
      s.bytes.set(value, at);
    } else if (this.lookupBytes === 4 && value >>> 0 === value) {
      s.view.setUint32(at, value, true);
    } else if (this.lookupBytes === 8 && Number.isSafeInteger(value) && value >= 0) {
      s.view.setUint32(at, value % 0x1_0000_0000, true);
      s.view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true);
    } else {
      throw new DemiError(
        ERR_ARGUMENT,
        `map "${this.name}": ${value} is no value of ${this.lookupBytes} bytes`,
      );
    }
  }

  #readValue(out: Uint8Array): void {
    bpf.copy(bpf.currentScratch().bytes, this.#valueOffset(), out, this.lookupBytes);
  }

  #valueOffset(): number {
    return bpf.PAYLOAD + align8(this.keyBytes);
  }

  #open(): void {
    if (this.#descriptor < 0) throw new DemiError(ERR_CLOSED, `map "${this.name}" is closed`);
  }

  #misfit(what: string, got: number, want: number): DemiError {
    return new DemiError(ERR_ARGUMENT, `map "${this.name}": ${what} of ${got} bytes, want ${want}`);
  }
}

function align8(bytes: number): number {
  return (bytes + 7) & ~7;
}
