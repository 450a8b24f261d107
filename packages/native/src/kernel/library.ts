// The one place where koffi is loaded, on first use, and libc's functions become typed functions.
// What the functions mean for the project lives in the files beside this one; errors are in errno.ts.

import { createRequire } from 'node:module';
import { DemiError } from '@demikernel/memory';

/** A native address. Numbers, not BigInt: user space ends at 2^47, and a BigInt costs 86 ns a call. */
export type Address = number;

/** Memory a native call reads or writes: a view, or an address whose owner keeps it alive during the call. */
export type NativeBuffer = ArrayBufferView | ArrayBuffer;

/** A native function bound by koffi. */
type NativeFunction = (...args: readonly unknown[]) => unknown;

/** The part of koffi used by the doors. */
export interface Koffi {
  load(path: string | null): NativeLibrary;
  address(value: unknown): bigint;
  view(address: bigint, lengthBytes: number): ArrayBuffer;
  errno(): number;
  proto(definition: string): unknown;
  pointer(type: unknown): unknown;
  register(callback: (...args: never[]) => unknown, type: unknown): bigint;
  unregister(callback: bigint): void;
  decode(address: bigint, type: unknown): unknown;
  node: { poll(fd: number, options: PollOptions, callback: (...args: never[]) => void): PollHandle };
}

/** A loaded shared library. */
export interface NativeLibrary {
  func(name: string, result: string, args: readonly string[]): NativeFunction;
}

/** What koffi's descriptor watch may wait for. */
export interface PollOptions {
  readable?: boolean;
  writable?: boolean;
  disconnect?: boolean;
}

/** koffi's handle over `uv_poll_t`. */
export interface PollHandle {
  stop(): void;
  close(): void;
  ref(): void;
  unref(): void;
}

/**
 * libc, with pointers as integers where the caller owns native memory and as views where set-up code passes a
 * structure. Results are the C functions' own (-1 and `errno`); see section 2 of the manual for each.
 */
export interface LibC {
  syscall(number: number, a: number, b: number, c: number, d: number, e: number, f: number): number;
  /** `syscall` with its second argument a buffer, for calls in the shape of bpf(cmd, attr, size). */
  syscallBuffer(number: number, a: number, buffer: NativeBuffer, c: number, d: number, e: number): number;
  close(fd: number): number;
  read(fd: number, buffer: Address, lengthBytes: number): number;
  write(fd: number, buffer: Address, lengthBytes: number): number;
  readBuffer(fd: number, buffer: NativeBuffer, lengthBytes: number): number;
  writeBuffer(fd: number, buffer: NativeBuffer, lengthBytes: number): number;
  ioctl(fd: number, request: number, argument: NativeBuffer): number;
  ioctlNumber(fd: number, request: number, argument: number): number;
  fcntl(fd: number, command: number, argument: number): number;
  open(path: string, flags: number, mode: number): number;
  dup(fd: number): number;
  mmap(
    address: Address,
    lengthBytes: number,
    protection: number,
    flags: number,
    fd: number,
    offset: number,
  ): number;
  munmap(address: Address, lengthBytes: number): number;
  mlock(address: Address, lengthBytes: number): number;
  madvise(address: Address, lengthBytes: number, advice: number): number;
  ftruncate(fd: number, lengthBytes: number): number;
  poll(fds: Address, count: number, timeoutMs: number): number;
  ppoll(fds: Address, count: number, timespec: Address, signalMask: Address): number;
  clock_gettime(clock: number, timespec: Address): number;
  getrusage(who: number, usage: Address): number;
  sched_setaffinity(pid: number, sizeBytes: number, mask: NativeBuffer): number;
  sched_getaffinity(pid: number, sizeBytes: number, mask: NativeBuffer): number;
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, address: Address, lengthBytes: number): number;
  listen(fd: number, backlog: number): number;
  accept4(fd: number, address: Address, length: Address, flags: number): number;
  connect(fd: number, address: Address, lengthBytes: number): number;
  shutdown(fd: number, how: number): number;
  getsockname(fd: number, address: Address, length: Address): number;
  getpeername(fd: number, address: Address, length: Address): number;
  getsockopt(fd: number, level: number, name: number, value: NativeBuffer, length: NativeBuffer): number;
  setsockopt(fd: number, level: number, name: number, value: NativeBuffer, lengthBytes: number): number;
  send(fd: number, buffer: Address, lengthBytes: number, flags: number): number;
  recv(fd: number, buffer: Address, lengthBytes: number, flags: number): number;
  sendto(
    fd: number,
    buffer: Address,
    lengthBytes: number,
    flags: number,
    to: Address,
    toBytes: number,
  ): number;
  recvfrom(
    fd: number,
    buffer: Address,
    lengthBytes: number,
    flags: number,
    from: Address,
    fromBytes: Address,
  ): number;
  sendmsg(fd: number, message: Address, flags: number): number;
  recvmsg(fd: number, message: Address, flags: number): number;
  bindBuffer(fd: number, address: NativeBuffer, lengthBytes: number): number;
  epoll_create1(flags: number): number;
  epoll_ctl(epoll: number, operation: number, fd: number, event: Address): number;
  epoll_wait(epoll: number, events: Address, capacity: number, timeoutMs: number): number;
  eventfd(initial: number, flags: number): number;
  timerfd_create(clock: number, flags: number): number;
  timerfd_settime(fd: number, flags: number, value: Address, old: Address): number;
  setns(fd: number, kind: number): number;
  unshare(flags: number): number;
  mount(source: string, target: string, kind: string, flags: number, data: number): number;
  umount2(target: string, flags: number): number;
  if_nametoindex(name: string): number;
  kill(pid: number, signal: number): number;
}

