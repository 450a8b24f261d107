// Control messages in the switch's program: checked, and the entry of their connection exchanged or not. What each stage
// does is the table of model-control.ts; what is answered and passed on is program-answer.ts. R6 is the frame.

import {
  ETHERNET_SOURCE,
  IPV4_BYTES,
  IPV4_FRAGMENT,
  IPV4_TOTAL_LENGTH,
  needBytes,
  R0,
  R1,
  R2,
  R3,
  R4,
  R5,
  R6,
  R7,
  R8,
  R9,
  R10,
  UDP_BYTES,
  UDP_LENGTH,
} from '@demikernel/ebpf';
import * as H from '../tcpmig/header.ts';
import * as L from './layout.ts';
import { BOUND_STAGES, ORIGIN_STAGES, TARGET_STAGES } from './model-control.ts';
import { bounce, MESSAGE, passOn, UDP } from './program-answer.ts';
import { INSERT, LEAST_LOADED, LOOKUP } from './program-flow.ts';
import * as F from './program-frame.ts';
import { HEADER_MAC } from './program-mac.ts';

const { IP } = F;

/** Everything from label `control` on. */
export function controlMessage(code: F.Code): void {
  const { a, ends } = code;
  needMessage(code);
  a.mov(R1, R6)
    .add(R1, MESSAGE)
    .callLabel(HEADER_MAC)
    .load64(R1, R6, MESSAGE + H.AT_MAC)
    .jne(R0, R1, ends.drop('badMac'))
    .load8(R8, R6, MESSAGE + H.AT_STAGE)
    .jeq(R8, H.HEARTBEAT, ends.pass('heartbeat'));
  needSender(code);
  passedOn(code);
  a.comment('the connection')
    .load32(R1, R6, MESSAGE + H.AT_CLIENT_ADDRESS)
    .store32(R10, F.KEY + F.KEY_CLIENT, R1)
    .load32(R1, R6, MESSAGE + H.AT_VIRTUAL_ADDRESS)
    .store32(R10, F.KEY + F.KEY_VIRTUAL, R1)
    .load32(R1, R6, MESSAGE + H.AT_CLIENT_PORT)
    .store32(R10, F.KEY + F.KEY_PORTS, R1);
  F.keyAddress(a, R1);
  a.callLabel(LOOKUP)
    .comment('R9: the flow or 0; its entry, or 0, on the stack')
    .mov(R9, R0)
    .store64(R10, F.AT_SNAPSHOT, 0)
    .jeq(R9, 0, 'stage')
    .load64(R1, R9, 0)
    .mov(R2, R1)
    .rsh(R2, 32)
    .jlt(R2, L.PHASE_OWNED, 'vanished')
    .store64(R10, F.AT_SNAPSHOT, R1)
    .ja('stage')
    .label('vanished')
    .mov(R9, 0)
    .label('stage')
    .comment('what changes an entry is for this start of the switch, or for none')
    .mov(R1, 1)
    .lsh(R1, R8)
    .jset(R1, BOUND_STAGES, 'bound')
    .ja('current')
    .label('bound')
    .mapValue(R1, code.options.memory)
    .load32(R1, R1, L.AT_BOOT)
    .load32(R2, R6, MESSAGE + H.AT_BOOT)
    .jeq32(R1, R2, 'current')
    .mov(R8, H.VERDICT)
    .mov(R9, H.VERDICT_STALE)
    .mov(R7, L.PATH.staleBoot)
    .ja('bounce')
    .label('current')
    .jeq(R8, H.PREPARE, 'prepare')
    .jeq(R8, H.RELEARN, 'relearn')
    .jeq(R9, 0, 'unknownEntry')
    .jeq(R8, H.PREPARE_ACK, 'prepareAck')
    .jne(R8, H.QUERY, 'claim');
  answer(code, H.VERDICT_ENTRY);
  a.label('unknownEntry').mov(R8, H.VERDICT).mov(R7, L.PATH.verdict);
  a.label('unknownTo')
    .mapValue(R1, code.options.memory)
    .load32(R1, R1, L.AT_LEARNING)
    .mov(R9, H.VERDICT_LEARNING)
    .jne(R1, 0, 'bounce')
    .mov(R9, H.VERDICT_UNKNOWN)
    .ja('bounce');
  prepare(code);
  prepareAck(code);
  claim(code);
  relearn(code);
  bounce(code);
  passOn(code);
}

