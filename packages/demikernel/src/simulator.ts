// The entry `demikernel/simulator`: hosts on a wire in one process, deterministic from a seed. Needs no Linux and no privilege.

export * from './liboses/simulator/index.ts';
export { type DiskFaults, MemoryDisk, type MemoryDiskOptions } from './liboses/storage/memory-disk.ts';
export { MemoryStorage } from './liboses/storage/memory-storage.ts';
export { openSimulated } from './pdpix/open-simulated.ts';
export { SeededRandom } from './runtime/random.ts';
