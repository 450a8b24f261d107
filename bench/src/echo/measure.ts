// Measuring systems under loads, interleaved: every round visits every system once under each load, and between its
// turns a service stands still.

import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { RoundRequest, RoundResult } from '../client/round.ts';
import { processCpuUs } from '../processor-time.ts';
import { PinnedProcess } from '../testbed/pinned-process.ts';
import { type Load, labelOf, type System } from './scenario.ts';
import { type Place, type Service, startService } from './service.ts';
import { Tally } from './tally.ts';

const CLIENT: string = fileURLToPath(new URL('../client/main.js', import.meta.url));
const START_TIMEOUT_MS = 15_000;
/** Beyond what a round takes by itself: connecting, a stream's time-out. */
const ROUND_GRACE_MS = 15_000;
const IDLE_MS = 1000;
/** Requests after which V8 has optimised a service, in its first round. */
const FIRST_WARM_UP_REQUESTS = 20_000;

export interface MeasureOptions {
  systems: readonly System[];
  loads: readonly Load[];
  suits: (system: System, load: Load) => boolean;
  rounds: number;
  warmUpMs: number;
  measureMs: number;
  /** No further round begins so long (ms) after this process has started; the first one always does. */
  untilMs?: number;
  place: Place;
  /** Processor of the services and of the client. */
  processors: { server: number; client: number };
  profileFolder?: string;
  /** Told what happens, for people who wait. */
  progress: (text: string) => void;
}

/** How much processor a service takes that nobody talks to, in percent of one. */
export type IdleShares = Map<System, number>;

export interface Measured {
  tallies: Tally[];
  idle: IdleShares;
}

/** Starts the systems, measures, stops them. A system that does not start is reported and left out. */
export async function measure(options: MeasureOptions): Promise<Measured> {
  const { progress, place, processors } = options;
  const services: Service[] = [];
  const client = new PinnedProcess({
    name: 'client',
    script: CLIENT,
    nodeArgs: ['--max-semi-space-size=64'],
    processor: processors.client,
    namespace: place?.testbed.client,
  });
  try {
    await client.line(START_TIMEOUT_MS);
    for (const system of options.systems) {
      progress(`starting ${labelOf(system)} (${system.protocol})`);
      try {
        const service = await startService(system, place, {
          processor: processors.server,
          profileFolder: options.profileFolder,
        });
        services.push(service);
        service.process.freeze();
      } catch (error) {
        progress(`left out: ${(error as Error).message}`);
      }
    }
    const tallies = await runRounds(options, services, client);
    return { tallies, idle: await measureIdle(services, progress) };
  } finally {
    await Promise.all([...services.map(each => each.process.stop()), client.stop()]);
  }
}

async function runRounds(
  options: MeasureOptions,
  services: readonly Service[],
  client: PinnedProcess,
): Promise<Tally[]> {
  const pairs: { service: Service; tally: Tally }[] = [];
  for (const load of options.loads) {
    for (const service of services) {
      if (options.suits(service.system, load)) {
        pairs.push({ service, tally: new Tally(service.system, load) });
      }
    }
  }
  const warm = new Set<Service>();
  for (let round = 0; round < options.rounds; round++) {
    if (round > 0 && performance.now() > (options.untilMs ?? Number.POSITIVE_INFINITY)) break;
    for (const { service, tally } of pairs) {
      const { protocol, sizeBytes, connections, client: mode } = tally.load;
      options.progress(
        `round ${round + 1}/${options.rounds}: ${labelOf(service.system)}, ${protocol} ${sizeBytes} B x ${connections}, client ${mode}`,
      );
      const request: RoundRequest = {
        ...tally.load,
        address: service.address,
        port: service.port,
        shared: service.system.system === 'catmem',
        warmUpMs: options.warmUpMs,
        warmUpRequests: warm.has(service) ? 0 : FIRST_WARM_UP_REQUESTS,
        measureMs: options.measureMs,
        serverPid: service.process.pid,
      };
      warm.add(service);
      service.process.thaw();
      const limitMs = options.warmUpMs + options.measureMs + ROUND_GRACE_MS;
      const result = await client.ask<RoundResult>(request, limitMs);
      service.process.freeze();
      tally.add(result);
      if (result.error !== undefined) options.progress(`${labelOf(service.system)}: ${result.error}`);
    }
  }
  return pairs.map(pair => pair.tally);
}

/** All services that sleep when idle, at once: they do not disturb each other, or are not idle. */
async function measureIdle(
  services: readonly Service[],
  progress: (text: string) => void,
): Promise<IdleShares> {
  const sleepers = services.filter(({ system }) => system.wait !== 'spin' && system.system !== 'xdp-tx');
  progress(`idle: ${sleepers.length} services that nobody talks to`);
  for (const { process } of sleepers) process.thaw();
  // What was left over from the last round.
  await sleep(IDLE_MS / 4);
  const before = sleepers.map(({ process }) => processCpuUs(process.pid));
  const start = performance.now();
  await sleep(IDLE_MS);
  const elapsedUs = (performance.now() - start) * 1000;
  const idle: IdleShares = new Map();
  sleepers.forEach(({ process, system }, i) => {
    idle.set(system, ((processCpuUs(process.pid) - before[i]!) / elapsedUs) * 100);
  });
  return idle;
}
