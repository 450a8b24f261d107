// Where everything stands in the switch's one piece of memory, which the XDP program, its model and JavaScript share.
// What the numbers mean to a packet is model.ts; who writes them from user space is tables.ts and flows.ts.
//
//   | config | ports | backends | active | schedule | Maglev | service ports | counters, per CPU | flows ........ |
//
// Numbers are little-endian; addresses and ports of packets lie as on the wire and are only compared.

/** Interfaces a switch can have. */
export const MAX_PORTS = 64;
/** Backends are numbered 0 to 255. */
export const MAX_BACKENDS = 256;
/** Virtual addresses. */
export const MAX_ADDRESSES = 8;
/** No backend, no port. */
export const NONE = 0xffff;

// Config words.
export const AT_POLICY = 0;
/** Milliseconds of the switch's clock, modulo 2^32: what `lastSeen` is taken from. */
export const AT_NOW = 4;
/** Not zero after a restart, until the backends have said what they own. */
export const AT_LEARNING = 8;
export const AT_ACTIVE_COUNT = 12;
export const AT_SCHEDULE_LENGTH = 16;
/** Next turn of the round robin. */
export const AT_TURN = 20;
/** Address that backends send control messages to; network order. */
export const AT_SWITCH_ADDRESS = 24;
/** Not zero: the source MAC address of replies and control messages must be that of the backend they speak for. */
export const AT_FENCE = 28;
/** Port for replies of connections without an entry; NONE leaves them to the kernel. */
export const AT_UPLINK = 32;
/** {@link FORMAT} once the defaults are written. */
export const AT_FORMAT = 36;
/** 16 bytes, of the keyed MAC of control messages. */
export const AT_HEADER_KEY = 40;
/** Two sets of seven secret words; see {@link multilinear}. */
export const AT_HASH_FIRST = 56;
export const AT_HASH_SECOND = 84;
export const HASH_WORDS = 7;
/** Virtual addresses in network order; 0 is none. */
export const AT_ADDRESSES = 112;
/** Drawn when the switch starts: claims of hosts name it, or they are of an earlier start. */
export const AT_BOOT = 144;

/** Which layout this is. */
export const FORMAT = 2;

// Policies for new connections.
export const POLICY_MAGLEV = 0;
export const POLICY_LEAST_LOADED = 1;
export const POLICY_ROUND_ROBIN = 2;

/** One record a port: the MAC address the switch has there. */
export const AT_PORTS = 256;
export const PORT_BYTES = 16;

export const AT_BACKENDS: number = AT_PORTS + MAX_PORTS * PORT_BYTES;
/** Two cache lines: one that is only read, one for the counts. */
export const BACKEND_BYTES = 128;
export const BACKEND_MAC = 0;
/** Port its frames leave by; NONE: the one they came in by. */
export const BACKEND_PORT = 6;
/** Its own address, for control messages; network order. */
export const BACKEND_ADDRESS = 8;
export const BACKEND_STATE = 12;
/** What one more connection weighs: 65536 / weight. */
export const BACKEND_COST = 16;
/** Load it reported, in the unit of connections x cost, added when the least loaded is sought. */
export const BACKEND_LOAD = 20;
/** The switch's MAC address on that port. */
export const BACKEND_SOURCE_MAC = 24;
/** For people and the tables: its share of new connections. */
export const BACKEND_WEIGHT = 32;
/** Entries it owns now. */
export const BACKEND_CONNECTIONS = 64;
/** Connections it was given, ever. */
export const BACKEND_OPENED = 68;

// States of a backend.
export const BACKEND_ABSENT = 0;
/** Takes new connections. */
export const BACKEND_ACTIVE = 1;
/** Keeps what it has, takes nothing new. */
export const BACKEND_DRAINING = 2;
/** Out of service: nothing is sent to it. */
export const BACKEND_DOWN = 3;

/** Active backends, u16 each, for the least-loaded choice. */
export const AT_ACTIVE: number = AT_BACKENDS + MAX_BACKENDS * BACKEND_BYTES;
/** The turns of the round robin, u16 each. */
export const AT_SCHEDULE: number = AT_ACTIVE + MAX_BACKENDS * 2;
export const MAX_SCHEDULE = 1024;
/** Maglev table, u16 each; a prime number of slots, 64 for each backend there can be. */
export const AT_MAGLEV: number = AT_SCHEDULE + MAX_SCHEDULE * 2;
export const MAGLEV_SLOTS = 16_381;
/** A bit for each TCP port served, 8 KiB for each virtual address. */
export const AT_SERVICES: number = AT_MAGLEV + 32_768;
export const SERVICE_BYTES = 8192;
/** Counters, a block a CPU. */
export const AT_COUNTERS: number = AT_SERVICES + MAX_ADDRESSES * SERVICE_BYTES;
/** Within a block: a u64 for each of {@link SWITCH_PATHS}, then packets and bytes of each backend, u64 each. */
export const COUNTERS_BACKENDS = 512;
export const BACKEND_COUNTER_BYTES = 16;
export const COUNTER_BLOCK_BYTES: number = 8192;

/** Ways a bucket of the flow table has. A flow may stand in either of two buckets. */
export const WAYS = 4;
export const FLOW_BYTES = 64;
export const BUCKET_BYTES: number = WAYS * FLOW_BYTES;

