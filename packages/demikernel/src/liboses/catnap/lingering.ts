// A stream socket that its application has closed, until what was sent is acknowledged or the time for it is over.

import { EPOLLERR, EPOLLHUP, SHUT_WR, setLinger, shutdownSocket } from '@demikernel/native/kernel';
import { Timer, type TimerOwner } from '../../runtime/timer-wheel.ts';
import { unacknowledgedBytes } from './acknowledgements.ts';
import type { HostedSocket, SocketHost } from './socket-host.ts';

/** How often it is looked at. */
const ASK_US = 1000;

/** close(2) with SO_LINGER would block the thread; so the FIN goes now and a timer watches it. */
export class LingeringSocket implements HostedSocket, TimerOwner {
  readonly fd: number;
  private readonly host: SocketHost;
  private readonly timer: Timer;
  private readonly endUs: number;

  /** Takes over a watched descriptor; after `lingerUs` microseconds the peer gets a reset. */
  constructor(host: SocketHost, fd: number, lingerUs: number) {
    this.fd = fd;
    this.host = host;
    this.timer = new Timer(this, 0);
    this.endUs = host.runtime.clock.micros[0]! + lingerUs;
    host.handOver(this);
    shutdownSocket(fd, SHUT_WR);
    host.runtime.timers.arm(this.timer, Math.min(lingerUs, ASK_US));
  }

  ready(events: number): void {
    if ((events & (EPOLLERR | EPOLLHUP)) !== 0) this.leave();
  }

  guess(): number {
    return -1;
  }

  retry(): void {}

  onTimer(): void {
    const { clock, timers } = this.host.runtime;
    const leftUs = this.endUs - clock.micros[0]!;
    if (unacknowledgedBytes(this.fd) <= 0) this.leave();
    else if (leftUs <= 0) {
      setLinger(this.fd, 0);
      this.leave();
    } else timers.arm(this.timer, Math.min(leftUs, ASK_US));
  }

  private leave(): void {
    this.host.runtime.timers.cancel(this.timer);
    this.host.close(this.fd);
  }
}
