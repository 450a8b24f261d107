// Which XDP program a device carries, and who holds it: asked of the kernel, whoever attached it.
// Source: linux/rtnetlink.h, linux/if_link.h (IFLA_XDP), struct bpf_link_info in linux/bpf.h.

import { readdirSync, readFileSync } from 'node:fs';
import { libc, systemError } from '@demikernel/native/kernel';
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

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const NETLINK_ROUTE = 0;
const NLMSG_ERROR = 2;
const NLM_F_REQUEST = 1;
const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const IFLA_IFNAME = 3;
const IFLA_XDP = 43;
const IFLA_XDP_ATTACHED = 2;
const IFLA_XDP_PROG_ID = 4;
// nlmsghdr and ifinfomsg
const HEADERS_BYTES = 32;
const ATTRIBUTE_TYPE_MASK = 0x3fff;
const LINK_TYPE_XDP = 6;

/**
 * The XDP program on the device with index `ifindex` in this thread's network namespace.
 *
 * @throws DemiError `ERR_DEMI_SYSCALL` with ENODEV when there is no such device.
 */
export function queryXdp(ifindex: number): XdpAttachment {
  const reply = requestLink(ifindex);
  let device = '';
  let mode: XdpMode = 'none';
  let programId = 0;
  eachAttribute(reply, HEADERS_BYTES, reply.byteLength, (type, at, end) => {
    if (type === IFLA_IFNAME) device = text(reply, at, end);
    if (type !== IFLA_XDP) return;
    eachAttribute(reply, at, end, (inner, innerAt, innerEnd) => {
      if (inner === IFLA_XDP_ATTACHED && innerEnd > innerAt) mode = MODES[reply.getUint8(innerAt)] ?? 'none';
      if (inner === IFLA_XDP_PROG_ID && innerEnd - innerAt >= 4) programId = reply.getUint32(innerAt, true);
    });
  });
  const programName = programId === 0 ? '' : (programById(programId)?.name ?? '');
  return { device, mode, programId, programName, linkId: programId === 0 ? 0 : findLink(programId, ifindex) };
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
  const holders: number[] = [];
  const line = new RegExp(`^link_id:\\s*${linkId}$`, 'm');
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

// Processes end while they are looked at.
function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function requestLink(ifindex: number): DataView {
  const socket = libc().socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_ROUTE);
  if (socket < 0) throw systemError('socket', { detail: 'asking about a device' });
  try {
    const request = new DataView(new ArrayBuffer(HEADERS_BYTES));
    request.setUint32(0, HEADERS_BYTES, true);
    request.setUint16(4, RTM_GETLINK, true);
    request.setUint16(6, NLM_F_REQUEST, true);
    request.setInt32(20, ifindex, true);
    if (libc().writeBuffer(socket, request, HEADERS_BYTES) < 0) {
      throw systemError('write', { detail: 'asking about a device' });
    }
    const reply = new DataView(new ArrayBuffer(64 * 1024));
    const got = libc().readBuffer(socket, reply, reply.byteLength);
    if (got < 0) throw systemError('read', { detail: 'asking about a device' });
    const type = got >= 20 ? reply.getUint16(4, true) : 0;
    if (type === NLMSG_ERROR) {
      throw systemError('rtnetlink', {
        errno: -reply.getInt32(16, true),
        detail: `asking about device ${ifindex}`,
      });
    }
    return new DataView(reply.buffer, 0, type === RTM_NEWLINK ? got : 0);
  } finally {
    libc().close(socket);
  }
}

/** Visits netlink attributes in [from, to); stops at one that does not fit. */
function eachAttribute(
  view: DataView,
  from: number,
  to: number,
  visit: (type: number, at: number, end: number) => void,
): void {
  let at = from;
  while (at + 4 <= to) {
    const length = view.getUint16(at, true);
    if (length < 4 || at + length > to) return;
    visit(view.getUint16(at + 2, true) & ATTRIBUTE_TYPE_MASK, at + 4, at + length);
    at += (length + 3) & ~3;
  }
}

function text(view: DataView, at: number, end: number): string {
  let result = '';
  for (let i = at; i < end && view.getUint8(i) !== 0; i++) result += String.fromCharCode(view.getUint8(i));
  return result;
}
