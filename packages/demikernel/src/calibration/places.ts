// The devices that can be calibrated, and how a connection over each is made: both ends in this process, on interfaces of a
// namespace of its own that nobody else sees; or one end on an interface of the host's, to a peer that somebody has started.

import { writeFileSync } from 'node:fs';
import { DemiError } from '@demikernel/memory';
import {
  changeLink,
  createNamespace,
  createVethPair,
  deleteNamespace,
  listNamespaces,
  NetlinkSocket,
  runInNamespace,
} from '@demikernel/native/kernel';
import type { CatpowderOptions } from '../liboses/catpowder/catpowder.ts';
import type { Demikernel } from '../pdpix/demikernel.ts';
import { open } from '../pdpix/open.ts';
import { errnoName } from '../runtime/errno.ts';
import { Exchange } from './exchange.ts';
import { LocalReceiver, REMOTE_RECEIVER, type Receiver } from './receiver.ts';
import { ThreadReceiver } from './thread-receiver.ts';

/** What can be calibrated; two of them are Catpowder on one kind of device each. */
export const PLACES = ['catnap', 'catcollar', 'catmem', 'af-xdp', 'af-packet'] as const;
export type Place = (typeof PLACES)[number];

/** An interface of the host's. */
export interface HostPlace {
  interface: string;
  /** `10.0.0.2/24`: an address of the service's own there. */
  address?: string;
  /** `10.0.0.9:9000`: who accepts a connection and reads it. */
  to: string;
}

export interface ExchangeOptions {
  place: Place;
  host?: HostPlace | undefined;
  /** Of AF_XDP: see `CatpowderOptions`. Default Infinity. */
  descriptorThresholdBytes?: number;
  /** Bytes of values to send; the device gets twice as much memory, 64 MiB at least. */
  workingSetBytes: number;
}

type PacketOptions = Pick<CatpowderOptions, 'slots' | 'slotSizeBytes' | 'descriptorThresholdBytes'>;

/** The two ends of a connection. */
interface Ends {
  near: Demikernel;
  qd: number;
  receiver: Receiver;
}

const LEAST_MEMORY_BYTES = 64 << 20;
const PACKET_SLOT_BYTES = 2048;
const CONNECT_MS = 5_000;
const WITH_ITSELF = 'a connection with itself';

function memoryOf(workingSetBytes: number): number {
  // Slots of every library OS divide it.
  const unit = 1 << 20;
  return Math.max(LEAST_MEMORY_BYTES, Math.ceil((2 * workingSetBytes) / unit) * unit);
}

/** Nothing here is to follow an earlier calibration. */
const UNCALIBRATED = { calibration: 'off', wait: 'spin' } as const;

/**
 * Opens a connection to measure.
 *
 * @throws ERR_DEMI_PERMISSION and whatever else the library OS says of this host
 */
export async function openExchange(options: ExchangeOptions): Promise<Exchange> {
  const { near, qd, receiver } = await openEnds(options);
  try {
    return new Exchange(near, qd, receiver, options.workingSetBytes);
  } catch (error) {
    near.shutDown();
    receiver.close();
    throw error;
  }
}

async function openEnds(options: ExchangeOptions): Promise<Ends> {
  const { host, place } = options;
  const memoryBytes = memoryOf(options.workingSetBytes);
  const packetOptions: PacketOptions = {
    slots: memoryBytes / PACKET_SLOT_BYTES,
    slotSizeBytes: PACKET_SLOT_BYTES,
    descriptorThresholdBytes: options.descriptorThresholdBytes ?? Number.POSITIVE_INFINITY,
  };
  switch (place) {
    case 'catnap':
    case 'catcollar': {
      const near = await open({ ...UNCALIBRATED, libos: place, memoryBytes });
      const far = await otherwiseClose(near, () => open({ ...UNCALIBRATED, libos: place }));
      return connect(near, far, '127.0.0.1:0');
    }
    case 'catmem':
      return openWithThread(place, memoryBytes);
    default:
      return host === undefined ? openOverVeth(place, packetOptions) : openOnHost(place, host, packetOptions);
  }
}

async function otherwiseClose<T>(first: { shutDown(): void }, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    first.shutDown();
    throw error;
  }
}

/** In shared memory each piece is taken, and given back, by itself, and the receiver reads what the sender may not have touched. */
async function openWithThread(libos: 'catmem', memoryBytes: number): Promise<Ends> {
  const receiver = await ThreadReceiver.start(libos);
  let near: Demikernel | undefined;
  try {
    near = await open({ ...UNCALIBRATED, libos, memoryBytes });
    const qd = near.socket('stream');
    const connecting = near.connect(qd, receiver.address);
    turnUntil([near], () => near!.isComplete(connecting), WITH_ITSELF);
    checked(near, connecting, WITH_ITSELF);
    receiver.accepted();
    return { near, qd, receiver };
  } catch (error) {
    near?.shutDown();
    receiver.close();
    throw error;
  }
}

