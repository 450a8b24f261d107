// Opens Cattree: takes the controller from the kernel, starts it, finds the directory or makes one, unless something else is
// on the device.

import { DemiError } from '@demikernel/memory';
import { claimController } from '../../nvme/claim.ts';
import { NVME_COUNTERS, NVME_READY, NVME_STARTING, NvmeController } from '../../nvme/controller.ts';
import type { NvmeNamespace } from '../../nvme/identify.ts';
import { findSignature, isBlank, type ReadBytes, SIGNATURE_BACK_BYTES } from '../../nvme/signatures.ts';
import { VfioDoor } from '../../nvme/vfio-door.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { Storage } from '../../runtime/segment-store.ts';
import { DeviceStorage } from './device-storage.ts';
import {
  COPY_BYTES,
  Directory,
  decodeDirectory,
  layOut,
  looksLikeDirectory,
  segmentOffset,
  type TreeLayout,
} from './directory.ts';
import { NamespaceAccess, type TreeDevice } from './namespace-access.ts';
import { Transfers } from './transfers.ts';

export interface CattreeOptions {
  /** PCI address of the controller: `0000:00:07.0`; `demikernel devices` lists them. */
  device: string;
  /** Namespace that the logs are on; default the first. */
  namespaceId?: number;
  /** Size of the segments of a new directory, a multiple of 4096 from 64 KiB to 1 GiB; default 16 MiB. */
  segmentBytes?: number;
  /** Make a new directory over whatever the namespace holds, and take a controller that is in use. Default false. */
  overwrite?: boolean;
  /** Commands that can be under way at once, 2 to 256; default 128. */
  queueEntries?: number;
  /** After so long a command is aborted, after twice as long the controller is reset; default 5 s. */
  commandTimeoutMs?: number;
}

/** Blocks of a segment: a log keeps some for its marks. */
const LEAST_BLOCKS = 32;

/**
 * Takes a controller from the kernel, which gets it back at `close`; a process that is killed leaves it with vfio-pci.
 *
 * @throws DemiError `ERR_DEMI_OPTION`, `ERR_DEMI_ADDRESS`, `ERR_DEMI_IN_USE` when the device is used or holds something and
 *   `overwrite` is not set, `ERR_DEMI_BUSY` when another process drives it, `ERR_DEMI_DEVICE` when it does not work,
 *   `ERR_DEMI_UNSUPPORTED` without vfio, `ERR_DEMI_PERMISSION`
 */
export function openCattree(runtime: Runtime, options: CattreeOptions): Storage {
  const { clock, metrics, random } = runtime;
  checkSegmentBytes(options.segmentBytes);
  const claim = claimController(options.device, {
    overwrite: options.overwrite,
    namespaceId: options.namespaceId ?? 1,
    isOurs: isTree,
  });
  let door: VfioDoor | undefined;
  const release = (): void => {
    door?.close();
    claim.release();
  };
  try {
    door = new VfioDoor(claim.address, claim.iommuGroup);
    const counters = metrics.counters('nvme', NVME_COUNTERS);
    const { commandTimeoutMs, queueEntries } = options;
    const controller = new NvmeController(door, { clock, counters, commandTimeoutMs, queueEntries });
    while (controller.state === NVME_STARTING) {
      clock.update();
      controller.poll();
    }
    if (controller.state !== NVME_READY) throw controller.failure!;
    return mountTree({ controller, clock, random, release }, options);
  } catch (error) {
    try {
      release();
    } catch {
      // What went wrong first is what there is to say.
    }
    throw error;
  }
}

function checkSegmentBytes(segmentBytes: number | undefined): void {
  if (segmentBytes === undefined) return;
  if (segmentBytes % 4096 === 0 && segmentBytes >= 64 << 10 && segmentBytes <= 1 << 30) return;
  throw new DemiError(
    'ERR_DEMI_OPTION',
    `segmentBytes is a multiple of 4096 from 65536 to ${1 << 30}, not ${segmentBytes}`,
  );
}

