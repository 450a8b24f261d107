// demikernel capture: writes what passes an interface as pcapng.

import { closeSync, openSync, writeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { runInNamespace } from '@demikernel/native/kernel';
import { AfPacketDevice } from '../devices/af-packet.ts';
import { PcapTap } from '../devices/pcap-tap.ts';
import { readHostInterface } from '../liboses/catpowder/host-interface.ts';
import { MonotonicClock } from '../runtime/monotonic-clock.ts';
import { ReceiveBurst } from '../runtime/packet-device.ts';
import { SystemWaiter } from '../runtime/waiter.ts';
import { type Command, UsageError } from './command.ts';

const HELP = `Usage: demikernel capture --interface NAME --write FILE [--count N] [--seconds N] [--namespace NAME]

Writes every frame that passes an interface, both ways, as pcapng, until Ctrl-C. Needs CAP_NET_RAW.

  --interface NAME    the network interface
  --write FILE        the file; '-' for standard output
  --count N           end after N frames
  --seconds N         end after N seconds
  --namespace NAME    the interface lies in this network namespace

Frames that an XDP program takes off the interface do not come by here: a Catpowder service writes its own
with --capture FILE.
`;

/** Looks for the end this often. */
const LOOK_US = 100_000;

interface CaptureOptions {
  interfaceName: string;
  sink: (blocks: Uint8Array) => void;
  count: number;
  seconds: number;
  namespace: string | undefined;
}

/** Captures until the count, the time or a signal ends it; returns how many frames were written and missed. */
function capture(options: CaptureOptions): { captured: number; missed: number } {
  const openDevice = (): AfPacketDevice => {
    const { link, macAddress } = readHostInterface(options.interfaceName);
    return new AfPacketDevice({
      name: link.name,
      interfaceIndex: link.index,
      macAddress,
      interfaceMtuBytes: link.mtuBytes,
      ringFrames: 4096,
      monitor: true,
    });
  };
  const device =
    options.namespace === undefined ? openDevice() : runInNamespace(options.namespace, openDevice);
  const clock = new MonotonicClock();
  const epochUs = Date.now() * 1000 - clock.micros[0]!;
  const tap = new PcapTap(device, { clock, epochUs, sink: options.sink });
  const waiter = new SystemWaiter(device.descriptors);
  const { pool } = device;
  const burst = new ReceiveBurst();
  const endUs = clock.micros[0]! + options.seconds * 1e6;
  try {
    while (tap.captured < options.count && clock.micros[0]! < endUs && waiter.checkSignal() === 0) {
      clock.update();
      tap.receive(burst);
      for (let i = 0; i < burst.count; i++) pool.release(burst.offset[i]! >> pool.slotShift);
      tap.flush();
      if (burst.count === 0) waiter.sleep(LOOK_US);
    }
    return { captured: tap.captured, missed: tap.missed + device.counters.receiveDropped };
  } finally {
    tap.close();
    waiter.close();
  }
}

export const captureCommand: Command = {
  name: 'capture',
  summary: 'write what passes an interface as pcapng',
  help: HELP,
  async run(args: string[]): Promise<number> {
    const { values } = parseArgs({
      args,
      options: {
        interface: { type: 'string' },
        write: { type: 'string' },
        count: { type: 'string', default: 'Infinity' },
        seconds: { type: 'string', default: 'Infinity' },
        namespace: { type: 'string' },
      },
    });
    const count = Number(values.count);
    const seconds = Number(values.seconds);
    if (values.interface === undefined || values.write === undefined) {
      throw new UsageError('capture needs --interface NAME and --write FILE');
    }
    if (!(count > 0 && seconds > 0)) throw new UsageError('--count and --seconds take positive numbers');
    const fd = values.write === '-' ? 1 : openSync(values.write, 'w');
    try {
      const { captured, missed } = capture({
        interfaceName: values.interface,
        sink: blocks => void writeSync(fd, blocks),
        count,
        seconds,
        namespace: values.namespace,
      });
      process.stderr.write(`capture: ${captured} frames written, ${missed} missed\n`);
      return 0;
    } finally {
      if (fd !== 1) closeSync(fd);
    }
  },
};
