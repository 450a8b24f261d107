// Memory outside V8's heap: anonymous, of a descriptor, or a device's ring, seen through ArrayBuffers.
// Who shares it with which device lives elsewhere; slots and reference counts live in @demikernel/memory.

import { DemiError, MAX_REGION_BYTES, Region } from '@demikernel/memory';
import { systemError } from './errno.ts';
import type { Address } from './library.ts';
import { libc, viewOf } from './library.ts';

// include/uapi/asm-generic/mman-common.h, mman.h
const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
const MAP_NORESERVE = 0x4000;
const MAP_POPULATE = 0x8000;
const MAP_HUGETLB = 0x40000;
const MADV_HUGEPAGE = 14;

export const PAGE_BYTES = 4096;
export const HUGE_PAGE_BYTES: number = 2 * 1024 * 1024;

/** Largest map: the largest region, so that every map can be one. */
export const MAX_MAP_BYTES: number = MAX_REGION_BYTES;

/** Rounds up to a whole number of pages of `pageBytes`, a power of two. */
export function roundUpToPages(lengthBytes: number, pageBytes: number = PAGE_BYTES): number {
  return Math.ceil(lengthBytes / pageBytes) * pageBytes;
}

/** What was asked of and granted by mmap(2). */
interface Mapping {
  address: Address;
  lengthBytes: number;
  hugePages: boolean;
  locked: boolean;
}

/**
 * One stretch of mapped memory.
 *
 * Its buffer cannot be revoked: views of it may outlive it. So {@link release} gives the memory back but leaves
 * anonymous pages in its place, where a stale view reads zeros; the address range itself stays taken.
 */
export class MemoryMap {
  /** Native address of the first byte. */
  readonly address: bigint;
  /** The same address as a number, which is what the data path hands to the kernel. */
  readonly addressNumber: Address;
  /** Whole pages, so perhaps more than was asked for. */
  readonly lengthBytes: number;
  readonly buffer: ArrayBuffer;
  /** Whether explicit huge pages lie under it. */
  readonly hugePages: boolean;
  /** Whether mlock(2) was asked for and granted. */
  readonly locked: boolean;
  #released: boolean;

  /** @internal Use {@link mapAnonymous} or {@link mapDescriptor}. */
  constructor(mapping: Mapping) {
    this.address = BigInt(mapping.address);
    this.addressNumber = mapping.address;
    this.lengthBytes = mapping.lengthBytes;
    this.buffer = viewOf(mapping.address, mapping.lengthBytes);
    this.hugePages = mapping.hugePages;
    this.locked = mapping.locked;
    this.#released = false;
  }

  get released(): boolean {
    return this.#released;
  }

  /** Unsigned 32-bit words from `offsetBytes`, a multiple of four: ring indices. */
  words(offsetBytes: number, count: number): Uint32Array {
    return new Uint32Array(this.buffer, offsetBytes, count);
  }

  /** Signed 32-bit words from `offsetBytes`, a multiple of four: always small integers to V8. */
  signedWords(offsetBytes: number, count: number): Int32Array {
    return new Int32Array(this.buffer, offsetBytes, count);
  }

  bytes(offsetBytes = 0, lengthBytes: number = this.lengthBytes - offsetBytes): Uint8Array {
    return new Uint8Array(this.buffer, offsetBytes, lengthBytes);
  }

  view(offsetBytes = 0, lengthBytes: number = this.lengthBytes - offsetBytes): DataView {
    return new DataView(this.buffer, offsetBytes, lengthBytes);
  }

