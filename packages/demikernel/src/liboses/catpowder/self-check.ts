// Whether frames really go out and come back: asked once at the start, of a neighbour, and answered in plain words.

import type { Route, RouteListener } from '../../inetstack/ipv4/route.ts';
import type { NetworkStack } from '../../inetstack/network-stack.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { formatIpv4 } from '../../runtime/socket-address.ts';
import type { Attachment } from './attachment.ts';

/** Outcome of the check. */
export interface PathReport {
  /** The neighbour answered. */
  answered: boolean;
  /** Microseconds until it did. */
  roundTripUs: number;
  /** What is wrong and what to do; empty when all is well. */
  advice: string;
}

class Answer implements RouteListener {
  done: boolean;
  errno: number;

  constructor() {
    this.done = false;
    this.errno = 0;
  }

  routeReady(): void {
    this.done = true;
  }

  routeFailed(_route: Route, errno: number): void {
    this.done = true;
    this.errno = errno;
  }
}

/**
 * Resolves a neighbour through the whole path (program, socket, stack, driver), running the stack meanwhile.
 *
 * In ports mode the kernel speaks ARP: then this shows that its table can be read, and the frames prove themselves later.
 */
export function checkPath(
  runtime: Runtime,
  stack: NetworkStack,
  attachment: Attachment,
  neighbour: number,
  timeoutUs: number,
): PathReport {
  const { device, redirect } = attachment;
  const route = stack.output.route(neighbour, 0);
  if (route === undefined) {
    return { answered: false, roundTripUs: 0, advice: `there is no route to ${formatIpv4(neighbour)}` };
  }
  const before = redirect?.readCounters();
  const framesBefore = device.counters.receivedFrames;
  const answer = new Answer();
  runtime.clock.update();
  const start = runtime.clock.micros[0]!;
  stack.output.resolve(route, answer);
  while (!answer.done && runtime.clock.micros[0]! - start < timeoutUs) {
    stack.flush();
    runtime.clock.update();
    stack.poll();
    runtime.timers.advance();
  }
  const roundTripUs = runtime.clock.micros[0]! - start;
  if (answer.done && answer.errno === 0) return { answered: true, roundTripUs, advice: '' };
  if (!answer.done) stack.output.cancelResolve(route, answer);
  const name = device.name;
  const who = formatIpv4(neighbour);
  const after = redirect?.readCounters();
  const counted = (path: 'arp' | 'noSocket'): number => (after?.[path] ?? 0) - (before?.[path] ?? 0);
  const received = device.counters.receivedFrames - framesBefore;
  let advice: string;
  if (counted('noSocket') > 0) {
    advice = `frames for us come in on a queue of ${name} that has no socket: leave 'queue' out to take all of them`;
  } else if (counted('arp') > received) {
    advice = `the XDP program has redirected frames on ${name} that its socket never saw: see 'drops' of the device`;
  } else {
    advice =
      `${who} does not answer on ${name}. If it should: is it up, and is the other end of the cable or of the veth up? ` +
      `On a veth whose other end is redirected into by an XDP program, frames vanish unless that end has GRO or a ` +
      `program: ethtool -K PEER gro on`;
  }
  return { answered: false, roundTripUs, advice };
}
