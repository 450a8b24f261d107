// Doors to DPDK's poll-mode drivers. Nothing is loaded until one is opened.

export * from './environment.ts';
export * from './layout.ts';
export * from './library.ts';
export * from './memory.ts';
export * from './port.ts';
