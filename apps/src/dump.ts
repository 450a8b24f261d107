// Dump: shows what arrives, from whom, and counts it. A sink for pktgen, push-pop and anything else.

import {
  type AddressLike,
  type Coroutine,
  type Coroutines,
  coroutines,
  ECANCELED,
  type SocketAddress,
} from 'demikernel';
import { runApplication, say } from './options.ts';

const USAGE = `
Usage: dump ADDRESS:PORT [--protocol tcp|udp] [--hex] [--quiet]

Prints a line for each message: where it is from, and how long. Counts at Ctrl-C.

  --protocol NAME     tcp (default) or udp
  --hex               the bytes too
  --quiet             only the counts`;

export interface DumpOptions {
  protocol: 'tcp' | 'udp';
  address: AddressLike;
  hex: boolean;
  /** Takes the lines. */
  print: (line: string) => void;
}

export interface DumpCounts {
  connections: number;
  messages: number;
  bytes: number;
}

/** Bytes as `hexdump -C` shows them, sixteen to a line. */
export function hexLines(bytes: Uint8Array): string[] {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.subarray(at, at + 16);
    const hex = Array.from(row, byte => byte.toString(16).padStart(2, '0')).join(' ');
    const text = Array.from(row, byte => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.')).join(
      '',
    );
    lines.push(`${at.toString(16).padStart(8, '0')}  ${hex.padEnd(47)}  |${text}|`);
  }
  return lines;
}

/** Starts dumping; the coroutines run until the process is asked to stop. */
export function startDump(
  co: Coroutines,
  options: DumpOptions,
): { counts: DumpCounts; address: SocketAddress } {
  const { os } = co;
  const counts: DumpCounts = { connections: 0, messages: 0, bytes: 0 };
  const qd = os.socket(options.protocol === 'tcp' ? 'stream' : 'datagram');
  os.bind(qd, options.address);
  if (options.protocol === 'tcp') {
    os.listen(qd);
    co.spawn(() => dumpConnections(co, qd, options, counts));
  } else co.spawn(() => dumpMessages(co, qd, undefined, options, counts));
  return { counts, address: os.getsockname(qd) };
}

function* dumpConnections(co: Coroutines, qd: number, options: DumpOptions, counts: DumpCounts): Coroutine {
  for (;;) {
    const { errno, acceptedQd, address } = yield* co.accept(qd);
    if (errno === ECANCELED) return;
    if (errno !== 0) continue;
    counts.connections++;
    // The result is reused by the next `yield*`: its address is turned to text before.
    const peer = address.toString();
    co.spawn(() => dumpMessages(co, acceptedQd, peer, options, counts));
  }
}

function* dumpMessages(
  co: Coroutines,
  qd: number,
  peer: string | undefined,
  options: DumpOptions,
  counts: DumpCounts,
): Coroutine {
  try {
    for (;;) {
      const { errno, array, address } = yield* co.pop(qd);
      if (errno !== 0 || array === undefined) return;
      const bytes = array.toBytes();
      array.free();
      // A datagram may be empty; a stream that gives nothing is over.
      if (bytes.length === 0 && peer !== undefined) return;
      counts.messages++;
      counts.bytes += bytes.length;
      options.print(`${peer ?? address}  ${bytes.length} bytes`);
      if (options.hex) for (const line of hexLines(bytes)) options.print(line);
    }
  } finally {
    if (co.os.stopping === false) co.os.close(qd);
  }
}

const OPTIONS = {
  protocol: { type: 'string', default: 'tcp' },
  hex: { type: 'boolean', default: false },
  quiet: { type: 'boolean', default: false },
} as const;

await runApplication(import.meta.url, USAGE, OPTIONS, command => {
  const options: DumpOptions = {
    address: command.address(0),
    protocol: command.choice('protocol', ['tcp', 'udp']),
    hex: command.flag('hex'),
    print: command.flag('quiet') ? () => {} : say,
  };
  return os => {
    const co = coroutines(os);
    const { counts, address } = startDump(co, options);
    say(`dump: ${options.protocol} on ${address}, ${os.name}`);
    co.run();
    const streams = options.protocol === 'tcp' ? ` on ${counts.connections} connections` : '';
    say(`${counts.messages} messages, ${counts.bytes} bytes${streams}`);
  };
});
