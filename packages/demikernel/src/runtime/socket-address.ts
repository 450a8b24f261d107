// Addresses of sockets, and the one parser of their text.

import { DemiError } from '@demikernel/memory';

/** Address families (include/linux/socket.h). */
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;

/**
 * Where a socket is: an IPv4 address as an int32 and a port, or for other families the text of the host or path.
 *
 * Mutable and reused, so that results carry one without an allocation; copy what must outlive the result.
 */
export class SocketAddress {
  family: number;
  /** IPv4 address in host order as an int32: 10.0.0.1 is 0x0a000001. 0 is the wildcard. */
  ipv4: number;
  /** 0 to 65535; 0 in a bind asks for any free port. */
  port: number;
  /** IPv6 address or Unix path; empty for IPv4. */
  text: string;

  constructor(ipv4 = 0, port = 0) {
    this.family = AF_INET;
    this.ipv4 = ipv4;
    this.port = port;
    this.text = '';
  }

  setIpv4(ipv4: number, port: number): void {
    this.family = AF_INET;
    this.ipv4 = ipv4;
    this.port = port;
    this.text = '';
  }

  copyFrom(other: SocketAddress): void {
    this.family = other.family;
    this.ipv4 = other.ipv4;
    this.port = other.port;
    this.text = other.text;
  }

  clone(): SocketAddress {
    const copy = new SocketAddress();
    copy.copyFrom(this);
    return copy;
  }

  equals(other: SocketAddress): boolean {
    return (
      this.family === other.family &&
      this.ipv4 === other.ipv4 &&
      this.port === other.port &&
      this.text === other.text
    );
  }

  /** `10.0.0.1:80`, `[::1]:80`, or a path. */
  toString(): string {
    if (this.family === AF_INET) return `${formatIpv4(this.ipv4)}:${this.port}`;
    if (this.family === AF_INET6) return `[${this.text}]:${this.port}`;
    return this.text;
  }
}

/** Dotted quad of an int32. */
export function formatIpv4(ipv4: number): string {
  return `${ipv4 >>> 24}.${(ipv4 >>> 16) & 255}.${(ipv4 >>> 8) & 255}.${ipv4 & 255}`;
}

/** Int32 of a dotted quad, or `undefined` when it is none. */
export function parseIpv4(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = (value << 8) | Number(part);
  }
  return value;
}

/**
 * Reads `HOST:PORT`, `[IPV6]:PORT`, `*:PORT`, `:PORT` or an absolute path.
 *
 * @throws ERR_DEMI_ADDRESS when the text is none of these; names are not looked up.
 */
export function parseSocketAddress(text: string): SocketAddress {
  const address = new SocketAddress();
  if (text.startsWith('/') || text.startsWith('@')) {
    address.family = AF_UNIX;
    address.text = text;
    return address;
  }
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:]*)):(\d{1,5})$/.exec(text);
  const port = match === null ? -1 : Number(match[3]);
  if (match === null || port > 65535) throw badAddress(text);
  address.port = port;
  if (match[1] !== undefined) {
    address.family = AF_INET6;
    address.text = match[1];
    return address;
  }
  const host = match[2]!;
  const ipv4 = host === '' || host === '*' ? 0 : parseIpv4(host);
  if (ipv4 === undefined) throw badAddress(text);
  address.ipv4 = ipv4;
  return address;
}

/** An IPv4 address with its prefix length. */
export interface Ipv4Prefix {
  ipv4: number;
  prefixLength: number;
}

/** Reads `10.0.0.1/24`; without a length it is 32. @throws ERR_DEMI_ADDRESS */
export function parseIpv4Prefix(text: string): Ipv4Prefix {
  const slash = text.indexOf('/');
  const ipv4 = parseIpv4(slash < 0 ? text : text.slice(0, slash));
  const length = slash < 0 ? '32' : text.slice(slash + 1);
  const prefixLength = /^\d{1,2}$/.test(length) ? Number(length) : 33;
  if (ipv4 === undefined || prefixLength > 32) throw badAddress(text);
  return { ipv4, prefixLength };
}

function badAddress(text: string): DemiError {
  return new DemiError('ERR_DEMI_ADDRESS', `'${text}' is no address: expected for example 10.0.0.1:80`);
}
