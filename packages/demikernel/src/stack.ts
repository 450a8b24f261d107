// The entry `demikernel/stack`: the network stack and its devices without PDPIX around them, for who joins them
// himself: benchmarks, simulations, devices of one's own. Importing loads no native code.

export {
  AfXdpDevice,
  type AfXdpDeviceOptions,
} from './devices/af-xdp.ts';
export { Wire, type WireCounters, type WireOptions } from './devices/wire.ts';
export { WireDevice, type WireDeviceOptions } from './devices/wire-device.ts';
export type { NeighbourSink, NeighbourSource } from './inetstack/arp/arp.ts';
export { foldChecksum, pseudoHeaderSum, sumBytes } from './inetstack/checksum.ts';
export { NetworkStack, type NetworkStackOptions } from './inetstack/network-stack.ts';
export * from './liboses/simulator/index.ts';
export { Clock, ManualClock } from './runtime/clock.ts';
export type { LibraryOs } from './runtime/library-os.ts';
export { Metrics, metricsBytes } from './runtime/metrics.ts';
export {
  type DeviceCounters,
  Frame,
  type PacketDevice,
  RECEIVE_BURST,
  ReceiveBurst,
  RX_CHECKSUM_VALID,
  RX_CONTINUES,
} from './runtime/packet-device.ts';
export { type Random, SeededRandom } from './runtime/random.ts';
export { Runtime, type RuntimeOptions } from './runtime/runtime.ts';
export { Timer, TimerWheel } from './runtime/timer-wheel.ts';
export type { Waiter } from './runtime/waiter.ts';