  /**
   * Gives the memory back to the system and maps untouched anonymous pages over the range (MAP_FIXED), so that a
   * stale view reads zeros instead of killing the process. Idempotent.
   *
   * @throws DemiError `ERR_DEMI_SYSCALL` when the kernel cannot map over it; the old memory then stays.
   */
  release(): void {
    if (this.#released) return;
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
    const result = libc().mmap(this.addressNumber, this.lengthBytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (result === -1) throw systemError('mmap', { detail: 'replacing a released map' });
    this.#released = true;
  }

  /**
   * Maps the beginning of a descriptor, shared, over the range of a map that was released (MAP_FIXED): for who maps and
   * releases again and again, since a released range stays taken. Views made before see what lies there now.
   *
   * @throws DemiError `ERR_DEMI_SYSCALL` or `ERR_DEMI_PERMISSION` when the kernel refuses, `ERR_DEMI_RANGE` for a map in use
   */
  reuse(fd: number, writable: boolean): void {
    if (!this.#released) throw new DemiError('ERR_DEMI_RANGE', 'This map has not been released');
    const protection = PROT_READ | (writable ? PROT_WRITE : 0);
    const result = libc().mmap(
      this.addressNumber,
      this.lengthBytes,
      protection,
      MAP_SHARED | MAP_FIXED,
      fd,
      0,
    );
    if (result === -1) throw systemError('mmap', { detail: `mapping descriptor ${fd} over a released map` });
    this.#released = false;
  }

  /**
   * Takes the address range away too (munmap(2)). Any later use of any view of it kills the process: only for memory
   * whose buffer never left the caller's hands.
   */
  unmap(): void {
    if (libc().munmap(this.addressNumber, this.lengthBytes) === -1) throw systemError('munmap');
    this.#released = true;
  }
}

/** How anonymous memory is wanted. */
export interface AnonymousOptions {
  /** Rounded up to whole pages; at most {@link MAX_MAP_BYTES}. */
  lengthBytes: number;
  /** `true`: explicit huge pages or an error. `'try'`: those, else transparent ones where the kernel pleases. */
  hugePages?: boolean | 'try';
  /** Fault every page in now rather than at first use. */
  populate?: boolean;
  /** mlock(2), best effort: `locked` says whether it was granted (RLIMIT_MEMLOCK, CAP_IPC_LOCK). */
  lock?: boolean;
  /** Shared with children and registrable where the kernel wants shared memory. */
  shared?: boolean;
}

/**
 * Zeroed memory, mmap(2) with MAP_ANONYMOUS.
 *
 * @throws DemiError `ERR_DEMI_SYSCALL` (ENOMEM), `ERR_DEMI_RANGE` for a length out of bounds.
 */
export function mapAnonymous(options: AnonymousOptions): MemoryMap {
  const wanted = options.hugePages ?? false;
  const flags =
    (options.shared === true ? MAP_SHARED : MAP_PRIVATE) |
    MAP_ANONYMOUS |
    (options.populate === true ? MAP_POPULATE : 0);
  let hugePages = wanted !== false;
  let lengthBytes = checkedLength(options.lengthBytes, hugePages ? HUGE_PAGE_BYTES : PAGE_BYTES);
  const protection = PROT_READ | PROT_WRITE;
  let address = libc().mmap(0, lengthBytes, protection, hugePages ? flags | MAP_HUGETLB : flags, -1, 0);
  if (address === -1 && wanted === 'try') {
    hugePages = false;
    lengthBytes = checkedLength(options.lengthBytes, PAGE_BYTES);
    address = libc().mmap(0, lengthBytes, protection, flags, -1, 0);
    if (address !== -1) libc().madvise(address, lengthBytes, MADV_HUGEPAGE);
  }
  if (address === -1) {
    const detail = `mapping ${lengthBytes} bytes${hugePages ? ' of huge pages (vm.nr_hugepages)' : ''}`;
    throw systemError('mmap', { detail });
  }
  const locked = options.lock === true && libc().mlock(address, lengthBytes) === 0;
  return new MemoryMap({ address, lengthBytes, hugePages, locked });
}

/** Which part of a descriptor is mapped. */
export interface DescriptorMapOptions {
  fd: number;
  lengthBytes: number;
  /** A multiple of the page size; device maps use it as a selector (XDP_PGOFF_RX_RING and the like). */
  offsetBytes?: number;
  /** Default `true`; a map without it faults on a store, which kills the process. */
  writable?: boolean;
  /** Default `true`; `false` gives a private copy on write. */
  shared?: boolean;
  populate?: boolean;
}

/**
 * Maps a file, a memfd, a BPF map or a device's ring, mmap(2).
 *
 * @throws DemiError `ERR_DEMI_SYSCALL` or `ERR_DEMI_PERMISSION` when the kernel refuses, `ERR_DEMI_RANGE`.
 */
export function mapDescriptor(options: DescriptorMapOptions): MemoryMap {
  const lengthBytes = checkedLength(options.lengthBytes, PAGE_BYTES);
  const protection = PROT_READ | (options.writable === false ? 0 : PROT_WRITE);
  const flags =
    (options.shared === false ? MAP_PRIVATE : MAP_SHARED) | (options.populate === true ? MAP_POPULATE : 0);
  const offset = options.offsetBytes ?? 0;
  const address = libc().mmap(0, lengthBytes, protection, flags, options.fd, offset);
  if (address === -1) throw systemError('mmap', { detail: `mapping descriptor ${options.fd} at ${offset}` });
  return new MemoryMap({ address, lengthBytes, hugePages: false, locked: false });
}

/** Anonymous memory as a {@link Region}, whose release is {@link MemoryMap.release}. Errors as {@link mapAnonymous}. */
export function mapRegion(options: AnonymousOptions): Region {
  return regionOf(mapAnonymous(options));
}

/** A map as a {@link Region}; releasing the region releases the map. */
export function regionOf(map: MemoryMap): Region {
  return new Region({ buffer: map.buffer, address: map.address, release: () => map.release() });
}

function checkedLength(lengthBytes: number, pageBytes: number): number {
  if (!Number.isInteger(lengthBytes) || lengthBytes <= 0 || lengthBytes > MAX_MAP_BYTES) {
    throw new DemiError('ERR_DEMI_RANGE', `A map of ${lengthBytes} bytes: want 1 to ${MAX_MAP_BYTES}`);
  }
  const rounded = roundUpToPages(lengthBytes, pageBytes);
  if (rounded > MAX_MAP_BYTES) {
    throw new DemiError(
      'ERR_DEMI_RANGE',
      `A map of ${lengthBytes} bytes takes ${rounded} in whole pages: too many`,
    );
  }
  return rounded;
}
