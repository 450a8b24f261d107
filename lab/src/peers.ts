// Programs of others that tests talk to, where they come from, and what becomes of a test whose program is missing.

import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'node:test';

/** A program that some test uses as a peer. */
export interface Peer {
  program: string;
  /** Where it is, when it is no program but a collection of files. */
  path?: string;
  /** The Debian package that has it. */
  debianPackage: string;
  usedFor: string;
}

/** The programs that tests use; `npm run test:full` installs those that are missing. */
export const PEERS: readonly Peer[] = [
  { program: 'curl', debianPackage: 'curl', usedFor: 'requests to the HTTP service' },
  { program: 'nc', debianPackage: 'netcat-openbsd', usedFor: 'lines to the echo services, TCP and UDP' },
  { program: 'wrk', debianPackage: 'wrk', usedFor: 'keep-alive load on the HTTP service' },
  { program: 'ping', debianPackage: 'iputils-ping', usedFor: 'echo requests to our stack' },
  { program: 'arping', debianPackage: 'iputils-arping', usedFor: 'ARP requests to our stack' },
  { program: 'tshark', debianPackage: 'tshark', usedFor: 'reading the captures we write' },
  { program: 'redis-server', debianPackage: 'redis-server', usedFor: 'replies that ours must equal' },
  { program: 'redis-cli', debianPackage: 'redis-tools', usedFor: 'commands to the key-value service' },
  { program: 'redis-benchmark', debianPackage: 'redis-tools', usedFor: 'load on the key-value service' },
  { program: 'ip', debianPackage: 'iproute2', usedFor: 'looking at interfaces as an administrator would' },
  { program: 'chromium', debianPackage: 'chromium', usedFor: 'the load balancer’s page' },
  {
    program: 'qemu-system-x86_64',
    debianPackage: 'qemu-system-x86',
    usedFor: 'the guest with devices of its own',
  },
  {
    program: 'librdmacm',
    path: '/usr/lib/x86_64-linux-gnu/librdmacm.so.1',
    debianPackage: 'librdmacm1',
    usedFor: 'RDMA connections in the guest',
  },
  {
    program: 'providers of verbs',
    path: '/etc/libibverbs.d/rxe.driver',
    debianPackage: 'ibverbs-providers',
    usedFor: 'soft-RoCE in the guest',
  },
  {
    program: 'net_af_packet of DPDK',
    path: '/usr/lib/x86_64-linux-gnu/dpdk/pmds-23.0/librte_net_af_packet.so.23',
    debianPackage: 'librte-net-af-packet23',
    usedFor: 'an interface, by packet socket',
  },
  {
    program: 'net_af_xdp of DPDK',
    path: '/usr/lib/x86_64-linux-gnu/dpdk/pmds-23.0/librte_net_af_xdp.so.23',
    debianPackage: 'librte-net-af-xdp23',
    usedFor: 'an interface, by AF_XDP',
  },
  {
    program: 'net_tap of DPDK',
    path: '/usr/lib/x86_64-linux-gnu/dpdk/pmds-23.0/librte_net_tap.so.23',
    debianPackage: 'librte-net-tap23',
    usedFor: 'a tap of the kernel’s',
  },
  {
    program: 'net_memif of DPDK',
    path: '/usr/lib/x86_64-linux-gnu/dpdk/pmds-23.0/librte_net_memif.so.23',
    debianPackage: 'librte-net-memif23',
    usedFor: 'memory shared with another process',
  },
  {
    program: 'net_virtio of DPDK',
    path: '/usr/lib/x86_64-linux-gnu/dpdk/pmds-23.0/librte_net_virtio.so.23',
    debianPackage: 'librte-net-virtio23',
    usedFor: 'network cards of the guest, by vfio',
  },
  {
    program: 'bus_pci of DPDK',
    path: '/usr/lib/x86_64-linux-gnu/dpdk/pmds-23.0/librte_bus_pci.so.23',
    debianPackage: 'librte-bus-pci23',
    usedFor: 'Catnip, whatever the driver',
  },
  {
    program: 'bus_vdev of DPDK',
    path: '/usr/lib/x86_64-linux-gnu/dpdk/pmds-23.0/librte_bus_vdev.so.23',
    debianPackage: 'librte-bus-vdev23',
    usedFor: 'Catnip, whatever the driver',
  },
  {
    program: 'mempool_ring of DPDK',
    path: '/usr/lib/x86_64-linux-gnu/dpdk/pmds-23.0/librte_mempool_ring.so.23',
    debianPackage: 'librte-mempool-ring23',
    usedFor: 'Catnip, whatever the driver',
  },
  { program: 'busybox', debianPackage: 'busybox-static', usedFor: 'the first steps of the guest' },
  {
    program: 'schemas of Protocol Buffers',
    path: '/usr/include/google/protobuf/any.proto',
    debianPackage: 'libprotobuf-dev',
    usedFor: 'compiling schemas that others wrote',
  },
  {
    program: 'schemas of gRPC',
    path: '/usr/share/grpc-proto',
    debianPackage: 'grpc-proto',
    usedFor: 'compiling schemas that others wrote',
  },
  {
    program: 'schemas of Gitaly',
    path: '/usr/share/gocode/src/gitlab.com/gitlab-org/gitaly-proto',
    debianPackage: 'golang-gitaly-proto-dev',
    usedFor: 'compiling schemas that others wrote',
  },
  {
    program: 'schemas of Google’s interfaces',
    path: '/usr/share/gocode/src/github.com/gogo/googleapis',
    debianPackage: 'golang-github-gogo-googleapis-dev',
    usedFor: 'compiling schemas that others wrote',
  },
];

