// An application as a backend of a Capybara fleet: its options, its agent and heartbeats, and the way out, on which every connection
// moves elsewhere first. What a connection takes along is the application's: http/session.ts, kv/session.ts.

import { readFleetFile } from '@demikernel/capybara/fleet';
import { Announcer, MigrationAgent } from '@demikernel/capybara/host';
import { getLink, NetlinkSocket, parseMacAddress, runInNamespace } from '@demikernel/native/kernel';
import { DemiError, type Demikernel, parseIpv4 } from 'demikernel';
import { type CommandLine, say, UsageError } from './options.ts';

export const BACKEND_OPTIONS = {
  capybara: { type: 'string' },
  backend: { type: 'string' },
  peers: { type: 'string' },
} as const;

export const BACKEND_HELP = `
As a backend of a fleet (--libos catpowder; ADDRESS is then the fleet's virtual address, --address this backend's own):
  --capybara FILE        the fleet, as its switch's file describes it: connections come and go, and leave before the end
  --backend N            number of this backend
  --peers IP,IP,…        own addresses of backends 0, 1, …: packets that come late are handed on there`;

/** For how long connections may take to leave, and controllers to hear that we are going. */
const DRAIN_US = 30e6;
const HEARD_US = 300_000;
/** Identifiers of clients: so many for each backend, counted from the milliseconds of its start. */
const IDS_PER_BACKEND = 2 ** 42;

/** What the command line says of the fleet. */
export interface BackendPlan {
  number: number;
  join(os: Demikernel): Backend;
}

/** A backend that is up. */
export interface Backend {
  agent: MigrationAgent;
  /** For clients' identifiers that no other backend gives. */
  idsAfter: number;
  /** Lets every connection leave; `turn` lets the service go on meanwhile. */
  drain(turn: () => void): void;
}

/**
 * Reads the options; `undefined` without --capybara. The library OS will have the virtual address, too.
 *
 * @param service where the application listens, `address:port`
 * @throws UsageError, ERR_DEMI_FLEET
 */
export function backendPlan(command: CommandLine, service: string): BackendPlan | undefined {
  const path = command.text('capybara');
  if (path === undefined) {
    for (const name of ['backend', 'peers']) {
      if (command.text(name) !== undefined) throw new UsageError(`--${name}: only with --capybara`);
    }
    return undefined;
  }
  const [device, own] = [command.text('interface'), command.text('address')?.split('/')[0]];
  if (command.text('libos') !== 'catpowder' || device === undefined || own === undefined)
    throw new UsageError('--capybara takes --libos catpowder, --interface and --address');
  if (command.text('backend') === undefined) throw new UsageError('--capybara takes --backend N');
  const number = command.number('backend', 0);
  if (number > 255) throw new UsageError('--backend is at most 255');
  const peers = (command.text('peers') ?? '').split(',').map(each => parseIpv4(each));
  const fleet = readFleetFile(path);
  const virtualAddress = service.split(':')[0]!;
  if (!fleet.services.some(({ address, port }) => `${address}:${port}` === service))
    throw new DemiError('ERR_DEMI_FLEET', `${path}: ${service} is no service of the fleet`);
  command.openWith({ virtualAddresses: [virtualAddress] });
  const macAddress = macAddressOf(device, command.text('namespace'));
  const join = (os: Demikernel): Backend => {
    const agent = new MigrationAgent({
      os,
      self: number,
      address: own,
      switchAddress: fleet.address,
      addressOf: backend => peers[backend],
      headerKey: fleet.headerKey,
      fleetKey: fleet.fleetKey,
    });
    const announcer = new Announcer({
      agent,
      runtime: os.libraryOs.runtime,
      address: parseIpv4(own)!,
      macAddress,
      fleetKey: fleet.fleetKey,
    });
    return {
      agent,
      idsAfter: number * IDS_PER_BACKEND + Date.now(),
      drain: turn => drain(os, agent, announcer, turn),
    };
  };
  return { number, join };
}

function macAddressOf(device: string, namespace: string | undefined): Uint8Array {
  const look = (): Uint8Array => {
    const netlink = new NetlinkSocket();
    try {
      return parseMacAddress(getLink(netlink, device).macAddress);
    } finally {
      netlink.close();
    }
  };
  return namespace === undefined ? look() : runInNamespace(namespace, look);
}

function drain(os: Demikernel, agent: MigrationAgent, announcer: Announcer, turn: () => void): void {
  const { clock } = os.libraryOs.runtime;
  const startUs = clock.micros[0]!;
  let emptyUs = startUs;
  say(`draining: ${agent.connections.length} connections`);
  announcer.drain();
  // New ones come until the switch has heard; what has left may still have questions.
  while (clock.micros[0]! - emptyUs < HEARD_US && clock.micros[0]! - startUs < DRAIN_US) {
    os.poll();
    turn();
    os.loop.keepHearing();
    if (agent.connections.length > 0 || agent.moving > 0) emptyUs = clock.micros[0]!;
  }
  announcer.close();
  const { left, arrived, lost } = agent.counters;
  say(`drained: ${agent.connections.length} connections stay; ${left} left, ${arrived} came, ${lost} lost`);
  agent.close();
}

/** Turns the loop until the process is asked to stop: for services whose coroutines are to go on while they drain. */
export function turnUntilStopped(os: Demikernel): void {
  while (!os.stopping) {
    if (os.poll() === 0) os.loop.idle(Number.POSITIVE_INFINITY);
    else os.loop.keepHearing();
  }
}
