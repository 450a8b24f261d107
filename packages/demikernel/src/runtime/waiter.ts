// How a poll loop that owns its thread notices signals and sleeps. A simulation brings its own.

import { POLLIN, PollSet, SIGHUP, SIGINT, SIGTERM, SignalWatch } from '@demikernel/native/kernel';

/** What the poll loop asks of the world when it has nothing to do. */
export interface Waiter {
  /** A signal that asks the process to stop, or 0. Cheap enough for once a millisecond. */
  checkSignal(): number;
  /** Sleeps until a descriptor is ready, a signal arrives, or `timeoutUs` (`Infinity`: no limit) is over. */
  sleep(timeoutUs: number): void;
  close(): void;
}

/** A waiter on ppoll(2) over the library OS's descriptors and the signals that end a service. */
export class SystemWaiter implements Waiter {
  private readonly signals: SignalWatch;
  private readonly pollSet: PollSet;

  /** From here on SIGINT, SIGTERM and SIGHUP no longer end the process: `checkSignal` reports them. */
  constructor(descriptors: readonly number[]) {
    this.signals = new SignalWatch([SIGINT, SIGTERM, SIGHUP]);
    this.pollSet = new PollSet(descriptors.length + 1);
    this.pollSet.add(this.signals.descriptor, POLLIN);
    for (const descriptor of descriptors) this.pollSet.add(descriptor, POLLIN);
  }

  checkSignal(): number {
    return this.signals.check();
  }

  sleep(timeoutUs: number): void {
    this.pollSet.wait(timeoutUs === Number.POSITIVE_INFINITY ? -1 : Math.max(timeoutUs, 1));
  }

  close(): void {
    this.pollSet.close();
    this.signals.close();
  }
}
