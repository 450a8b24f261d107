// An XDP program on a device, held by a descriptor: it goes with `close`, and with the process, however that ends.
// Source: BPF_LINK_CREATE in linux/bpf.h.

import { EACCES, EBUSY, EEXIST, EINVAL, EPERM, errnoName, libc } from '@demikernel/native/kernel';
import { type LinkInfo, linkHolders, linkInfo, queryXdp } from './attachment.ts';
import * as bpf from './bpf.ts';
import { ATTACH_XDP, XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE } from './constants.ts';
import { DemiError, ERR_BUSY, ERR_CLOSED } from './error.ts';
import type { Program } from './program.ts';

/** Where and how a program is attached. */
export interface XdpLinkOptions {
  program: Program;
  /** Index of the device in this thread's network namespace. */
  ifindex: number;
  /**
   * `native`: in the driver. `generic`: in the stack, on any device, slower. `best`, the default: native, or generic
   * where the driver cannot.
   */
  mode?: 'native' | 'generic' | 'best';
}

/** A program attached to a device. */
export class XdpLink {
  readonly ifindex: number;
  /** How it was attached in the end. */
  readonly mode: 'native' | 'generic';
  #descriptor: number;

  /**
   * Attaches the program.
   *
   * @throws DemiError `ERR_DEMI_EBPF_BUSY` when the device carries a program already; the message says which, who holds
   *   it and how to take it off. `ERR_DEMI_PERMISSION` without CAP_NET_ADMIN; `ERR_DEMI_SYSCALL` otherwise.
   */
  constructor(options: XdpLinkOptions) {
    const { program, ifindex, mode = 'best' } = options;
    if (program.descriptor < 0) throw new DemiError(ERR_CLOSED, `program "${program.name}" is closed`);
    let used: 'native' | 'generic' = mode === 'generic' ? 'generic' : 'native';
    let result = create(program, ifindex, used);
    if (mode === 'best' && result < 0 && !isFinal(-result)) {
      used = 'generic';
      result = create(program, ifindex, used);
    }
    // EEXIST: the device carries a program in the other mode.
    if (result === -EBUSY || result === -EEXIST) throw busy(ifindex);
    // A device that does not exist is EINVAL here; the query throws what it is.
    if (result === -EINVAL) queryXdp(ifindex);
    if (result < 0) {
      throw bpf.refused(result, `attaching program "${program.name}" to device ${ifindex} (${used} mode)`);
    }
    this.ifindex = ifindex;
    this.mode = used;
    this.#descriptor = result;
  }

  /** The file descriptor; -1 once closed. */
  get descriptor(): number {
    return this.#descriptor;
  }

  /** What the kernel says about the link; its `ifindex` is 0 when the device is gone. */
  info(): LinkInfo {
    this.#open();
    return linkInfo(this.#descriptor);
  }

  /** Puts another program in place of the present one, with no packet seeing neither. */
  replace(program: Program): void {
    this.#open();
    const s = bpf.beginCall(0);
    s.view.setUint32(0, this.#descriptor, true);
    s.view.setUint32(4, program.descriptor, true);
    const result = bpf.call(bpf.BPF_LINK_UPDATE);
    if (result < 0) throw bpf.refused(result, `replacing the program on device ${this.ifindex}`);
  }

  /** Detaches. Idempotent. */
  close(): void {
    if (this.#descriptor < 0) return;
    libc().close(this.#descriptor);
    this.#descriptor = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #open(): void {
    if (this.#descriptor < 0) throw new DemiError(ERR_CLOSED, `the link on device ${this.ifindex} is closed`);
  }
}

function create(program: Program, ifindex: number, mode: 'native' | 'generic'): number {
  const s = bpf.beginCall(0);
  s.view.setUint32(0, program.descriptor, true);
  s.view.setUint32(4, ifindex, true);
  s.view.setUint32(8, ATTACH_XDP, true);
  s.view.setUint32(12, mode === 'native' ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE, true);
  return bpf.call(bpf.BPF_LINK_CREATE);
}

/** Refusals that generic mode would meet as well. */
function isFinal(errno: number): boolean {
  return errno === EBUSY || errno === EPERM || errno === EACCES;
}

function busy(ifindex: number): DemiError {
  const { device, programId, programName, linkId, mode } = queryXdp(ifindex);
  const name = device === '' ? `device ${ifindex}` : device;
  let message = `${name} already carries an XDP program`;
  if (programId !== 0)
    message += ` (${mode}, id ${programId}${programName === '' ? '' : `, "${programName}"`})`;
  message += `. See it with: ip -details link show dev ${name}`;
  if (linkId === 0) {
    message += `. Take it off with: ip link set dev ${name} xdp off`;
  } else {
    const holders = linkHolders(linkId);
    message += `. It is held by link ${linkId}`;
    if (holders.length > 0) message += ` of process ${holders.join(', ')}: end that, or`;
    else message += ':';
    message += ` take it off with: bpftool link detach id ${linkId}`;
  }
  return new DemiError(ERR_BUSY, message, { errno: EBUSY, errnoName: errnoName(EBUSY), syscall: 'bpf' });
}
