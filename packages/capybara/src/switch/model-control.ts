// Control messages at the switch, as the XDP program handles them: who owns a connection is decided here, by exchanging a
// flow's entry against what the message expects. The layout of messages is tcpmig/header.ts; frames come from model.ts.
//
//   PREPARE      OWNED(origin)                  -> target and epoch filled in, on to the target
//   PREPARE_ACK  OWNED(origin, e)               -> PREPARED(origin, target, e), on to the origin
//   COMMIT       PREPARED(origin, target, e)    -> OWNED(target, e + 1)      \
//   RELEASE      PREPARED(origin, target, e)    -> OWNED(origin, e + 1)       | back to the sender as VERDICT,
//   CLAIM_BACK   OWNED or PREPARED(origin, e)   -> OWNED(origin, e + 1)       | with the entry as it is now
//   RELEARN      no entry, or an older epoch    -> OWNED(sender, e)           |
//   QUERY                                                                    /
//
// A message that comes again when it has done its work gets the same answer. All others change nothing. Messages that change
// entries name the start of the switch that they are for; those of an earlier one are told so, and change nothing.

import { SipHash } from 'demikernel/migration';
import * as H from '../tcpmig/header.ts';
import * as L from './layout.ts';
import type { ModelState } from './model-state.ts';

const ETHERNET_BYTES = 14;
const IP = ETHERNET_BYTES;
/** IPv4 without options: control messages carry none. */
const UDP = IP + 20;
const MESSAGE = UDP + 8;

const { DROP, PASS, PATH, REDIRECT, TRANSMIT } = L;
/** Action of {@link ModelControl.receive}: back out of the port it came in by. */
export const BOUNCED = 5;

/** The part of the model that answers control messages. */
export class ModelControl {
  outPort: number;
  path: number;
  readonly #state: ModelState;
  // Keyed again when the key in the tables is another.
  readonly #key: Int32Array;
  #mac: H.HeaderMac;
  // The entry, as looked up.
  #flow: number;
  #epoch: number;
  #ownership: number;

  constructor(state: ModelState) {
    this.outPort = L.NONE;
    this.path = 0;
    this.#state = state;
    this.#key = new Int32Array(4);
    this.#mac = new H.HeaderMac(new SipHash(0, 0, 0, 0));
    this.#flow = -1;
    this.#epoch = 0;
    this.#ownership = 0;
  }

  /** Takes a UDP frame for the control port of the switch's address. */
  receive(v: DataView, o: number, length: number): number {
    this.outPort = L.NONE;
    if (!isMessage(v, o, length)) return this.#end(PATH.malformedControl, DROP);
    this.#rekey();
    const m = o + MESSAGE;
    if (!this.#mac.verify(v, m)) return this.#end(PATH.badMac, DROP);
    const stage = v.getUint8(m + H.AT_STAGE);
    if (stage === H.HEARTBEAT) return this.#end(PATH.heartbeat, PASS);
    const sender = v.getUint16(m + H.AT_SENDER, true);
    if (!this.#isFrom(sender, v, o) || !mayStage(stage, sender, v, m))
      return this.#end(PATH.wrongSender, DROP);
    const peer = forwardedTo(stage, sender, v, m);
    if (peer >= 0) return this.#forward(peer, PATH.controlForwarded, v, o, length);
    const s = this.#state;
    s.clientAddress = v.getInt32(m + H.AT_CLIENT_ADDRESS, true);
    s.virtualAddress = v.getInt32(m + H.AT_VIRTUAL_ADDRESS, true);
    s.ports = v.getInt32(m + H.AT_CLIENT_PORT, true);
    this.#look(s.lookup());
    if (((BOUND_STAGES >>> stage) & 1) !== 0 && v.getInt32(m + H.AT_BOOT, true) !== s.tables.boot)
      return this.#bounce(H.VERDICT, H.VERDICT_STALE, PATH.staleBoot, v, o);
    if (stage === H.PREPARE) return this.#prepare(v, o, length);
    if (stage === H.PREPARE_ACK) return this.#prepareAck(v, o, length);
    const verdict = this.#claim(stage, sender, v, m);
    if (verdict < 0) return this.#end(PATH.raced, DROP);
    return this.#bounce(H.VERDICT, verdict, PATH.verdict, v, o);
  }

  #end(path: number, action: number): number {
    this.path = path;
    return action;
  }

  #look(flow: number): void {
    const { words } = this.#state;
    this.#flow = flow;
    this.#epoch = flow < 0 ? 0 : words[flow >> 2]!;
    this.#ownership = flow < 0 ? 0 : words[(flow + L.FLOW_OWNERSHIP) >> 2]!;
  }

