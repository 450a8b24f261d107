// The doors to the Linux kernel. Nothing is loaded until a door is opened.

export * from './errno.ts';
export * from './library.ts';
export * from './memory-map.ts';
export * from './system-call.ts';
