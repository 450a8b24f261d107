// Neighbours of an address that is the host's too: the kernel resolves them, because ARP replies go to the kernel.

import { DemiError } from '@demikernel/memory';
import {
  getNeighbour,
  type Neighbour,
  NetlinkSocket,
  NetworkWatch,
  NUD_FAILED,
  NUD_VALID,
  parseMacAddress,
  RTMGRP_NEIGH,
  resolveNeighbour,
} from '@demikernel/native/kernel';
import type { NeighbourSink, NeighbourSource } from '../../inetstack/arp/arp.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { formatIpv4, parseIpv4 } from '../../runtime/socket-address.ts';
import { Timer, type TimerOwner } from '../../runtime/timer-wheel.ts';

/** First look for an answer; doubles with every one that finds none. */
const FIRST_LOOK_US = 100;
const LAST_LOOK_US = 50_000;
/** How often changes of known neighbours are taken from the kernel: a gateway that fails over is found this soon. */
const WATCH_US = 250_000;

/** The kernel's neighbour table as a {@link NeighbourSource}. Opened in the namespace of the calling thread. */
export class KernelNeighbours implements NeighbourSource, TimerOwner {
  private readonly runtime: Runtime;
  private readonly linkIndex: number;
  private readonly netlink: NetlinkSocket;
  private readonly watch: NetworkWatch;
  private readonly timer: Timer;
  private readonly pending: Set<number>;
  private readonly known: Set<number>;
  private sink: NeighbourSink | undefined;
  private lookUs: number;

  constructor(runtime: Runtime, linkIndex: number) {
    this.runtime = runtime;
    this.linkIndex = linkIndex;
    this.netlink = new NetlinkSocket();
    try {
      this.watch = new NetworkWatch(RTMGRP_NEIGH);
    } catch (error) {
      this.netlink.close();
      throw error;
    }
    this.timer = new Timer(this, 0);
    this.pending = new Set();
    this.known = new Set();
    this.sink = undefined;
    this.lookUs = FIRST_LOOK_US;
    runtime.timers.arm(this.timer, WATCH_US);
  }

  resolve(address: number, sink: NeighbourSink): void {
    this.sink = sink;
    this.pending.add(address);
    this.lookUs = FIRST_LOOK_US;
    // The answer always comes from the timer, never inside this call.
    this.runtime.timers.arm(this.timer, this.ask(address) ? FIRST_LOOK_US : 0);
  }

  onTimer(): void {
    for (const address of [...this.pending]) this.look(address);
    if (this.pending.size > 0) {
      this.lookUs = Math.min(this.lookUs * 2, LAST_LOOK_US);
      this.runtime.timers.arm(this.timer, this.lookUs);
      return;
    }
    this.takeChanges();
    this.runtime.timers.arm(this.timer, WATCH_US);
  }

  close(): void {
    this.runtime.timers.cancel(this.timer);
    this.netlink.close();
    this.watch.close();
  }

  /** Has the kernel ask the link, as for a packet of its own. False when it will not. */
  private ask(address: number): boolean {
    try {
      resolveNeighbour(this.netlink, this.linkIndex, formatIpv4(address));
      return true;
    } catch (error) {
      if (error instanceof DemiError) return false;
      throw error;
    }
  }

  private look(address: number): void {
    let found: Neighbour | undefined;
    try {
      found = getNeighbour(this.netlink, this.linkIndex, formatIpv4(address));
    } catch (error) {
      if (!(error instanceof DemiError)) throw error;
    }
    if (found !== undefined) this.tell(address, found);
  }

  private tell(address: number, neighbour: Neighbour): void {
    const waiting = this.pending.has(address);
    if ((neighbour.state & NUD_VALID) !== 0 && neighbour.macAddress !== '') {
      this.pending.delete(address);
      this.known.add(address);
      this.sink?.neighbourKnown(address, parseMacAddress(neighbour.macAddress));
    } else if (waiting && (neighbour.state & NUD_FAILED) !== 0) {
      this.pending.delete(address);
      this.sink?.neighbourFailed(address);
    }
  }

  private takeChanges(): void {
    try {
      for (const event of this.watch.take()) {
        if (event.kind !== 'neighbour' || event.removed || event.neighbour.linkIndex !== this.linkIndex)
          continue;
        const address = parseIpv4(event.neighbour.address);
        if (address !== undefined && this.known.has(address)) this.tell(address, event.neighbour);
      }
    } catch (error) {
      // Lost events cost at most the stack's own ageing of its entries.
      if (!(error instanceof DemiError)) throw error;
    }
  }
}
