// A stream socket that its application has closed, until what was sent is acknowledged or the time for it is over.

import { SHUT_WR, setLinger, shutdownSocket } from '@demikernel/native/kernel';
import { Timer, type TimerOwner } from '../runtime/timer-wheel.ts';
import { unacknowledgedBytes } from './acknowledgements.ts';
import type { SocketHome } from './kernel-queue.ts';

/** How often it is looked at. */
const ASK_US = 1000;

/** close(2) with SO_LINGER would block the thread; so the FIN goes now and a timer watches it. */
export class LingeringSocket implements TimerOwner {
  readonly fd: number;
  protected readonly host: SocketHome;
  private readonly timer: Timer;
  private readonly endUs: number;

  /** Takes over a descriptor; after `lingerUs` microseconds the peer gets a reset. */
  constructor(host: SocketHome, fd: number, lingerUs: number) {
    this.fd = fd;
    this.host = host;
    this.timer = new Timer(this, 0);
    this.endUs = host.runtime.clock.micros[0]! + lingerUs;
    shutdownSocket(fd, SHUT_WR);
    host.runtime.timers.arm(this.timer, Math.min(lingerUs, ASK_US));
  }

  onTimer(): void {
    const { clock, timers } = this.host.runtime;
    const leftUs = this.endUs - clock.micros[0]!;
    if (unacknowledgedBytes(this.fd) <= 0) this.leave();
    else if (leftUs <= 0) {
      setLinger(this.fd, 0);
      this.leave();
    } else timers.arm(this.timer, Math.min(leftUs, ASK_US));
  }

  protected leave(): void {
    this.host.runtime.timers.cancel(this.timer);
    this.host.close(this.fd);
  }
}
