// Holding the packets of a connection that is on its way to this host. They arrive before it does; the kernel would answer
// them with a reset.

import {
  HashMap,
  PerCpuArray,
  PROGRAM_XDP_HAS_FRAGS,
  Program,
  passAll,
  RingBuffer,
  XdpLink,
} from '@demikernel/ebpf';
import { DemiError } from '@demikernel/memory';
import { parseIpAddress } from '@demikernel/native/kernel';
import { foldChecksum, sumBytes } from 'demikernel/stack';
import type { Endpoint } from './connection-record.ts';
import {
  FLOW_KEY_BYTES,
  flowHoldCode,
  HELD_FRAME_OFFSET,
  HELD_PATHS,
  HELD_RECORD_BYTES,
  type HeldPath,
} from './flow-hold-code.ts';

/** Where packets are held, and how many. */
export interface FlowHoldOptions {
  /** Index, in this thread's network namespace, of the interface by which the packets come. It may carry no XDP program. */
  ifindex: number;
  /** Connections at one time; 4096 by default. */
  flows?: number;
  /** Room for frames of all of them, rounded up to a power of two; 2 KiB each. 4 MiB by default. */
  bufferBytes?: number;
}

/** The four-tuple, seen from this host. IPv4. */
export interface Flow {
  local: Endpoint;
  remote: Endpoint;
}

const PAGE_BYTES = 4096;
const IPV4_AT = 14;
const PROTOCOL_TCP = 6;

/**
 * Packets of connections that are awaited, held and given to the kernel once the connection is here.
 *
 * ```ts
 * hold.hold(flow);                     // then the switch may turn
 * const here = importConnection(record);
 * here.resume();
 * hold.release(flow);                  // what came early, in the order in which it came
 * ```
 *
 * An XDP program takes the frames of held connections from the interface into a bounded ring; the rest passes. When the ring
 * is full, frames are dropped and counted, and their sender sends them again. Program and link go with the process.
 */
export class FlowHold {
  readonly #ifindex: number;
  readonly #flows: HashMap;
  readonly #ring: RingBuffer;
  readonly #counters: PerCpuArray;
  readonly #program: Program;
  readonly #injector: Program;
  readonly #link: XdpLink;
  readonly #frames: Map<string, Uint8Array[]>;