  #change(epoch: number, ownership: number): void {
    const { words } = this.#state;
    words[this.#flow >> 2] = epoch;
    words[(this.#flow + L.FLOW_OWNERSHIP) >> 2] = ownership;
    this.#look(this.#flow);
  }

  #isFrom(sender: number, v: DataView, o: number): boolean {
    const s = this.#state;
    if (sender >= L.MAX_BACKENDS || s.backendState(sender) === L.BACKEND_ABSENT) return false;
    if (!s.tables.fence) return true;
    const at = L.AT_BACKENDS + sender * L.BACKEND_BYTES + L.BACKEND_MAC;
    return s.view.getUint32(at) === v.getUint32(o + 6) && s.view.getUint16(at + 4) === v.getUint16(o + 10);
  }

  #unknown(): number {
    return this.#state.tables.learning ? H.VERDICT_LEARNING : H.VERDICT_UNKNOWN;
  }

  #prepare(v: DataView, o: number, length: number): number {
    const m = o + MESSAGE;
    const origin = v.getUint16(m + H.AT_ORIGIN, true);
    let target = v.getUint16(m + H.AT_TARGET, true);
    if (this.#flow < 0) return this.#bounce(H.REJECT, this.#unknown(), PATH.rejected, v, o);
    if ((this.#ownership & L.BACKEND_MASK) !== origin)
      return this.#bounce(H.REJECT, H.REASON_NOT_OWNER, PATH.rejected, v, o);
    if (this.#ownership >= L.PHASE_PREPARED) {
      // It has passed before: on to whom it went then.
      const prepared = (this.#ownership >> L.TARGET_SHIFT) & L.BACKEND_MASK;
      if (target !== prepared && target !== H.ANY_BACKEND)
        return this.#bounce(H.REJECT, H.REASON_NOT_OWNER, PATH.rejected, v, o);
      target = prepared;
    } else if (target === H.ANY_BACKEND) {
      target = this.#state.leastLoaded(origin);
    }
    if (
      target >= L.MAX_BACKENDS ||
      target === origin ||
      this.#state.backendState(target) !== L.BACKEND_ACTIVE
    )
      return this.#bounce(H.REJECT, H.REASON_NO_TARGET, PATH.rejected, v, o);
    v.setUint16(m + H.AT_TARGET, target, true);
    v.setInt32(m + H.AT_EPOCH, this.#epoch, true);
    v.setInt32(m + H.AT_BOOT, this.#state.tables.boot, true);
    this.#mac.sign(v, m);
    return this.#forward(target, PATH.prepare, v, o, length);
  }

  #prepareAck(v: DataView, o: number, length: number): number {
    const m = o + MESSAGE;
    const origin = v.getUint16(m + H.AT_ORIGIN, true);
    const target = v.getUint16(m + H.AT_TARGET, true);
    const epoch = v.getInt32(m + H.AT_EPOCH, true);
    if (this.#flow < 0) return this.#bounce(H.VERDICT, this.#unknown(), PATH.verdict, v, o);
    const prepared = L.PHASE_PREPARED | (target << L.TARGET_SHIFT) | origin;
    if (this.#epoch !== epoch || target === origin)
      return this.#bounce(H.VERDICT, H.VERDICT_LOST, PATH.verdict, v, o);
    if (this.#ownership === (L.PHASE_OWNED | origin)) this.#change(epoch, prepared);
    else if (this.#ownership !== prepared) return this.#bounce(H.VERDICT, H.VERDICT_LOST, PATH.verdict, v, o);
    return this.#forward(origin, PATH.prepareAck, v, o, length);
  }

  /** COMMIT, CLAIM_BACK, RELEASE, QUERY and RELEARN: the verdict, or -1 when somebody else was at it. */
  #claim(stage: number, sender: number, v: DataView, m: number): number {
    const epoch = v.getInt32(m + H.AT_EPOCH, true);
    if (stage === H.RELEARN) return this.#relearn(sender, epoch);
    if (this.#flow < 0) return this.#unknown();
    if (stage === H.QUERY) return H.VERDICT_ENTRY;
    const origin = v.getUint16(m + H.AT_ORIGIN, true);
    const target = v.getUint16(m + H.AT_TARGET, true);
    const next = (epoch + 1) | 0;
    const to = stage === H.COMMIT ? target : origin;
    const won = stage === H.RELEASE ? H.VERDICT_ENTRY : H.VERDICT_OWNED;
    const lost = stage === H.RELEASE ? H.VERDICT_ENTRY : H.VERDICT_LOST;
    if (this.#epoch === next && this.#ownership === (L.PHASE_OWNED | to)) return won;
    if (this.#epoch !== epoch || target === origin) return lost;
    const holds =
      stage === H.CLAIM_BACK
        ? (this.#ownership & L.BACKEND_MASK) === origin
        : this.#ownership === (L.PHASE_PREPARED | (target << L.TARGET_SHIFT) | origin);
    if (!holds) return lost;
    this.#change(next, L.PHASE_OWNED | to);
    this.#state.countConnections(origin, -1);
    this.#state.countConnections(to, 1);
    return won;
  }

  #relearn(sender: number, epoch: number): number {
    const s = this.#state;
    const state = L.PHASE_OWNED | sender;
    if (this.#flow < 0) {
      const uplink = s.words[L.AT_UPLINK >> 2]!;
      const inserted = s.insert(epoch, state, L.FLOW_ESTABLISHED, uplink, 0);
      if (inserted === L.INSERT_FULL) return H.VERDICT_UNKNOWN;
      if (inserted !== L.INSERTED) return -1;
      s.countConnections(sender, 1);
      this.#look(s.lookup());
      return H.VERDICT_OWNED;
    }
    if (this.#epoch === epoch && this.#ownership === state) return H.VERDICT_OWNED;
    if (((epoch - this.#epoch) | 0) <= 0) return H.VERDICT_LOST;
    const from = this.#ownership & L.BACKEND_MASK;
    this.#change(epoch, state);
    s.countConnections(from, -1);
    s.countConnections(sender, 1);
    return H.VERDICT_OWNED;
  }

  /** Writes verdict and entry into the message and sends it back. */
  #bounce(stage: number, verdict: number, path: number, v: DataView, o: number): number {
    const m = o + MESSAGE;
    const known = this.#flow >= 0;
    const prepared = this.#ownership >= L.PHASE_PREPARED;
    v.setUint8(m + H.AT_STAGE, stage);
    v.setUint8(m + H.AT_VERDICT, verdict);
    v.setInt32(m + H.AT_BOOT, this.#state.tables.boot, true);
    v.setInt32(m + H.AT_ENTRY_EPOCH, this.#epoch, true);
    v.setUint16(m + H.AT_ENTRY_OWNER, known ? this.#ownership & L.BACKEND_MASK : H.ANY_BACKEND, true);
    v.setUint16(
      m + H.AT_ENTRY_TARGET,
      prepared ? (this.#ownership >> L.TARGET_SHIFT) & L.BACKEND_MASK : H.ANY_BACKEND,
      true,
    );
    this.#mac.sign(v, m);
    for (let i = 0; i < 6; i++) swap8(v, o + i, o + 6 + i);
    for (let i = 0; i < 4; i++) swap8(v, o + IP + 12 + i, o + IP + 16 + i);
    for (let i = 0; i < 2; i++) swap8(v, o + UDP + i, o + UDP + 2 + i);
    // No checksum (RFC 768): the MAC says more.
    v.setUint16(o + UDP + 6, 0);
    return this.#end(path, BOUNCED);
  }

  /** Sends the message on to a backend's own address. */
  #forward(backend: number, path: number, v: DataView, o: number, length: number): number {
    const s = this.#state;
    if (backend >= L.MAX_BACKENDS || s.backendState(backend) === L.BACKEND_ABSENT)
      return this.#end(PATH.noTarget, DROP);
    const at = L.AT_BACKENDS + backend * L.BACKEND_BYTES;
    for (let i = 0; i < 6; i++) {
      v.setUint8(o + i, s.view.getUint8(at + L.BACKEND_MAC + i));
      v.setUint8(o + 6 + i, s.view.getUint8(at + L.BACKEND_SOURCE_MAC + i));
    }
    v.setInt32(o + IP + 16, s.view.getInt32(at + L.BACKEND_ADDRESS));
    v.setUint16(o + IP + 10, 0);
    v.setUint16(o + IP + 10, headerChecksum(v, o + IP));
    v.setUint16(o + UDP + 6, 0);
    s.countBackend(backend, length);
    const port = s.view.getUint16(at + L.BACKEND_PORT, true);
    if (port === L.NONE) return this.#end(path, TRANSMIT);
    this.outPort = port;
    return this.#end(path, REDIRECT);
  }

  #rekey(): void {
    const key = this.#key;
    const { words } = this.#state;
    const at = L.AT_HEADER_KEY >> 2;
    if (
      key[0] === words[at] &&
      key[1] === words[at + 1] &&
      key[2] === words[at + 2] &&
      key[3] === words[at + 3]
    )
      return;
    for (let i = 0; i < 4; i++) key[i] = words[at + i]!;
    this.#mac = new H.HeaderMac(new SipHash(key[0]!, key[1]!, key[2]!, key[3]!));
  }
}

/** A whole datagram without IP options or fragments, with a header of a stage that is not the switch's own. */
function isMessage(v: DataView, o: number, length: number): boolean {
  if (length < MESSAGE + H.HEADER_BYTES || v.getUint8(o + IP) !== 0x45) return false;
  if ((v.getUint16(o + IP + 6) & 0x3fff) !== 0) return false;
  const datagramBytes = v.getUint16(o + UDP + 4);
  if (datagramBytes + 20 !== v.getUint16(o + IP + 2) || length < UDP + datagramBytes) return false;
  const m = o + MESSAGE;
  if (v.getInt32(m + H.AT_MAGIC, true) !== H.MAGIC || v.getUint8(m + H.AT_VERSION) !== H.VERSION)
    return false;
  const stage = v.getUint8(m + H.AT_STAGE);
  if (stage < H.PREPARE || stage > H.LAST_BACKEND_STAGE || stage === H.VERDICT) return false;
  return v.getUint16(m + H.AT_PAYLOAD_BYTES, true) + H.HEADER_BYTES + 8 <= datagramBytes;
}

/** Whether a backend may send this: as the origin or the target that the message names. */
function mayStage(stage: number, sender: number, v: DataView, m: number): boolean {
  const isOrigin = sender === v.getUint16(m + H.AT_ORIGIN, true);
  const isTarget = sender === v.getUint16(m + H.AT_TARGET, true);
  if (((ORIGIN_STAGES >>> stage) & 1) !== 0) return isOrigin;
  if (((TARGET_STAGES >>> stage) & 1) !== 0)
    return isTarget && v.getUint16(m + H.AT_ORIGIN, true) < L.MAX_BACKENDS;
  return stage !== H.ABORT || isOrigin || isTarget;
}

/** Stages that only the origin sends, a bit each; then the target's. */
export const ORIGIN_STAGES: number = (1 << H.PREPARE) | (1 << H.STATE) | (1 << H.CLAIM_BACK);
export const TARGET_STAGES: number =
  (1 << H.PREPARE_ACK) |
  (1 << H.REJECT) |
  (1 << H.STATE_ACK) |
  (1 << H.COMMIT) |
  (1 << H.RELEASE) |
  (1 << H.MOVED);

/** Stages that change entries, a bit each: they name the start of the switch that they are for. */
export const BOUND_STAGES: number =
  (1 << H.PREPARE_ACK) | (1 << H.COMMIT) | (1 << H.CLAIM_BACK) | (1 << H.RELEASE) | (1 << H.RELEARN);

/** The backend that a message is only passed on to; -1 for the switch's own business. */
function forwardedTo(stage: number, sender: number, v: DataView, m: number): number {
  const origin = v.getUint16(m + H.AT_ORIGIN, true);
  const target = v.getUint16(m + H.AT_TARGET, true);
  if (stage === H.STATE) return target;
  if (stage === H.STATE_ACK || stage === H.REJECT || stage === H.MOVED) return origin;
  if (stage === H.ABORT) return sender === origin ? target : origin;
  return -1;
}

/** Checksum of a header of 20 bytes whose checksum field is 0 (RFC 1071). */
function headerChecksum(v: DataView, at: number): number {
  let sum = 0;
  for (let i = 0; i < 20; i += 2) sum += v.getUint16(at + i);
  sum = (sum & 0xffff) + (sum >>> 16);
  sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function swap8(v: DataView, a: number, b: number): void {
  const held = v.getUint8(a);
  v.setUint8(a, v.getUint8(b));
  v.setUint8(b, held);
}
