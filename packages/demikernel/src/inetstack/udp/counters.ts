// What UDP counts, by name.

export const UDP_COUNTERS = [
  'received',
  'delivered',
  'truncated',
  'badLength',
  'badChecksum',
  'noPort',
  'receiveQueueFull',
  'receiveMemoryFull',
  'sent',
  'fragmentsSent',
  'noSlot',
  'unresolvedDropped',
  'unreachableDropped',
  'icmpErrors',
  'icmpUnknown',
] as const;
export const RECEIVED = 0;
export const DELIVERED = 1;
export const TRUNCATED = 2;
export const BAD_LENGTH = 3;
export const BAD_CHECKSUM = 4;
export const NO_PORT = 5;
export const RECEIVE_QUEUE_FULL = 6;
export const RECEIVE_MEMORY_FULL = 7;
export const SENT = 8;
export const FRAGMENTS_SENT = 9;
export const NO_SLOT = 10;
export const UNRESOLVED_DROPPED = 11;
export const UNREACHABLE_DROPPED = 12;
export const ICMP_ERRORS = 13;
export const ICMP_UNKNOWN = 14;
