// One client's connection: its socket, and what is under way on it. What happens when is server.ts.

import type { ScatterGatherArray } from '@demikernel/memory';
import type { QueueToken } from 'demikernel';
import type { ClientState } from './client-state.ts';
import type { Connected } from './connection-table.ts';

export class Connection implements Connected {
  readonly qd: number;
  readonly client: ClientState;
  popToken: QueueToken;
  pushToken: QueueToken;
  /** Operations under way. */
  popping: boolean;
  pushing: boolean;
  logging: boolean;
  /** Replies that wait until the changes they speak of are durable. */
  held: ScatterGatherArray | undefined;
  /** Input that waits for replies to be sent. */
  waiting: ScatterGatherArray | undefined;
  /** Commands may be left in the parser. */
  unread: boolean;
  /** No more input is taken; it is closed when its replies are sent. */
  ending: boolean;
  closed: boolean;
  /** It has been saved, and nothing is executed until it is known whether it has left: nothing may be done twice. */
  frozen: boolean;

  constructor(qd: number, client: ClientState) {
    this.qd = qd;
    this.client = client;
    this.popToken = -1;
    this.pushToken = -1;
    this.popping = false;
    this.pushing = false;
    this.logging = false;
    this.held = undefined;
    this.waiting = undefined;
    this.unread = false;
    this.ending = false;
    this.closed = false;
    this.frozen = false;
  }
}
