// Messages longer than a datagram: cut into numbered fragments, and put together again within bounds. No retransmission:
// a message whose fragment is lost is lost.

import { DemiError, type Gatherable, type ScatterGatherArray, type SlotPool } from '@demikernel/memory';

/**
 * In front of each fragment, little-endian:
 *
 * ```
 *  0 u32 message   4 u16 fragment   6 u16 fragments   8 u32 bytes of the message
 * ```
 */
export const FRAGMENT_HEADER_BYTES = 12;
export const MAX_FRAGMENTS = 4096;

/** A message as one array of a pool; `undefined` when the pool is empty. The caller's to free. */
export function gatherMessage(pool: SlotPool, message: Gatherable): ScatterGatherArray | undefined {
  const array = pool.allocArray(message.copiedBytes());
  if (array === undefined) return undefined;
  try {
    message.write(array);
    message.gather(array);
  } catch (error) {
    array.free();
    throw error;
  }
  return array;
}

/**
 * The `index`-th fragment of a message: a header of its own, then slices of the message. `undefined` when the pool is
 * empty; the caller's to free.
 *
 * @param datagramBytes of payload that one datagram holds
 * @throws ERR_DEMI_OUT_OF_RANGE when the message has no such fragment, or would need too many
 */
export function fragmentAt(
  pool: SlotPool,
  message: ScatterGatherArray,
  id: number,
  index: number,
  datagramBytes: number,
): ScatterGatherArray | undefined {
  const total = message.lengthBytes;
  const count = fragmentCount(total, datagramBytes);
  if (!(index >= 0 && index < count)) {
    throw new DemiError(
      'ERR_DEMI_OUT_OF_RANGE',
      `a message of ${total} bytes has ${count} fragments, not ${index}`,
    );
  }
  const header = pool.alloc(FRAGMENT_HEADER_BYTES);
  if (header === undefined) return undefined;
  const { view } = pool.region;
  view.setUint32(header.offset, id >>> 0, true);
  view.setUint16(header.offset + 4, index, true);
  view.setUint16(header.offset + 6, count, true);
  view.setUint32(header.offset + 8, total, true);
  const array = pool.array();
  array.append(header);
  const part = datagramBytes - FRAGMENT_HEADER_BYTES;
  appendRange(array, message, part * index, Math.min(part, total - part * index));
  return array;
}

/**
 * Fragments that a message takes.
 *
 * @throws ERR_DEMI_OUT_OF_RANGE when they are more than {@link MAX_FRAGMENTS}
 */
export function fragmentCount(messageBytes: number, datagramBytes: number): number {
  const part = datagramBytes - FRAGMENT_HEADER_BYTES;
  const count = Math.max(1, Math.ceil(messageBytes / part));
  if (!(part > 0) || count > MAX_FRAGMENTS) {
    throw new DemiError(
      'ERR_DEMI_OUT_OF_RANGE',
      `${messageBytes} bytes do not fit in ${MAX_FRAGMENTS} datagrams of ${datagramBytes}`,
    );
  }
  return count;
}

function appendRange(
  into: ScatterGatherArray,
  from: ScatterGatherArray,
  start: number,
  length: number,
): void {
  let skip = start;
  for (let i = 0; i < from.count && length > 0; i++) {
    const slice = from.segments[i]!;
    if (skip >= slice.length) {
      skip -= slice.length;
      continue;
    }
    const part = Math.min(slice.length - skip, length);
    into.append(slice.sub(skip, part));
    length -= part;
    skip = 0;
  }
}

export interface ReassemblyOptions {
  /** Bytes of one message. Default 1 MiB. */
  maxMessageBytes?: number;
  /** Messages that may be incomplete at once; beyond, the one that began first is dropped. Default 64. */
  maxPending?: number;
  /** Fragments held at once, over all messages: each pins a slot at least. Default 1024. */
  maxHeldFragments?: number;
  /** Ticks of the caller's clock after which an incomplete message is dropped. Default 1000. */
  lifetime?: number;
}

/** A message of which some fragments have arrived. */
class Pending {
  readonly parts: (ScatterGatherArray | undefined)[];
  readonly totalBytes: number;
  readonly deadline: number;
  missing: number;
  heldBytes: number;

  constructor(count: number, totalBytes: number, deadline: number) {
    this.parts = new Array<ScatterGatherArray | undefined>(count).fill(undefined);
    this.totalBytes = totalBytes;
    this.deadline = deadline;
    this.missing = count;
    this.heldBytes = 0;
  }

  free(): void {
    for (const part of this.parts) part?.free();
    this.parts.length = 0;
  }
}

/** Puts fragments together. Whatever does not fit is dropped and counted. */
export class Reassembler {
  /** Datagrams without a proper header, or that contradict an earlier fragment. */
  malformed: number;
  /** Fragments that had arrived before. */
  duplicates: number;
  /** Messages given up: too old, or too many at once. */
  abandoned: number;
  private readonly pending: Map<number, Pending>;
  private readonly maxMessageBytes: number;
  private readonly maxPending: number;
  private readonly maxHeldFragments: number;
  private readonly lifetime: number;
  private heldFragments: number;

