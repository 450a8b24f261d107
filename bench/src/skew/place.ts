// What a fleet under load stands on, be it in virtual time (virtual-place.ts) or on this machine's interfaces (live-place.ts).

import type { FlowTable } from '@demikernel/capybara';
import type { Demikernel } from 'demikernel';

/** Who does something on a host: a server, a client. */
export interface Actor {
  /** After each poll of its host. Returns how much it did. */
  turn(): number;
  /** When it has something to do by itself, in µs from now. */
  untilNextUs(): number;
}

export interface Place {
  readonly nowUs: number;
  /** Of the switch. */
  readonly flows: FlowTable;
  /** What a server takes for a request. */
  readonly serviceUs: number;
  /** A backend, known to the switch, with a stack that has the virtual address. */
  openBackend(id: number): Promise<Demikernel>;
  openClient(): Promise<Demikernel>;
  attach(os: Demikernel, actor: Actor): void;
  /** Goes on until a moment, or until something is so. False: that will not come. Signals are heard meanwhile. */
  run(until: number | (() => boolean)): Promise<boolean>;
  /** Idempotent. */
  close(): void;
}
