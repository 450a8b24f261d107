// The simulator's public entry: the network stack of any number of hosts, deterministic, in one process.

export type { LinkOptions } from '../../devices/wire-link.ts';
export { SimulatedHost, type SimulatedHostOptions, SimulatedLibraryOs } from './simulated-host.ts';
export { SimulatedWorld, type SimulatedWorldOptions } from './simulated-world.ts';
