// demikernel echo: a server that sends everything back, and a client that measures the round trip.

import { parseArgs } from 'node:util';
import type { ScatterGatherArray } from '@demikernel/memory';
import type { AddressLike, Demikernel } from '../pdpix/demikernel.ts';
import { open } from '../pdpix/open.ts';
import { OPEN_FLAGS, OPEN_FLAGS_HELP, openOptions } from '../pdpix/open-flags.ts';
import { errnoName } from '../runtime/errno.ts';
import { type Histogram, Metrics, metricsBytes, readMetrics } from '../runtime/metrics.ts';
import { OP_ACCEPT, OP_POP, OP_PUSH } from '../runtime/operation.ts';
import { type Command, UsageError } from './command.ts';

const HELP = `Usage: demikernel echo server [--bind ADDRESS:PORT] [--protocol tcp|udp] [library OS flags]
       demikernel echo client --to ADDRESS:PORT [--protocol tcp|udp] [--size BYTES] [--count N] [library OS flags]

The server sends back what it receives until Ctrl-C. The client sends messages one at a time and prints
how long the answers took.

  --protocol NAME     tcp or udp (default tcp)
  --bind ADDRESS      server: where to listen (default *:7)
  --to ADDRESS        client: the server
  --size BYTES        client: bytes per message (default 64)
  --count N           client: messages (default 100000)
  --json              client: one JSON object

${OPEN_FLAGS_HELP}`;

/** Echoes datagrams or connections until the process is asked to stop. */
function serve(os: Demikernel, protocol: string, address: AddressLike): void {
  const datagrams = protocol === 'udp';
  const qd = os.socket(datagrams ? 'datagram' : 'stream');
  os.bind(qd, address);
  const set = os.waitSet();
  if (datagrams) set.add(os.pop(qd));
  else {
    os.listen(qd);
    set.add(os.accept(qd));
  }
  process.stderr.write(`echo: ${protocol} on ${os.getsockname(qd)} by ${os.name}; Ctrl-C ends it\n`);
  for (let result = set.wait(); result !== undefined; result = set.wait()) {
    const { opcode, errno, array } = result;
    if (opcode === OP_ACCEPT) {
      if (errno === 0) set.add(os.pop(result.acceptedQd));
      set.add(os.accept(qd));
    } else if (opcode === OP_POP && errno === 0 && (datagrams || array!.count > 0)) {
      // One operation outstanding per connection: who does not read its echo is not read either.
      set.add(datagrams ? os.pushTo(result.qd, array!, result.address) : os.push(result.qd, array!));
      array!.free();
    } else if (opcode === OP_PUSH && errno === 0) set.add(os.pop(result.qd));
    else if (datagrams) set.add(os.pop(result.qd));
    else {
      array?.free();
      os.close(result.qd);
    }
  }
}

/** What the client found. */
interface Measured {
  received: number;
  lost: number;
  elapsedUs: number;
  quantile(fraction: number): number;
}

/** An answer that takes longer is counted as lost (UDP) or ends the run (TCP). */
const ANSWER_TIMEOUT_US = 1_000_000;

function measure(os: Demikernel, protocol: string, to: string, sizeBytes: number, count: number): Measured {
  const metrics = new Metrics(new ArrayBuffer(metricsBytes(1)));
  const histogram: Histogram = metrics.histogram('roundTripNs');
  const qd = os.socket(protocol === 'udp' ? 'datagram' : 'stream');
  const connected = os.wait(os.connect(qd, to), 5 * ANSWER_TIMEOUT_US);
  if (connected?.errno !== 0) throw new UsageError(`no connection to ${to}: ${reason(connected?.errno)}`);
  const message = os.alloc(sizeBytes);
  if (message === undefined)
    throw new UsageError(`a message of ${sizeBytes} bytes does not fit in the device's memory`);
  for (let i = 0; i < message.count; i++) message.segments[i]!.bytes().fill(0x61 + (i % 26));
  const { clock } = os.libraryOs.runtime;
  const set = os.waitSet();
  let received = 0;
  let lost = 0;
  clock.update();
  const started = clock.micros[0]!;
  while (received + lost < count && !os.stopping) {
    const sent = clock.micros[0]!;
    set.add(os.push(qd, message));
    if (!answered(os, qd, set, sizeBytes)) {
      lost++;
      if (protocol === 'tcp') break;
      continue;
    }
    clock.update();
    histogram.record((clock.micros[0]! - sent) * 1000);
    received++;
  }
  const elapsedUs = clock.micros[0]! - started;
  message.free();
  os.close(qd);
  const { quantile } = readMetrics(metrics.buffer)!.histograms['roundTripNs']!;
  return { received, lost, elapsedUs, quantile };
}

