// The header of every migration message: 64 bytes at constant offsets, so that an XDP program can read and rewrite it.
// What a message means to origin and target is origin.ts and target.ts; the page docs/capybara-protocol.md draws it.

import type { SipHash } from 'demikernel/migration';

/** UDP port of migration messages, at the switch and at every backend. */
export const MIGRATION_PORT = 20_717;

/** `DMIG` in the order of the wire, read as a little-endian word. */
export const MAGIC = 0x47494d44;
export const VERSION = 1;
export const HEADER_BYTES = 64;
/** Bytes of state in one message at most: an Ethernet frame of 1500 less IPv4, UDP and this header. */
export const FRAGMENT_BYTES = 1408;
/** Fragments of one state at most. */
export const MAX_FRAGMENTS = 0xffff;

// Offsets. Addresses and ports lie as in a packet from the client, in network order; all other numbers are little-endian.
export const AT_MAGIC = 0;
export const AT_VERSION = 4;
export const AT_STAGE = 5;
export const AT_FLAGS = 6;
export const AT_VERDICT = 7;
export const AT_CLIENT_ADDRESS = 8;
export const AT_VIRTUAL_ADDRESS = 12;
export const AT_CLIENT_PORT = 16;
export const AT_VIRTUAL_PORT = 18;
export const AT_EPOCH = 20;
export const AT_IDENTIFIER = 24;
export const AT_ORIGIN = 32;
export const AT_TARGET = 34;
export const AT_FRAGMENT_INDEX = 36;
export const AT_FRAGMENT_COUNT = 38;
/** Of all stages but STATE and STATE_ACK, which have the fragment's numbers there. */
export const AT_BOOT = 36;
export const AT_TOTAL_BYTES = 40;
export const AT_PAYLOAD_BYTES = 44;
export const AT_SENDER = 46;
export const AT_ENTRY_EPOCH = 48;
export const AT_ENTRY_OWNER = 52;
export const AT_ENTRY_TARGET = 54;
export const AT_MAC = 56;

// Stages, with what the switch does when one passes.
/** Origin to target: will you take it? The switch fills in `epoch`, and `target` when it is {@link ANY_BACKEND}. */
export const PREPARE = 1;
/** Target to origin: I buffer. The switch makes OWNED(origin, epoch) PREPARED(origin → target, epoch). */
export const PREPARE_ACK = 2;
/** Target, or the switch, to origin: no; `verdict` says why. */
export const REJECT = 3;
/** Origin to target: one fragment of the sealed state. */
export const STATE = 4;
/** Target to origin: fragment `fragmentIndex` has arrived. */
export const STATE_ACK = 5;
/** Target to switch: make PREPARED(origin → target, epoch) OWNED(target, epoch + 1). Bounced as VERDICT. */
export const COMMIT = 6;
/** Origin to switch: make OWNED or PREPARED(origin, epoch) OWNED(origin, epoch + 1). Bounced as VERDICT. */
export const CLAIM_BACK = 7;
/** Switch to whoever asked: `verdict`, and the entry as it is now. */
export const VERDICT = 8;
/**
 * Origin to target, or target to origin: forget this migration; or, with {@link VERDICT_UNKNOWN}, the target asks what the origin
 * knows, or, with {@link VERDICT_OWNED}, the origin says that the connection is the target's. The switch only forwards it.
 */
export const ABORT = 9;
/** Target to switch: I discarded it; make PREPARED(origin → target, epoch) OWNED(origin, epoch + 1). Bounced as VERDICT. */
export const RELEASE = 10;
/** Any backend to switch: who owns it? Bounced as VERDICT. */
export const QUERY = 11;
/** Target to origin: I own it since epoch; release what you keep. */
export const MOVED = 12;
/** Backend to switch: load and health, in the payload. */
export const HEARTBEAT = 13;
/** Backend to switch: I own this connection at `epoch`. Entered when there is no entry, or one of an older epoch. Bounced as VERDICT. */
export const RELEARN = 14;
/** The last stage that a backend sends: the switch's program drops what is beyond. */
export const LAST_BACKEND_STAGE = 14;
/** Controller to the owner: move the connection to `target`. Obeyed while the entry has this `epoch`; nobody answers it. */
export const ORDER = 15;
export const LAST_STAGE = 15;

/** Flag: `totalBytes` of a PREPARE is an estimate that the target need not reserve. */
export const FLAG_ESTIMATE = 1;

/** `target` of a PREPARE: the backend with the least load. Also: no backend. */
export const ANY_BACKEND = 0xffff;

