// Calibrating one device: measure, choose, and measure once more with what was chosen.

import { type DeviceIdentity, softwareDevice } from '../runtime/device-identity.ts';
import type { Exchange } from './exchange.ts';
import {
  type Cell,
  cellOf,
  gainOver,
  type HybridCell,
  hybridCellOf,
  type Shape,
  shapesOf,
} from './heat-map.ts';
import { ALL_COPIED, ALL_GATHERED, HYBRID, type Measurements, measure, type Way } from './measure.ts';
import { type HostPlace, openExchange, type Place } from './places.ts';
import { chooseThreshold } from './threshold.ts';

export interface CalibrateOptions {
  place: Place;
  /** An interface of the host's instead of a veth pair. */
  host?: HostPlace;
  fields: readonly number[];
  sizesBytes: readonly number[];
  /** How long to measure. */
  seconds: number;
  /** Bytes of values that messages are made of: more than the caches hold, or not. */
  workingSetBytes: number;
  /** Told how far it has come, from 0 to 1. */
  onProgress?: (fraction: number) => void;
  signal?: AbortSignal;
}

/** What was found out about a device. */
export interface DeviceCalibration {
  place: Place;
  identity: DeviceIdentity;
  /** Values of at least so many bytes are better sent by reference. */
  copyThresholdBytes: number;
  /** Of AF_XDP: the same for descriptors of their own in a frame. */
  descriptorThresholdBytes: number;
  /** False: no cell says which way is better, and the threshold is what it was. */
  decided: boolean;
  rounds: number;
  workingSetBytes: number;
  cells: HybridCell[];
}

/** How the time is divided: for the choice, for descriptors where there are any, for the proof. */
const CHOICE_SHARE = 0.4;
const DESCRIPTOR_SHARE = 0.25;
const LEAST_PROOF_SHARE = 0.25;

/** @throws ERR_DEMI_PERMISSION and whatever else the library OS says of this host; the signal's reason */
export async function calibrate(options: CalibrateOptions): Promise<DeviceCalibration> {
  return new Calibration(options).run();
}

class Calibration {
  private readonly options: CalibrateOptions;
  private readonly shapes: readonly Shape[];
  private spent: number;

  constructor(options: CalibrateOptions) {
    this.options = options;
    this.shapes = shapesOf(options.fields, options.sizesBytes);
    this.spent = 0;
  }

  async run(): Promise<DeviceCalibration> {
    const gathers = this.options.place === 'af-xdp';
    const share = gathers ? DESCRIPTOR_SHARE : CHOICE_SHARE;
    const described = gathers ? await this.with(0, exchange => this.compare(exchange, share)) : undefined;
    let found = await this.with(Number.POSITIVE_INFINITY, async exchange => {
      const plain = await this.compare(exchange, share);
      const threshold =
        described === undefined
          ? undefined
          : chooseThreshold(described.map((cell, i) => gainOver(cell, plain[i]!)));
      if (threshold !== undefined && threshold !== Number.POSITIVE_INFINITY) return threshold;
      return this.prove(exchange, plain, Number.POSITIVE_INFINITY);
    });
    if (typeof found === 'number') {
      const threshold = found;
      found = await this.with(threshold, async exchange =>
        this.prove(exchange, await this.compare(exchange, share), threshold),
      );
    }
    return found;
  }

  private async with<T>(
    descriptorThresholdBytes: number,
    action: (exchange: Exchange) => Promise<T>,
  ): Promise<T> {
    const { host, place, workingSetBytes } = this.options;
    const exchange = await openExchange({ place, host, descriptorThresholdBytes, workingSetBytes });
    try {
      return await action(exchange);
    } finally {
      exchange.close();
    }
  }

  private async compare(exchange: Exchange, share: number): Promise<Cell[]> {
    const measured = await this.measure(exchange, [ALL_COPIED, ALL_GATHERED], share);
    return this.shapes.map((shape, i) => cellOf(shape, measured[i]![0]!, measured[i]![1]!));
  }

  /** Chooses by what was measured, and measures what that is worth. */
  private async prove(
    exchange: Exchange,
    measured: readonly Cell[],
    descriptorThresholdBytes: number,
  ): Promise<DeviceCalibration> {
    const { place, host } = this.options;
    const { libraryOs } = exchange.near;
    const threshold = chooseThreshold(measured);
    if (threshold !== undefined) libraryOs.pool.copyThresholdBytes = threshold;
    const proof = await this.measure(
      exchange,
      [ALL_COPIED, ALL_GATHERED, HYBRID],
      Math.max(LEAST_PROOF_SHARE, 1 - this.spent),
    );
    const identity = libraryOs.identity ?? softwareDevice(libraryOs.name);
    return {
      place,
      // Interfaces that we have made stand for all of their driver.
      identity: host === undefined ? { ...identity, interface: '' } : identity,
      copyThresholdBytes: libraryOs.pool.copyThresholdBytes,
      descriptorThresholdBytes,
      decided: threshold !== undefined,
      rounds: proof[0]![0]!.length,
      workingSetBytes: exchange.workingSetBytes,
      cells: this.shapes.map((shape, i) => hybridCellOf(shape, proof[i]![0]!, proof[i]![1]!, proof[i]![2]!)),
    };
  }

  private async measure(exchange: Exchange, ways: readonly Way[], share: number): Promise<Measurements> {
    const { onProgress, seconds, signal } = this.options;
    const before = this.spent;
    this.spent = Math.min(1, before + share);
    return measure(exchange, {
      shapes: this.shapes,
      ways,
      seconds: seconds * share,
      onProgress: fraction => onProgress?.(before + share * fraction),
      signal,
    });
  }
}
