// demikernel calibrate: measures from which size on values are better sent by reference than copied, and keeps the answer
// where open() finds it.

import { writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { parse as parsePath } from 'node:path';
import { parseArgs } from 'node:util';
import { DemiError } from '@demikernel/memory';
import { calibrate, type DeviceCalibration } from '../calibration/calibrate.ts';
import { MOST_FIELDS } from '../calibration/field-array.ts';
import { shapesOf } from '../calibration/heat-map.ts';
import { type HostPlace, PLACES, type Place } from '../calibration/places.ts';
import { svgHeatMap } from '../calibration/svg-map.ts';
import {
  CALIBRATION_VARIABLE,
  type CalibratedThreshold,
  calibrationPath,
  storeThresholds,
} from '../pdpix/calibration-file.ts';
import { describeDevice } from '../runtime/device-identity.ts';
import { calibrationText, sizeText, thresholdSentence } from './calibration-text.ts';
import { type Command, stopOnSignals, UsageError } from './command.ts';

const FIELDS = '1,2,4,8,16,32';
const SIZES = '256,512,1024,2048,4096,8192,16384';
const SECONDS = '20';
const WORKING_SET_BYTES = String(64 << 20);
const MOST_WORKING_SET_BYTES = 512 << 20;
const MOST_SIZE_BYTES = 65_536;
const MOST_SHAPES = 400;

const HELP = `Usage: demikernel calibrate [--device NAME,…] [options]

Measures, for each device of this machine, whether messages are quicker when their values are copied together or sent
from where they lie; prints a map of it, fields × bytes of all fields; and keeps the threshold, from which open() and
Cornflakes take it. Devices that cannot be opened here are left out, unless they are asked for.

  --device NAME,…       ${PLACES.join(', ')} (default all)
  --interface NAME      af-xdp or af-packet on this interface, instead of a veth pair in a namespace of its own
  --address IP/LEN      with it: an address of the service's own there (default: the host's, by port)
  --to ADDRESS:PORT     with it: who accepts a TCP connection and reads what comes
  --fields N,…          fields of a message (default ${FIELDS})
  --sizes BYTES,…       bytes of all its fields together (default ${SIZES})
  --working-set BYTES   bytes of values to choose from (default ${WORKING_SET_BYTES}:
                        more than the caches hold)
  --seconds N           how long to measure each device (default ${SECONDS})
  --no-store            keep nothing
  --svg FILE            the maps as pictures; with several devices FILE-DEVICE.svg
  --json                one JSON object { machine, stored, devices }

The thresholds lie in the file that ${CALIBRATION_VARIABLE} names, else in
$XDG_STATE_HOME/demikernel/calibration.json. The same variable set to 'off' has nobody use them.
`;

function numbers(flag: string, text: string, least: number, most: number): number[] {
  const found = text.split(',').map(part => (/^\d{1,9}$/.test(part) ? Number(part) : Number.NaN));
  if (!found.every(value => value >= least && value <= most))
    throw new UsageError(`--${flag} takes whole numbers from ${least} to ${most}, separated by commas`);
  return [...new Set(found)].sort((a, b) => a - b);
}

function placesOf(text: string | undefined): Place[] {
  if (text === undefined) return [...PLACES];
  return text.split(',').map(name => {
    // What most people mean by it.
    const place = PLACES.find(each => each === (name === 'catpowder' ? 'af-xdp' : name));
    if (place === undefined) throw new UsageError(`'${name}' is no device; there are ${PLACES.join(', ')}`);
    return place;
  });
}

function hostOf(
  values: { interface?: string; address?: string; to?: string },
  places: readonly Place[],
): HostPlace | undefined {
  const { address, to } = values;
  if (values.interface === undefined) {
    if (address !== undefined || to !== undefined)
      throw new UsageError('--address and --to go with --interface');
    return undefined;
  }
  if (to === undefined) throw new UsageError('--interface needs --to ADDRESS:PORT of a peer that reads');
  if (places.length !== 1 || (places[0] !== 'af-xdp' && places[0] !== 'af-packet'))
    throw new UsageError('--interface needs --device af-xdp or --device af-packet');
  return { interface: values.interface, address, to };
}

/** A line on a terminal that is written over, and nothing elsewhere. */
function progressOf(place: Place): (fraction: number) => void {
  if (!process.stderr.isTTY) return () => {};
  let shown = -1;
  return fraction => {
    const now = Math.floor(fraction * 100);
    if (now === shown) return;
    shown = now;
    process.stderr.write(`\r${place} ${now} %\u001b[K`);
  };
}

function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
}

