// demikernel devices: what this host can run, what is missing, and the command that provides it. Found by trying.

import { constants, rmSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { parseArgs } from 'node:util';
import { passAll } from '@demikernel/ebpf';
import { DemiError } from '@demikernel/memory';
import { DPDK_PACKAGES, dpdkLibrary, installedDrivers } from '@demikernel/native/dpdk';
import {
  closeDescriptor,
  createMemfd,
  driverName,
  errno,
  F_SEAL_FUTURE_WRITE,
  F_SEAL_SHRINK,
  getChannels,
  IoUring,
  type Link,
  libc,
  listLinks,
  NetlinkSocket,
  openSocket,
  SOCK_RAW,
  systemError,
} from '@demikernel/native/kernel';
import { rdmaDevices } from '@demikernel/native/verbs';
import type { Command } from './command.ts';
import { type Controller, controllers, controllerTable, tryVfio } from './controllers.ts';
import { textTable } from './text-table.ts';

const HELP = `Usage: demikernel devices [--json]

Tries what each library OS needs on this host and prints what works, what is missing, and the command that provides it.
Changes nothing; a file that it makes in the current directory is removed at once.

  --json   one JSON object { host, features, interfaces, controllers }
`;

/** include/linux/socket.h */
const AF_PACKET = 17;
const PROVIDE_DPDK = `apt-get install ${DPDK_PACKAGES} librte-net-af-xdp23`;
const AF_XDP = 44;

/** include/uapi/asm-generic/fcntl.h */
const O_CLOEXEC = 0o2000000;

/** One thing a library OS needs. */
interface Feature {
  libos: string;
  needs: string;
  works: boolean;
  missing: string;
  provide: string;
}

const GRANT =
  'sudo setcap cap_net_raw,cap_net_admin,cap_bpf,cap_ipc_lock+ep "$(readlink -f "$(command -v node)")"';

const ALLOW_RING = 'sudo sysctl kernel.io_uring_disabled=0 (containers: allow it in the seccomp filter)';
const DIRECT_FILES = 'for logs past the page cache, a directory on ext4 or XFS that you may write to';
const PROVIDE_VFIO =
  'sudo modprobe -a vfio-pci vfio_iommu_type1 (and an IOMMU: intel_iommu=on, amd_iommu=on)';

function attempt(libos: string, needs: string, provide: string, action: () => void): Feature {
  try {
    action();
    return { libos, needs, works: true, missing: '', provide: '' };
  } catch (error) {
    return { libos, needs, works: false, missing: reasonOf(error), provide };
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof DemiError) return error.errnoName ?? error.message.split('\n', 1)[0]!;
  return (error as NodeJS.ErrnoException).code ?? String(error);
}

function trySocket(family: number): void {
  const fd = openSocket(family, SOCK_RAW);
  if (fd < 0) throw systemError('socket', { errno: -fd });
  closeDescriptor(fd);
}

/** Peers get memory that they can map for reading only. */
function trySealedMemory(): void {
  closeDescriptor(
    createMemfd({ name: 'demikernel-look', lengthBytes: 4096, seals: F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE }),
  );
}

/** Past the page cache, as Catcollar opens the segments of logs. */
function tryDirectFile(): void {
  const path = `.demikernel-look-${process.pid}`;
  // Made beforehand: an open(2) that refuses O_DIRECT may have made the file all the same.
  writeFileSync(path, '', { flag: 'wx', mode: 0o600 });
  try {
    const fd = libc().open(path, constants.O_RDWR | constants.O_DIRECT | O_CLOEXEC, 0);
    if (fd < 0) throw systemError('open', { errno: errno() });
    closeDescriptor(fd);
  } finally {
    rmSync(path);
  }
}

function tryRdma(): void {
  if (rdmaDevices().length === 0) throw new DemiError('ERR_DEMI_UNSUPPORTED', 'there is no RDMA device');
}

function tryDpdk(): void {
  dpdkLibrary();
  if (installedDrivers().length === 0)
    throw new DemiError('ERR_DEMI_UNSUPPORTED', 'DPDK has no drivers here');
}

function features(): Feature[] {
  const drivers = installedDrivers().map(name => name.slice(4));
  const tryRing = () => new IoUring({ entries: 8 }).close();
  return [
    attempt('catnap', 'Linux on x86-64 and koffi', 'a supported host; npm ci', () => void libc()),
    attempt('catcollar', 'io_uring', ALLOW_RING, tryRing),
    attempt('catmem', 'sealed memfds (Linux 5.1)', 'a newer kernel', trySealedMemory),
    attempt('catmint', 'an RDMA device (rdma-core)', 'rdma link add rxe0 type rxe netdev eth0', tryRdma),
    attempt(
      'catnip',
      `DPDK 22.11${drivers.length === 0 ? '' : `: ${drivers.join(' ')}`}`,
      PROVIDE_DPDK,
      tryDpdk,
    ),
    attempt('catpowder', 'AF_XDP sockets (CAP_NET_RAW)', GRANT, () => trySocket(AF_XDP)),
    attempt('catpowder', 'XDP programs (CAP_BPF, CAP_NET_ADMIN)', GRANT, () => passAll().close()),
    attempt('catpowder', 'AF_PACKET sockets (CAP_NET_RAW)', GRANT, () => trySocket(AF_PACKET)),
    attempt('storage', 'io_uring, for logs in files', ALLOW_RING, tryRing),
    attempt('storage', 'O_DIRECT in this directory (else the page cache)', DIRECT_FILES, tryDirectFile),
    attempt('storage', 'vfio, for logs on NVMe controllers', PROVIDE_VFIO, tryVfio),
    { libos: 'simulator', needs: 'nothing', works: true, missing: '', provide: '' },
  ];
}

/** An interface as a packet device would see it. */
interface Interface {
  name: string;
  driver: string;
  up: boolean;
  mtuBytes: number;
  queues: number;
  xdpProgramId: number;
  usable: string;
}

function interfaces(): Interface[] {
  const netlink = new NetlinkSocket();
  try {
    return listLinks(netlink).map(describe);
  } finally {
    netlink.close();
  }
}

function orElse<T>(value: () => T, otherwise: T): T {
  try {
    return value();
  } catch {
    return otherwise;
  }
}

const ETHERNET = 1;

function describe(link: Link): Interface {
  const channels = orElse(() => getChannels(link.name), undefined);
  const queues = channels === undefined ? link.rxQueues : Math.max(1, channels.combined + channels.rx);
  let usable = 'yes';
  if (link.hardwareType !== ETHERNET) usable = 'no: not Ethernet';
  else if (!link.up) usable = `no: down (ip link set ${link.name} up)`;
  else if (link.xdpAttached) usable = `no: XDP program ${link.xdpProgramId} is attached`;
  return {
    name: link.name,
    driver: orElse(() => driverName(link.name), link.kind),
    up: link.up,
    mtuBytes: link.mtuBytes,
    queues,
    xdpProgramId: link.xdpProgramId,
    usable,
  };
}

export const devices: Command = {
  name: 'devices',
  summary: 'what this host can run, and what is missing',
  help: HELP,
  async run(args: string[]): Promise<number> {
    const { values } = parseArgs({ args, options: { json: { type: 'boolean', default: false } } });
    const host = {
      kernel: release(),
      node: process.version,
      platform: `${process.platform} ${process.arch}`,
    };
    const found = features();
    const links = found[0]!.works ? interfaces() : [];
    const drives: Controller[] = orElse(controllers, []);
    if (values.json) {
      const report = { host, features: found, interfaces: links, controllers: drives };
      process.stdout.write(`${JSON.stringify(report)}\n`);
      return 0;
    }
    const featureRows = found.map(one => [
      one.libos,
      one.needs,
      one.works ? 'works' : `missing: ${one.missing}`,
    ]);
    const linkRows = links.map(one => [
      one.name,
      one.driver,
      String(one.mtuBytes),
      String(one.queues),
      one.usable,
    ]);
    const provide = [...new Set(found.filter(one => !one.works).map(one => one.provide))];
    process.stdout.write(
      `Linux ${host.kernel}, ${host.platform}, Node ${host.node}\n\n` +
        `${textTable([{ heading: 'library OS' }, { heading: 'needs' }, { heading: 'here' }], featureRows)}\n` +
        (provide.length === 0
          ? ''
          : `\nTo get what is missing:\n${provide.map(line => `  ${line}`).join('\n')}\n`) +
        `\n${textTable(
          [
            { heading: 'interface' },
            { heading: 'driver' },
            { heading: 'mtu', right: true },
            { heading: 'queues', right: true },
            { heading: 'for catpowder' },
          ],
          linkRows,
        )}\n${controllerTable(drives)}`,
    );
    return 0;
  },
};
