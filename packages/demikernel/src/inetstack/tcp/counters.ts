// What TCP counts: every drop has a name. Indices into the layer's counter group.

export const RECEIVED = 0;
export const SENT = 1;
export const DROP_HEADER = 2;
export const DROP_CHECKSUM = 3;
export const DROP_NO_CONNECTION = 4;
export const DROP_PAWS = 5;
export const DROP_NO_TIMESTAMP = 6;
export const DROP_OUT_OF_WINDOW = 7;
export const DROP_BAD_ACK = 8;
export const DROP_NO_ACK = 9;
export const DROP_BAD_RESET = 10;
export const DROP_REASSEMBLY_FULL = 11;
export const DROP_RECEIVE_MEMORY = 12;
export const DROP_AFTER_CLOSE = 13;
export const DROP_DUPLICATE = 14;
export const DROP_SYN_QUEUE_FULL = 15;
export const DROP_ACCEPT_QUEUE_FULL = 16;
export const DROP_TABLE_FULL = 17;
export const DROP_NO_ROUTE = 18;
export const DROP_BAD_SYN = 19;
export const FAST_PATH = 20;
export const COALESCED = 21;
export const OUT_OF_ORDER = 22;
export const CHALLENGE_ACK = 23;
export const CHALLENGE_LIMITED = 24;
export const RESET_SENT = 25;
export const RESET_LIMITED = 26;
export const RESET_RECEIVED = 27;
export const RETRANSMIT_TIMEOUT = 28;
export const FAST_RETRANSMIT = 29;
export const RETRANSMITTED = 30;
export const SPURIOUS_TIMEOUT = 31;
export const WINDOW_PROBE = 32;
export const KEEPALIVE_PROBE = 33;
export const DELAYED_ACK = 34;
export const NO_SLOT = 35;
export const ACTIVE_OPEN = 36;
export const PASSIVE_OPEN = 37;
export const ESTABLISHED_COUNT = 38;
export const HALF_OPEN_EVICTED = 39;
export const TIME_WAIT_EVICTED = 40;
export const TIME_WAIT_REUSED = 41;
export const ORPHAN_ABORTED = 42;
export const TIMED_OUT = 43;
export const PATH_MTU_LOWERED = 44;
export const ICMP_IGNORED = 45;
export const COOKIE_SENT = 46;
export const COOKIE_TAKEN = 47;
export const COOKIE_BAD = 48;
export const EXPORTED = 49;
export const IMPORTED = 50;
export const IMPORT_REFUSED = 51;
export const HELD = 52;
export const HELD_DROPPED = 53;
export const HELD_FORWARDED = 54;
export const STRANGER = 55;

export const TCP_COUNTERS = [
  'received',
  'sent',
  'dropHeader',
  'dropChecksum',
  'dropNoConnection',
  'dropPaws',
  'dropNoTimestamp',
  'dropOutOfWindow',
  'dropBadAck',
  'dropNoAck',
  'dropBadReset',
  'dropReassemblyFull',
  'dropReceiveMemory',
  'dropAfterClose',
  'dropDuplicate',
  'dropSynQueueFull',
  'dropAcceptQueueFull',
  'dropTableFull',
  'dropNoRoute',
  'dropBadSyn',
  'fastPath',
  'coalesced',
  'outOfOrder',
  'challengeAck',
  'challengeLimited',
  'resetSent',
  'resetLimited',
  'resetReceived',
  'retransmitTimeout',
  'fastRetransmit',
  'retransmitted',
  'spuriousTimeout',
  'windowProbe',
  'keepaliveProbe',
  'delayedAck',
  'noSlot',
  'activeOpen',
  'passiveOpen',
  'established',
  'halfOpenEvicted',
  'timeWaitEvicted',
  'timeWaitReused',
  'orphanAborted',
  'timedOut',
  'pathMtuLowered',
  'icmpIgnored',
  'synCookieSent',
  'synCookieTaken',
  'synCookieBad',
  'exported',
  'imported',
  'importRefused',
  'held',
  'heldDropped',
  'heldForwarded',
  'stranger',
] as const;

/** Adds one to a counter. */
export function count(counters: Float64Array, index: number): void {
  counters[index] = counters[index]! + 1;
}
