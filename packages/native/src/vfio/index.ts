// Doors to devices driven from user space: vfio, and the bus they are on. Nothing is loaded until a door is opened.

export * from './constants.ts';
export * from './container.ts';
export * from './device.ts';
export * from './pci-device.ts';
