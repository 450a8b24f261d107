// A queue over a kernel socket that epoll watches.

import { KernelQueue } from '../../sockets/kernel-queue.ts';
import type { HostedSocket, SocketHost } from './socket-host.ts';

export abstract class WatchedQueue extends KernelQueue<SocketHost> implements HostedSocket {
  /** What epoll is asked to report. */
  protected abstract readonly watchedEvents: number;

  abstract ready(events: number): void;
  abstract guess(): number;
  abstract retry(): void;

  /** Begins to watch the socket, for `watchedEvents`. 0 or an errno. */
  protected watch(): number {
    if (this.watched) return 0;
    this.watched = true;
    return -this.host.watch(this, this.watchedEvents);
  }
}