// Verdicts of the switch.
/** The claim holds: the sender owns the connection from `entryEpoch` on. */
export const VERDICT_OWNED = 1;
/** The claim does not hold; the entry says who has the connection. */
export const VERDICT_LOST = 2;
/** The switch has no entry for the connection. */
export const VERDICT_UNKNOWN = 3;
/** The switch has been restarted and does not know yet: ask again. */
export const VERDICT_LEARNING = 4;
/** The answer to a QUERY: no claim was made. */
export const VERDICT_ENTRY = 5;
/** The message names another start of the switch: nothing was done, and `boot` is the present one's. */
export const VERDICT_STALE = 6;

// Reasons of a REJECT.
/** The target takes no more for now. */
export const REASON_BUSY = 16;
/** The switch: the sender does not own the connection. */
export const REASON_NOT_OWNER = 17;
/** The switch: no such target, or it is down. */
export const REASON_NO_TARGET = 18;
/** Nobody listens on that address and port at the target. */
export const REASON_NO_LISTENER = 19;
/** The target has a connection with these addresses and ports. */
export const REASON_EXISTS = 20;
/** The state is larger than the target takes. */
export const REASON_TOO_LARGE = 21;
/** The state did not open, or is not a connection's. */
export const REASON_BAD_STATE = 22;
/** The application at the target would not have it. */
export const REASON_REFUSED = 23;
/** The target has nothing of this attempt, and never will: it gave it up, or never heard of it. */
export const REASON_GONE = 24;

/** Names for people, by stage. */
export const STAGE_NAMES: readonly string[] = [
  'NONE',
  'PREPARE',
  'PREPARE_ACK',
  'REJECT',
  'STATE',
  'STATE_ACK',
  'COMMIT',
  'CLAIM_BACK',
  'VERDICT',
  'ABORT',
  'RELEASE',
  'QUERY',
  'MOVED',
  'HEARTBEAT',
  'RELEARN',
  'ORDER',
];

/** One header; every field an int32. Reused: make one per reader and one per writer. */
export class MigrationHeader {
  stage: number;
  flags: number;
  verdict: number;
  clientAddress: number;
  virtualAddress: number;
  clientPort: number;
  virtualPort: number;
  /** Epoch of the switch's entry that the message speaks of; 0 in a PREPARE: the switch fills it in. */
  epoch: number;
  identifierLow: number;
  identifierHigh: number;
  origin: number;
  target: number;
  fragmentIndex: number;
  fragmentCount: number;
  /** Which start of the switch the message is for, as far as its sender knows; of a VERDICT, the present one. */
  boot: number;
  /** Bytes of the whole sealed state. */
  totalBytes: number;
  /** Bytes behind the header. */
  payloadBytes: number;
  /** Backend that sent the message; of a VERDICT, the one it answers. */
  sender: number;
  /** The switch's entry as of a VERDICT or REJECT of its own. */
  entryEpoch: number;
  entryOwner: number;
  /** Whom the entry is PREPARED for; {@link ANY_BACKEND} when it is OWNED. */
  entryTarget: number;

  constructor() {
    this.stage = 0;
    this.flags = 0;
    this.verdict = 0;
    this.clientAddress = 0;
    this.virtualAddress = 0;
    this.clientPort = 0;
    this.virtualPort = 0;
    this.epoch = 0;
    this.identifierLow = 0;
    this.identifierHigh = 0;
    this.origin = 0;
    this.target = ANY_BACKEND;
    this.fragmentIndex = 0;
    this.fragmentCount = 0;
    this.boot = 0;
    this.totalBytes = 0;
    this.payloadBytes = 0;
    this.sender = 0;
    this.entryEpoch = 0;
    this.entryOwner = ANY_BACKEND;
    this.entryTarget = ANY_BACKEND;
  }
}

/** Writes 64 bytes at `offset`, the MAC among them. */
export function writeHeader(h: MigrationHeader, view: DataView, offset: number, mac: HeaderMac): void {
  view.setInt32(offset + AT_MAGIC, MAGIC, true);
  view.setUint8(offset + AT_VERSION, VERSION);
  view.setUint8(offset + AT_STAGE, h.stage);
  view.setUint8(offset + AT_FLAGS, h.flags);
  view.setUint8(offset + AT_VERDICT, h.verdict);
  view.setInt32(offset + AT_CLIENT_ADDRESS, h.clientAddress);
  view.setInt32(offset + AT_VIRTUAL_ADDRESS, h.virtualAddress);
  view.setUint16(offset + AT_CLIENT_PORT, h.clientPort);
  view.setUint16(offset + AT_VIRTUAL_PORT, h.virtualPort);
  view.setInt32(offset + AT_EPOCH, h.epoch, true);
  view.setInt32(offset + AT_IDENTIFIER, h.identifierLow, true);
  view.setInt32(offset + AT_IDENTIFIER + 4, h.identifierHigh, true);
  view.setUint16(offset + AT_ORIGIN, h.origin, true);
  view.setUint16(offset + AT_TARGET, h.target, true);
  if (h.stage === STATE || h.stage === STATE_ACK) {
    view.setUint16(offset + AT_FRAGMENT_INDEX, h.fragmentIndex, true);
    view.setUint16(offset + AT_FRAGMENT_COUNT, h.fragmentCount, true);
  } else view.setInt32(offset + AT_BOOT, h.boot, true);
  view.setInt32(offset + AT_TOTAL_BYTES, h.totalBytes, true);
  view.setUint16(offset + AT_PAYLOAD_BYTES, h.payloadBytes, true);
  view.setUint16(offset + AT_SENDER, h.sender, true);
  view.setInt32(offset + AT_ENTRY_EPOCH, h.entryEpoch, true);
  view.setUint16(offset + AT_ENTRY_OWNER, h.entryOwner, true);
  view.setUint16(offset + AT_ENTRY_TARGET, h.entryTarget, true);
  mac.sign(view, offset);
}