/** Waits until as many bytes have come back; false on time-out, failure or the end of the stream. */
function answered(
  os: Demikernel,
  qd: number,
  set: ReturnType<Demikernel['waitSet']>,
  sizeBytes: number,
): boolean {
  let left = sizeBytes;
  let popping = false;
  while (left > 0 || set.size > (popping ? 1 : 0)) {
    if (!popping && left > 0) {
      set.add(os.pop(qd));
      popping = true;
    }
    const result = set.wait(ANSWER_TIMEOUT_US);
    if (result === undefined || result.errno !== 0) return false;
    if (result.opcode !== OP_POP) continue;
    popping = false;
    const array: ScatterGatherArray = result.array!;
    left -= result.lengthBytes;
    array.free();
    if (result.lengthBytes === 0) return false;
  }
  return true;
}

function reason(errno: number | undefined): string {
  return errno === undefined ? 'no answer' : errnoName(errno);
}

function report(found: Measured, json: boolean, row: Record<string, unknown>): void {
  const us = (fraction: number): number => Number((found.quantile(fraction) / 1000).toFixed(2));
  const figures = {
    ...row,
    received: found.received,
    lost: found.lost,
    p50Us: us(0.5),
    p99Us: us(0.99),
    p999Us: us(0.999),
    requestsPerSecond: Math.round((found.received / found.elapsedUs) * 1e6),
  };
  if (json) process.stdout.write(`${JSON.stringify(figures)}\n`);
  else
    process.stdout.write(
      `${Object.entries(figures)
        .map(([name, value]) => `${name} ${value}`)
        .join('  ')}\n`,
    );
}

export const echo: Command = {
  name: 'echo',
  summary: 'echo server and measuring client, on any library OS',
  help: HELP,
  async run(args: string[]): Promise<number> {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        ...OPEN_FLAGS,
        protocol: { type: 'string', default: 'tcp' },
        bind: { type: 'string', default: '*:7' },
        to: { type: 'string' },
        size: { type: 'string', default: '64' },
        count: { type: 'string', default: '100000' },
        json: { type: 'boolean', default: false },
      },
    });
    const [role] = positionals;
    const { protocol, to } = values;
    const sizeBytes = Number(values.size);
    const count = Number(values.count);
    if (role !== 'server' && role !== 'client') throw new UsageError("echo is 'server' or 'client'");
    if (protocol !== 'tcp' && protocol !== 'udp') throw new UsageError('--protocol is tcp or udp');
    if (!(sizeBytes > 0 && count > 0)) throw new UsageError('--size and --count take positive numbers');
    if (role === 'client' && to === undefined) throw new UsageError('the client needs --to ADDRESS:PORT');
    const os = await open(openOptions(values));
    try {
      if (role === 'server') serve(os, protocol, values.bind);
      else
        report(measure(os, protocol, to!, sizeBytes, count), values.json, {
          libos: os.name,
          protocol,
          sizeBytes,
        });
      return os.loop.stopSignal === 0 || role === 'server' ? 0 : 128 + os.loop.stopSignal;
    } finally {
      os.shutDown();
    }
  },
};
