// What the two ends of a connection say to each other: one word beside every message, a greeting in the private data of the
// connection manager, and the description of what lies in the sender's memory. Values only: no devices, no state.
//
// The word (immediate data):
//
// ```
//   0–11   receives given back (credits)        12–19  rendezvous messages read
//   20–23  what the message is                  24     its message goes on    25  the sender has ended    26  it is deaf
// ```

export const KIND_CONTROL = 0;
export const KIND_DATA = 1;
export const KIND_RENDEZVOUS = 2;
export const FLAG_MORE: number = 1 << 24;
export const FLAG_ENDED: number = 1 << 25;
export const FLAG_DEAF: number = 1 << 26;
const KNOWN = 0x07ff_ffff;
export const MOST_CREDITS = 0xfff;
export const MOST_FINISHED = 0xff;

export function encodeWord(kind: number, flags: number, credits: number, finished: number): number {
  return credits | (finished << 12) | (kind << 20) | flags;
}

export function wordIsValid(word: number): boolean {
  return (word & ~KNOWN) === 0 && ((word >>> 20) & 15) <= KIND_RENDEZVOUS;
}

export function kindOf(word: number): number {
  return (word >>> 20) & 15;
}

export function creditsOf(word: number): number {
  return word & MOST_CREDITS;
}

export function finishedOf(word: number): number {
  return (word >>> 12) & MOST_FINISHED;
}

/** What each end says of itself before the first message. */
export interface Greeting {
  message: boolean;
  /** Receives that the other end may use from the start. */
  credits: number;
  /** Where its memory begins, how long it is, and its key; a key of 0: nothing of it may be read. */
  base: bigint;
  lengthBytes: number;
  key: number;
  /** The most bytes one message may have. */
  slotBytes: number;
}

export const GREETING_BYTES = 32;
const MAGIC = 0x4d43_4b44;
const VERSION = 1;
/** Fewer could lock each other up: three are kept for control. */
export const LEAST_CREDITS = 8;
const LEAST_SLOT_BYTES = 256;

export function encodeGreeting(greeting: Greeting): Uint8Array {
  const bytes = new Uint8Array(GREETING_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint8(4, VERSION);
  view.setUint8(5, greeting.message ? 1 : 0);
  view.setUint16(6, greeting.credits, true);
  view.setBigUint64(8, greeting.base, true);
  view.setUint32(16, greeting.lengthBytes, true);
  view.setInt32(20, greeting.key, true);
  view.setUint32(24, greeting.slotBytes, true);
  return bytes;
}

/** `undefined`: not of this protocol, or a promise that nobody can keep. */
export function decodeGreeting(bytes: Uint8Array): Greeting | undefined {
  if (bytes.length < GREETING_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const greeting: Greeting = {
    message: view.getUint8(5) === 1,
    credits: view.getUint16(6, true),
    base: view.getBigUint64(8, true),
    lengthBytes: view.getUint32(16, true),
    key: view.getInt32(20, true),
    slotBytes: view.getUint32(24, true),
  };
  const { credits, lengthBytes, slotBytes } = greeting;
  const known = view.getUint32(0, true) === MAGIC && view.getUint8(4) === VERSION && view.getUint8(5) <= 1;
  const sound =
    credits >= LEAST_CREDITS &&
    credits <= MOST_CREDITS &&
    lengthBytes <= 0x7fff_ffff &&
    slotBytes >= LEAST_SLOT_BYTES &&
    slotBytes <= 0x7fff_ffff;
  return known && sound ? greeting : undefined;
}

/** Bytes that describe one piece of a rendezvous message: offset in the sender's memory, length. */
export const PIECE_BYTES = 8;
/** The longest rendezvous message. */
export const MOST_RENDEZVOUS_BYTES: number = 64 << 20;

/**
 * Bytes in all of a rendezvous message, or -1 when its description cannot be true.
 *
 * @param view the description's `lengthBytes` at `offset`
 * @param remoteBytes how long the sender's memory is
 */
export function rendezvousBytes(
  view: DataView,
  offset: number,
  lengthBytes: number,
  remoteBytes: number,
): number {
  if (lengthBytes === 0 || lengthBytes % PIECE_BYTES !== 0) return -1;
  let total = 0;
  for (let at = offset; at < offset + lengthBytes; at += PIECE_BYTES) {
    const from = view.getUint32(at, true);
    const length = view.getUint32(at + 4, true);
    if (length === 0 || length > MOST_RENDEZVOUS_BYTES || from > remoteBytes - length) return -1;
    total += length;
    if (total > MOST_RENDEZVOUS_BYTES) return -1;
  }
  return total;
}
