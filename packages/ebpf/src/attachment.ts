// Which XDP program a device carries, and who holds it: asked of the kernel, whoever attached it.
// Source: linux/rtnetlink.h, linux/if_link.h (IFLA_XDP), struct bpf_link_info in linux/bpf.h.

import { readdirSync, readFileSync } from 'node:fs';
import {
  Attributes,
  libc,
  MessageWriter,
  NetlinkSocket,
  NLM_F_ACK,
  NLM_F_REQUEST,
} from '@demikernel/native/kernel';
import * as bpf from './bpf.ts';
import { programById } from './program.ts';

/** How a device runs its XDP program. */
export type XdpMode = 'none' | 'native' | 'generic' | 'hardware' | 'multiple';

/** What a device carries. */
export interface XdpAttachment {
  readonly device: string;
  readonly mode: XdpMode;
  /** 0 when there is none. */
  readonly programId: number;
  readonly programName: string;
  /** The link that holds it; 0 when it was attached without one (`ip link set … xdp`). */
  readonly linkId: number;
}

// XDP_ATTACHED_NONE, DRV, SKB, HW, MULTI
const MODES: readonly XdpMode[] = ['none', 'native', 'generic', 'hardware', 'multiple'];

const RTM_GETLINK = 18;
const RTM_SETLINK = 19;
const IFLA_IFNAME = 3;
const IFLA_XDP = 43;
const IFLA_XDP_FD = 1;
const IFLA_XDP_ATTACHED = 2;
const IFLA_XDP_PROG_ID = 4;
/** struct ifinfomsg */
const IFINFO_BYTES = 16;
const LINK_TYPE_XDP = 6;

/**
 * The XDP program on the device with index `ifindex` in this thread's network namespace.
 *
 * @throws DemiError `ERR_DEMI_SYSCALL` with ENODEV when there is no such device.
 */
export function queryXdp(ifindex: number): XdpAttachment {
  const netlink = new NetlinkSocket();
  try {
    const request = new MessageWriter(RTM_GETLINK, NLM_F_REQUEST).u32(0).u32(ifindex).u32(0).u32(0);
    const reply = netlink.request(request, `asking about device ${ifindex}`)[0];
    const attributes = new Attributes(reply?.payload ?? new Uint8Array(0), IFINFO_BYTES);
    const xdp = attributes.nested(IFLA_XDP);
    const programId = xdp.number(IFLA_XDP_PROG_ID) ?? 0;
    return {
      device: attributes.text(IFLA_IFNAME) ?? '',
      mode: MODES[xdp.number(IFLA_XDP_ATTACHED) ?? 0] ?? 'none',
      programId,
      programName: programId === 0 ? '' : (programById(programId)?.name ?? ''),
      linkId: programId === 0 ? 0 : findLink(programId, ifindex),
    };
  } finally {
    netlink.close();
  }
}

/** What a link is, by its descriptor (struct bpf_link_info). */
export interface LinkInfo {
  readonly id: number;
  readonly type: number;
  readonly programId: number;
  /** Device of an XDP link; 0 once the device is gone. */
  readonly ifindex: number;
}

const LINK_INFO_BYTES = 64;

/** What the kernel says about the link behind `descriptor`. */
export function linkInfo(descriptor: number): LinkInfo {
  const s = bpf.beginCall(LINK_INFO_BYTES);
  s.bytes.fill(0, bpf.PAYLOAD, bpf.PAYLOAD + LINK_INFO_BYTES);
  s.view.setUint32(0, descriptor, true);
  s.view.setUint32(4, LINK_INFO_BYTES, true);
  bpf.setAddress(s, 8, bpf.PAYLOAD);
  const result = bpf.call(bpf.BPF_OBJ_GET_INFO_BY_FD);
  if (result < 0) throw bpf.refused(result, 'asking about a link');
  return {
    type: s.view.getUint32(bpf.PAYLOAD, true),
    id: s.view.getUint32(bpf.PAYLOAD + 4, true),
    programId: s.view.getUint32(bpf.PAYLOAD + 8, true),
    ifindex: s.view.getUint32(bpf.PAYLOAD + 16, true),
  };
}

/** Id of the XDP link that holds the program on the device, or 0. A program's id is unique over namespaces. */
function findLink(programId: number, ifindex: number): number {
  let id = 0;
  for (;;) {
    const s = bpf.beginCall(0);
    s.view.setUint32(0, id, true);
    if (bpf.call(bpf.BPF_LINK_GET_NEXT_ID) < 0) return 0;
    id = s.view.getUint32(4, true);
    const info = linkById(id);
    if (info?.type === LINK_TYPE_XDP && info.programId === programId && info.ifindex === ifindex) return id;
  }
}

function linkById(id: number): LinkInfo | undefined {
  const s = bpf.beginCall(0);
  s.view.setUint32(0, id, true);
  const descriptor = bpf.call(bpf.BPF_LINK_GET_FD_BY_ID);
  if (descriptor < 0) return undefined;
  try {
    return linkInfo(descriptor);
  } finally {
    libc().close(descriptor);
  }
}

/** Processes, of those this one may look into, that hold the link open. Slow: for error messages. */
export function linkHolders(linkId: number): number[] {
  return holdersOf(new RegExp(`^link_id:\\s*${linkId}$`, 'm'));
}

/** As {@link linkHolders}, of a program. */
export function programHolders(programId: number): number[] {
  return holdersOf(new RegExp(`^prog_id:\\s*${programId}$`, 'm'));
}

function holdersOf(line: RegExp): number[] {
  const holders: number[] = [];
  for (const pid of readable(() => readdirSync('/proc')) ?? []) {
    if (!/^\d+$/.test(pid)) continue;
    for (const fd of readable(() => readdirSync(`/proc/${pid}/fdinfo`)) ?? []) {
      const info = readable(() => readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8'));
      if (info !== undefined && line.test(info)) {
        holders.push(Number(pid));
        break;
      }
    }
  }
  return holders;
}

/**
 * Takes a program off a device that was attached without a link, and so stays when its process is gone.
 *
 * @throws DemiError `ERR_DEMI_SYSCALL`, `ERR_DEMI_PERMISSION`; EBUSY when a link holds it
 */
export function detachXdp(ifindex: number): void {
  const netlink = new NetlinkSocket();
  try {
    const request = new MessageWriter(RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK)
      .u32(0)
      .u32(ifindex)
      .u32(0)
      .u32(0);
    request.nested(IFLA_XDP, xdp => xdp.u32Attribute(IFLA_XDP_FD, 0xffff_ffff));
    netlink.request(request, `taking the XDP program off device ${ifindex}`);
  } finally {
    netlink.close();
  }
}

// Processes end while they are looked at.
function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
