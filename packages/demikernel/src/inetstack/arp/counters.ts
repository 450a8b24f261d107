// What the address resolution protocol counts.

export const ARP_COUNTERS = [
  'requestsReceived',
  'repliesReceived',
  'requestsSent',
  'repliesSent',
  'malformed',
  'unsolicitedIgnored',
  'conflicts',
  'failures',
  'evicted',
  'tableFull',
  'noSlot',
] as const;
export const REQUESTS_RECEIVED = 0;
export const REPLIES_RECEIVED = 1;
export const REQUESTS_SENT = 2;
export const REPLIES_SENT = 3;
export const MALFORMED = 4;
export const UNSOLICITED_IGNORED = 5;
export const CONFLICTS = 6;
export const FAILURES = 7;
export const EVICTED = 8;
export const TABLE_FULL = 9;
export const NO_SLOT = 10;
