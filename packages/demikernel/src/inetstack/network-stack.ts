// One network stack: a device, an address, and the protocols between them and the queues. Pure: frames, calls, clock and
// randomness in; frames and completions out.

import type { SlotPool } from '@demikernel/memory';
import { type PacketDevice, ReceiveBurst, RX_CONTINUES } from '../runtime/packet-device.ts';
import type { Queue } from '../runtime/queue.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { Arp, type ArpOptions, type NeighbourSource } from './arp/arp.ts';
import {
  BROADCAST_HIGH,
  BROADCAST_LOW,
  ETHERNET_COUNTERS,
  ETHERNET_HEADER_BYTES,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  GROUP_BIT,
  MULTI_BUFFER,
  MULTICAST,
  macHighOf,
  macLowOf,
  OTHER_STATION,
  RECEIVED,
  TRUNCATED,
  UNICAST_IN_BROADCAST,
  UNKNOWN_TYPE,
} from './ethernet.ts';
import { Icmp, type IcmpOptions } from './icmp/icmp.ts';
import { Ipv4Input } from './ipv4/input.ts';
import { Ipv4Output } from './ipv4/output.ts';
import type { ReassemblyOptions } from './ipv4/reassembly.ts';
import { Routing, type StaticRoute } from './ipv4/routing.ts';
import { LoopbackDevice } from './loopback.ts';
import type { PortReservation } from './port-reservation.ts';
import type { TcpOptions } from './tcp/tcp-configuration.ts';
import { TcpLayer } from './tcp/tcp-layer.ts';
import { UdpLayer, type UdpOptions } from './udp/udp-layer.ts';

export { ETHERNET_COUNTERS } from './ethernet.ts';

export interface NetworkStackOptions {
  device: PacketDevice;
  runtime: Runtime;
  /** Our IPv4 address as an int32. */
  address: number;
  prefixLength: number;
  /** Router for what is not on the link. */
  gateway?: number;
  /** More routes; the longest prefix wins. */
  routes?: readonly StaticRoute[];
  /** Addresses of ours that other hosts have as well, int32: taken and sent from, never asked for or answered for by ARP. */
  virtualAddresses?: readonly number[];
  tcp?: TcpOptions;
  udp?: UdpOptions;
  arp?: ArpOptions;
  icmp?: IcmpOptions;
  reassembly?: ReassemblyOptions;
  /** Where neighbours come from when another stack owns the address; without it this one speaks ARP. */
  neighbours?: NeighbourSource;
  /** The address belongs to the host's kernel too: what we do not know is the kernel's, and we are silent about it. */
  sharedAddress?: boolean;
  /** Who hands out the ports of a shared address. */
  ports?: PortReservation;
}

/** The poll loop calls `poll`, then runs continuations, then `flush`, once per turn each. */
export class NetworkStack {
  readonly runtime: Runtime;
  readonly pool: SlotPool;
  readonly address: number;
  /** The device as the protocols see it, with the way back to ourselves. */
  readonly device: LoopbackDevice;
  readonly output: Ipv4Output;
  readonly routing: Routing;
  readonly arp: Arp;
  readonly icmp: Icmp;
  readonly udp: UdpLayer;
  readonly tcp: TcpLayer;
  readonly input: Ipv4Input;
  readonly counters: Float64Array;
  private readonly view: DataView;
  private readonly burst: ReceiveBurst;
  private readonly macHigh: number;
  private readonly macLow: number;
  /** The frame before in the burst goes on in this entry. */
  private continued: boolean;
  private udpFirst: boolean;
  private closed: boolean;

  constructor(options: NetworkStackOptions) {
    const { device, runtime, address, ports } = options;
    const sharedAddress = options.sharedAddress ?? false;
    this.runtime = runtime;
    this.pool = device.pool;
    this.address = address | 0;
    this.counters = runtime.metrics.counters('ethernet', ETHERNET_COUNTERS);
    this.device = new LoopbackDevice(device, this.counters);
    this.arp = new Arp(this.device, runtime, this.address, options.neighbours, options.arp);
    this.routing = new Routing(this.device, runtime, this.arp, options);
    this.output = new Ipv4Output(this.device, runtime, this.arp, this.routing);
    this.icmp = new Icmp(this.output, this.routing, sharedAddress, options.icmp);
    const { output, icmp } = this;
    this.udp = new UdpLayer({ output, icmp, udp: options.udp, sharedAddress, ports });
    this.tcp = new TcpLayer({ output, tcp: options.tcp, sharedAddress, ports });
    icmp.connect(this);
    this.input = new Ipv4Input(
      this.pool,
      runtime,
      this.routing,
      { icmp, udp: this.udp, tcp: this.tcp },
      sharedAddress,
      options.reassembly,
    );
    this.view = this.pool.region.view;
    this.burst = new ReceiveBurst();
    this.macHigh = macHighOf(device.macAddress);
    this.macLow = macLowOf(device.macAddress);
    this.continued = false;
    this.udpFirst = false;
    this.closed = false;
    if (!sharedAddress) this.arp.announce();
  }