async function openOnHost(
  device: 'af-xdp' | 'af-packet',
  host: HostPlace,
  options: PacketOptions,
): Promise<Ends> {
  const near = await open({
    ...options,
    ...UNCALIBRATED,
    libos: 'catpowder',
    device,
    interface: host.interface,
    address: host.address,
  });
  try {
    const qd = streamWithoutDelay(near);
    const connecting = near.connect(qd, host.to);
    turnUntil([near], () => near.isComplete(connecting), `a connection to ${host.to}`);
    checked(near, connecting, `a connection to ${host.to}`);
    return { near, qd, receiver: REMOTE_RECEIVER };
  } catch (error) {
    near.shutDown();
    throw error;
  }
}

const NEAR_ADDRESS = '10.0.0.1';
const FAR_ADDRESS = '10.0.0.2';

async function openOverVeth(device: 'af-xdp' | 'af-packet', packetOptions: PacketOptions): Promise<Ends> {
  removeAbandoned();
  const namespace = `demi-${process.pid}-calibrate`;
  createNamespace(namespace);
  try {
    makePair(namespace);
    const options = { ...UNCALIBRATED, libos: 'catpowder', device, namespace } as const;
    const onNotice = (): void => {};
    const tcp = { congestionControl: 'none', ackEverySegments: 1 } as const;
    const near = await open({
      ...options,
      ...packetOptions,
      onNotice,
      tcp,
      interface: 'near',
      address: `${NEAR_ADDRESS}/24`,
    });
    const far = await otherwiseClose(near, () =>
      open({ ...options, onNotice, tcp, interface: 'far', address: `${FAR_ADDRESS}/24` }),
    );
    return connect(near, far, `${FAR_ADDRESS}:9000`);
  } finally {
    // What is open in it keeps it alive: however this process ends, nothing is left.
    deleteNamespace(namespace);
  }
}

/** A process that was killed between making its namespace and taking the name away has left it behind. */
function removeAbandoned(): void {
  for (const name of listNamespaces()) {
    const pid = /^demi-(\d+)-calibrate$/.exec(name)?.[1];
    if (pid !== undefined && !isRunning(Number(pid))) deleteNamespace(name);
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Both ends in one namespace: neither has an address that the kernel knows. */
function makePair(namespace: string): void {
  runInNamespace(namespace, () => {
    const netlink = new NetlinkSocket();
    try {
      withoutIpv6();
      createVethPair(netlink, { name: 'near' }, { name: 'far' });
      for (const end of ['near', 'far']) changeLink(netlink, end, { up: true });
    } finally {
      netlink.close();
    }
  });
}

/** Router solicitations would arrive in the middle of a measurement. */
function withoutIpv6(): void {
  try {
    writeFileSync('/proc/sys/net/ipv6/conf/default/disable_ipv6', '1');
  } catch {
    // A kernel without IPv6, or a read-only /proc.
  }
}

function connect(near: Demikernel, far: Demikernel, address: string): Ends {
  try {
    const listener = far.socket('stream');
    far.bind(listener, address);
    far.listen(listener);
    const accepting = far.accept(listener);
    const qd = streamWithoutDelay(near);
    const connecting = near.connect(qd, far.getsockname(listener));
    turnUntil([near, far], () => near.isComplete(connecting) && far.isComplete(accepting), WITH_ITSELF);
    checked(near, connecting, WITH_ITSELF);
    const { acceptedQd } = checked(far, accepting, WITH_ITSELF);
    return { near, qd, receiver: new LocalReceiver(far, acceptedQd) };
  } catch (error) {
    near.shutDown();
    far.shutDown();
    throw error;
  }
}

/** A socket that sends at once: the time until an acknowledgement comes is not the device's. */
function streamWithoutDelay(os: Demikernel): number {
  const qd = os.socket('stream');
  os.setsockopt(qd, 'noDelay', true);
  return qd;
}

function turnUntil(systems: readonly Demikernel[], done: () => boolean, what: string): void {
  const end = performance.now() + CONNECT_MS;
  while (!done()) {
    if (performance.now() > end) throw new DemiError('ERR_DEMI_CALIBRATION', `${what} does not come about`);
    for (const os of systems) os.poll();
  }
}

function checked(os: Demikernel, token: number, what: string): { acceptedQd: number } {
  const { errno, acceptedQd } = os.wait(token, 0)!;
  if (errno !== 0) throw new DemiError('ERR_DEMI_CALIBRATION', `${what}: ${errnoName(errno)}`);
  return { acceptedQd };
}