function machine(): string {
  return `${cpus()[0]?.model ?? 'unknown processor'}, Linux ${release().split('-', 1)[0]}, Node ${process.version}`;
}

function thresholdOf(found: DeviceCalibration, measuredAt: string): CalibratedThreshold {
  const { copyThresholdBytes, descriptorThresholdBytes, identity } = found;
  return { ...identity, copyThresholdBytes, descriptorThresholdBytes, measuredAt, machine: machine() };
}

/** JSON has no infinity. */
function withoutInfinity(_key: string, value: unknown): unknown {
  return value === Number.POSITIVE_INFINITY ? 'Infinity' : value;
}

function writePictures(path: string, devices: readonly DeviceCalibration[]): void {
  for (const found of devices) {
    const { dir, name, ext } = parsePath(path);
    const own = devices.length === 1 ? path : `${dir === '' ? '' : `${dir}/`}${name}-${found.place}${ext}`;
    const title = `Gather against copy: ${describeDevice(found.identity)}`;
    const note = `${machine()}; ${sizeText(found)}`;
    try {
      writeFileSync(own, svgHeatMap(found.cells, found.copyThresholdBytes, { title, note }));
    } catch (cause) {
      const message = `${own} cannot be written: ${(cause as Error).message}`;
      throw new DemiError('ERR_DEMI_CALIBRATION', message, { cause });
    }
  }
}

export const calibrateCommand: Command = {
  name: 'calibrate',
  summary: 'from which size on values are sent by reference, measured',
  help: HELP,
  async run(args: string[]): Promise<number> {
    const { values } = parseArgs({
      args,
      allowNegative: true,
      options: {
        device: { type: 'string' },
        interface: { type: 'string' },
        address: { type: 'string' },
        to: { type: 'string' },
        fields: { type: 'string', default: FIELDS },
        sizes: { type: 'string', default: SIZES },
        'working-set': { type: 'string', default: WORKING_SET_BYTES },
        seconds: { type: 'string', default: SECONDS },
        store: { type: 'boolean', default: true },
        svg: { type: 'string' },
        json: { type: 'boolean', default: false },
      },
    });
    const places = placesOf(values.device);
    const host = hostOf(values, places);
    const fields = numbers('fields', values.fields, 1, MOST_FIELDS);
    const sizesBytes = numbers('sizes', values.sizes, 1, MOST_SIZE_BYTES);
    const [workingSetBytes] = numbers(
      'working-set',
      values['working-set'],
      MOST_SIZE_BYTES,
      MOST_WORKING_SET_BYTES,
    );
    const seconds = Number(values.seconds);
    if (!(seconds > 0 && seconds <= 3600)) throw new UsageError('--seconds takes a number up to 3600');
    const shapes = shapesOf(fields, sizesBytes).length;
    if (shapes === 0) throw new UsageError('no size of --sizes can be divided by a number of --fields');
    if (shapes > MOST_SHAPES) throw new UsageError(`at most ${MOST_SHAPES} cells, not ${shapes}`);
    const path = values.store ? calibrationPath() : undefined;
    const signal = stopOnSignals();
    const devices: DeviceCalibration[] = [];
    for (const place of places) {
      try {
        devices.push(
          await calibrate({
            place,
            host,
            fields,
            sizesBytes,
            seconds,
            workingSetBytes: workingSetBytes!,
            onProgress: progressOf(place),
            signal,
          }),
        );
      } catch (error) {
        clearProgress();
        if (signal.aborted) return 130;
        if (values.device !== undefined || !(error instanceof DemiError)) throw error;
        process.stderr.write(`demikernel: ${place} is left out: ${error.message}\n`);
        continue;
      }
      clearProgress();
      if (!values.json) process.stdout.write(`${calibrationText(devices.at(-1)!)}\n`);
    }
    const decided = devices.filter(found => found.decided);
    const measuredAt = new Date().toISOString();
    if (path !== undefined && decided.length > 0)
      storeThresholds(
        path,
        decided.map(found => thresholdOf(found, measuredAt)),
      );
    if (values.svg !== undefined) writePictures(values.svg, devices);
    if (values.json) {
      const stored = path !== undefined && decided.length > 0 ? path : '';
      process.stdout.write(`${JSON.stringify({ machine: machine(), stored, devices }, withoutInfinity)}\n`);
    } else {
      for (const found of devices)
        process.stdout.write(`${describeDevice(found.identity)}: ${thresholdSentence(found)}\n`);
      if (path !== undefined && decided.length > 0) process.stdout.write(`kept in ${path}\n`);
    }
    return devices.length > 0 ? 0 : 1;
  },
};
