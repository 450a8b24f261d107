// A program in the kernel: loading, what the verifier says, running it on bytes. Attaching is in link.ts.

import { EACCES, EAGAIN, EINVAL, ENOSPC, errnoName, libc } from '@demikernel/native/kernel';
import type { Assembly } from './assembler/emitter.ts';
import { INSTRUCTION_BYTES } from './assembler/instruction.ts';
import * as bpf from './bpf.ts';
import { ATTACH_XDP, PROGRAM_TYPE_XDP, TEST_XDP_LIVE_FRAMES } from './constants.ts';
import { DemiError, ERR_ARGUMENT, ERR_CLOSED, ERR_VERIFIER } from './error.ts';

/** What a program is loaded from. */
export interface ProgramOptions {
  /** Up to 15 letters, digits, `_` and `.`; what `bpftool prog` shows. */
  name: string;
  /** From `Assembler.assemble()`, or its bytes. */
  code: Assembly | Uint8Array;
  /** PROGRAM_TYPE_…; XDP by default. */
  type?: number;
  /** Licence the kernel is told; a few helpers want a GPL-compatible one. `MIT` by default. */
  license?: string;
  /** PROGRAM_XDP_HAS_FRAGS and other BPF_F_… flags of BPF_PROG_LOAD. */
  flags?: number;
}

/** What `BPF_PROG_TEST_RUN` is given beside the packet. */
export interface TestRunOptions {
  /** Receives the packet as the program left it; it must have room for what the program adds. */
  out?: Uint8Array;
  /**
   * Runs in a row, on the same packet: a program that rewrites sees its own result again. 1 by default; any more cost
   * an XDP program some 17 ms at once, as the kernel then installs it in its dispatcher.
   */
  repeat?: number;
  /** The device and queue the packet pretends to come from: `ctx` of an XDP program. */
  ingress?: { ifindex: number; queue: number };
  /** Let what the program transmits, redirects or passes really happen; then nothing comes back in `out`. */
  liveFrames?: boolean;
}

/** What came out of a test run. */
export interface TestRunResult {
  /** The program's return value: XDP_PASS and so on. */
  readonly action: number;
  /** Length of the packet afterwards. */
  readonly lengthBytes: number;
  /** Mean time of one run as the kernel measured it. */
  readonly durationNs: number;
}

/** What the kernel knows about a loaded program (struct bpf_prog_info). */
export interface ProgramInfo {
  readonly id: number;
  readonly name: string;
  readonly type: number;
  /** Length as compiled; 0 when the JIT is off. */
  readonly jitedBytes: number;
  readonly translatedBytes: number;
}

const FIRST_LOG_BYTES = 1 << 20;
const MAX_LOG_BYTES = 1 << 24;
const MAX_LOG_IN_ERROR = 64 * 1024;
const LOAD_ATTEMPTS = 16;
const MAX_PACKET_BYTES = 64 * 1024;
const XDP_MD_BYTES = 24;
// Room for what a program may put in front of a packet (XDP_PACKET_HEADROOM) and behind it.
const GROWTH_BYTES = 512;

/**
 * A loaded program. The descriptor keeps it; so do the links and program arrays that use it.
 *
 * Source: bpf(2), BPF_PROG_LOAD.
 */
export class Program {
  readonly name: string;
  readonly type: number;
  #descriptor: number;

  /**
   * Loads the program. When the verifier refuses, it is asked again with its log on, and the log ends the message.
   *
   * @throws DemiError `ERR_DEMI_EBPF_VERIFIER`, `ERR_DEMI_PERMISSION` without CAP_BPF and CAP_NET_ADMIN, or
   *   `ERR_DEMI_SYSCALL`.
   */
  constructor(options: ProgramOptions) {
    this.name = options.name;
    this.type = options.type ?? PROGRAM_TYPE_XDP;
    const code = options.code instanceof Uint8Array ? options.code : options.code.bytes;
    if (code.length === 0 || code.length % INSTRUCTION_BYTES !== 0) {
      throw new DemiError(ERR_ARGUMENT, `program "${this.name}": ${code.length} bytes are no instructions`);
    }
    const license = Buffer.from(`${options.license ?? 'MIT'}\0`);
    let result = load(this.type, options, code, license, 0);
    if (result < 0) {
      const refusal = result;
      let logBytes = FIRST_LOG_BYTES;
      result = load(this.type, options, code, license, logBytes);
      while (result === -ENOSPC && logBytes < MAX_LOG_BYTES) {
        logBytes *= 4;
        result = load(this.type, options, code, license, logBytes);
      }
      if (result < 0) throw loadError(options.name, refusal, readLog(code.length, license.length));
    }
    this.#descriptor = result;
  }

