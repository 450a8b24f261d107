// How much a client may ask for, and how much the service may hold.

export interface KvLimits {
  /** Memory for keys and small values, in bytes. */
  memoryBytes: number;
  /** Values of at least so many bytes lie in slots of the device and are sent from there; smaller ones are copied. */
  gatherBytes: number;
  /** Longest value. With an append-only log a record must hold it. */
  valueBytes: number;
  /** Share of the device's slots that values may take: the rest is the network's. */
  slotShare: number;
  /** Connections at once. */
  clients: number;
}

export const DEFAULT_LIMITS: Readonly<KvLimits> = {
  memoryBytes: 64 << 20,
  gatherBytes: 1024,
  valueBytes: 512 << 10,
  slotShare: 0.5,
  clients: 4096,
};

/** Largest `gatherBytes`: key and value fit the arena's largest block. */
export const LARGEST_GATHER_BYTES: number = 64 << 10;
/** Arguments of one command. */
export const ARGUMENTS: number = 64 << 10;
/** Longest line: lengths, counts and inline commands. */
export const LINE_BYTES: number = 64 << 10;
/** Bytes of one command that are kept while the rest of it is under way; long values do not count. */
export const COMMAND_BYTES: number = 1 << 20;
/**
 * An argument of at least so many bytes that has not arrived whole goes where a value would lie as it arrives: no copy
 * more than one, and no bytes of it aside.
 */
export const STREAMED_BYTES = 1024;
/** Longest key: never one that might be streamed. */
export const KEY_BYTES: number = STREAMED_BYTES - 1;
/** Replies of one client that may wait to be sent; then its commands wait. */
export const REPLY_BYTES: number = 256 << 10;
