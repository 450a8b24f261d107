// One view of the fleet for people and programs: what `status`, `top` and the page show.

import type { Plan } from '../policy/index.ts';
import type { SwitchPath } from '../switch/index.ts';
import {
  type BackendStatus,
  type Controller,
  type ControllerCounters,
  clientOf,
  type MigrationEvent,
} from './controller.ts';

/** A connection of the fleet. */
export interface ConnectionStatus {
  client: string;
  backend: number;
  /** Packets from the client per second. */
  load: number;
  /** Backend it is on its way to, or `null`. */
  target: number | null;
}

/** The fleet at one time. Times are ms of one clock, `nowMs` among them. */
export interface FleetStatus {
  nowMs: number;
  backends: BackendStatus[];
  connections: number;
  /** The busiest. */
  busiest: ConnectionStatus[];
  migrations: readonly MigrationEvent[];
  counters: ControllerCounters;
  plan: Plan;
  dryRun: boolean;
  paths: Record<SwitchPath, number>;
}

const BUSIEST = 20;

export function statusOf(
  controller: Controller,
  paths: Record<SwitchPath, number>,
  dryRun: boolean,
  nowMs: number,
): FleetStatus {
  const busiest = [...controller.flows].sort((a, b) => b.load - a.load).slice(0, BUSIEST);
  return {
    nowMs,
    backends: controller.backends(nowMs),
    connections: controller.flows.length,
    busiest: busiest.map(({ flow, load }) => ({
      client: clientOf(flow),
      backend: flow.owner,
      load,
      target: flow.target ?? null,
    })),
    migrations: controller.events,
    counters: controller.counters,
    plan: controller.plan,
    dryRun,
    paths,
  };
}
