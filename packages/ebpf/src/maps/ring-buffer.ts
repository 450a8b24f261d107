// The BPF ring buffer's consumer: events from programs, read from mapped pages with no system call.
// Source: Documentation/bpf/ringbuf.rst, kernel/bpf/ringbuf.c.

import { type MemoryMap, mapDescriptor, PAGE_BYTES } from '@demikernel/native/kernel';
import { MAP_TYPE_RINGBUF } from '../constants.ts';
import { DemiError, ERR_ARGUMENT } from '../error.ts';
import { BpfMap } from './map.ts';

// A record's first word: its length and two flags (BPF_RINGBUF_BUSY_BIT, BPF_RINGBUF_DISCARD_BIT).
const BUSY = 0x8000_0000 | 0;
const DISCARD = 0x4000_0000;
const LENGTH_MASK = 0x3fff_ffff;
const HEADER_BYTES = 8;

/** A ring buffer's size. */
export interface RingBufferOptions {
  name: string;
  /** A power of two, at least a page. */
  sizeBytes: number;
}

/**
 * Receives one event: it lies in the ring's own memory, valid until the visitor returns.
 */
export type RingVisitor = (view: DataView, offset: number, lengthBytes: number) => void;

/**
 * Events from programs to one reader.
 *
 * ```
 * mapped:  | consumer page | producer page | data ........ | the same data again |
 *            read and write  read only       so that a record never wraps
 * ```
 *
 * A program writes with HELPER_RINGBUF_OUTPUT or RESERVE and SUBMIT. When the ring is full those fail and the event is
 * lost: the program counts it. The descriptor is readable when there are events, so `poll` can sleep on it.
 */
export class RingBuffer extends BpfMap {
  readonly sizeBytes: number;
  readonly #consumer: MemoryMap;
  readonly #producer: MemoryMap;
  readonly #consumerWords: Int32Array;
  readonly #consumerPosition: BigInt64Array;
  readonly #producerWords: Int32Array;
  readonly #dataWords: Int32Array;
  readonly #view: DataView;
  /** Position's low word, as int32; the high one moves every 4 GiB. */
  #low: number;
  #high: number;

  constructor(options: RingBufferOptions) {
    const size = options.sizeBytes;
    if (!Number.isInteger(size) || size < PAGE_BYTES || size > 2 ** 29 || (size & (size - 1)) !== 0) {
      throw new DemiError(ERR_ARGUMENT, `a ring of ${size} bytes: want a power of two from ${PAGE_BYTES}`);
    }
    super({ name: options.name, type: MAP_TYPE_RINGBUF, keyBytes: 0, valueBytes: 0, maxEntries: size });
    this.sizeBytes = size;
    let consumer: MemoryMap | undefined;
    try {
      consumer = mapDescriptor({ fd: this.descriptor, lengthBytes: PAGE_BYTES });
      this.#producer = mapDescriptor({
        fd: this.descriptor,
        lengthBytes: PAGE_BYTES + 2 * size,
        offsetBytes: PAGE_BYTES,
        writable: false,
      });
    } catch (error) {
      consumer?.release();
      super.close();
      throw error;
    }
    this.#consumer = consumer;
    this.#consumerWords = this.#consumer.signedWords(0, 2);
    this.#consumerPosition = new BigInt64Array(this.#consumer.buffer, 0, 1);
    this.#producerWords = this.#producer.signedWords(0, 2);
    this.#dataWords = this.#producer.signedWords(PAGE_BYTES, size >> 2);
    this.#view = this.#producer.view(PAGE_BYTES, 2 * size);
    this.#low = 0;
    this.#high = 0;
  }

  /** Bytes written and not yet consumed, headers included. */
  get pendingBytes(): number {
    return (loadWord(this.#producerWords, 0) - this.#low) | 0;
  }

  /**
   * Passes up to `limit` finished events to `visit`, oldest first, and frees their room at the end, also when `visit`
   * throws. Stops at an event still being written. Returns how many were passed.
   */
  consume(visit: RingVisitor, limit = 0x7fff_ffff): number {
    // After close the map is ordinary pages of zeros: nothing pending.
    if (this.descriptor < 0) return 0;
    const mask = this.sizeBytes - 1;
    const end = loadWord(this.#producerWords, 0);
    let low = this.#low;
    let events = 0;
    try {
      while (events < limit && ((end - low) | 0) > 0) {
        const at = low & mask;
        const header = loadWord(this.#dataWords, at >> 2);
        if ((header & BUSY) !== 0) break;
        const lengthBytes = header & LENGTH_MASK;
        low = (low + HEADER_BYTES + ((lengthBytes + 7) & ~7)) | 0;
        if ((header & DISCARD) !== 0) continue;
        events++;
        visit(this.#view, at + HEADER_BYTES, lengthBytes);
      }
    } finally {
      if (low !== this.#low) this.#publish(low);
    }
    return events;
  }

  override close(): void {
    if (this.descriptor < 0) return;
    this.#consumer.release();
    this.#producer.release();
    super.close();
  }

  // The kernel reads the position as one 64-bit word. Its low half alone is stored until it wraps, once in 4 GiB.
  #publish(low: number): void {
    const wrapped = low >>> 0 < this.#low >>> 0;
    this.#low = low;
    if (wrapped) {
      this.#high = (this.#high + 1) | 0;
      Atomics.store(this.#consumerPosition, 0, (BigInt(this.#high) << 32n) | BigInt(low >>> 0));
    } else {
      Atomics.store(this.#consumerWords, 0, low);
    }
  }
}

// Producer pages are mapped read-only, and Atomics.load on them is a plain load: x86 orders loads with loads.
function loadWord(words: Int32Array, index: number): number {
  return Atomics.load(words, index);
}