  createUdpQueue(): Queue {
    return this.udp.createQueue();
  }

  createTcpQueue(): Queue {
    return this.tcp.createQueue();
  }

  /** Takes one burst from the device; returns how many frames. Timers are the poll loop's. */
  poll(): number {
    const { burst } = this;
    burst.count = 0;
    const count = this.device.receive(burst);
    for (let i = 0; i < count; i++) this.receive(burst.offset[i]!, burst.length[i]!, burst.flags[i]!);
    return count;
  }

  /** Sends what has piled up while the device has room; returns the frames sent. */
  flush(): number {
    // In turns, so that neither takes all the device's room for ever.
    this.udpFirst = !this.udpFirst;
    let frames = this.udpFirst ? this.udp.flush() : this.tcp.flush();
    frames += this.udpFirst ? this.tcp.flush() : this.udp.flush();
    this.device.flush();
    return frames;
  }

  /** Microseconds until `poll` has work of its own accord: frames to ourselves, packets to send, timers. */
  untilNextUs(): number {
    if (this.device.waiting > 0) return 0;
    if ((this.udp.queued > 0 || this.tcp.readyCount > 0) && this.device.transmitRoom() > 0) return 0;
    return this.runtime.timers.untilNextUs();
  }

  /** Ends every queue, frees every slot, stops every timer. The device stays the caller's. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.tcp.close();
    this.udp.close();
    this.input.close();
    this.arp.close();
    this.routing.close();
    this.device.discard();
  }

  private receive(offset: number, lengthBytes: number, flags: number): void {
    const { view } = this;
    // A frame over several buffers is longer than any MTU we offer: nobody above could take it.
    if (this.continued || (flags & RX_CONTINUES) !== 0) {
      this.continued = (flags & RX_CONTINUES) !== 0;
      this.drop(offset, MULTI_BUFFER);
      return;
    }
    if (lengthBytes < ETHERNET_HEADER_BYTES) {
      this.drop(offset, TRUNCATED);
      return;
    }
    const high = view.getInt32(offset);
    const low = view.getUint16(offset + 4);
    if ((high !== this.macHigh || low !== this.macLow) && !this.isHeard(offset, lengthBytes, high, low))
      return;
    this.counters[RECEIVED]!++;
    const type = view.getUint16(offset + 12);
    const payload = offset + ETHERNET_HEADER_BYTES;
    const payloadBytes = lengthBytes - ETHERNET_HEADER_BYTES;
    if (type === ETHERTYPE_IPV4) this.input.receive(payload, payloadBytes, flags);
    else if (type === ETHERTYPE_ARP) this.arp.receive(payload, payloadBytes);
    else this.drop(offset, UNKNOWN_TYPE);
  }

  /** Whether a frame that is not for us alone is for us at all; dropped if not. */
  private isHeard(offset: number, lengthBytes: number, high: number, low: number): boolean {
    if (high !== BROADCAST_HIGH || low !== BROADCAST_LOW) {
      this.drop(offset, (high & GROUP_BIT) !== 0 ? MULTICAST : OTHER_STATION);
      return false;
    }
    // A broadcast frame must hold a broadcast packet (RFC 1122 section 3.3.6).
    const { view, routing } = this;
    const isIpv4 = lengthBytes >= 34 && view.getUint16(offset + 12) === ETHERTYPE_IPV4;
    if (!isIpv4 || routing.isBroadcast(view.getInt32(offset + 30))) return true;
    this.drop(offset, UNICAST_IN_BROADCAST);
    return false;
  }

  private drop(offset: number, counter: number): void {
    this.counters[counter]!++;
    this.pool.release(offset >> this.pool.slotShift);
  }
}
