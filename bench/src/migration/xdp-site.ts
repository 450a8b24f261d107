// Backends on AF_XDP behind the real XDP switch, and a client on the kernel's stack: namespaces of one machine.

import { type Demikernel, open } from 'demikernel';
import { backendAddress, VIRTUAL_ADDRESS } from './addresses.ts';
import { MovingClient } from './moving-client.ts';
import { MovingPlace } from './place.ts';
import type { Client, Site } from './stack-fleet.ts';

export class XdpSite implements Site {
  readonly #place: MovingPlace;
  readonly #backends: Demikernel[];

  /** @throws DemiError `ERR_DEMI_PERMISSION` */
  constructor() {
    this.#place = new MovingPlace(false);
    this.#backends = [];
  }

  async openBackend(id: number): Promise<Demikernel> {
    const os = await open({
      libos: 'catpowder',
      interface: 'eth0',
      namespace: this.#place.backends[id]!,
      address: `${backendAddress(id)}/24`,
      virtualAddresses: [VIRTUAL_ADDRESS],
      device: 'af-xdp',
      wait: 'spin',
      selfCheck: false,
      onNotice: () => {},
    });
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
