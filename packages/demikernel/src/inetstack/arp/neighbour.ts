// One neighbour: an IPv4 address of the link and the Ethernet address that goes with it. How it is found is arp.ts.

import { Timer, type TimerOwner } from '../../runtime/timer-wheel.ts';
import type { Route, RouteListener } from '../ipv4/route.ts';

/** Nothing is known and nobody has asked. */
export const NEIGHBOUR_UNKNOWN = 0;
/** A request is out. */
export const NEIGHBOUR_INCOMPLETE = 1;
/** The Ethernet address is known and fresh. */
export const NEIGHBOUR_REACHABLE = 2;
/** Known, used, and being asked for again. */
export const NEIGHBOUR_REFRESHING = 3;
/** Known for ever: broadcast, ourselves, configured. */
export const NEIGHBOUR_PERMANENT = 4;
/** Nobody answered; nobody is asked until the hold-down is over. */
export const NEIGHBOUR_FAILED = 5;

/** Who waits for a neighbour. */
export interface NeighbourWaiter {
  route: Route;
  listener: RouteListener;
}

/** What is told when a neighbour's timer fires. */
export interface NeighbourOwner {
  neighbourTimer(neighbour: Neighbour): void;
}

/** State of one neighbour. */
export class Neighbour implements TimerOwner {
  readonly address: number;
  state: number;
  /** The first four bytes of the Ethernet address as an int32. */
  macHigh: number;
  /** The last two. */
  macLow: number;
  /** Whether frames can be sent to it now. */
  ready: boolean;
  /** Requests sent since the last answer. */
  attempts: number;
  /** Used since it was last confirmed: an unused one is dropped when it ages, not asked for. */
  used: boolean;
  readonly waiters: NeighbourWaiter[];
  readonly timer: Timer;
  private readonly owner: NeighbourOwner;

  constructor(address: number, owner: NeighbourOwner) {
    this.address = address;
    // What every packet needs comes first: one cache line.
    this.ready = false;
    this.used = false;
    this.macHigh = 0;
    this.macLow = 0;
    this.state = NEIGHBOUR_UNKNOWN;
    this.attempts = 0;
    this.waiters = [];
    this.owner = owner;
    this.timer = new Timer(this, 0);
  }

  /** Makes the Ethernet address known. */
  learn(macHigh: number, macLow: number, state: number): void {
    this.macHigh = macHigh;
    this.macLow = macLow;
    this.state = state;
    this.ready = true;
    this.attempts = 0;
  }

  onTimer(): void {
    this.owner.neighbourTimer(this);
  }
}