/**
 * Reads and checks a header: magic, version, stage, length, MAC.
 *
 * @param lengthBytes header and payload as they arrived; bytes behind the payload are ignored (Ethernet pads)
 * @returns false when it is none that somebody with the key has made; `h` is then as it was
 */
export function parseHeader(
  h: MigrationHeader,
  view: DataView,
  offset: number,
  lengthBytes: number,
  mac: HeaderMac,
): boolean {
  if (lengthBytes < HEADER_BYTES || offset + lengthBytes > view.byteLength) return false;
  if (view.getInt32(offset + AT_MAGIC, true) !== MAGIC) return false;
  if (view.getUint8(offset + AT_VERSION) !== VERSION) return false;
  const stage = view.getUint8(offset + AT_STAGE);
  if (stage < PREPARE || stage > LAST_STAGE) return false;
  const payloadBytes = view.getUint16(offset + AT_PAYLOAD_BYTES, true);
  if (HEADER_BYTES + payloadBytes > lengthBytes) return false;
  if (!mac.verify(view, offset)) return false;
  h.stage = stage;
  h.flags = view.getUint8(offset + AT_FLAGS);
  h.verdict = view.getUint8(offset + AT_VERDICT);
  h.clientAddress = view.getInt32(offset + AT_CLIENT_ADDRESS);
  h.virtualAddress = view.getInt32(offset + AT_VIRTUAL_ADDRESS);
  h.clientPort = view.getUint16(offset + AT_CLIENT_PORT);
  h.virtualPort = view.getUint16(offset + AT_VIRTUAL_PORT);
  h.epoch = view.getInt32(offset + AT_EPOCH, true);
  h.identifierLow = view.getInt32(offset + AT_IDENTIFIER, true);
  h.identifierHigh = view.getInt32(offset + AT_IDENTIFIER + 4, true);
  h.origin = view.getUint16(offset + AT_ORIGIN, true);
  h.target = view.getUint16(offset + AT_TARGET, true);
  const isFragment = stage === STATE || stage === STATE_ACK;
  h.fragmentIndex = isFragment ? view.getUint16(offset + AT_FRAGMENT_INDEX, true) : 0;
  h.fragmentCount = isFragment ? view.getUint16(offset + AT_FRAGMENT_COUNT, true) : 0;
  h.boot = isFragment ? 0 : view.getInt32(offset + AT_BOOT, true);
  h.totalBytes = view.getInt32(offset + AT_TOTAL_BYTES, true);
  h.payloadBytes = payloadBytes;
  h.sender = view.getUint16(offset + AT_SENDER, true);
  h.entryEpoch = view.getInt32(offset + AT_ENTRY_EPOCH, true);
  h.entryOwner = view.getUint16(offset + AT_ENTRY_OWNER, true);
  h.entryTarget = view.getUint16(offset + AT_ENTRY_TARGET, true);
  return true;
}

/** The keyed MAC of a header: SipHash-2-4 over its first 56 bytes as little-endian words. Whoever rewrites one signs it anew. */
export class HeaderMac {
  private readonly hash: SipHash;
  private readonly words: Int32Array;

  /** @param hash keyed with the fleet's header key */
  constructor(hash: SipHash) {
    this.hash = hash;
    this.words = new Int32Array(AT_MAC / 4);
  }

  sign(view: DataView, offset: number): void {
    this.compute(view, offset);
    view.setInt32(offset + AT_MAC, this.hash.low, true);
    view.setInt32(offset + AT_MAC + 4, this.hash.high, true);
  }

  verify(view: DataView, offset: number): boolean {
    this.compute(view, offset);
    // Both halves always: the time says nothing about which one differs.
    const low = view.getInt32(offset + AT_MAC, true) ^ this.hash.low;
    const high = view.getInt32(offset + AT_MAC + 4, true) ^ this.hash.high;
    return (low | high) === 0;
  }

  private compute(view: DataView, offset: number): void {
    const { words } = this;
    for (let i = 0; i < words.length; i++) words[i] = view.getInt32(offset + i * 4, true);
    this.hash.hash(words);
  }
}
