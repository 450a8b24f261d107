// What a host holds: the books that every torture test closes. Nothing may be left when the applications are gone.

import assert from 'node:assert/strict';
import { ARP_COUNTERS } from '../../src/inetstack/arp/counters.ts';
import { ICMP_COUNTERS } from '../../src/inetstack/icmp/icmp.ts';
import { IPV4_COUNTERS } from '../../src/inetstack/ipv4/input.ts';
import { REASSEMBLY_COUNTERS } from '../../src/inetstack/ipv4/reassembly.ts';
import { ETHERNET_COUNTERS, type NetworkStack } from '../../src/inetstack/network-stack.ts';
import { TCP_COUNTERS } from '../../src/inetstack/tcp/counters.ts';
import { UDP_COUNTERS } from '../../src/inetstack/udp/counters.ts';

/** Everything a stack and its runtime hold right now. */
export interface Holdings {
  slots: number;
  operations: number;
  queues: number;
  timers: number;
  connections: number;
  timeWait: number;
  orphans: number;
  ready: number;
}

export function holdings(stack: NetworkStack): Holdings {
  const { runtime, pool, tcp } = stack;
  return {
    slots: pool.slotCount - pool.freeSlots,
    operations: runtime.operations.liveCount,
    queues: runtime.queues.liveCount,
    timers: runtime.timers.armedCount,
    connections: tcp.connectionCount,
    timeWait: tcp.timeWait.count,
    orphans: tcp.orphanCount,
    ready: tcp.readyCount,
  };
}

const NOTHING: Holdings = {
  slots: 0,
  operations: 0,
  queues: 0,
  timers: 0,
  connections: 0,
  timeWait: 0,
  orphans: 0,
  ready: 0,
};

/**
 * Asserts that a stack whose applications have closed everything holds nothing but its neighbours' ageing timers, and one for
 * packet sizes that routers have reported, truly or not.
 */
export function assertQuiet(stack: NetworkStack, what: string): void {
  const held = holdings(stack);
  assert.deepEqual({ ...held, timers: 0 }, NOTHING, `${what}: something is left before the stack is closed`);
  const { loweredCount } = stack.routing;
  assert.ok(
    held.timers <= stack.arp.count + Math.min(loweredCount, 1),
    `${what}: ${held.timers} timers for ${stack.arp.count} neighbours and ${loweredCount} packet sizes`,
  );
}

/** Closes a stack and asserts that nothing at all is left. */
export function assertNothingLeft(stack: NetworkStack, what: string): void {
  stack.close();
  assert.deepEqual(holdings(stack), NOTHING, `${what}: something is left`);
}

export type Counters = Record<string, Record<string, number>>;

/** Every counter of a stack by room and name. */
export function countersOf(stack: NetworkStack): Counters {
  return {
    ethernet: named(ETHERNET_COUNTERS, stack.counters),
    arp: named(ARP_COUNTERS, stack.arp.counters),
    ipv4: named(IPV4_COUNTERS, stack.input.counters),
    reassembly: named(REASSEMBLY_COUNTERS, stack.input.reassembly.counters),
    icmp: named(ICMP_COUNTERS, stack.icmp.counters),
    udp: named(UDP_COUNTERS, stack.udp.counters),
    tcp: named(TCP_COUNTERS, stack.tcp.counters),
  };
}

function named(names: readonly string[], values: Float64Array): Record<string, number> {
  return Object.fromEntries(names.map((name, i) => [name, values[i]!]));
}

/** The counters that are not 0, on one line per room. */
export function describeCounters(counters: Counters): string {
  return Object.entries(counters)
    .map(([room, values]) => {
      const seen = Object.entries(values).filter(([, value]) => value !== 0);
      return `${room}: ${seen.map(([name, value]) => `${name} ${value}`).join(', ')}`;
    })
    .join('\n');
}