  /** The file descriptor; -1 once closed. */
  get descriptor(): number {
    return this.#descriptor;
  }

  /**
   * Runs the program on `packet` (from 14 bytes) without any device. Map updates are real; redirects are not, unless
   * `liveFrames`. About 7 µs a call.
   *
   * Source: Documentation/bpf/bpf_prog_run.rst.
   *
   * @throws DemiError with errno EINVAL for a packet too short or too long, ENOSPC when `out` is too small.
   */
  testRun(packet: Uint8Array, options: TestRunOptions = {}): TestRunResult {
    this.#open();
    if (packet.length > MAX_PACKET_BYTES) {
      throw new DemiError(ERR_ARGUMENT, `a packet of ${packet.length} bytes: at most ${MAX_PACKET_BYTES}`);
    }
    const live = options.liveFrames === true;
    const contextAt = bpf.PAYLOAD;
    const inAt = contextAt + 2 * XDP_MD_BYTES;
    const outAt = (inAt + packet.length + 7) & ~7;
    const outBytes = live ? 0 : packet.length + GROWTH_BYTES;
    const s = bpf.beginCall(outAt - bpf.PAYLOAD + outBytes);
    s.bytes.set(packet, inAt);
    s.view.setUint32(0, this.#descriptor, true);
    s.view.setUint32(8, packet.length, true);
    s.view.setUint32(12, outBytes, true);
    bpf.setAddress(s, 16, inAt);
    if (!live) bpf.setAddress(s, 24, outAt);
    s.view.setUint32(32, options.repeat ?? 1, true);
    if (options.ingress !== undefined) {
      s.bytes.fill(0, contextAt, inAt);
      s.view.setUint32(contextAt + 4, packet.length, true);
      s.view.setUint32(contextAt + 12, options.ingress.ifindex, true);
      s.view.setUint32(contextAt + 16, options.ingress.queue, true);
      s.view.setUint32(40, XDP_MD_BYTES, true);
      bpf.setAddress(s, 48, contextAt);
    }
    if (live) s.view.setUint32(64, TEST_XDP_LIVE_FRAMES, true);
    const result = bpf.call(bpf.BPF_PROG_TEST_RUN);
    if (result < 0) throw bpf.refused(result, `running program "${this.name}"`);
    const lengthBytes = live ? packet.length : s.view.getUint32(12, true);
    if (options.out !== undefined && !live) {
      if (lengthBytes > options.out.length) {
        throw new DemiError(ERR_ARGUMENT, `a packet of ${lengthBytes} bytes came out: "out" is smaller`);
      }
      options.out.set(s.bytes.subarray(outAt, outAt + lengthBytes));
    }
    return {
      action: s.view.getUint32(4, true),
      lengthBytes,
      durationNs: s.view.getUint32(36, true),
    };
  }

  /** What the kernel says about it. */
  info(): ProgramInfo {
    this.#open();
    return programInfo(this.#descriptor);
  }

  /** Closes the descriptor; links keep the program running. Idempotent. */
  close(): void {
    if (this.#descriptor < 0) return;
    libc().close(this.#descriptor);
    this.#descriptor = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #open(): void {
    if (this.#descriptor < 0) throw new DemiError(ERR_CLOSED, `program "${this.name}" is closed`);
  }
}

// struct bpf_prog_info: type, id, tag[8], lengths of both forms; name at 64.
const INFO_BYTES = 128;

function programInfo(descriptor: number): ProgramInfo {
  const s = bpf.beginCall(INFO_BYTES);
  s.bytes.fill(0, bpf.PAYLOAD, bpf.PAYLOAD + INFO_BYTES);
  s.view.setUint32(0, descriptor, true);
  s.view.setUint32(4, INFO_BYTES, true);
  bpf.setAddress(s, 8, bpf.PAYLOAD);
  const result = bpf.call(bpf.BPF_OBJ_GET_INFO_BY_FD);
  if (result < 0) throw bpf.refused(result, 'asking about a program');
  return {
    type: s.view.getUint32(bpf.PAYLOAD, true),
    id: s.view.getUint32(bpf.PAYLOAD + 4, true),
    jitedBytes: s.view.getUint32(bpf.PAYLOAD + 16, true),
    translatedBytes: s.view.getUint32(bpf.PAYLOAD + 20, true),
    name: bpf.readName(s.bytes, bpf.PAYLOAD + 64),
  };
}

/** What the kernel knows about the program with this id, whoever loaded it; `undefined` when there is none. */
export function programById(id: number): ProgramInfo | undefined {
  const s = bpf.beginCall(0);
  s.view.setUint32(0, id, true);
  const descriptor = bpf.call(bpf.BPF_PROG_GET_FD_BY_ID);
  if (descriptor < 0) return undefined;
  try {
    return programInfo(descriptor);
  } finally {
    libc().close(descriptor);
  }
}

function logOffset(codeBytes: number, licenseBytes: number): number {
  return bpf.PAYLOAD + codeBytes + ((licenseBytes + 7) & ~7);
}

function load(
  type: number,
  options: ProgramOptions,
  code: Uint8Array,
  license: Uint8Array,
  logBytes: number,
): number {
  const licenseAt = bpf.PAYLOAD + code.length;
  const logAt = logOffset(code.length, license.length);
  const s = bpf.beginCall(logAt - bpf.PAYLOAD + logBytes);
  s.bytes.set(code, bpf.PAYLOAD);
  s.bytes.set(license, licenseAt);
  s.view.setUint32(0, type, true);
  s.view.setUint32(4, code.length / INSTRUCTION_BYTES, true);
  bpf.setAddress(s, 8, bpf.PAYLOAD);
  bpf.setAddress(s, 16, licenseAt);
  if (logBytes > 0) {
    s.bytes[logAt] = 0;
    s.view.setUint32(24, 1, true);
    s.view.setUint32(28, logBytes, true);
    bpf.setAddress(s, 32, logAt);
  }
  s.view.setUint32(44, options.flags ?? 0, true);
  bpf.setName(s, 48, options.name);
  if (type === PROGRAM_TYPE_XDP) s.view.setUint32(68, ATTACH_XDP, true);
  // The verifier stops when a signal is pending, a profiler's say (kernel/bpf/verifier.c, do_check).
  let result = bpf.call(bpf.BPF_PROG_LOAD);
  for (let again = 1; result === -EAGAIN && again < LOAD_ATTEMPTS; again++)
    result = bpf.call(bpf.BPF_PROG_LOAD);
  return result;
}

function readLog(codeBytes: number, licenseBytes: number): string {
  const { bytes } = bpf.currentScratch();
  const start = logOffset(codeBytes, licenseBytes);
  const end = bytes.indexOf(0, start);
  // What matters stands at the end.
  return Buffer.from(
    bytes.buffer,
    Math.max(start, end - MAX_LOG_IN_ERROR),
    Math.min(end - start, MAX_LOG_IN_ERROR),
  )
    .toString('latin1')
    .trim();
}

function loadError(name: string, result: number, log: string): DemiError {
  const doing = `loading program "${name}"`;
  if (log === '') return bpf.refused(result, doing);
  const errno = -result;
  const reason = errno === EACCES || errno === EINVAL ? 'The verifier refused' : 'The kernel refused';
  return new DemiError(ERR_VERIFIER, `${reason} program "${name}" (${errnoName(errno)}):\n${log}`, {
    errno,
    errnoName: errnoName(errno),
    syscall: 'bpf',
  });
}
