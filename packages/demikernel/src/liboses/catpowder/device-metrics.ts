// What the device and the XDP program have counted, put into the shared metrics.

import { REDIRECT_PATHS, type RedirectCounters } from '@demikernel/ebpf';
import { DeviceMetrics } from '../../devices/device-metrics.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { Attachment } from './attachment.ts';

/** Metrics of the device, and of the program where there is one. */
export function attachmentMetrics(runtime: Runtime, attachment: Attachment): DeviceMetrics {
  const { device, redirect } = attachment;
  if (redirect === undefined) return new DeviceMetrics(runtime, device);
  const paths = runtime.metrics.counters('xdp', REDIRECT_PATHS);
  const read = {} as RedirectCounters;
  return new DeviceMetrics(runtime, device, () => {
    redirect.readCounters(read);
    for (let i = 0; i < REDIRECT_PATHS.length; i++) paths[i] = read[REDIRECT_PATHS[i]!];
  });
}
