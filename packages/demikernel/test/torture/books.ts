// Conservation: every frame that came in is accepted or dropped under a name, on every floor of the stack.

import assert from 'node:assert/strict';
import type { Counters } from './ledger.ts';

/** Outcomes of a segment that has a connection and is not predicted, where each ends the segment. */
const TCP_DROPS = [
  'dropHeader',
  'dropChecksum',
  'dropNoConnection',
  'dropPaws',
  'dropNoTimestamp',
  'dropOutOfWindow',
  'dropBadAck',
  'dropNoAck',
  'dropBadReset',
] as const;

/**
 * Asserts that the counters add up.
 *
 * @param framesIn frames that the stack has taken from its device
 */
export function assertBalanced(framesIn: number, counters: Counters): void {
  const { ethernet, arp, ipv4, reassembly, udp, icmp, tcp } = counters as Record<
    string,
    Record<string, number>
  >;
  const sum = (room: Record<string, number> | undefined, ...names: string[]): number =>
    names.reduce((total, name) => total + room![name]!, 0);
  const dropped = ['truncated', 'otherStation', 'multicast', 'multiBuffer', 'unicastInBroadcast'];
  assert.equal(sum(ethernet, 'received', ...dropped), framesIn, 'frames = taken + dropped');
  const refused = sum(
    ipv4,
    'truncated',
    'badVersion',
    'badHeaderLength',
    'badTotalLength',
    'badChecksum',
    'badSource',
    'notForUs',
    'unknownProtocol',
  );
  const arpFrames = sum(arp, 'requestsReceived', 'repliesReceived', 'malformed');
  const joined = reassembly!['reassembled']! - sum(ipv4, 'tooLargeToJoin', 'noSlot');
  const messages = sum(udp, 'received') + sum(tcp, 'received') + sum(icmp, 'received');
  assert.equal(
    messages - joined + reassembly!['fragments']! + refused + arpFrames + ethernet!['unknownType']!,
    ethernet!['received'],
    'taken frames = whole messages + fragments + refused packets + ARP + unknown types',
  );
  assert.equal(
    sum(
      udp,
      'delivered',
      'truncated',
      'badLength',
      'badChecksum',
      'noPort',
      'receiveQueueFull',
      'receiveMemoryFull',
    ),
    udp!['received'],
    'datagrams = delivered + dropped',
  );
  assert.equal(
    sum(icmp, 'truncated', 'badChecksum', 'unknownType', 'echoRequests', 'errorsReceived'),
    icmp!['received'],
    'messages = handled + dropped',
  );
  const handled = tcp!['received']! - tcp!['fastPath']! - sum(tcp, ...TCP_DROPS);
  assert.ok(handled >= 0, `${-handled} segments are counted as dropped twice`);
}
