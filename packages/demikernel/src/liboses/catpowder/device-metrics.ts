// What the device and the XDP program have counted, put into the shared metrics now and then, so that it can be read from
// outside while this process spins.

import { REDIRECT_PATHS, type RedirectCounters } from '@demikernel/ebpf';
import type { DeviceCounters } from '../../runtime/packet-device.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { Timer, type TimerOwner } from '../../runtime/timer-wheel.ts';
import type { Attachment } from './attachment.ts';

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

/** Reading asks the kernel (some 50 µs with the program's counters): seldom. */
const PERIOD_US = 1_000_000;

/** Copies the counts once a second, and a last time at the end. */
export class DeviceMetrics implements TimerOwner {
  private readonly runtime: Runtime;
  private readonly attachment: Attachment;
  private readonly device: Float64Array;
  private readonly paths: Float64Array | undefined;
  private readonly read: RedirectCounters;
  private readonly timer: Timer;

  constructor(runtime: Runtime, attachment: Attachment) {
    this.runtime = runtime;
    this.attachment = attachment;
    this.device = runtime.metrics.counters('device', DEVICE_COUNTERS);
    this.paths =
      attachment.redirect === undefined ? undefined : runtime.metrics.counters('xdp', REDIRECT_PATHS);
    this.read = {} as RedirectCounters;
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
    const { attachment, device, paths } = this;
    const { pool } = attachment.device;
    const counters: DeviceCounters = attachment.device.counters;
    device[0] = counters.receivedFrames;
    device[1] = counters.receivedBytes;
    device[2] = counters.receiveDropped;
    device[3] = counters.transmittedFrames;
    device[4] = counters.transmittedBytes;
    device[5] = counters.transmitDropped;
    device[6] = pool.freeSlots;
    device[7] = pool.slotCount;
    device[8] = pool.exhausted;
    if (paths === undefined) return;
    attachment.redirect!.readCounters(this.read);
    for (let i = 0; i < REDIRECT_PATHS.length; i++) paths[i] = this.read[REDIRECT_PATHS[i]!];
  }
}
