// The TCP layer of one stack. (The body arrives with the connection code; these are the doors the stack uses.)

import type { Queue } from '../../runtime/queue.ts';
import type { Ipv4Output } from '../ipv4/output.ts';
import type { PortReservation } from '../port-reservation.ts';
import type { TcpOptions } from './tcp-configuration.ts';

export interface TcpLayerOptions {
  output: Ipv4Output;
  tcp?: TcpOptions;
  sharedAddress?: boolean;
  ports?: PortReservation;
}

export declare class TcpLayer {
  constructor(options: TcpLayerOptions);
  receive(
    ipOffset: number,
    tcpOffset: number,
    lengthBytes: number,
    source: number,
    destination: number,
    flags: number,
  ): void;
  icmpError(
    kind: number,
    code: number,
    source: number,
    localPort: number,
    destination: number,
    remotePort: number,
    sequence: number,
    mtu: number,
  ): void;
  flush(): number;
  createQueue(): Queue;
  close(): void;
}
