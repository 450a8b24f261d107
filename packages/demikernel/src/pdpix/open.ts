// open(): from a name and options to a library OS that is ready. Native code is loaded here, not on import.

import { DemiError } from '@demikernel/memory';
import { createMemfd, mapDescriptor } from '@demikernel/native/kernel';
import type { CatcollarOptions } from '../liboses/catcollar/catcollar.ts';
import type { FileStorageOptions } from '../liboses/catcollar/files.ts';
import type { CatmemOptions } from '../liboses/catmem/catmem.ts';
import type { CatmintOptions } from '../liboses/catmint/catmint.ts';
import type { CatnapOptions } from '../liboses/catnap/catnap.ts';
import type { CatnipOptions } from '../liboses/catnip/catnip.ts';
import type { CatpowderOptions } from '../liboses/catpowder/catpowder.ts';
import type { CattreeOptions } from '../liboses/cattree/open-cattree.ts';
import type { LogSettings } from '../log/settings.ts';
import { type DeviceIdentity, softwareDevice } from '../runtime/device-identity.ts';
import type { LibraryOs } from '../runtime/library-os.ts';
import { Metrics, metricsBytes } from '../runtime/metrics.ts';
import { MonotonicClock } from '../runtime/monotonic-clock.ts';
import type { WaitMode } from '../runtime/poll-loop.ts';
import { SystemRandom } from '../runtime/random.ts';
import { Runtime } from '../runtime/runtime.ts';
import type { Storage } from '../runtime/segment-store.ts';
import { SystemWaiter } from '../runtime/waiter.ts';
import {
  type CalibratedThreshold,
  calibrationPath,
  readCalibration,
  thresholdFor,
} from './calibration-file.ts';
import { Demikernel } from './demikernel.ts';

/** What every library OS takes. */
export interface CommonOptions {
  /** How to wait for work; default `adaptive`. */
  wait?: WaitMode;
  /** `adaptive`: microseconds of spinning after the last work before sleeping; default 50. */
  spinUs?: number;
  /** Operations that can be outstanding at once; default 65536, at most 262144. */
  operations?: number;
  /** Queues that can be open at once; default 16384. */
  queues?: number;
  /** Poison freed memory and name stale slices; slow. Default: whether `DEMIKERNEL_DEBUG` is `memory`. */
  debugMemory?: boolean;
  /**
   * Values of at least so many bytes are better sent by reference than copied; 0 always refers, Infinity always copies. Default: what
   * `demikernel calibrate` has measured for this device on this machine, else what the library OS says.
   */
  copyThresholdBytes?: number;
  /** File with what was measured; `off`: none. Default: `DEMIKERNEL_CALIBRATION`, else the user's. */
  calibration?: string;
  /** Logs beside the network: which library OS keeps them, and what it needs. */
  storage?: StorageOptions;
}

/** Where logs are kept. `memory` keeps them as long as the process lives: for tests. */
export type StorageOptions = Partial<LogSettings> &
  (
    | ({ libos: 'catcollar' } & FileStorageOptions)
    | ({ libos: 'cattree' } & CattreeOptions)
    | { libos: 'memory'; segmentBytes?: number; segments?: number }
  );

/** Names that `open` knows for `storage`. */
export const STORAGE_LIBRARY_OSES = ['catcollar', 'cattree', 'memory'] as const;

/** Which library OS to open, and what it needs. */
export type OpenOptions = CommonOptions &
  (
    | ({ libos: 'catnap' } & CatnapOptions)
    | ({ libos: 'catpowder' } & CatpowderOptions)
    | ({ libos: 'catnip' } & CatnipOptions)
    | ({ libos: 'catmem' } & CatmemOptions)
    | ({ libos: 'catcollar' } & CatcollarOptions)
    | ({ libos: 'catmint' } & CatmintOptions)
  );

/** Names that `open` knows. */
export const LIBRARY_OSES = ['catnap', 'catpowder', 'catmem', 'catcollar', 'catmint', 'catnip'] as const;

/** Name of the memfd that carries a process's metrics, as `/proc/PID/fd` shows it. */
export const METRICS_NAME = 'demikernel-metrics';

/**
 * Opens a library OS.
 *
 * @throws ERR_DEMI_PLATFORM elsewhere than on Linux x86-64, ERR_DEMI_PERMISSION naming the capability that is missing,
 *   and what the library OS says of its options
 */
