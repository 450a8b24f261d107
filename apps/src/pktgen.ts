// Packet generator: the command. The work is in packet-generator.ts; dump.ts counts what arrives.

import { coroutines } from 'demikernel';
import { runApplication, say } from './options.ts';
import { type Generated, generatePackets } from './packet-generator.ts';

const USAGE = `
Usage: pktgen ADDRESS:PORT [--rate N] [--size BYTES] [--seconds N]

Sends UDP datagrams at a steady rate.

  --rate N            datagrams a second; default 10000
  --size BYTES        bytes per datagram; default 64
  --seconds N         how long; default 10`;

const OPTIONS = {
  rate: { type: 'string' },
  size: { type: 'string' },
  seconds: { type: 'string' },
} as const;

await runApplication(import.meta.url, USAGE, OPTIONS, command => {
  const options = {
    address: command.address(0),
    packetsPerSecond: command.number('rate', 10_000, 1),
    sizeBytes: command.number('size', 64, 4),
    durationUs: command.number('seconds', 10, 1) * 1e6,
  };
  return os => {
    const co = coroutines(os);
    const generated: Generated = { sent: 0, refused: 0 };
    co.spawn(() => generatePackets(co, options, generated));
    co.run();
    say(`${generated.sent} datagrams sent, ${generated.refused} refused`);
  };
});
