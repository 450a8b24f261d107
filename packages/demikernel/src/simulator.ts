// The entry `demikernel/simulator`: hosts on a wire in one process, deterministic from a seed. Needs no Linux and no privilege.

export * from './liboses/simulator/index.ts';
export { openSimulated } from './pdpix/open-simulated.ts';
