// Which device a library OS works on: what a copy threshold holds for.

/** A device, as calibration tells devices apart. What does not apply is an empty string. */
export interface DeviceIdentity {
  /** `catnap`, `catmem`, … */
  libos: string;
  /** Of Catpowder: `af-xdp` or `af-packet`. */
  device: string;
  /** Name of the network interface. */
  interface: string;
  /** Driver of the network interface: `veth`, `virtio_net`, … */
  driver: string;
}

/** The identity of a library OS that has no interface of its own. */
export function softwareDevice(libos: string): DeviceIdentity {
  return { libos, device: '', interface: '', driver: '' };
}

/** The identity in a few words, for messages: `catpowder af-xdp eth0 (veth)`. */
export function describeDevice(identity: DeviceIdentity): string {
  const { libos, device, driver } = identity;
  const words = [libos, device, identity.interface, driver === '' ? '' : `(${driver})`];
  return words.filter(word => word !== '').join(' ');
}
