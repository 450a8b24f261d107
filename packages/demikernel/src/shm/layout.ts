// Where things lie in the memory that the two ends of a connection share. What the words mean is in send-ring.ts and
// receive-ring.ts; who maps the memory is the library OS's business.
//
// Each side has one block, which it alone writes:
//
// ```
//   0     head of the messages this side has sent    state of this side    wants            one cache line
//   128   head of the slots this side gives back                                            another
//   256   window in bytes                                                                   one that hardly ever changes
//   384   descriptors: capacity x { id, offset, length, flags }
//   …     ids given back: capacity x { id }
// ```
//
// 128 bytes between what one side writes often and what it writes for other reasons: the line and the one that the
// prefetcher brings along. Heads run freely, mod 2^32; an entry lies at head & (capacity - 1).

/** Descriptors on their way, and not given back, in each direction: a power of two. */
export const RING_CAPACITY = 1024;

/** The state of a side, in bits: it sends no more. */
export const STATE_ENDED = 1;
/** It receives no more. */
export const STATE_DEAF = 2;
/** It has thrown the connection away: what was under way does not count. */
export const STATE_RESET = 4;

/** A flag of a descriptor: the message goes on in the next one. */
export const FLAG_MORE = 1;

// In 32-bit words from the start of a block.
export const SENT_HEAD = 0;
export const STATE = 1;
/** Not 0: this side waits for slots and wants to be woken when some come back. */
export const WANTS_SLOTS = 2;
export const RETURNED_HEAD = 32;
export const WINDOW_BYTES = 64;
export const DESCRIPTORS = 96;
/** Words of a descriptor. */
export const DESCRIPTOR_WORDS = 4;

/** Words from the start of a block to the ids given back. */
export function returnedAt(capacity: number): number {
  return DESCRIPTORS + capacity * DESCRIPTOR_WORDS;
}

/** Words of one side's block; a whole number of cache lines. */
export function blockWords(capacity: number): number {
  return returnedAt(capacity) + ((capacity + 31) & ~31);
}

/** Bytes of memory for a connection. */
export function connectionBytes(capacity: number): number {
  return 2 * blockWords(capacity) * 4;
}
