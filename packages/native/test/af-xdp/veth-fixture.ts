// Two namespaces joined by a veth pair, and the smallest XDP program that redirects every frame to a socket.

import { execFileSync } from 'node:child_process';
import { addressOf, bpf, check, closeDescriptor, libc, type NativeBuffer } from '../../src/kernel/index.ts';

const CLONE_NEWNET = 0x4000_0000;
const O_RDONLY_CLOEXEC = 0o2000000;

let made = 0;

export interface VethPair {
  /** Namespace of our end, `demi0`, 10.77.0.2, and of the kernel's end, `demi1`, 10.77.0.1. */
  readonly near: string;
  readonly far: string;
  readonly nearIndex: number;
  readonly farIndex: number;
  remove(): void;
}

/** Runs `action` inside a named network namespace. */
export function inside<T>(namespace: string, action: () => T): T {
  const home = check(libc().open('/proc/thread-self/ns/net', O_RDONLY_CLOEXEC, 0), 'open');
  const there = check(libc().open(`/run/netns/${namespace}`, O_RDONLY_CLOEXEC, 0), 'open');
  try {
    check(libc().setns(there, CLONE_NEWNET), 'setns');
    return action();
  } finally {
    libc().setns(home, CLONE_NEWNET);
    closeDescriptor(home);
    closeDescriptor(there);
  }
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** Makes the pair, or returns why this process may not. */
export function vethPair(mtuBytes = 1500): VethPair | string {
  const near = `demi-${process.pid}-n${made}`;
  const far = `demi-${process.pid}-f${made++}`;
  const remove = (): void => {
    for (const name of [near, far]) {
      try {
        ip('netns', 'del', name);
      } catch {
        // It was never made.
      }
    }
  };
  try {
    ip('netns', 'add', near);
    ip('netns', 'add', far);
    ip('-n', near, 'link', 'add', 'demi0', 'type', 'veth', 'peer', 'name', 'demi1', 'netns', far);
    for (const [namespace, device] of [
      [near, 'demi0'],
      [far, 'demi1'],
    ] as const) {
      ip('-n', namespace, 'link', 'set', 'lo', 'up');
      ip('-n', namespace, 'link', 'set', device, 'mtu', String(mtuBytes), 'up');
    }
    ip('-n', far, 'addr', 'add', '10.77.0.1/24', 'dev', 'demi1');
    ip('-n', far, 'neigh', 'add', '10.77.0.2', 'lladdr', '02:00:00:00:00:02', 'dev', 'demi1');
    const nearIndex = inside(near, () => libc().if_nametoindex('demi0'));
    const farIndex = inside(far, () => libc().if_nametoindex('demi1'));
    return { near, far, nearIndex, farIndex, remove };
  } catch (error) {
    remove();
    return `needs CAP_NET_ADMIN and the ip command: ${(error as Error).message.trim()}`;
  }
}

function attributes(...words: [at: number, value: number | NativeBuffer][]): Uint8Array {
  const bytes = new Uint8Array(128);
  const view = new DataView(bytes.buffer);
  for (const [at, value] of words) {
    if (typeof value === 'number') view.setUint32(at, value, true);
    else view.setBigUint64(at, BigInt(addressOf(value)), true);
  }
  return bytes;
}

/** A program on a device that redirects the frames of queue q to the socket under key q. */
export class RedirectAll {
  readonly #descriptors: number[];
  readonly #map: number;

  constructor(namespace: string, interfaceIndex: number, fragments = false) {
    // linux/bpf.h: BPF_MAP_CREATE 0, XSKMAP 17
    this.#map = check(bpf(0, attributes([0, 17], [4, 4], [8, 4], [12, 8])), 'bpf');
    const code = new DataView(new ArrayBuffer(7 * 8));
    const instruction = (i: number, op: number, registers: number, offset: number, value: number): void => {
      code.setUint8(i * 8, op);
      code.setUint8(i * 8 + 1, registers);
      code.setInt16(i * 8 + 2, offset, true);
      code.setInt32(i * 8 + 4, value, true);
    };
    instruction(0, 0x61, 0x12, 16, 0); // r2 = ctx->rx_queue_index
    instruction(1, 0x18, 0x11, 0, this.#map); // r1 = map
    instruction(3, 0xb7, 0x03, 0, 2); // r3 = XDP_PASS
    instruction(4, 0x85, 0, 0, 51); // call redirect_map
    instruction(5, 0x95, 0, 0, 0); // exit
    instruction(6, 0x95, 0, 0, 0);
    const licence = new TextEncoder().encode('GPL\0');
    // BPF_PROG_LOAD 5, type XDP 6, BPF_F_XDP_HAS_FRAGS 32
    const load = attributes([0, 6], [4, 6], [8, code], [16, licence], [44, fragments ? 32 : 0]);
    const program = check(bpf(5, load), 'bpf');
    // BPF_LINK_CREATE 28, BPF_XDP 37, native mode 4
    const link = inside(namespace, () =>
      check(bpf(28, attributes([0, program], [4, interfaceIndex], [8, 37], [12, 4])), 'bpf'),
    );
    this.#descriptors = [link, program, this.#map];
  }

  /** BPF_MAP_UPDATE_ELEM 2. */
  bind(queue: number, socket: number): void {
    const key = Uint32Array.of(queue);
    const value = Uint32Array.of(socket);
    check(bpf(2, attributes([0, this.#map], [8, key], [16, value])), 'bpf');
  }

  close(): void {
    for (const fd of this.#descriptors) closeDescriptor(fd);
  }
}
