// A fleet of which one backend may get more than it can do, with the policy at work or without.

import { LoadMeter } from '@demikernel/capybara';
import { type Move, Policy } from '@demikernel/capybara/policy';
import type { Histogram } from '../histogram.ts';
import { type Call, Load } from './load.ts';
import type { Place } from './place.ts';
import { Server } from './server.ts';

export const BACKENDS = 4;
export const CONNECTIONS = 64;
/** Between two looks at the fleet. */
const TICK_US = 10_000;
/** The time over which loads are measured. */
const COOL_DOWN_US = 200_000;
/** Of a backend's capacity. All of them together: 2.4 of 4. */
const HOT_LOAD = 1.2;
const OTHER_LOAD = (0.6 * BACKENDS - HOT_LOAD) / (BACKENDS - 1);
const EVEN_LOAD = 0.6;
/** What the hottest connection has of the hot backend's load. */
const HOTTEST_PART = 0.4;
/** Of a run: what is due before that is not counted. */
const FIRST_PART = 0.1;

export interface FleetOptions {
  seed: number;
  durationUs: number;
  migrating: boolean;
  /** When the hot backend becomes so: at once, or in the middle. */
  hotFromUs: number;
}

export interface FleetResult {
  latencies: Histogram;
  requests: number;
  moved: number;
  stayed: number;
  /** Moves of the connection that was moved most, and of the hottest one. */
  mostMoves: number;
  hottestMoves: number;
  /** Moves in the last third: of a fleet that should be at rest. */
  lateMoves: number;
}

/** Runs one scenario; `place` is left to the caller to close. */
export async function runFleet(place: Place, options: FleetOptions): Promise<FleetResult> {
  const servers: Server[] = [];
  try {
    for (let id = 0; id < BACKENDS; id++) servers.push(await Server.open(place, id, options.seed));
    return await underLoad(place, servers, options);
  } finally {
    for (const { agent } of servers) agent.close();
  }
}

async function underLoad(
  place: Place,
  servers: readonly Server[],
  options: FleetOptions,
): Promise<FleetResult> {
  const { seed, durationUs, migrating, hotFromUs } = options;
  const load = await Load.connect(place, CONNECTIONS, seed + 1);
  const homeOf = (call: Call): number => servers.findIndex(({ sessions }) => sessions.has(call.port));
  await place.run(() => load.calls.every(call => homeOf(call) >= 0));
  const homes = new Map(load.calls.map(call => [call, homeOf(call)]));
  const hottest = load.calls.find(call => homes.get(call) === 0)!;
  const sizes = servers.map(({ sessions }) => sessions.size);
  const evenRate = (call: Call): number => EVEN_LOAD / sizes[homes.get(call)!]! / place.serviceUs;
  const skewedRate = (call: Call): number => {
    const home = homes.get(call)!;
    const ofBackend = home > 0 ? OTHER_LOAD : HOT_LOAD;
    if (call === hottest) return (ofBackend * HOTTEST_PART) / place.serviceUs;
    const shared =
      home > 0 ? ofBackend / sizes[home]! : (ofBackend * (1 - HOTTEST_PART)) / (sizes[home]! - 1);
    return shared / place.serviceUs;
  };
  const startUs = place.nowUs;
  load.countFromUs = startUs + durationUs * FIRST_PART;
  load.endUs = startUs + durationUs;
  const mover = new Mover(place, servers, load.endUs - durationUs / 3);
  let skewed = hotFromUs === 0;
  load.setRates(skewed ? skewedRate : evenRate);
  for (let atUs = startUs; atUs < load.endUs; atUs += TICK_US) {
    if (!skewed && atUs >= startUs + hotFromUs) {
      skewed = true;
      load.setRates(skewedRate);
    }
    await place.run(atUs + TICK_US);
    if (migrating) mover.tick();
  }
  // What was asked is answered in the end, and counts.
  if (!(await place.run(() => load.answered === load.requests)))
    throw new Error(`${load.requests - load.answered} requests without an answer`);
  return {
    latencies: load.latencies,
    requests: load.requests,
    moved: mover.moved,
    stayed: mover.stayed,
    mostMoves: Math.max(0, ...mover.times.values()),
    hottestMoves: mover.times.get(hottest.port) ?? 0,
    lateMoves: mover.late,
  };
}

/** Measures the switch's flows and carries out what the policy says. */
class Mover {
  moved: number;
  stayed: number;
  late: number;
  /** Moves by the client's port. */
  readonly times: Map<number, number>;
  readonly #place: Place;
  readonly #servers: readonly Server[];
  readonly #lateFromUs: number;
  readonly #meter: LoadMeter;
  readonly #policy: Policy;

  constructor(place: Place, servers: readonly Server[], lateFromUs: number) {
    this.moved = 0;
    this.stayed = 0;
    this.late = 0;
    this.times = new Map();
    this.#place = place;
    this.#servers = servers;
    this.#lateFromUs = lateFromUs;
    this.#meter = new LoadMeter(place.flows);
    this.#policy = new Policy({ coolDownUs: COOL_DOWN_US });
  }

  tick(): void {
    const { nowUs } = this.#place;
    const measured = this.#meter.measure(nowUs / 1000);
    const loads = new Float64Array(this.#servers.length);
    for (const { flow, load } of measured) loads[flow.owner]! += load;
    const plan = this.#policy.plan(
      {
        backends: Array.from(loads, (load, id) => ({
          id,
          accepting: true,
          draining: false,
          weight: 1,
          load,
        })),
        connections: measured
          .filter(({ flow }) => flow.target === undefined)
          .map(({ slot, flow, load }) => ({ id: slot, backend: flow.owner, load })),
      },
      nowUs,
    );
    const ports = new Map(measured.map(({ slot, flow }) => [slot, flow.clientPort]));
    for (const move of plan.moves) this.#carryOut(move, ports.get(move.connection)!);
  }

  #carryOut(move: Move, port: number): void {
    const { agent, sessions } = this.#servers[move.from]!;
    const session = sessions.get(port);
    this.#policy.started(move, this.#place.nowUs);
    const begun =
      session !== undefined &&
      agent.move(session.qd, move.to, outcome => {
        const { nowUs } = this.#place;
        if (outcome !== 'moved') {
          this.stayed++;
          this.#policy.refused(move.connection, nowUs);
          return;
        }
        this.moved++;
        this.times.set(port, (this.times.get(port) ?? 0) + 1);
        if (nowUs > this.#lateFromUs) this.late++;
      });
    if (!begun) this.#policy.refused(move.connection, this.#place.nowUs);
  }
}
