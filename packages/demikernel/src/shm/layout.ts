// Where things lie in the memory that the two ends of a connection share. What the words mean is in send-ring.ts and
// receive-ring.ts; who maps the memory is the library OS's business.
//
// Each side has one block, which it alone writes:
//
// ```
//   0     state of this side    wants    window in bytes               one cache line that hardly ever changes
//   128   descriptors: capacity x { id | id of the peer's << 16, offset, length, flags | lap }
//   …     ids given back: capacity x { id << 1 | lap }
// ```
//
// There are no heads: an entry says itself that it is there, so that a message costs its reader no cache line but the one
// it lies in. The lap bit of the n-th entry, which lies at n & (capacity - 1), is 1 in the first lap, 0 in the second, and
// so on; memory begins as zeros, which is no entry. One bit is enough because no writer is a lap ahead (see SendRing).
// Whoever writes several entries marks the first one last: its reader, who takes them in order, sees all or none.
//
// 128 bytes between what is written for different reasons: the line and the one that the prefetcher brings along.

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
/** Says, together with the lap, whether a descriptor is there. */
export const FLAG_LAP = 2;
/**
 * The bytes are the reader's own, lent to the writer before: the upper half of the id names them. They lie in the reader's
 * memory, and are not given back until the descriptor's own id has come back.
 */
export const FLAG_YOURS = 4;
/** Bits of a descriptor's first word that are its own id. */
export const ID_BITS = 16;
/** The same of an id given back. */
export const RETURN_LAP = 1;

// In 32-bit words from the start of a block.
export const STATE = 0;
/** Not 0: this side waits for slots and wants to be woken when some come back. */
export const WANTS_SLOTS = 1;
export const WINDOW_BYTES = 2;
export const DESCRIPTORS = 32;
/** Words of a descriptor. */
export const DESCRIPTOR_WORDS = 4;
/** Where in a descriptor the flags are, and the lap: written last, read first. */
export const DESCRIPTOR_FLAGS = 3;

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
