// A lingering socket that epoll still watches: an error ends the wait.

import { EPOLLERR, EPOLLHUP } from '@demikernel/native/kernel';
import { LingeringSocket } from '../../sockets/lingering.ts';
import type { HostedSocket, SocketHost } from './socket-host.ts';

export class WatchedLingeringSocket extends LingeringSocket implements HostedSocket {
  constructor(host: SocketHost, fd: number, lingerUs: number) {
    super(host, fd, lingerUs);
    host.handOver(this);
  }

  ready(events: number): void {
    if ((events & (EPOLLERR | EPOLLHUP)) !== 0) this.leave();
  }

  guess(): number {
    return -1;
  }

  retry(): void {}
}
