// Connections by descriptor, and whose operation it is that has completed. What they do is their servers' business.

import type { QueueToken, Result } from 'demikernel';

/** What the table knows of a connection. */
export interface Connected {
  readonly qd: number;
  /** The last pop and push: a descriptor is used again, so a result may come that was meant for the connection before. */
  popToken: QueueToken;
  pushToken: QueueToken;
}

export class ConnectionTable<T extends Connected> {
  /** Connections. */
  count: number;
  private readonly byQd: (T | undefined)[];

  constructor() {
    this.count = 0;
    this.byQd = [];
  }

  add(connection: T): void {
    while (this.byQd.length <= connection.qd) this.byQd.push(undefined);
    this.byQd[connection.qd] = connection;
    this.count++;
  }

  remove(connection: T): void {
    this.byQd[connection.qd] = undefined;
    this.count--;
  }

  /** Every connection, in a fresh array. */
  all(): T[] {
    return this.byQd.filter(each => each !== undefined);
  }

  /** The connection whose pop or push has ended so. Nobody's: `undefined`, and its memory is given back. */
  ownerOf(result: Result): T | undefined {
    const connection = this.byQd[result.qd];
    if (connection !== undefined) {
      const { token } = result;
      if (token === connection.popToken || token === connection.pushToken) return connection;
    }
    result.array?.free();
    return undefined;
  }
}
