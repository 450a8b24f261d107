// The measuring client, a process of its own, pinned by whoever starts it: unmodified kernel sockets; PDPIX where the service is on
// shared memory.
// Reads one round per line from standard input, answers one line per round.

import { readSync, writeSync } from 'node:fs';
import { machineCpuTime, threadCpuTime } from '@demikernel/native/kernel';
import { Histogram } from '../histogram.ts';
import { processCpuUs } from '../processor-time.ts';
import { Connection } from './connection.ts';
import { type ClosedLoop, Load } from './load.ts';
import type { RoundRequest, RoundResult } from './round.ts';
import { SharedLoad } from './shared-load.ts';

/** A round goes on until it has so many requests, or for so long. */
const LEAST_REQUESTS = 20;
const LONGEST_ROUND_US = 3_000_000;
const LONGEST_EXTRA_WARM_UP_US = 1_000_000;
const WARM_UP_STEP_MS = 20;

async function measure(request: RoundRequest): Promise<RoundResult> {
  const latencies = new Histogram();
  const connections: Connection[] = [];
  let load: ClosedLoop | undefined;
  try {
    if (request.shared === true) load = await SharedLoad.open(request, latencies);
    else {
      for (let i = 0; i < request.connections; i++) connections.push(new Connection(request));
      load = new Load(connections, latencies, request.client, request.protocol);
    }
    load.begin();
    warmUp(load, request);
    load.reset();
    const machine = machineCpuTime().busyUs;
    const client = clientCpuUs();
    const server = processCpuUs(request.serverPid);
    let elapsedUs = load.run(request.measureMs);
    // On a machine that others keep busy a short round may pass with hardly a turn for the service.
    while (load.requests < LEAST_REQUESTS && elapsedUs < LONGEST_ROUND_US && !load.broken) {
      elapsedUs += load.run(request.measureMs);
    }
    const result: RoundResult = {
      requests: load.requests,
      elapsedUs,
      latencies: latencies.toSparse(),
      lost: load.lost,
      late: load.late,
      corrupted: load.corrupted,
      polls: load.polls,
      emptyPolls: load.emptyPolls,
      machineCpuUs: machineCpuTime().busyUs - machine,
      clientCpuUs: clientCpuUs() - client,
      serverCpuUs: processCpuUs(request.serverPid) - server,
    };
    if (load.broken) result.error = 'the service ended a connection, or did not answer for three seconds';
    else if (load.requests === 0) result.error = 'the service answered nothing';
    return result;
  } catch (error) {
    return { ...NOTHING, error: (error as Error).message };
  } finally {
    load?.close();
    for (const connection of connections) connection.close();
  }
}

function warmUp(load: ClosedLoop, request: RoundRequest): void {
  let elapsedUs = load.run(request.warmUpMs);
  const limitUs = elapsedUs + LONGEST_EXTRA_WARM_UP_US;
  while (load.requests < request.warmUpRequests && elapsedUs < limitUs && !load.broken) {
    elapsedUs += load.run(WARM_UP_STEP_MS);
  }
}

const NOTHING: RoundResult = {
  requests: 0,
  elapsedUs: 0,
  latencies: [],
  lost: 0,
  late: 0,
  corrupted: 0,
  polls: 0,
  emptyPolls: 0,
  machineCpuUs: 0,
  clientCpuUs: 0,
  serverCpuUs: 0,
};

function clientCpuUs(): number {
  const { userUs, systemUs } = threadCpuTime();
  return userUs + systemUs;
}

/** The next line of standard input, waiting for it; `undefined` at its end. */
function* lines(): Generator<string> {
  const chunk = Buffer.alloc(65536);
  let text = '';
  while (true) {
    const end = text.indexOf('\n');
    if (end >= 0) {
      yield text.slice(0, end);
      text = text.slice(end + 1);
      continue;
    }
    const count = readSync(0, chunk);
    if (count === 0) return;
    text += chunk.toString('utf8', 0, count);
  }
}

function answer(value: unknown): void {
  const bytes = Buffer.from(`${JSON.stringify(value)}\n`);
  for (let done = 0; done < bytes.length; ) done += writeSync(1, bytes, done);
}

answer({ ready: true });
for (const line of lines()) answer(await measure(JSON.parse(line) as RoundRequest));