// A flow. Its first two words are the entry proper, changed only by compare-exchange of both at once.
export const FLOW_EPOCH = 0;
/** owner (12 bits), target (12 bits), phase (4 bits). */
export const FLOW_OWNERSHIP = 4;
export const FLOW_CLIENT_ADDRESS = 8;
export const FLOW_VIRTUAL_ADDRESS = 12;
export const FLOW_PORTS = 16;
export const FLOW_LAST_SEEN = 20;
export const FLOW_FLAGS = 24;
/** Port the client's packets come in by, where replies go out. */
export const FLOW_CLIENT_PORT = 28;
/** From the client: packets and bytes; from the backend: bytes. u64 each. */
export const FLOW_PACKETS = 32;
export const FLOW_BYTES_IN = 40;
export const FLOW_BYTES_OUT = 48;

// Phases, where they stand in the ownership word.
export const PHASE_SHIFT = 24;
export const PHASE_FREE = 0;
/** Being written; the epoch's word holds the first hash. */
export const PHASE_CLAIMED: number = 1 << PHASE_SHIFT;
export const PHASE_OWNED: number = 2 << PHASE_SHIFT;
export const PHASE_PREPARED: number = 3 << PHASE_SHIFT;
export const TARGET_SHIFT = 12;
export const BACKEND_MASK = 0xff;

// Flags of a flow: what has been seen of its end.
export const FLOW_ESTABLISHED = 1;
export const FLOW_CLIENT_FIN = 2;
export const FLOW_CLIENT_RST = 4;
export const FLOW_SERVER_FIN = 8;
export const FLOW_SERVER_RST = 16;

/** Which side of the switch a port is on. `both`: one interface for clients and backends. */
export type PortRole = 'client' | 'backend' | 'both';

/**
 * Every way through the program, by index in its counters: each frame adds one to exactly one of them.
 */
export const SWITCH_PATHS = [
  // Not ours: the kernel's.
  'otherEtherType',
  'otherArp',
  'otherAddress',
  'otherProtocol',
  'otherPort',
  'otherIcmp',
  'truncated',
  // Answered.
  'arp',
  // From clients, forwarded.
  'forwarded',
  'toTarget',
  'opened',
  'reassigned',
  'tableFull',
  'noEntry',
  'ownerDown',
  'icmp',
  // From clients, dropped.
  'malformed',
  'priorityTag',
  'fragment',
  'targetDown',
  'noBackend',
  'learning',
  'raced',
  'forgedControl',
  // From backends.
  'reply',
  'replyUnknown',
  'replyRouted',
  'fenced',
  // Control messages.
  'malformedControl',
  'badMac',
  'wrongSender',
  'staleBoot',
  'heartbeat',
  'controlForwarded',
  'noTarget',
  'prepare',
  'prepareAck',
  'rejected',
  'verdict',
] as const;

/** The name of a way through the program. */
export type SwitchPath = (typeof SWITCH_PATHS)[number];

/** Index of each way in the counters. */
export const PATH: Readonly<Record<SwitchPath, number>> = Object.fromEntries(
  SWITCH_PATHS.map((name, index) => [name, index]),
) as Record<SwitchPath, number>;

// What happens to a frame: the numbers of enum xdp_action.
export const DROP = 1;
/** To the kernel; in a simulation: to whomever its MAC address names. */
export const PASS = 2;
/** Out of the port it came in by. */
export const TRANSMIT = 3;
/** Out of another port. */
export const REDIRECT = 4;

// What entering a flow comes to.
export const INSERTED = 0;
/** Both buckets are full. */
export const INSERT_FULL = 1;
/** Another CPU enters the same one. */
export const INSERT_RACED = 2;

/** Buckets at most: a hash has 17 good bits. */
export const MAX_BUCKETS = 131_072;

/** How large the parts are that can be chosen. */
export interface Geometry {
  /** Buckets of the flow table: a power of two, 1 to {@link MAX_BUCKETS}. */
  readonly buckets: number;
  /** Counter blocks: the number of possible CPUs, rounded up to a power of two. */
  readonly cpus: number;
}

/** Offset of the flow table. */
export function flowsOffset(geometry: Geometry): number {
  return AT_COUNTERS + geometry.cpus * COUNTER_BLOCK_BYTES;
}

/** Size of the whole. */
export function memoryBytes(geometry: Geometry): number {
  return flowsOffset(geometry) + geometry.buckets * BUCKET_BYTES;
}

/**
 * The hash of the flow table: multilinear over 16-bit halves, bits 15 to 31 of the sum lowest; see the flow tables of the
 * network stack for why that withstands whoever chooses the keys. Two of them, with separate secrets, give the two buckets.
 *
 * @param words secrets at `at`: six multipliers and an addend
 */
export function multilinear(words: Int32Array, at: number, a: number, b: number, c: number): number {
  const sum =
    (Math.imul(words[at]!, a & 0xffff) +
      Math.imul(words[at + 1]!, a >>> 16) +
      Math.imul(words[at + 2]!, b & 0xffff) +
      Math.imul(words[at + 3]!, b >>> 16) +
      Math.imul(words[at + 4]!, c & 0xffff) +
      Math.imul(words[at + 5]!, c >>> 16) +
      words[at + 6]!) |
    0;
  return (sum >>> 15) | (sum << 17);
}

/** The Maglev slot of a flow by its second hash, of which 17 bits are good. */
export function maglevSlot(hash: number): number {
  return ((hash & 0x1_ffff) * MAGLEV_SLOTS) >>> 17;
}
