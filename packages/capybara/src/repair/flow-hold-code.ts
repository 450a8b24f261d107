// The program behind FlowHold, as eBPF: TCP segments of held connections go into a ring buffer, all else to the kernel.

import * as P from '@demikernel/ebpf';
import {
  Assembler,
  type Assembly,
  HELPER_MAP_LOOKUP_ELEM,
  HELPER_RINGBUF_DISCARD,
  HELPER_RINGBUF_RESERVE,
  HELPER_RINGBUF_SUBMIT,
  HELPER_XDP_GET_BUFF_LEN,
  HELPER_XDP_LOAD_BYTES,
  type MapReference,
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
  XDP_DROP,
  XDP_PASS,
} from '@demikernel/ebpf';

/** A held connection's key: the peer's address and ours, its port and ours, all as in its packets. */
export const FLOW_KEY_BYTES = 12;
/** A held frame in the ring: its length as a word, then its bytes. */
export const HELD_FRAME_OFFSET = 8;
export const MAX_HELD_FRAME_BYTES = 2040;
export const HELD_RECORD_BYTES: number = HELD_FRAME_OFFSET + MAX_HELD_FRAME_BYTES;

/** Counters, by index. */
export const HELD_PATHS = ['passed', 'held', 'overflowed', 'tooLong'] as const;
export type HeldPath = (typeof HELD_PATHS)[number];

/** What the code refers to. */
export interface FlowHoldCodeOptions {
  /** Hash map with keys of {@link FLOW_KEY_BYTES}. */
  flows: MapReference;
  frames: MapReference;
  /** Per-CPU array of u64, one for each of {@link HELD_PATHS}. */
  counters: MapReference;
}

const IP = P.ETHERNET_BYTES;
const KEY = -16;

function path(name: HeldPath): number {
  return HELD_PATHS.indexOf(name);
}

/** Registers: R6 context, then the action; R7 the path; R8 the frame's length; R9 the record in the ring. */
export function flowHoldCode(options: FlowHoldCodeOptions): Assembly {
  const a = new Assembler();
  a.mov(R6, R1).mov(R7, path('passed'));
  P.loadPacketBounds(a, R6, R2, R3);
  P.needBytes(a, R2, P.ETHERNET_BYTES + P.IPV4_BYTES, R3, R4, 'pass');
  a.load16(R4, R2, P.ETHERNET_TYPE).jne(R4, P.networkOrder16(P.ETHERTYPE_IPV4), 'pass');
  P.ipv4HeaderLength(a, R2, IP, R8, R5, 'pass');
  a.load8(R4, R2, IP + P.IPV4_PROTOCOL)
    .jne(R4, P.PROTOCOL_TCP, 'pass')
    .comment('a later fragment has no ports; a first one is no use without it')
    .load16(R4, R2, IP + P.IPV4_FRAGMENT)
    .jset(R4, P.networkOrder16(P.IPV4_MORE_FRAGMENTS | P.IPV4_FRAGMENT_OFFSET_MASK), 'pass')
    .load32(R4, R2, IP + P.IPV4_SOURCE)
    .store32(R10, KEY, R4)
    .load32(R4, R2, IP + P.IPV4_DESTINATION)
    .store32(R10, KEY + 4, R4)
    .add(R8, R2);
  P.needBytes(a, R8, IP + P.TCP_BYTES, R3, R4, 'pass');
  a.load32(R4, R8, IP + P.PORT_SOURCE)
    .store32(R10, KEY + 8, R4)
    .mapFd(R1, options.flows)
    .mov(R2, R10)
    .add(R2, KEY)
    .call(HELPER_MAP_LOOKUP_ELEM)
    .jeq(R0, 0, 'pass');

  a.comment('held: a copy into the ring, and the kernel never sees it')
    .mov(R1, R6)
    .call(HELPER_XDP_GET_BUFF_LEN)
    .mov(R8, R0)
    .mov(R7, path('tooLong'))
    .jgt(R8, MAX_HELD_FRAME_BYTES, 'drop')
    .jlt(R8, P.ETHERNET_BYTES, 'drop')
    .mov(R7, path('overflowed'))
    .mapFd(R1, options.frames)
    .mov(R2, HELD_RECORD_BYTES)
    .mov(R3, 0)
    .call(HELPER_RINGBUF_RESERVE)
    .jeq(R0, 0, 'drop')
    .mov(R9, R0)
    .store32(R9, 0, R8)
    .mov(R1, R6)
    .mov(R2, 0)
    .mov(R3, R9)
    .add(R3, HELD_FRAME_OFFSET)
    .mov(R4, R8)
    .call(HELPER_XDP_LOAD_BYTES)
    .mov(R1, R9)
    .mov(R2, 0)
    .jne(R0, 0, 'discard')
    .call(HELPER_RINGBUF_SUBMIT)
    .mov(R7, path('held'))
    .ja('drop')
    .label('discard')
    .call(HELPER_RINGBUF_DISCARD)
    .label('drop')
    .mov(R6, XDP_DROP)
    .ja('count')
    .label('pass')
    .mov(R6, XDP_PASS)
    .label('count');
  P.countPath(a, options.counters, R7);
  a.mov(R0, R6).exit();
  return a.assemble();
}