/** A whole datagram without IP options or fragments, with a header of a stage that is not the switch's own. */
function needMessage({ a, ends }: F.Code): void {
  const malformed = ends.drop('malformedControl');
  needBytes(a, R6, MESSAGE + H.HEADER_BYTES, R9, R3, malformed);
  a.load8(R2, R6, IP)
    .jne(R2, 0x45, malformed)
    .load16(R2, R6, IP + IPV4_FRAGMENT)
    .jset(R2, F.FRAGMENT_BITS, malformed)
    .load16(R2, R6, UDP + UDP_LENGTH)
    .toBigEndian(R2, 16)
    .load16(R3, R6, IP + IPV4_TOTAL_LENGTH)
    .toBigEndian(R3, 16)
    .mov(R4, R2)
    .add(R4, IPV4_BYTES)
    .jne(R4, R3, malformed)
    .add(R4, IP)
    .load64(R3, R10, F.AT_LENGTH)
    .jgt(R4, R3, malformed)
    .load32(R3, R6, MESSAGE + H.AT_MAGIC)
    .jne32(R3, H.MAGIC, malformed)
    .load8(R3, R6, MESSAGE + H.AT_VERSION)
    .jne(R3, H.VERSION, malformed)
    .load8(R3, R6, MESSAGE + H.AT_STAGE)
    .jeq(R3, 0, malformed)
    .jgt(R3, H.LAST_BACKEND_STAGE, malformed)
    .jeq(R3, H.VERDICT, malformed)
    .load16(R3, R6, MESSAGE + H.AT_PAYLOAD_BYTES)
    .add(R3, UDP_BYTES + H.HEADER_BYTES)
    .jgt(R3, R2, malformed);
}

/** The backend that the message says sent it, which may send this stage. Leaves R2 origin, R3 target, R4 sender. */
function needSender({ a, options, ends }: F.Code): void {
  const wrong = ends.drop('wrongSender');
  a.load16(R4, R6, MESSAGE + H.AT_SENDER)
    .jge(R4, L.MAX_BACKENDS, wrong)
    .store64(R10, F.AT_BACKEND, R4);
  F.backendRecord(a, options.memory, R1, R4, R2);
  a.load32(R2, R1, L.BACKEND_STATE)
    .jeq(R2, L.BACKEND_ABSENT, wrong)
    .mapValue(R3, options.memory)
    .load32(R2, R3, L.AT_FENCE)
    .jeq(R2, 0, 'unfenced');
  F.needSameMac(a, R1, L.BACKEND_MAC, R6, ETHERNET_SOURCE, R3, wrong);
  a.label('unfenced')
    .load16(R2, R6, MESSAGE + H.AT_ORIGIN)
    .load16(R3, R6, MESSAGE + H.AT_TARGET)
    .comment('a bit for each stage')
    .mov(R1, 1)
    .lsh(R1, R8)
    .jset(R1, ORIGIN_STAGES, 'asOrigin')
    .jset(R1, TARGET_STAGES, 'asTarget')
    .jne(R8, H.ABORT, 'sent')
    .jeq(R4, R2, 'sent')
    .jeq(R4, R3, 'sent')
    .ja(wrong)
    .label('asOrigin')
    .jne(R4, R2, wrong)
    .ja('sent')
    .label('asTarget')
    .jne(R4, R3, wrong)
    .jge(R2, L.MAX_BACKENDS, wrong)
    .label('sent');
}

/** What hosts say to each other goes on as it is. */
function passedOn({ a }: F.Code): void {
  a.mov(R7, L.PATH.controlForwarded)
    .mov(R1, R3)
    .jeq(R8, H.STATE, 'passOn')
    .mov(R1, R2)
    .jeq(R8, H.STATE_ACK, 'passOn')
    .jeq(R8, H.REJECT, 'passOn')
    .jeq(R8, H.MOVED, 'passOn')
    .jne(R8, H.ABORT, 'forSwitch')
    .jne(R4, R2, 'passOn')
    .mov(R1, R3)
    .ja('passOn')
    .label('forSwitch');
}

/** Back to the sender as VERDICT. */
function answer({ a }: F.Code, verdict: number): void {
  a.mov(R8, H.VERDICT).mov(R9, verdict).mov(R7, L.PATH.verdict).ja('bounce');
}

