// Doors to RDMA devices: verbs and the connection manager, through rdma-core's libraries. Nothing is loaded until one is opened.

export * from './connection-manager.ts';
export * from './constants.ts';
export * from './device.ts';