  /** @throws DemiError `ERR_DEMI_PERMISSION` without CAP_BPF and CAP_NET_ADMIN, `ERR_DEMI_EBPF_BUSY` */
  constructor(options: FlowHoldOptions) {
    const opened: { close(): void }[] = [];
    const open = <T extends { close(): void }>(thing: T): T => {
      opened.push(thing);
      return thing;
    };
    this.#ifindex = options.ifindex;
    this.#frames = new Map();
    try {
      this.#flows = open(
        new HashMap({
          name: 'demi_held',
          keyBytes: FLOW_KEY_BYTES,
          valueBytes: 4,
          maxEntries: options.flows ?? 4096,
        }),
      );
      const wanted = Math.max(options.bufferBytes ?? 4 << 20, PAGE_BYTES);
      this.#ring = open(
        new RingBuffer({ name: 'demi_frames', sizeBytes: 2 ** Math.ceil(Math.log2(wanted)) }),
      );
      this.#counters = open(
        new PerCpuArray({ name: 'demi_hold', maxEntries: HELD_PATHS.length, valueBytes: 8 }),
      );
      const code = flowHoldCode({ flows: this.#flows, frames: this.#ring, counters: this.#counters });
      this.#program = open(new Program({ name: 'demi_hold', code, flags: PROGRAM_XDP_HAS_FRAGS }));
      this.#injector = open(passAll());
      this.#link = open(new XdpLink({ program: this.#program, ifindex: options.ifindex }));
    } catch (error) {
      for (const thing of opened) thing.close();
      throw error;
    }
  }

  /** From now on this connection's packets wait. Idempotent. @throws DemiError errno E2BIG when too many are held */
  hold(flow: Flow): void {
    const key = keyOf(flow);
    if (this.#frames.has(nameOf(key))) return;
    this.#flows.update(key, new Uint8Array(4));
    this.#frames.set(nameOf(key), []);
  }

  /** Gives the kernel what was held, in order, and lets the connection's packets pass. Returns how many there were. */
  release(flow: Flow): number {
    const key = keyOf(flow);
    // Twice: what arrives during the first round is still held, behind the others.
    const first = this.#replay(key);
    this.forget(flow, false);
    const second = this.#replay(key);
    this.#frames.delete(nameOf(key));
    return first + second;
  }

  /** Lets the connection's packets pass, and drops what was held: it did not come. */
  forget(flow: Flow, drop = true): void {
    const key = keyOf(flow);
    if (!this.#frames.has(nameOf(key))) return;
    this.#flows.delete(key);
    if (!drop) return;
    this.#collect();
    this.#frames.delete(nameOf(key));
  }

  /** Frames held for a connection. */
  heldFrames(flow: Flow): number {
    this.#collect();
    return this.#frames.get(nameOf(keyOf(flow)))?.length ?? 0;
  }

  /** How often each way through the program was taken. */
  readCounters(): Record<HeldPath, number> {
    const out = {} as Record<HeldPath, number>;
    HELD_PATHS.forEach((name, i) => {
      out[name] = this.#counters.sum(i);
    });
    return out;
  }

  /** Lets everything pass. What was held is gone. Idempotent. */
  close(): void {
    this.#link.close();
    this.#program.close();
    this.#injector.close();
    this.#counters.close();
    this.#ring.close();
    this.#flows.close();
    this.#frames.clear();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #replay(key: Uint8Array): number {
    this.#collect();
    const frames = this.#frames.get(nameOf(key));
    if (frames === undefined) return 0;
    const ingress = { ifindex: this.#ifindex, queue: 0 };
    for (const frame of frames) this.#injector.testRun(frame, { liveFrames: true, ingress });
    return frames.splice(0).length;
  }

  /** Empties the ring into the connections' own lists. */
  #collect(): void {
    this.#ring.consume((view, offset, lengthBytes) => {
      if (lengthBytes !== HELD_RECORD_BYTES) return;
      const at = view.byteOffset + offset + HELD_FRAME_OFFSET;
      const frame = new Uint8Array(view.buffer, at, view.getUint32(offset, true)).slice();
      this.#frames.get(nameOf(keyInFrame(frame)))?.push(wholeChecksum(frame));
    });
  }
}

function keyOf(flow: Flow): Uint8Array {
  const [remote, local] = [parseIpAddress(flow.remote.address), parseIpAddress(flow.local.address)];
  if (remote.length !== 4 || local.length !== 4) {
    throw new DemiError('ERR_DEMI_ADDRESS', 'Packets of IPv4 connections can be held, no others');
  }
  const key = new Uint8Array(FLOW_KEY_BYTES);
  key.set(remote);
  key.set(local, 4);
  new DataView(key.buffer).setUint16(8, flow.remote.port);
  new DataView(key.buffer).setUint16(10, flow.local.port);
  return key;
}

function keyInFrame(frame: Uint8Array): Uint8Array {
  const tcpAt = IPV4_AT + (frame[IPV4_AT]! & 15) * 4;
  const key = new Uint8Array(FLOW_KEY_BYTES);
  key.set(frame.subarray(IPV4_AT + 12, IPV4_AT + 20));
  key.set(frame.subarray(tcpAt, tcpAt + 4), 8);
  return key;
}

function nameOf(key: Uint8Array): string {
  return Buffer.from(key).toString('latin1');
}

/**
 * Finishes a checksum that a sender on this machine left to a device that there is not: the field then has the sum of the
 * pseudo-header alone (Documentation/networking/checksum-offloads.rst), and a frame that is put back is checked.
 */
function wholeChecksum(frame: Uint8Array): Uint8Array {
  const view = new DataView(frame.buffer);
  const tcpAt = IPV4_AT + (frame[IPV4_AT]! & 15) * 4;
  const tcpBytes = view.getUint16(IPV4_AT + 2) - (tcpAt - IPV4_AT);
  if (tcpBytes < 20 || tcpAt + tcpBytes > frame.length) return frame;
  const pseudo = sumBytes(view, IPV4_AT + 12, 8, PROTOCOL_TCP + tcpBytes);
  if (view.getUint16(tcpAt + 16) !== (~foldChecksum(pseudo) & 0xffff)) return frame;
  view.setUint16(tcpAt + 16, 0);
  view.setUint16(tcpAt + 16, foldChecksum(sumBytes(view, tcpAt, tcpBytes, pseudo)));
  return frame;
}
