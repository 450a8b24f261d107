// The bpf(2) system call: command numbers, the attribute union in memory of our own, and errors. One thread at a
// time builds one attribute; what the commands mean lives with maps, programs and links.
// Source: union bpf_attr in linux/bpf.h.

import { type MemoryMap, mapAnonymous, SYS_BPF, syscall, systemError } from '@demikernel/native/kernel';
import { DemiError, ERR_ARGUMENT } from './error.ts';

export const BPF_MAP_CREATE = 0;
export const BPF_MAP_LOOKUP_ELEM = 1;
export const BPF_MAP_UPDATE_ELEM = 2;
export const BPF_MAP_DELETE_ELEM = 3;
export const BPF_MAP_GET_NEXT_KEY = 4;
export const BPF_PROG_LOAD = 5;
export const BPF_PROG_TEST_RUN = 10;
export const BPF_PROG_GET_FD_BY_ID = 13;
export const BPF_OBJ_GET_INFO_BY_FD = 15;
export const BPF_MAP_LOOKUP_BATCH = 24;
export const BPF_MAP_UPDATE_BATCH = 26;
export const BPF_MAP_DELETE_BATCH = 27;
export const BPF_LINK_CREATE = 28;
export const BPF_LINK_UPDATE = 29;
export const BPF_LINK_GET_FD_BY_ID = 30;
export const BPF_LINK_GET_NEXT_ID = 31;

/** Longest name of a map or program, without the terminating zero (BPF_OBJ_NAME_LEN). */
export const MAX_NAME_BYTES = 15;

// The first bytes of the scratch hold the attribute; payloads start after it.
const ATTRIBUTE_BYTES = 256;
const FIRST_SCRATCH_BYTES = 64 * 1024;

/**
 * Memory the kernel reads and writes during one call: the attribute, then keys, values, packets, programs or logs.
 *
 * Its buffer never leaves this package, so growing may really unmap the old one.
 */
export interface Scratch {
  readonly map: MemoryMap;
  /** Native address of the first byte. */
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

let scratch: Scratch | undefined;
// The address again: read from here it is one boxed number, from the object it would be boxed for every call.
let scratchAddress = 0;

/** Offset in the scratch at which payloads begin. */
export const PAYLOAD: number = ATTRIBUTE_BYTES;

/**
 * Scratch with at least `payloadBytes` after {@link PAYLOAD}, its attribute zeroed. Valid until the next call of this
 * function; payload bytes hold what earlier calls left.
 */
export function beginCall(payloadBytes: number): Scratch {
  const wanted = PAYLOAD + payloadBytes;
  if (scratch === undefined || scratch.bytes.length < wanted) {
    let lengthBytes = FIRST_SCRATCH_BYTES;
    while (lengthBytes < wanted) lengthBytes *= 2;
    const map = mapAnonymous({ lengthBytes });
    scratch?.map.unmap();
    scratch = { map, address: map.addressNumber, bytes: map.bytes(), view: map.view() };
    scratchAddress = map.addressNumber;
  }
  scratch.bytes.fill(0, 0, ATTRIBUTE_BYTES);
  return scratch;
}

/** The scratch of the call being built. */
export function currentScratch(): Scratch {
  return scratch!;
}

/** Calls bpf(2) on the attribute begun by {@link beginCall}: a descriptor or 0, or a negative errno. */
export function call(command: number): number {
  return syscall(SYS_BPF, command, scratchAddress, ATTRIBUTE_BYTES);
}

/** Writes the address of scratch offset `at` into the attribute's 64-bit field at `field`. */
export function setAddress(s: Scratch, field: number, at: number): void {
  const address = s.address + at;
  s.view.setUint32(field, address >>> 0, true);
  s.view.setUint32(field + 4, Math.floor(address / 0x1_0000_0000), true);
}

/** Reads a 64-bit field as a number; exact to 2^53. */
export function readCount(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 0x1_0000_0000;
}

/** Writes an object's name, as `bpftool` shows it, into the attribute at `field`. */
export function setName(s: Scratch, field: number, name: string): void {
  if (!/^[A-Za-z0-9_.]*$/.test(name) || name.length > MAX_NAME_BYTES) {
    throw new DemiError(
      ERR_ARGUMENT,
      `"${name}" is no name the kernel takes: up to ${MAX_NAME_BYTES} letters, digits, _ and .`,
    );
  }
  for (let i = 0; i < name.length; i++) s.bytes[field + i] = name.charCodeAt(i);
}

/** Reads a name of a kernel structure. */
export function readName(bytes: Uint8Array, at: number): string {
  let end = at;
  while (end <= at + MAX_NAME_BYTES && bytes[end] !== 0) end++;
  return String.fromCharCode(...bytes.subarray(at, end));
}

/** The error for a refused call; permission errors name the capabilities. */
export function refused(result: number, doing: string): DemiError {
  return systemError('bpf', {
    errno: -result,
    detail: doing,
    capabilities: ['CAP_BPF', 'CAP_NET_ADMIN'],
  });
}

/** Copies out of the scratch: by a loop rather than set(subarray), as keys and values are short and it allocates nothing. */
export function copy(from: Uint8Array, at: number, to: Uint8Array, lengthBytes: number): void {
  if (lengthBytes > 256) {
    to.set(from.subarray(at, at + lengthBytes));
    return;
  }
  for (let i = 0; i < lengthBytes; i++) to[i] = from[at + i]!;
}
