// A load balancer as a service: the switch's programs, its controller, and how both are operated. What `demikernel capybara
// switch` runs.

import { once } from 'node:events';
import type { Server } from 'node:http';
import { Switch } from '../switch/index.ts';
import { HeaderMac } from '../tcpmig/header.ts';
import type { Heartbeat } from '../tcpmig/heartbeat.ts';
import { sipHashOf } from '../tcpmig/keys.ts';
import { ControllerSocket } from './control-socket.ts';
import { Controller } from './controller.ts';
import type { FleetDescription } from './fleet-file.ts';
import { controlServer, listenAtPath } from './interface.ts';
import { exposition } from './prometheus.ts';
import { type FleetStatus, statusOf } from './status.ts';

export interface BalancerOptions {
  fleet: FleetDescription;
  /** Between two looks at the fleet, in ms; 100 by default. */
  tickMs?: number;
  /** How long a restarted switch waits for backends to name their connections, in ms; 0, a new switch, by default. */
  learnMs?: number;
}

/** Where a balancer is operated from. */
export interface BalancerInterface {
  /** UNIX socket for orders: `demikernel capybara drain`, `move`, … */
  path: string;
  /** Where the page and the metrics are served, if anywhere. */
  listen?: { host: string; port: number };
}

const TICK_MS = 100;

/** The running service. Everything it holds goes with the process, however that ends. */
export class Balancer {
  readonly controller: Controller;
  readonly #switch: Switch;
  readonly #dryRun: boolean;
  readonly #closing: (() => void)[];

  /**
   * Attaches the switch in the calling thread's network namespace and listens for heartbeats there.
   *
   * @throws DemiError as `Switch`; `ERR_DEMI_SYSCALL` when the switch's address is not this host's
   */
  constructor(options: BalancerOptions) {
    const { fleet, learnMs = 0, tickMs = TICK_MS } = options;
    this.#dryRun = fleet.dryRun;
    this.#closing = [];
    this.#switch = new Switch({
      ports: fleet.ports,
      headerKey: fleet.headerKey,
      hashKey: fleet.hashKey,
      address: fleet.address,
      connections: fleet.connections,
      policy: fleet.spread,
      learning: learnMs > 0,
    });
    this.#closing.push(() => this.#switch.close());
    try {
      for (const { address, port } of fleet.services) this.#switch.addService(address, port);
      const mac = new HeaderMac(sipHashOf(fleet.headerKey));
      const socket = new ControllerSocket(fleet.address, mac, fleet.fleetKey, heartbeat =>
        this.controller.heard(heartbeat, performance.now(), Date.now()),
      );
      this.#closing.push(() => socket.close());
      this.controller = new Controller({
        controlled: this.#switch,
        policy: fleet.policy,
        dryRun: fleet.dryRun,
        placeOf: heartbeat => placeOf(fleet, heartbeat),
        order: (flow, owner, target) => socket.order(flow, owner, target),
      });
    } catch (error) {
      this.close();
      throw error;
    }
    const ticking = setInterval(() => this.controller.tick(performance.now()), tickMs);
    this.#closing.push(() => clearInterval(ticking));
    if (learnMs === 0) return;
    const learning = setTimeout(() => this.#switch.learned(), learnMs);
    this.#closing.push(() => clearTimeout(learning));
  }

  /** Opens the interface. @throws DemiError `ERR_DEMI_ADDRESS` when `path` is taken; Error when `listen` is */
  async operate({ path, listen }: BalancerInterface): Promise<void> {
    const orders = controlServer(this, true);
    await listenAtPath(orders, path);
    this.#closing.push(() => close(orders));
    if (listen === undefined) return;
    const page = controlServer(this, false);
    page.listen(listen);
    await once(page, 'listening');
    this.#closing.push(() => close(page));
  }

  status(): FleetStatus {
    return statusOf(this.controller, this.#switch.readCounters(), this.#dryRun, performance.now());
  }

  metrics(): string {
    return exposition({
      controller: this.controller,
      backends: this.controller.backends(performance.now()),
      paths: this.#switch.readCounters(),
    });
  }

  drain(backend: number, drained: boolean): void {
    this.controller.drain(backend, drained);
  }

  move(client: string, to: number): void {
    this.controller.move(client, to);
  }

  remove(backend: number): void {
    this.controller.remove(backend);
  }

  /** Stops serving: backends keep their connections, and no packet reaches them until a switch is there again. Idempotent. */
  close(): void {
    for (const close of this.#closing.splice(0).reverse()) close();
  }
}

function close(server: Server): void {
  server.close();
  server.closeAllConnections();
}

/** Behind which port a backend is; `undefined`: it may not register. */
function placeOf(fleet: FleetDescription, { backend }: Heartbeat): { port?: number } | undefined {
  const name =
    fleet.backends === undefined
      ? fleet.ports.find(each => each.role !== 'client')?.interface
      : fleet.backends.find(each => each.number === backend)?.interface;
  const port = fleet.ports.findIndex(each => each.interface === name);
  if (port < 0) return undefined;
  // The only interface there is: back out of it.
  return fleet.ports.length === 1 ? {} : { port };
}
