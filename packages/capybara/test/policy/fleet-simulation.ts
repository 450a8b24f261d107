// A fleet that a policy acts on: connections with loads that change, measured with noise and late, migrations that take
// time and sometimes fail. Virtual time, seeded.

import { SeededRandom } from 'demikernel/stack';
import { type BackendLoad, type Move, Policy, type PolicyOptions } from '../../src/policy/index.ts';

export interface SimulationOptions {
  seed: number;
  weights: readonly number[];
  /** True load of each connection. */
  loads: readonly number[];
  /** Where connections are at first; spread by turns by default. */
  place?: (connection: number) => number;
  policy?: PolicyOptions;
  /** Noise of each reading, as a part of the load. */
  noise?: number;
  /** Part of the migrations that are refused. */
  refusals?: number;
}

const STEP_US = 5000;
const MIGRATION_US = 1000;
/** Readings follow the truth with this time constant. */
const LAG_US = 20_000;

export class FleetSimulation {
  readonly policy: Policy;
  readonly loads: Float64Array;
  readonly owner: Int32Array;
  readonly timesMoved: Int32Array;
  readonly draining: Set<number>;
  readonly weights: number[];
  moves: number;
  refused: number;
  nowUs: number;
  readonly reasons: Map<string, number>;
  private readonly random: SeededRandom;
  private readonly measured: Float64Array;
  private readonly measuredBackends: number[];
  private readonly underWay: { move: Move; atUs: number }[];
  private readonly noise: number;
  private readonly refusals: number;

  constructor(options: SimulationOptions) {
    const { seed, weights, loads, place = i => i % weights.length, noise = 0.1, refusals = 0.05 } = options;
    this.policy = new Policy({ coolDownUs: 5 * LAG_US, ...options.policy });
    this.random = new SeededRandom(seed);
    this.weights = [...weights];
    this.loads = Float64Array.from(loads);
    this.owner = Int32Array.from(loads, (_, i) => place(i));
    this.timesMoved = new Int32Array(loads.length);
    this.measured = Float64Array.from(loads);
    this.measuredBackends = weights.map((_, i) => this.trueLoad(i));
    this.draining = new Set();
    this.underWay = [];
    this.noise = noise;
    this.refusals = refusals;
    this.moves = 0;
    this.refused = 0;
    this.nowUs = 0;
    this.reasons = new Map();
  }

  addBackend(weight: number): void {
    this.weights.push(weight);
    this.measuredBackends.push(0);
  }

  trueLoad(backend: number): number {
    let sum = 0;
    for (let i = 0; i < this.loads.length; i++) if (this.owner[i] === backend) sum += this.loads[i]!;
    return sum;
  }

  /** Load by fair share of the backend that is worst off, 1 when all are even. */
  worst(): number {
    const accepting = this.weights.filter((_, i) => !this.draining.has(i));
    const weight = accepting.reduce((sum, each) => sum + each, 0);
    const total = this.loads.reduce((sum, each) => sum + each, 0);
    return Math.max(
      ...this.weights.map((each, i) =>
        this.draining.has(i) ? 0 : this.trueLoad(i) / ((total * each) / weight),
      ),
    );
  }

  connectionsOf(backend: number): number {
    return this.owner.reduce((count, each) => count + (each === backend ? 1 : 0), 0);
  }

  run(forUs: number): void {
    const end = this.nowUs + forUs;
    for (; this.nowUs < end; this.nowUs += STEP_US) this.step();
  }

  private unit(): number {
    return this.random.below(2 ** 30) / 2 ** 30;
  }

  private step(): void {
    while (this.underWay.length > 0 && this.underWay[0]!.atUs <= this.nowUs) {
      const { move } = this.underWay.shift()!;
      if (this.owner[move.connection] === move.from) this.owner[move.connection] = move.to;
    }
    const part = STEP_US / LAG_US;
    const reading = (truth: number): number => truth * (1 + this.noise * (2 * this.unit() - 1));
    for (let i = 0; i < this.loads.length; i++) {
      this.measured[i]! += (reading(this.loads[i]!) - this.measured[i]!) * part;
    }
    const truth = new Float64Array(this.weights.length);
    for (let i = 0; i < this.loads.length; i++) truth[this.owner[i]!]! += this.loads[i]!;
    this.measuredBackends.forEach((each, i) => {
      this.measuredBackends[i] = each + (reading(truth[i]!) - each) * part;
    });
    const backends: BackendLoad[] = this.weights.map((weight, id) => ({
      id,
      weight,
      accepting: !this.draining.has(id),
      draining: this.draining.has(id),
      load: this.measuredBackends[id]!,
    }));
    const connections = Array.from(this.measured, (load, id) => ({ id, load, backend: this.owner[id]! }));
    for (const move of this.policy.plan({ backends, connections }, this.nowUs).moves) {
      this.policy.started(move, this.nowUs);
      this.moves++;
      this.reasons.set(move.reason, (this.reasons.get(move.reason) ?? 0) + 1);
      if (this.unit() < this.refusals) {
        this.refused++;
        this.policy.refused(move.connection, this.nowUs);
      } else {
        this.timesMoved[move.connection]!++;
        this.underWay.push({ move, atUs: this.nowUs + MIGRATION_US });
      }
    }
  }
}

/** Loads by a Zipf law, the hottest first. */
export function zipf(count: number, exponent: number): number[] {
  return Array.from({ length: count }, (_, i) => 1000 / (i + 1) ** exponent);
}
