// What the parts of the switch's XDP program agree on: registers, the stack, and the macros they share. The parts are
// program.ts (frames), program-flow.ts (functions on the tables) and program-control.ts (messages).

import {
  type Assembler,
  ETHERNET_BYTES,
  HELPER_GET_SMP_PROCESSOR_ID,
  HELPER_REDIRECT_MAP,
  IPV4_FRAGMENT_OFFSET_MASK,
  IPV4_MORE_FRAGMENTS,
  type MapReference,
  networkOrder16,
  R0,
  R1,
  R2,
  R3,
  R4,
  R7,
  R8,
  R10,
  type Register,
  XDP_DROP,
  XDP_PASS,
  XDP_TX,
} from '@demikernel/ebpf';
import * as L from './layout.ts';

// Registers of the main function, from the parsed IPv4 header on: R6 the frame, R7 the path taken. R8 is the flow, later
// the backend, at the end the action; R9 the frame's end while bounds are proven. Functions may use all but R6 to R9 of
// their caller, which the machine keeps.

/** The stack: what is passed to the functions stands in one record, whose address they take. */
export const KEY = -64;
// Offsets in that record.
export const KEY_CLIENT = 0;
export const KEY_VIRTUAL = 4;
export const KEY_PORTS = 8;
export const KEY_FIRST = 12;
export const KEY_SECOND = 16;
export const KEY_CLIENT_PORT = 20;
/** Entry to be written by insert: epoch and ownership. */
export const KEY_STATE = 24;
/** Bytes counted with an insert; 0 for no packet. */
export const KEY_LENGTH = 32;
export const KEY_FLAGS = 40;
/** TCP flags of the segment. */
export const AT_TCP_FLAGS = -72;
/** The flow's entry as it was read. */
export const AT_SNAPSHOT = -80;
/** Backend to forward to; sender of a control message. */
export const AT_BACKEND = -88;
/** Length of the frame. */
export const AT_LENGTH = -96;

export const IP: number = ETHERNET_BYTES;
/** Bits of the fragment field that make a fragment, as a packet's word. */
export const FRAGMENT_BITS: number = networkOrder16(IPV4_MORE_FRAGMENTS | IPV4_FRAGMENT_OFFSET_MASK);

/** What a program is assembled for. */
export interface SwitchCodeOptions {
  /** The port it is attached to. */
  port: number;
  role: L.PortRole;
  geometry: L.Geometry;
  /** The memory: an array of one element. */
  memory: MapReference;
  /** Devices by port. */
  devices: MapReference;
}

/** Where frames go that end here: a label for each path and action, placed behind the code that jumps there. */
export class Ends {
  readonly #labels: Map<string, { path: L.SwitchPath; action: 'drop' | 'pass' }>;

  constructor() {
    this.#labels = new Map();
  }

  drop(path: L.SwitchPath): string {
    return this.#label(path, 'drop');
  }

  pass(path: L.SwitchPath): string {
    return this.#label(path, 'pass');
  }

  #label(path: L.SwitchPath, action: 'drop' | 'pass'): string {
    const label = `${action}.${path}`;
    this.#labels.set(label, { path, action });
    return label;
  }

  /** Places the labels; all lead on to `count`, with the path in R7 and the action in R8. */
  place(a: Assembler): void {
    for (const [label, { path, action }] of this.#labels) {
      a.label(label)
        .mov(R7, L.PATH[path])
        .mov(R8, action === 'drop' ? XDP_DROP : XDP_PASS)
        .ja('count');
    }
  }
}

/** What the parts pass around: the assembler, what it assembles for, and where frames end. */
export interface Code {
  readonly a: Assembler;
  readonly options: SwitchCodeOptions;
  readonly ends: Ends;
}

/** `register` becomes the record's address on the stack. */
export function keyAddress(a: Assembler, register: Register): void {
  a.mov(register, R10).add(register, KEY);
}

/** `out` becomes the address of a backend's record; `id` is at most 255. Overwrites `scratch`. */
export function backendRecord(
  a: Assembler,
  memory: MapReference,
  out: Register,
  id: Register,
  scratch: Register,
): void {
  a.mapValue(out, memory, L.AT_BACKENDS)
    .mov(scratch, id)
    .lsh(scratch, Math.log2(L.BACKEND_BYTES))
    .add(out, scratch);
}

/** Adds `change` to a backend's connections. Overwrites R1 to R3. */
export function countConnections(
  a: Assembler,
  memory: MapReference,
  id: Register,
  change: number,
  offset: number = L.BACKEND_CONNECTIONS,
): void {
  backendRecord(a, memory, R1, id, R2);
  a.mov(R3, change).atomicAdd32(R1, offset, R3);
}