// P is an address as an integer, B a JavaScript buffer, I an int, L a long or size_t, S a string.
const SIGNATURES: Readonly<Record<keyof LibC, string>> = {
  syscall: 'L LLLLLLL',
  syscallBuffer: 'L LLBLLL syscall',
  close: 'I I',
  read: 'L IPL',
  write: 'L IPL',
  readBuffer: 'L IBL read',
  writeBuffer: 'L IBL write',
  ioctl: 'I ILB',
  ioctlNumber: 'I ILL ioctl',
  fcntl: 'I IIL',
  open: 'I SII',
  dup: 'I I',
  mmap: 'L PLIIIL',
  munmap: 'I PL',
  mlock: 'I PL',
  madvise: 'I PLI',
  ftruncate: 'I IL',
  poll: 'I PLI',
  ppoll: 'I PLPP',
  clock_gettime: 'I IP',
  getrusage: 'I IP',
  sched_setaffinity: 'I ILB',
  sched_getaffinity: 'I ILB',
  socket: 'I III',
  bind: 'I IPI',
  listen: 'I II',
  accept4: 'I IPPI',
  connect: 'I IPI',
  shutdown: 'I II',
  getsockname: 'I IPP',
  getpeername: 'I IPP',
  getsockopt: 'I IIIBB',
  setsockopt: 'I IIIBI',
  send: 'L IPLI',
  recv: 'L IPLI',
  sendto: 'L IPLIPI',
  recvfrom: 'L IPLIPP',
  sendmsg: 'L IPI',
  recvmsg: 'L IPI',
  bindBuffer: 'I IBI bind',
  epoll_create1: 'I I',
  epoll_ctl: 'I IIIP',
  epoll_wait: 'I IPII',
  eventfd: 'I II',
  timerfd_create: 'I II',
  timerfd_settime: 'I IIPP',
  setns: 'I II',
  unshare: 'I I',
  mount: 'I SSSLL',
  umount2: 'I SI',
  if_nametoindex: 'U S',
  kill: 'I II',
};

const TYPES: Readonly<Record<string, string>> = {
  I: 'int',
  U: 'uint32_t',
  L: 'int64_t',
  P: 'uintptr_t',
  B: 'void *',
  S: 'const char *',
};

let loadedKoffi: Koffi | undefined;
let loadedLibc: LibC | undefined;

/** Whether the native doors can open here; a reason otherwise. Loads nothing. */
export function platformRefusal(
  platform: string = process.platform,
  arch: string = process.arch,
): string | undefined {
  if (platform === 'linux' && arch === 'x64') return undefined;
  return `The kernel doors speak Linux x86-64; this is ${platform} ${arch}`;
}

/**
 * koffi, loaded on the first call.
 *
 * @throws DemiError `ERR_DEMI_PLATFORM` elsewhere than on Linux x86-64, or when koffi has no binary for this libc.
 */
export function koffi(): Koffi {
  if (loadedKoffi !== undefined) return loadedKoffi;
  const refusal = platformRefusal();
  if (refusal !== undefined) throw new DemiError('ERR_DEMI_PLATFORM', refusal);
  try {
    loadedKoffi = createRequire(import.meta.url)('koffi') as Koffi;
  } catch (cause) {
    throw new DemiError('ERR_DEMI_PLATFORM', 'koffi, the door to native code, cannot be loaded here', {
      cause,
    });
  }
  return loadedKoffi;
}

/**
 * libc of this process, bound on the first call (`dlopen(NULL)`: the one Node itself uses).
 *
 * @throws DemiError `ERR_DEMI_PLATFORM`, as {@link koffi}.
 */
export function libc(): LibC {
  if (loadedLibc !== undefined) return loadedLibc;
  const library = koffi().load(null);
  const bound: Record<string, NativeFunction> = {};
  for (const [name, signature] of Object.entries(SIGNATURES)) {
    const [result = '', args = '', symbol = name] = signature.split(' ');
    const types = args.split('').map(letter => TYPES[letter]!);
    bound[name] = library.func(symbol, TYPES[result]!, types);
  }
  loadedLibc = bound as unknown as LibC;
  return loadedLibc;
}

/** The thread's `errno`, positive. Meaningful only directly after a failed call. */
export function errno(): number {
  return koffi().errno();
}

/**
 * The native address of a view's first byte. The caller keeps the view alive while the kernel may use the address.
 *
 * A backing store outside V8's heap does not move; koffi moves a small on-heap one out when asked.
 */
export function addressOf(view: NativeBuffer): Address {
  return Number(koffi().address(view));
}

/** Sees native memory as an ArrayBuffer. Costs about 2 µs; the memory must outlive every use of the buffer. */
export function viewOf(address: Address | bigint, lengthBytes: number): ArrayBuffer {
  return koffi().view(BigInt(address), lengthBytes);
}
