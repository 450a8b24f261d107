// What the echo benchmark measures: loads (what the client does) and systems (who answers it).

import type { ClientMode, Protocol } from '../client/round.ts';

/** What the client asks for. */
export interface Load {
  protocol: Protocol;
  sizeBytes: number;
  connections: number;
  client: ClientMode;
}

/** Who answers. */
export interface System {
  /** `catpowder`, `catnip`, `catnap`, `catcollar`, `catmem`, `node:net`, `node:net-spin`, `node:dgram`, `node:dgram-spin`, `reflector`, `xdp-tx`. */
  system: string;
  wait: 'spin' | 'adaptive' | 'interrupt';
  protocol: Protocol;
}

const OURS: readonly string[] = ['catpowder', 'catnip', 'catnap', 'catcollar', 'catmem'];

/** A system's name with its way to wait, where the name does not say it. */
export function labelOf(system: Pick<System, 'system' | 'wait'>): string {
  return OURS.includes(system.system) ? `${system.system} ${system.wait}` : system.system;
}

const WAITS = ['spin', 'adaptive', 'interrupt'] as const;

/** Every system for a protocol, floors first. */
export function systemsFor(protocol: Protocol): System[] {
  if (protocol === 'local') return localSystems();
  const systems: System[] = [];
  if (protocol === 'udp') systems.push({ system: 'xdp-tx', wait: 'interrupt', protocol });
  systems.push({ system: 'reflector', wait: 'spin', protocol });
  for (const wait of WAITS) systems.push({ system: 'catpowder', wait, protocol });
  // DPDK's drivers poll: there is nothing to sleep on.
  systems.push({ system: 'catnip', wait: 'spin', protocol });
  for (const wait of WAITS) systems.push({ system: 'catnap', wait, protocol });
  for (const wait of WAITS) systems.push({ system: 'catcollar', wait, protocol });
  const peer = protocol === 'tcp' ? 'node:net' : 'node:dgram';
  systems.push({ system: `${peer}-spin`, wait: 'spin', protocol });
  systems.push({ system: peer, wait: 'interrupt', protocol });
  return systems;
}

/** Streams inside the machine: shared memory, and what Node has for it, Unix sockets. */
function localSystems(): System[] {
  const protocol = 'local';
  return [
    ...WAITS.map(wait => ({ system: 'catmem', wait, protocol }) as const),
    { system: 'node:net-spin', wait: 'spin', protocol },
    { system: 'node:net', wait: 'interrupt', protocol },
  ];
}

/** The size that fills one segment on a link of 1500 bytes, with TCP's timestamps. */
export const ONE_SEGMENT_BYTES = 1448;

/** The loads of a run: sizes at one connection, connections at the smallest size, and a client that blocks. */
export function loadsFor(protocol: Protocol, quick: boolean): Load[] {
  const load = (sizeBytes: number, connections: number, client: ClientMode): Load => ({
    protocol,
    sizeBytes,
    connections,
    client,
  });
  const common = [load(64, 1, 'spin'), load(64, 1, 'block'), load(64, 64, 'spin')];
  // A datagram of more than a packet would be cut into fragments.
  const largest = protocol === 'udp' ? ONE_SEGMENT_BYTES : 8192;
  if (quick) return protocol === 'udp' ? common : [...common, load(largest, 1, 'spin')];
  const loads = [...common, load(64, 8, 'spin'), load(64, 64, 'block')];
  for (const sizeBytes of [256, 1024, ONE_SEGMENT_BYTES, 4096, 8192]) {
    if (sizeBytes <= largest) loads.push(load(sizeBytes, 1, 'spin'));
  }
  return loads;
}

/** The loads that a system is measured under. */
export function suits(system: System, load: Load, quick: boolean): boolean {
  if (system.protocol !== load.protocol) return false;
  if (!quick) return true;
  // A quick run keeps what answers the main questions.
  if (load.client === 'spin' && load.connections === 1 && load.sizeBytes === 64) return true;
  if (load.client === 'block') return system.wait !== 'interrupt' || system.system.startsWith('node:');
  return system.wait === 'spin' || system.system.startsWith('node:');
}
