// Thresholds that `demikernel calibrate` has measured, in a file: where it is, reading what anybody may have written into
// it, replacing it as a whole. How they are measured is calibration/.

import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { DemiError } from '@demikernel/memory';
import { type DeviceIdentity, describeDevice } from '../runtime/device-identity.ts';

/** Version of the file that this code writes, and the only one it reads. */
export const CALIBRATION_VERSION = 1;
/** Names the file, or is `off`. */
export const CALIBRATION_VARIABLE = 'DEMIKERNEL_CALIBRATION';

const MOST_BYTES = 1 << 20;
const MOST_ENTRIES = 1024;
const MOST_NAME_CHARACTERS = 64;

/** What was measured for one device. */
export interface CalibratedThreshold extends DeviceIdentity {
  /** Values of at least so many bytes are sent by reference; Infinity: none. */
  copyThresholdBytes: number;
  /** Of AF_XDP: pieces of a frame of at least so many bytes get a descriptor of their own; Infinity: none. */
  descriptorThresholdBytes: number;
  /** When, in ISO 8601, and on what: for people. */
  measuredAt: string;
  machine: string;
}

/** What a file holds. */
export interface Calibration {
  thresholds: readonly CalibratedThreshold[];
  /** Why nothing could be read of a file that is there; else empty. */
  problem: string;
  /** The file was written by a later version of this program. */
  newer: boolean;
}

const NOTHING: Calibration = { thresholds: [], problem: '', newer: false };

/** Where thresholds are kept: `DEMIKERNEL_CALIBRATION`, or a file of the user's state (XDG). `undefined`: nowhere. */
export function calibrationPath(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const named = environment[CALIBRATION_VARIABLE];
  if (named !== undefined && named !== '') return named === 'off' ? undefined : named;
  // The XDG base directory specification: a relative path is as good as none.
  const state = environment['XDG_STATE_HOME'];
  if (state !== undefined && isAbsolute(state)) return join(state, 'demikernel', 'calibration.json');
  const home = homeOf(environment);
  return home === undefined ? undefined : join(home, '.local', 'state', 'demikernel', 'calibration.json');
}

function homeOf(environment: NodeJS.ProcessEnv): string | undefined {
  const home = environment['HOME'];
  if (home !== undefined && isAbsolute(home)) return home;
  try {
    return homedir();
  } catch {
    // A user without an entry in the password file.
    return undefined;
  }
}

/** Reads a file. Never throws: a file that is not there holds nothing, one that is no calibration has a `problem`. */
export function readCalibration(path: string): Calibration {
  let text: string | undefined;
  try {
    text = readRegularFile(path);
  } catch (error) {
    return { ...NOTHING, problem: `${path} cannot be read: ${(error as Error).message}` };
  }
  if (text === undefined) return NOTHING;
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    return { ...NOTHING, problem: `${path} is no JSON` };
  }
  const version = propertyOf(content, 'version');
  if (version !== CALIBRATION_VERSION) {
    const newer = typeof version === 'number' && version > CALIBRATION_VERSION;
    const problem = newer
      ? `${path} is of version ${version}, this program reads version ${CALIBRATION_VERSION}`
      : `${path} is no calibration`;
    return { ...NOTHING, problem, newer };
  }
  const list = propertyOf(content, 'thresholds');
  if (!Array.isArray(list) || list.length > MOST_ENTRIES) {
    return { ...NOTHING, problem: `${path} is no calibration` };
  }
  const thresholds: CalibratedThreshold[] = [];
  for (const [index, item] of list.entries()) {
    const threshold = thresholdFrom(item);
    if (threshold === undefined)
      return { ...NOTHING, problem: `${path}: entry ${index} is no calibrated threshold` };
    thresholds.push(threshold);
  }
  return { thresholds, problem: '', newer: false };
}

