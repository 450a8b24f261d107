// Backends on AF_XDP behind the real XDP switch, and a client on the kernel's stack: namespaces of one machine.

import type { Demikernel } from 'demikernel';
import { MovingPlace } from '../testbed/moving-place.ts';
import { MovingClient } from './moving-client.ts';
import type { Client, Site } from './stack-fleet.ts';

export class XdpSite implements Site {
  readonly #place: MovingPlace;
  readonly #backends: Demikernel[];

  /** @throws DemiError `ERR_DEMI_PERMISSION` */
  constructor() {
    this.#place = new MovingPlace({ kernelBackends: false });
    this.#backends = [];
  }

  async openBackend(id: number): Promise<Demikernel> {
    const os = await this.#place.openStack(id);
    this.#backends.push(os);
    return os;
  }

  connect(): Client {
    return new MovingClient(this.#place);
  }

  turn(): void {
    for (let i = 0; i < this.#backends.length; i++) this.#backends[i]!.poll();
  }

  close(): void {
    this.#place.close();
  }
}