/** Finds the directory on a namespace, or makes one. @throws DemiError as {@link openCattree} */
export function mountTree(
  device: TreeDevice,
  options: Pick<CattreeOptions, 'namespaceId' | 'segmentBytes' | 'overwrite'>,
): DeviceStorage {
  const { controller, clock } = device;
  const namespace = findNamespace(controller, options.namespaceId ?? 1);
  const transfers = new Transfers(controller, namespace);
  const access = new NamespaceAccess(device, transfers);
  try {
    const found =
      findDirectory(access, options.overwrite === true) ?? makeDirectory(access, device, namespace, options);
    const { copy, directory } = found;
    return new DeviceStorage({ clock, transfers, directory, copy: copy ^ 1, release: device.release });
  } finally {
    access.release();
  }
}

function findNamespace(controller: NvmeController, id: number): NvmeNamespace {
  const namespace = controller.namespaces.find(each => each.id === id);
  if (namespace !== undefined) return namespace;
  const why = controller.refusedNamespaces.get(id) ?? 'it is not there';
  throw new DemiError('ERR_DEMI_DEVICE', `namespace ${id} of ${controller.door.name}: ${why}`);
}

interface FoundDirectory {
  directory: Directory;
  copy: number;
}

/** The newer whole copy. @throws ERR_DEMI_IN_USE when something else is there and is not to be overwritten */
function findDirectory(access: NamespaceAccess, overwrite: boolean): FoundDirectory | undefined {
  if (overwrite) return undefined;
  let newest: FoundDirectory | undefined;
  let traces = false;
  for (const copy of [0, 1]) {
    const buffer = access.read(copy * COPY_BYTES, COPY_BYTES);
    traces ||= looksLikeDirectory(buffer.bytes);
    const directory = decodeDirectory(buffer);
    if (directory === undefined || !fits(directory.layout, access)) continue;
    if (newest === undefined || directory.sequence > newest.directory.sequence) newest = { directory, copy };
  }
  if (newest !== undefined) return newest;
  const what = traces
    ? 'a directory of logs that is damaged, or another namespace’s'
    : findSignature(access.bytes, access.lengthBytes);
  if (what === undefined && isBlank(access.bytes, access.lengthBytes)) return undefined;
  throw new DemiError(
    'ERR_DEMI_IN_USE',
    `${access.name} holds ${what ?? 'something'}: take it away, or open with overwrite: true`,
  );
}

/** The namespace may have been formatted anew, or be a smaller one that the bytes were copied to. */
function fits(layout: TreeLayout, access: NamespaceAccess): boolean {
  return (
    layout.blockBytes === access.blockBytes && segmentOffset(layout, layout.segments) <= access.lengthBytes
  );
}

/** Clears what others would know the namespace by, and puts an empty directory there. */
function makeDirectory(
  access: NamespaceAccess,
  { controller, random }: TreeDevice,
  namespace: NvmeNamespace,
  options: Pick<CattreeOptions, 'segmentBytes'>,
): FoundDirectory {
  const { segmentBytes = 16 << 20 } = options;
  const { blockBytes, lengthBytes } = namespace;
  if (segmentBytes < LEAST_BLOCKS * blockBytes) {
    const least = LEAST_BLOCKS * blockBytes;
    throw new DemiError('ERR_DEMI_OPTION', `segmentBytes is at least ${least} on this namespace`);
  }
  const layout = layOut(random.int32(), blockBytes, segmentBytes, lengthBytes);
  if (layout === undefined) {
    throw new DemiError(
      'ERR_DEMI_OPTION',
      `namespace ${namespace.id} of ${controller.door.name} has no room for a segment of ${segmentBytes} bytes`,
    );
  }
  for (const offset of [0, COPY_BYTES]) access.clear(offset, COPY_BYTES);
  access.clear(lengthBytes - SIGNATURE_BACK_BYTES, SIGNATURE_BACK_BYTES);
  const directory = new Directory(layout, 1);
  access.write(0, directory.encode(access.buffer));
  return { directory, copy: 0 };
}

/** For the claim, which looks through the kernel's driver: the logs of an earlier run are no stranger's. */
function isTree(read: ReadBytes): boolean {
  return [0, COPY_BYTES].some(offset => looksLikeDirectory(read(offset, 4096)));
}