/** `undefined`: there is none. @throws what open(2) and read(2) say, and for what is no regular file of a sane size */
function readRegularFile(path: string): string | undefined {
  let fd: number;
  try {
    // A pipe in its place would have us wait for a writer.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
  try {
    const status = fstatSync(fd);
    if (!status.isFile()) throw new Error('it is no regular file');
    if (status.size > MOST_BYTES) throw new Error(`it is ${status.size} bytes long`);
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}

function propertyOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}

function thresholdFrom(item: unknown): CalibratedThreshold | undefined {
  const name = (key: string): string | undefined => {
    const value = propertyOf(item, key);
    return typeof value === 'string' && value.length <= MOST_NAME_CHARACTERS ? value : undefined;
  };
  const libos = name('libos');
  const device = name('device');
  const linkName = name('interface');
  const driver = name('driver');
  const measuredAt = name('measuredAt');
  const machine = propertyOf(item, 'machine');
  const copyThresholdBytes = bytesFrom(propertyOf(item, 'copyThresholdBytes'));
  const descriptorThresholdBytes = bytesFrom(propertyOf(item, 'descriptorThresholdBytes'));
  if (
    libos === undefined ||
    device === undefined ||
    linkName === undefined ||
    driver === undefined ||
    measuredAt === undefined ||
    typeof machine !== 'string' ||
    copyThresholdBytes === undefined ||
    descriptorThresholdBytes === undefined
  )
    return undefined;
  return {
    libos,
    device,
    interface: linkName,
    driver,
    copyThresholdBytes,
    descriptorThresholdBytes,
    measuredAt,
    machine,
  };
}

/** JSON has no infinity: it is written as a string. */
function bytesFrom(value: unknown): number | undefined {
  if (value === 'Infinity') return Number.POSITIVE_INFINITY;
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0x7fffffff
    ? value
    : undefined;
}

function bytesTo(bytes: number): number | string {
  return bytes === Number.POSITIVE_INFINITY ? 'Infinity' : bytes;
}

/** What was measured for a device: for its very interface, else for interfaces of its driver. */
export function thresholdFor(
  calibration: Calibration,
  identity: DeviceIdentity,
): CalibratedThreshold | undefined {
  const same = calibration.thresholds.filter(
    each => each.libos === identity.libos && each.device === identity.device,
  );
  return (
    same.find(each => each.interface !== '' && each.interface === identity.interface) ??
    same.find(each => each.interface === '' && each.driver === identity.driver)
  );
}

function isSame(a: DeviceIdentity, b: DeviceIdentity): boolean {
  if (a.libos !== b.libos || a.device !== b.device || a.interface !== b.interface) return false;
  return a.interface !== '' || a.driver === b.driver;
}

/**
 * Puts thresholds into the file, in the place of older ones of the same devices. The file is replaced as a whole: a reader finds
 * the old one or the new one. What was no calibration is replaced, too.
 *
 * @throws ERR_DEMI_CALIBRATION when the file is of a later version, or cannot be written
 */
export function storeThresholds(path: string, measured: readonly CalibratedThreshold[]): void {
  const before = readCalibration(path);
  if (before.newer) {
    throw new DemiError(
      'ERR_DEMI_CALIBRATION',
      `${before.problem}; ${CALIBRATION_VARIABLE} can name another file`,
    );
  }
  const kept = before.thresholds.filter(old => !measured.some(each => isSame(each, old)));
  const thresholds = [...kept, ...measured]
    .map(each => ({
      ...each,
      copyThresholdBytes: bytesTo(each.copyThresholdBytes),
      descriptorThresholdBytes: bytesTo(each.descriptorThresholdBytes),
    }))
    .sort((a, b) => (describeDevice(a) < describeDevice(b) ? -1 : 1));
  const text = `${JSON.stringify({ version: CALIBRATION_VERSION, thresholds }, undefined, 2)}\n`;
  const temporary = `${path}.${process.pid}.new`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    replaceFile(path, temporary, text);
  } catch (cause) {
    throw new DemiError('ERR_DEMI_CALIBRATION', `${path} cannot be written: ${(cause as Error).message}`, {
      cause,
    });
  }
}

function replaceFile(path: string, temporary: string, text: string): void {
  // Left behind by a process of the same number that was killed.
  rmSync(temporary, { force: true });
  const fd = openSync(temporary, 'wx', 0o644);
  try {
    try {
      writeFileSync(fd, text);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