export async function open(options: OpenOptions): Promise<Demikernel> {
  const { operations, queues = 16384, copyThresholdBytes } = options;
  if (copyThresholdBytes !== undefined && !(copyThresholdBytes >= 0))
    throw new DemiError('ERR_DEMI_OPTION', `copyThresholdBytes: ${copyThresholdBytes} is no number of bytes`);
  const calibrated = calibratedThresholds(options);
  const clock = new MonotonicClock();
  const metrics = sharedMetrics(options.libos, queues);
  const runtime = new Runtime({ clock, random: new SystemRandom(), operations, queues, metrics });
  const debugMemory = options.debugMemory ?? process.env['DEMIKERNEL_DEBUG'] === 'memory';
  const network = await create(runtime, { ...options, debugMemory }, calibrated);
  const threshold =
    copyThresholdBytes ?? calibrated(network.identity ?? softwareDevice(network.name))?.copyThresholdBytes;
  if (threshold !== undefined) network.pool.copyThresholdBytes = threshold;
  const libraryOs = options.storage === undefined ? network : await withStorage(network, options.storage);
  return new Demikernel(libraryOs, {
    mode: options.wait,
    spinUs: options.spinUs,
    makeWaiter: () => libraryOs.makeWaiter?.() ?? new SystemWaiter(libraryOs.descriptors),
  });
}

type Calibrated = (device: DeviceIdentity) => CalibratedThreshold | undefined;

/** Looks thresholds up in the file, which is read once. One that cannot be read is a warning, not a failure. */
function calibratedThresholds(options: CommonOptions): Calibrated {
  const path = options.calibration ?? calibrationPath();
  if (path === undefined || path === 'off') return () => undefined;
  const calibration = readCalibration(path);
  if (calibration.problem !== '')
    process.emitWarning(`${calibration.problem}: going on without calibration`, 'DemikernelNotice');
  return device => thresholdFor(calibration, device);
}

async function create(runtime: Runtime, options: OpenOptions, calibrated: Calibrated): Promise<LibraryOs> {
  switch (options.libos) {
    case 'catnap':
      return (await import('../liboses/catnap/catnap.ts')).createCatnap(runtime, options);
    case 'catpowder':
      return (await import('../liboses/catpowder/catpowder.ts')).createCatpowder(
        runtime,
        options,
        device => calibrated(device)?.descriptorThresholdBytes,
      );
    case 'catnip':
      return (await import('../liboses/catnip/catnip.ts')).createCatnip(
        runtime,
        options,
        device => calibrated(device)?.descriptorThresholdBytes,
      );
    case 'catmem':
      return (await import('../liboses/catmem/catmem.ts')).createCatmem(runtime, options);
    case 'catcollar':
      return (await import('../liboses/catcollar/catcollar.ts')).createCatcollar(runtime, options);
    case 'catmint':
      return (await import('../liboses/catmint/catmint.ts')).createCatmint(runtime, options);
    default:
      throw new DemiError(
        'ERR_DEMI_UNSUPPORTED',
        `'${(options as { libos: string }).libos}' is no library OS of this version; there are ${LIBRARY_OSES.join(', ')}`,
      );
  }
}

/** Puts storage beside a network library OS, which is closed when there is none. */
async function withStorage(network: LibraryOs, options: StorageOptions): Promise<LibraryOs> {
  try {
    const { LibraryOsWithStorage } = await import('../liboses/storage/with-storage.ts');
    return new LibraryOsWithStorage(network, await createStorage(network.runtime, options), options);
  } catch (error) {
    network.close();
    throw error;
  }
}

async function createStorage(runtime: Runtime, options: StorageOptions): Promise<Storage> {
  switch (options.libos) {
    case 'catcollar':
      return new (await import('../liboses/catcollar/files.ts')).FileStorage(runtime, options);
    case 'cattree':
      return (await import('../liboses/cattree/open-cattree.ts')).openCattree(runtime, options);
    case 'memory': {
      const { MemoryDisk } = await import('../liboses/storage/memory-disk.ts');
      const { MemoryStorage } = await import('../liboses/storage/memory-storage.ts');
      return new MemoryStorage(new MemoryDisk({ ...options, random: runtime.random }));
    }
    default:
      throw new DemiError(
        'ERR_DEMI_UNSUPPORTED',
        `'${(options as { libos: string }).libos}' stores nothing; storage is one of ${STORAGE_LIBRARY_OSES.join(', ')}`,
      );
  }
}

/** Metrics in a memfd: others read it through /proc, and it is gone with the process however that ends. */
function sharedMetrics(libos: string, queues: number): Metrics {
  const lengthBytes = metricsBytes(queues);
  const fd = createMemfd({ name: METRICS_NAME, lengthBytes });
  const map = mapDescriptor({ fd, lengthBytes, shared: true });
  return new Metrics(map.buffer, {
    pid: process.pid,
    libos,
    startedMs: Date.now(),
    command: process.argv.join(' '),
  });
}