function prepare(code: F.Code): void {
  const { a, options } = code;
  a.label('prepare')
    .mov(R8, H.REJECT)
    .mov(R7, L.PATH.rejected)
    .jeq(R9, 0, 'unknownTo')
    .mov(R9, H.REASON_NOT_OWNER)
    .load64(R1, R10, F.AT_SNAPSHOT)
    .rsh(R1, 32)
    .mov(R2, R1)
    .and(R2, L.BACKEND_MASK)
    .load16(R3, R6, MESSAGE + H.AT_ORIGIN)
    .jne(R2, R3, 'bounce')
    .load16(R4, R6, MESSAGE + H.AT_TARGET)
    .jlt(R1, L.PHASE_PREPARED, 'prepare.owned')
    .comment('it has passed before: on to whom it went then')
    .rsh(R1, L.TARGET_SHIFT)
    .and(R1, L.BACKEND_MASK)
    .mov(R5, R4)
    .mov(R4, R1)
    .jeq(R5, R1, 'prepare.target')
    .jeq(R5, H.ANY_BACKEND, 'prepare.target')
    .ja('bounce')
    .label('prepare.owned')
    .jne(R4, H.ANY_BACKEND, 'prepare.target')
    .mov(R1, R3)
    .callLabel(LEAST_LOADED)
    .mov(R4, R0)
    .label('prepare.target')
    .mov(R9, H.REASON_NO_TARGET)
    .jge(R4, L.MAX_BACKENDS, 'bounce')
    .load16(R3, R6, MESSAGE + H.AT_ORIGIN)
    .jeq(R4, R3, 'bounce');
  F.backendRecord(a, options.memory, R1, R4, R2);
  a.load32(R2, R1, L.BACKEND_STATE)
    .jne(R2, L.BACKEND_ACTIVE, 'bounce')
    .mov(R8, R4)
    .store16(R6, MESSAGE + H.AT_TARGET, R8)
    .load64(R1, R10, F.AT_SNAPSHOT)
    .store32(R6, MESSAGE + H.AT_EPOCH, R1)
    .mapValue(R1, options.memory)
    .load32(R1, R1, L.AT_BOOT)
    .store32(R6, MESSAGE + H.AT_BOOT, R1)
    .mov(R1, R6)
    .add(R1, MESSAGE)
    .callLabel(HEADER_MAC)
    .store64(R6, MESSAGE + H.AT_MAC, R0)
    .mov(R7, L.PATH.prepare)
    .mov(R1, R8)
    .ja('passOn');
}

/** R5 becomes PREPARED(R2 -> R3) as an ownership word, R4 OWNED(R2). */
function ownerships({ a }: F.Code): void {
  a.mov(R5, R3).lsh(R5, L.TARGET_SHIFT).or(R5, R2).or(R5, L.PHASE_PREPARED).mov(R4, R2).or(R4, L.PHASE_OWNED);
}

function prepareAck(code: F.Code): void {
  const { a, ends } = code;
  a.label('prepareAck')
    .load16(R2, R6, MESSAGE + H.AT_ORIGIN)
    .load16(R3, R6, MESSAGE + H.AT_TARGET)
    .jeq(R2, R3, 'lost')
    .load32(R1, R6, MESSAGE + H.AT_EPOCH);
  ownerships(code);
  a.comment('R5: PREPARED as an entry, R4: OWNED')
    .lsh(R5, 32)
    .or(R5, R1)
    .lsh(R4, 32)
    .or(R4, R1)
    .load64(R0, R10, F.AT_SNAPSHOT)
    .jeq(R0, R5, 'prepareAck.done')
    .jne(R0, R4, 'lost')
    .compareExchange64(R9, 0, R5)
    .jne(R0, R4, ends.drop('raced'))
    .label('prepareAck.done')
    .mov(R7, L.PATH.prepareAck)
    .mov(R1, R2)
    .ja('passOn')
    .label('lost');
  answer(code, H.VERDICT_LOST);
}

