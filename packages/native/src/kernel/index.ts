// The doors to the Linux kernel. Nothing is loaded until a door is opened.

export * from './af-xdp.ts';
export { XdpRing } from './af-xdp-ring.ts';
export * from './affinity.ts';
export * from './clock.ts';
export * from './cpu-time.ts';
export * from './descriptor.ts';
export * from './epoll.ts';
export * from './errno.ts';
export * from './event-fd.ts';
export * from './event-loop.ts';
export * from './ip-address.ts';
export * from './library.ts';
export * from './memfd.ts';
export * from './memory-map.ts';
export * from './message.ts';
export * from './poll-set.ts';
export * from './process-fd.ts';
export * from './signals.ts';
export * from './socket.ts';
export * from './socket-address.ts';
export * from './system-call.ts';
export * from './timer-fd.ts';
