// The device-level reflector: swaps addresses and ports of UDP frames where they lie and sends them back.

import type { SlotPool } from '@demikernel/memory';
import { Frame, type PacketDevice, ReceiveBurst } from '../../src/runtime/packet-device.ts';

export class Reflector {
  readonly burst: ReceiveBurst;
  readonly frame: Frame;
  reflected: number;
  private readonly device: PacketDevice;

  constructor(device: PacketDevice) {
    this.device = device;
    this.burst = new ReceiveBurst();
    this.frame = new Frame();
    this.reflected = 0;
  }

  /** One burst. Frames that are no UDP over IPv4 are dropped. Returns how many came. */
  turn(): number {
    const { burst, device } = this;
    const count = device.receive(burst);
    const view = device.pool.region.view;
    for (let i = 0; i < count; i++) this.one(device.pool, view, burst.offset[i]!, burst.length[i]!);
    device.flush();
    return count;
  }

  private one(pool: SlotPool, view: DataView, at: number, length: number): void {
    const { device, frame } = this;
    if (
      length < 42 ||
      view.getUint16(at + 12) !== 0x0800 ||
      view.getUint8(at + 23) !== 17 ||
      device.transmitRoom() === 0
    ) {
      pool.release(at >> pool.slotShift);
      return;
    }
    const macHigh = view.getInt32(at);
    const macLow = view.getInt16(at + 4);
    view.setInt32(at, view.getInt32(at + 6));
    view.setInt16(at + 4, view.getInt16(at + 10));
    view.setInt32(at + 6, macHigh);
    view.setInt16(at + 10, macLow);
    const source = view.getInt32(at + 26);
    view.setInt32(at + 26, view.getInt32(at + 30));
    view.setInt32(at + 30, source);
    const port = view.getInt16(at + 34);
    view.setInt16(at + 34, view.getInt16(at + 36));
    view.setInt16(at + 36, port);
    // Addresses and ports swap places, so the checksum holds; a partial one is completed by having none (RFC 768).
    view.setInt16(at + 40, 0);
    frame.clear();
    frame.append(at, length);
    device.transmit(frame);
    this.reflected++;
  }
}
