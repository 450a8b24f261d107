// A child process: a bridge between two interfaces of its namespace that treats frames as badly as a wire is told to.
//
//   node lossy-middle.js DEVICE DEVICE SEED LINK-OPTIONS     says `up`; ended by a signal, says what it has done
//
//   interface a ──AF_PACKET──▶ wire device a ──faults──▶ wire device b ──AF_PACKET──▶ interface b      and back
//
// Both devices of a side share one pool, so that only the wire copies.

import { DemiError } from '@demikernel/memory';
import { getLink, NetlinkSocket, parseMacAddress } from '@demikernel/native/kernel';
import { AfPacketDevice } from '../../src/devices/af-packet.ts';
import { Wire } from '../../src/devices/wire.ts';
import type { WireDevice } from '../../src/devices/wire-device.ts';
import type { LinkOptions } from '../../src/devices/wire-link.ts';
import { MonotonicClock } from '../../src/runtime/monotonic-clock.ts';
import { Frame, type PacketDevice, ReceiveBurst } from '../../src/runtime/packet-device.ts';
import { SeededRandom } from '../../src/runtime/random.ts';
import { SystemWaiter } from '../../src/runtime/waiter.ts';

const SIGNAL_CHECK_TURNS = 64;

const [first = '', second = '', seed = '1', faults = '{}'] = process.argv.slice(2);
const link: LinkOptions = JSON.parse(faults);
const clock = new MonotonicClock();
clock.update();
const wire = new Wire({ clock, random: new SeededRandom(Number(seed)), link, framesInFlight: 8192 });

interface Side {
  device: AfPacketDevice;
  port: WireDevice;
}

function openSide(name: string): Side {
  const netlink = new NetlinkSocket();
  try {
    const { index, macAddress } = getLink(netlink, name);
    const device = new AfPacketDevice({
      name,
      interfaceIndex: index,
      macAddress: parseMacAddress(macAddress),
      monitor: true,
      slots: 8192,
    });
    return { device, port: wire.attach({ pool: device.pool, ringFrames: 4096 }) };
  } finally {
    netlink.close();
  }
}

/** One direction between two devices that share their memory. */
class Path {
  private readonly from: PacketDevice;
  private readonly to: PacketDevice;
  private readonly burst: ReceiveBurst;
  private readonly frame: Frame;
  private next: number;

  constructor(from: PacketDevice, to: PacketDevice) {
    this.from = from;
    this.to = to;
    this.burst = new ReceiveBurst();
    this.frame = new Frame();
    this.next = 0;
  }

  /** Moves what is there; what the other device has no room for stays for the next turn. */
  forward(): number {
    const { burst, frame, from, to } = this;
    if (this.next === burst.count) {
      from.receive(burst);
      this.next = 0;
    }
    let moved = 0;
    for (; this.next < burst.count && to.transmitRoom() > 0; this.next++, moved++) {
      frame.clear();
      frame.append(burst.offset[this.next]!, burst.length[this.next]!);
      to.transmit(frame);
    }
    return moved;
  }
}

try {
  const a = openSide(first);
  const b = openSide(second);
  const waiter = new SystemWaiter([...a.device.descriptors, ...b.device.descriptors]);
  const paths = [
    new Path(a.device, a.port),
    new Path(b.device, b.port),
    new Path(a.port, a.device),
    new Path(b.port, b.device),
  ];
  console.log('up');
  let stopped = false;
  for (let turn = 1; !stopped; turn++) {
    clock.update();
    let moved = 0;
    for (const path of paths) moved += path.forward();
    for (const { device, port } of [a, b]) {
      device.flush();
      port.flush();
    }
    if (moved === 0) {
      const sleepUs = wire.nextDeliveryUs();
      if (sleepUs > 0) waiter.sleep(sleepUs);
    }
    if (moved === 0 || turn % SIGNAL_CHECK_TURNS === 0) stopped = waiter.checkSignal() !== 0;
  }
  waiter.close();
  console.log(JSON.stringify(wire.counters));
  a.device.close();
  b.device.close();
} catch (error) {
  console.log(error instanceof DemiError ? `${error.code} ${error.message}` : String(error));
  process.exitCode = 1;
}