/** Set by the test runner's `--full`: a missing peer fails a test instead of skipping it. */
export const FULL_RUN_VARIABLE = 'DEMIKERNEL_TEST_FULL';

/** Whether this is a full run. */
export function isFullRun(): boolean {
  return process.env[FULL_RUN_VARIABLE] === '1';
}

/** Path of a program, or `undefined`. */
export function findProgram(program: string): string | undefined {
  // A user's PATH often lacks the folders of administration.
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  for (const folder of folders) {
    const path = join(folder, program);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not there.
    }
  }
  return undefined;
}

/**
 * Path of a peer's program. Without it the test is skipped, by name, or in a full run fails.
 *
 * @returns `undefined` when the test has been skipped and should return
 */
export function requirePeer(t: TestContext, program: string): string | undefined {
  const refusal = peerRefusal(program);
  if (refusal !== undefined) t.skip(refusal);
  return refusal === undefined ? pathOf(program) : undefined;
}

/** Why a peer cannot take part, or `undefined` when it is here. @throws in a full run, which has all of them */
export function peerRefusal(program: string): string | undefined {
  if (pathOf(program) !== undefined) return undefined;
  const peer = PEERS.find(candidate => candidate.program === program);
  const refusal = `${program} is missing${peer === undefined ? '' : ` (apt-get install ${peer.debianPackage})`}`;
  if (isFullRun()) throw new Error(refusal);
  return refusal;
}

function pathOf(program: string): string | undefined {
  const peer = PEERS.find(candidate => candidate.program === program);
  return peer === undefined ? findProgram(program) : findPeer(peer);
}

function findPeer({ program, path }: Peer): string | undefined {
  if (path === undefined) return findProgram(program);
  return existsSync(path) ? path : undefined;
}

/** Peers whose programs are not here. */
export function missingPeers(): Peer[] {
  return PEERS.filter(peer => findPeer(peer) === undefined);
}

/** Installs the packages of missing peers with apt-get, as root. Returns whether all are here then. */
export function installMissingPeers(say: (line: string) => void): boolean {
  const missing = missingPeers();
  if (missing.length === 0) return true;
  say('A full run needs these programs of others; installing them from Debian’s packages:');
  for (const peer of missing) say(`  ${peer.debianPackage}: ${peer.program}, for ${peer.usedFor}`);
  if (process.getuid?.() !== 0 || findProgram('apt-get') === undefined) {
    const names = missing.map(peer => peer.debianPackage).join(' ');
    say(
      `That takes root and apt-get. Tests that need them will fail; install them with: apt-get install ${names}`,
    );
    return false;
  }
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (args: string[]): boolean =>
    spawnSync('apt-get', args, { env: environment, stdio: ['ignore', 'ignore', 'inherit'] }).status === 0;
  const names = [...new Set(missing.map(peer => peer.debianPackage))];
  const install = ['install', '-y', '--no-install-recommends', ...names];
  // The lists may be old or absent: only then is the update worth its time.
  if (!apt(['-qq', ...install])) {
    apt(['-qq', 'update']);
    apt(['-qq', ...install]);
  }
  const still = missingPeers();
  if (still.length > 0) say(`Still missing: ${still.map(peer => peer.program).join(', ')}`);
  return still.length === 0;
}
