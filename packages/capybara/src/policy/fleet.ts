// What a policy sees of a fleet, and what it answers. Nothing here measures or moves anything.

/** A backend at the time of a decision. */
export interface BackendLoad {
  readonly id: number;
  /** Takes new connections. One that does not is never a target; its own connections may still leave. */
  readonly accepting: boolean;
  /** All of its connections are to leave. */
  readonly draining: boolean;
  /** Capacity, relative to the others'; above 0. */
  readonly weight: number;
  /** Requests, packets or whatever is counted, per second: the same measure for backends and connections. */
  readonly load: number;
  /** How long requests wait in its receive queues, in µs, when it says so. */
  readonly delayUs?: number;
}

/** A connection at the time of a decision. */
export interface ConnectionLoad {
  readonly id: number;
  /** Who owns it. */
  readonly backend: number;
  readonly load: number;
}

/** What is to be left alone for now. */
export interface Rest {
  /** A connection that is moving, has just moved or has just refused. */
  connection(id: number): boolean;
  /** A backend that has just given or got connections: its load is not known yet. */
  backend(id: number): boolean;
}

/** A snapshot of the fleet. */
export interface Fleet {
  readonly backends: readonly BackendLoad[];
  readonly connections: readonly ConnectionLoad[];
}

/** Why a connection is to move. */
export type Reason = 'drain' | 'overload' | 'delay' | 'rebalance' | 'order';

/** One connection is to go from one backend to another. */
export interface Move {
  readonly connection: number;
  readonly from: number;
  readonly to: number;
  readonly load: number;
  readonly reason: Reason;
}

/** Why a backend that should give connections away keeps them. */
export interface Stuck {
  readonly backend: number;
  /**
   * `hottest`: what is left is more than any other backend could take without being worse off itself. `resting`: it, its
   * connections or all targets are left alone for now. `nowhere`: no backend accepts.
   */
  readonly why: 'hottest' | 'resting' | 'nowhere';
  /** Load above its fair share. */
  readonly excess: number;
}

/** What a policy wants. */
export interface Plan {
  readonly moves: readonly Move[];
  readonly stuck: readonly Stuck[];
}