  constructor(options: ReassemblyOptions = {}) {
    this.malformed = 0;
    this.duplicates = 0;
    this.abandoned = 0;
    // In the order in which the messages began, which is the order of their deadlines.
    this.pending = new Map();
    this.maxMessageBytes = options.maxMessageBytes ?? 1 << 20;
    this.maxPending = options.maxPending ?? 64;
    this.maxHeldFragments = options.maxHeldFragments ?? 1024;
    this.lifetime = options.lifetime ?? 1000;
    this.heldFragments = 0;
  }

  /**
   * Takes one datagram, which stays the caller's to free. Returns the whole message, the caller's to free too, when this was
   * its last fragment.
   *
   * @param peer tells senders apart, so that none completes another's message: 0 to 2^20 − 1
   * @param now the caller's clock, in ticks that never go back
   */
  add(datagram: ScatterGatherArray, peer: number, now: number): ScatterGatherArray | undefined {
    this.expire(now);
    readHeader(datagram);
    const index = headerView.getUint16(4, true);
    const count = headerView.getUint16(6, true);
    const totalBytes = headerView.getUint32(8, true);
    const partBytes = datagram.lengthBytes - FRAGMENT_HEADER_BYTES;
    if (partBytes < 0 || !this.isProper(index, count, totalBytes, partBytes)) {
      this.malformed++;
      return undefined;
    }
    const key = peer * 0x1_0000_0000 + headerView.getUint32(0, true);
    let message = this.pending.get(key);
    if (message === undefined) {
      if (count === 1) return this.payloadOf(datagram);
      message = new Pending(count, totalBytes, now + this.lifetime);
      this.pending.set(key, message);
    } else if (message.parts.length !== count || message.totalBytes !== totalBytes) {
      this.malformed++;
      return undefined;
    }
    if (message.parts[index] !== undefined) {
      this.duplicates++;
      return undefined;
    }
    if (message.heldBytes + partBytes > totalBytes) {
      this.malformed++;
      this.drop(key, message);
      return undefined;
    }
    message.parts[index] = this.payloadOf(datagram);
    message.heldBytes += partBytes;
    message.missing--;
    this.heldFragments++;
    if (message.missing > 0) {
      this.makeRoom();
      return undefined;
    }
    return this.complete(key, message);
  }

  private isProper(index: number, count: number, totalBytes: number, partBytes: number): boolean {
    return (
      index < count &&
      count <= MAX_FRAGMENTS &&
      totalBytes <= this.maxMessageBytes &&
      partBytes <= totalBytes &&
      // Every fragment carries something, or a message of one byte could have thousands.
      (partBytes > 0 || (count === 1 && totalBytes === 0)) &&
      (count > 1 || partBytes === totalBytes)
    );
  }

  private payloadOf(datagram: ScatterGatherArray): ScatterGatherArray {
    const payload = datagram.pool.array();
    appendRange(payload, datagram, FRAGMENT_HEADER_BYTES, datagram.lengthBytes - FRAGMENT_HEADER_BYTES);
    return payload;
  }

  private complete(key: number, message: Pending): ScatterGatherArray | undefined {
    if (message.heldBytes !== message.totalBytes) {
      this.malformed++;
      this.drop(key, message);
      return undefined;
    }
    const whole = message.parts[0]!.pool.array();
    for (const part of message.parts) {
      for (let i = 0; i < part!.count; i++) whole.append(part!.segments[i]!.share());
    }
    this.drop(key, message);
    return whole;
  }

  private drop(key: number, message: Pending): void {
    this.pending.delete(key);
    this.heldFragments -= message.parts.length - message.missing;
    message.free();
  }

  private makeRoom(): void {
    for (const [key, message] of this.pending) {
      if (this.pending.size <= this.maxPending && this.heldFragments <= this.maxHeldFragments) return;
      this.abandoned++;
      this.drop(key, message);
    }
  }

  private expire(now: number): void {
    for (const [key, message] of this.pending) {
      if (message.deadline > now) return;
      this.abandoned++;
      this.drop(key, message);
    }
  }

  /** Gives back what never became a message. */
  close(): void {
    for (const [key, message] of this.pending) this.drop(key, message);
  }
}

/** Copies the header out of a datagram, whatever slices it lies in; of a shorter one what there is. */
function readHeader(datagram: ScatterGatherArray): void {
  let to = 0;
  for (let i = 0; i < datagram.count && to < FRAGMENT_HEADER_BYTES; i++) {
    const slice = datagram.segments[i]!;
    const { bytes } = slice.pool.region;
    const end = slice.offset + slice.length;
    for (let at = slice.offset; at < end && to < FRAGMENT_HEADER_BYTES; at++, to++) header[to] = bytes[at]!;
  }
}

const header: Uint8Array = new Uint8Array(FRAGMENT_HEADER_BYTES);
const headerView: DataView = new DataView(header.buffer);