/** COMMIT, RELEASE and CLAIM_BACK. */
function claim(code: F.Code): void {
  const { a, options, ends } = code;
  a.label('claim')
    .load16(R2, R6, MESSAGE + H.AT_ORIGIN)
    .load16(R3, R6, MESSAGE + H.AT_TARGET)
    .load32(R1, R6, MESSAGE + H.AT_EPOCH);
  ownerships(code);
  a.jne(R8, H.COMMIT, 'claim.to')
    .mov(R4, R3)
    .or(R4, L.PHASE_OWNED)
    .label('claim.to')
    .comment('R4: the entry it is to become; R0: as it is')
    .lsh(R4, 32)
    .mov32(R0, R1)
    .add32(R0, 1)
    .or(R4, R0)
    .load64(R0, R10, F.AT_SNAPSHOT)
    .jeq(R0, R4, 'claim.won')
    .jne32(R0, R1, 'claim.lost')
    .jeq(R2, R3, 'claim.lost')
    .mov(R1, R0)
    .rsh(R1, 32)
    .jeq(R8, H.CLAIM_BACK, 'claim.back')
    .jne(R1, R5, 'claim.lost')
    .ja('claim.exchange')
    .label('claim.back')
    .and(R1, L.BACKEND_MASK)
    .jne(R1, R2, 'claim.lost')
    .label('claim.exchange')
    .compareExchange64(R9, 0, R4)
    .load64(R1, R10, F.AT_SNAPSHOT)
    .jne(R0, R1, ends.drop('raced'))
    .store64(R10, F.AT_SNAPSHOT, R4)
    .mov(R5, R4)
    .rsh(R5, 32)
    .and(R5, L.BACKEND_MASK)
    .rsh(R0, 32)
    .and(R0, L.BACKEND_MASK)
    .jeq(R0, R5, 'claim.won');
  F.countConnections(a, options.memory, R0, -1);
  F.countConnections(a, options.memory, R5, 1);
  a.label('claim.won').jeq(R8, H.RELEASE, 'claim.released');
  answer(code, H.VERDICT_OWNED);
  a.label('claim.lost').jne(R8, H.RELEASE, 'lost').label('claim.released');
  answer(code, H.VERDICT_ENTRY);
}

function relearn(code: F.Code): void {
  const { a, options, ends } = code;
  const { memory } = options;
  a.label('relearn')
    .comment('R4: the sender; R5: its entry')
    .load64(R4, R10, F.AT_BACKEND)
    .load32(R1, R6, MESSAGE + H.AT_EPOCH)
    .mov(R5, R4)
    .or(R5, L.PHASE_OWNED)
    .lsh(R5, 32)
    .or(R5, R1)
    .jne(R9, 0, 'relearn.known')
    .store64(R10, F.KEY + F.KEY_STATE, R5)
    .store32(R10, F.KEY + F.KEY_FLAGS, L.FLOW_ESTABLISHED)
    .store64(R10, F.KEY + F.KEY_LENGTH, 0)
    .mapValue(R2, memory)
    .load32(R2, R2, L.AT_UPLINK)
    .store32(R10, F.KEY + F.KEY_CLIENT_PORT, R2);
  F.keyAddress(a, R1);
  a.callLabel(INSERT)
    .mov(R8, H.VERDICT)
    .mov(R7, L.PATH.verdict)
    .mov(R9, H.VERDICT_UNKNOWN)
    .jeq(R0, L.INSERT_FULL, 'bounce')
    .jne(R0, L.INSERTED, ends.drop('raced'))
    .load64(R4, R10, F.AT_BACKEND);
  F.countConnections(a, memory, R4, 1);
  a.load64(R1, R10, F.KEY + F.KEY_STATE).store64(R10, F.AT_SNAPSHOT, R1);
  answer(code, H.VERDICT_OWNED);
  a.label('relearn.known')
    .load64(R0, R10, F.AT_SNAPSHOT)
    .jeq(R0, R5, 'relearn.held')
    .comment('only a newer epoch replaces an entry')
    .sub32(R1, R0)
    .jsle32(R1, 0, 'lost')
    .compareExchange64(R9, 0, R5)
    .load64(R1, R10, F.AT_SNAPSHOT)
    .jne(R0, R1, ends.drop('raced'))
    .store64(R10, F.AT_SNAPSHOT, R5)
    .rsh(R0, 32)
    .and(R0, L.BACKEND_MASK);
  F.countConnections(a, memory, R0, -1);
  F.countConnections(a, memory, R4, 1);
  a.label('relearn.held');
  answer(code, H.VERDICT_OWNED);
}
