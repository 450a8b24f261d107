// What a packet device has counted, put into the shared metrics now and then, so that it can be read from outside while this process
// spins.

import type { PacketDevice } from '../runtime/packet-device.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { Timer, type TimerOwner } from '../runtime/timer-wheel.ts';

export const DEVICE_COUNTERS = [
  'receivedFrames',
  'receivedBytes',
  'receiveDropped',
  'transmittedFrames',
  'transmittedBytes',
  'transmitDropped',
  'freeSlots',
  'slots',
  'exhausted',
] as const;

/** Reading asks the kernel or the driver (up to some 50 µs): seldom. */
const PERIOD_US = 1_000_000;

/** Copies the counts once a second, and a last time at the end. */
export class DeviceMetrics implements TimerOwner {
  private readonly runtime: Runtime;
  private readonly device: PacketDevice;
  private readonly values: Float64Array;
  private readonly also: () => void;
  private readonly timer: Timer;

  /** @param also what else is to be copied whenever the device's counts are */
  constructor(runtime: Runtime, device: PacketDevice, also: () => void = () => {}) {
    this.runtime = runtime;
    this.device = device;
    this.values = runtime.metrics.counters('device', DEVICE_COUNTERS);
    this.also = also;
    this.timer = new Timer(this, 0);
    this.onTimer();
  }

  onTimer(): void {
    this.copy();
    this.runtime.timers.arm(this.timer, PERIOD_US);
  }

  close(): void {
    this.runtime.timers.cancel(this.timer);
    this.copy();
  }

  private copy(): void {
    const { device, values } = this;
    const { counters, pool } = device;
    values[0] = counters.receivedFrames;
    values[1] = counters.receivedBytes;
    values[2] = counters.receiveDropped;
    values[3] = counters.transmittedFrames;
    values[4] = counters.transmittedBytes;
    values[5] = counters.transmitDropped;
    values[6] = pool.freeSlots;
    values[7] = pool.slotCount;
    values[8] = pool.exhausted;
    this.also();
  }
}