/**
 * `index` becomes that of the virtual address in `address`; goes to `orElse` for none of them. Overwrites R1 and R3.
 */
export function findService(
  a: Assembler,
  memory: MapReference,
  address: Register,
  index: Register,
  orElse: string,
): void {
  const found = a.uniqueLabel('service');
  a.jeq32(address, 0, orElse).mapValue(R1, memory);
  for (let i = 0; i < L.MAX_ADDRESSES; i++) {
    a.mov(index, i)
      .load32(R3, R1, L.AT_ADDRESSES + i * 4)
      .jeq32(R3, address, found);
  }
  a.ja(orElse).label(found);
}

/** Goes to `orElse` unless the port in R3, in network order, is served at the address in R4. Overwrites R0, R1, R3. */
export function needService(a: Assembler, memory: MapReference, orElse: string): void {
  a.comment('a bit for each port')
    .toBigEndian(R3, 16)
    .and(R3, 0xffff)
    .mapValue(R1, memory, L.AT_SERVICES)
    .mov(R0, R4)
    .lsh(R0, Math.log2(L.SERVICE_BYTES))
    .add(R1, R0)
    .mov(R0, R3)
    .rsh(R0, 5)
    .lsh(R0, 2)
    .add(R1, R0)
    .load32(R0, R1, 0)
    .and(R3, 31)
    .rsh32(R0, R3)
    .and(R0, 1)
    .jeq(R0, 0, orElse);
}

/** Copies a MAC address. Overwrites `scratch`. */
export function copyMac(
  a: Assembler,
  from: Register,
  fromOffset: number,
  to: Register,
  toOffset: number,
  scratch: Register,
): void {
  a.load32(scratch, from, fromOffset)
    .store32(to, toOffset, scratch)
    .load16(scratch, from, fromOffset + 4)
    .store16(to, toOffset + 4, scratch);
}

/** Goes to `orElse` unless two MAC addresses are the same. Overwrites R0 and `scratch`. */
export function needSameMac(
  a: Assembler,
  x: Register,
  xOffset: number,
  y: Register,
  yOffset: number,
  scratch: Register,
  orElse: string,
): void {
  a.load32(R0, x, xOffset)
    .load32(scratch, y, yOffset)
    .jne32(R0, scratch, orElse)
    .load16(R0, x, xOffset + 4)
    .load16(scratch, y, yOffset + 4)
    .jne32(R0, scratch, orElse);
}

/** Stamps the flow in `flow` with the switch's clock: a store only when the clock has moved. Overwrites R0, R1, R4. */
export function touch(a: Assembler, memory: MapReference, flow: Register): void {
  const same = a.uniqueLabel('seen');
  a.mapValue(R1, memory)
    .load32(R0, R1, L.AT_NOW)
    .load32(R4, flow, L.FLOW_LAST_SEEN)
    .jeq32(R0, R4, same)
    .store32(flow, L.FLOW_LAST_SEEN, R0)
    .label(same);
}

/** Sends the frame out of the port in R2; R8 becomes the action. A frame for a port that nothing is at is dropped. */
export function redirect({ a, options }: Code): void {
  a.mapFd(R1, options.devices).mov(R3, XDP_DROP).call(HELPER_REDIRECT_MAP).mov(R8, R0).ja('count');
}

/**
 * Sends the frame back out of its port. A veth end takes XDP_TX only when the other end has a program, a redirect with
 * GRO on as well (drivers/net/veth.c, veth_xdp_flush and veth_xdp_xmit).
 */
export function sendBack(code: Code): void {
  const { a, options } = code;
  if (options.role === 'both') {
    a.mov(R8, XDP_TX).ja('count');
    return;
  }
  a.mov(R2, options.port);
  redirect(code);
}

/** R0 becomes the address of this CPU's counters. Overwrites R1 to R5. */
export function counterBlock({ a, options }: Code): void {
  a.call(HELPER_GET_SMP_PROCESSOR_ID)
    .and(R0, options.geometry.cpus - 1)
    .lsh(R0, Math.log2(L.COUNTER_BLOCK_BYTES))
    .mapValue(R1, options.memory, L.AT_COUNTERS)
    .add(R0, R1);
}

/** Adds `amount` to the u64 at R0 + `offset`, which is this CPU's own. Overwrites R1. */
export function addOwn64(a: Assembler, offset: number, amount: Register | number): void {
  a.load64(R1, R0, offset).add(R1, amount).store64(R0, offset, R1);
}
