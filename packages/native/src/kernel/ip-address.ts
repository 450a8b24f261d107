// Text of the addresses that the kernel deals in, to and from bytes in network order. Set-up code only.

import { isIPv4, isIPv6 } from 'node:net';
import { DemiError } from '@demikernel/memory';

/** The four or sixteen bytes of an IP address. @throws DemiError `ERR_DEMI_ADDRESS` for anything else than an address */
export function parseIpAddress(text: string): Uint8Array {
  if (isIPv4(text)) return Uint8Array.from(text.split('.'), Number);
  if (isIPv6(text) && !text.includes('%')) return parseIpv6(text);
  throw new DemiError('ERR_DEMI_ADDRESS', `Not an IP address: ${JSON.stringify(text)}`);
}

function parseIpv6(text: string): Uint8Array {
  const bytes = new Uint8Array(16);
  const lastColon = text.lastIndexOf(':');
  let whole = text;
  if (text.includes('.')) {
    // A trailing dotted quad stands for the last two groups (RFC 4291 section 2.2).
    const quad = text
      .slice(lastColon + 1)
      .split('.')
      .map(Number);
    const group = (high: number, low: number): string => ((quad[high]! << 8) | quad[low]!).toString(16);
    whole = `${text.slice(0, lastColon + 1)}${group(0, 1)}:${group(2, 3)}`;
  }
  const [head = '', tail] = whole.split('::');
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map(each => Number.parseInt(each, 16));
  const front = groups(head);
  const back = tail === undefined ? [] : groups(tail);
  const all = [...front, ...new Array<number>(8 - front.length - back.length).fill(0), ...back];
  for (let i = 0; i < 8; i++) {
    bytes[i * 2] = all[i]! >> 8;
    bytes[i * 2 + 1] = all[i]! & 255;
  }
  return bytes;
}

/** Text of four or sixteen bytes; IPv6 in the short form of RFC 5952. `undefined` for any other length. */
export function formatIpAddress(bytes: Uint8Array): string | undefined {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) return undefined;
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((bytes[i]! << 8) | bytes[i + 1]!);
  let bestStart = -1;
  let bestLength = 1;
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === 0) length++;
    if (length > bestLength) {
      bestStart = start;
      bestLength = length;
    }
  }
  const hex = (part: number[]): string => part.map(group => group.toString(16)).join(':');
  if (bestStart === -1) return hex(groups);
  return `${hex(groups.slice(0, bestStart))}::${hex(groups.slice(bestStart + bestLength))}`;
}

/** The six bytes of `aa:bb:cc:dd:ee:ff`. @throws DemiError `ERR_DEMI_ADDRESS` */
export function parseMacAddress(text: string): Uint8Array {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) {
    throw new DemiError('ERR_DEMI_ADDRESS', `Not a MAC address: ${JSON.stringify(text)}`);
  }
  return Uint8Array.from(text.split(':'), each => Number.parseInt(each, 16));
}

/** `aa:bb:cc:dd:ee:ff` of six bytes; other lengths are joined in the same way. */
export function formatMacAddress(bytes: Uint8Array): string {
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join(':');
}
