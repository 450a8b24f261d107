// A tap around a device that writes every frame, both ways, to a file as pcapng. Slow: for looking, not for service.

import { closeSync, openSync, writeSync } from 'node:fs';
import type { PacketDevice } from '../runtime/packet-device.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { PcapTap } from './pcap-tap.ts';

/** The device with the tap around it, and the file, which is closed after the device. */
export function captureTo(
  device: PacketDevice,
  runtime: Runtime,
  path: string,
): { device: PacketDevice; close(): void } {
  const fd = openSync(path, 'w');
  runtime.clock.update();
  const tap = new PcapTap(device, {
    clock: runtime.clock,
    epochUs: Date.now() * 1000 - runtime.clock.micros[0]!,
    sink: blocks => writeSync(fd, blocks),
  });
  return { device: tap, close: () => closeSync(fd) };
}
