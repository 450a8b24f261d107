// Which address the stack answers to, and whether it has it alone: from the options and what the kernel has.

import { DemiError } from '@demikernel/memory';
import { formatIpv4, parseIpv4, parseIpv4Prefix } from '../../runtime/socket-address.ts';
import type { HostInterface } from './host-interface.ts';

export interface Identity {
  mode: 'address' | 'ports';
  /** int32 */
  address: number;
  prefixLength: number;
  /** int32; 0 for none. */
  gateway: number;
}

export interface IdentityOptions {
  interface: string;
  address?: string;
  ports?: boolean;
  gateway?: string;
}

/** @throws DemiError `ERR_DEMI_ADDRESS` naming what does not fit */
export function identify(options: IdentityOptions, host: HostInterface): Identity {
  const { address, prefixLength } = ownAddress(options, host);
  const theHosts = host.hostAddresses.includes(address);
  const mode = (options.ports ?? theHosts) ? 'ports' : 'address';
  if (mode === 'address' && theHosts) {
    throw new DemiError(
      'ERR_DEMI_ADDRESS',
      `${formatIpv4(address)} is the kernel's address: take it off the interface, choose another, or share it with ports: true`,
    );
  }
  if (mode === 'ports' && !host.addresses.some(each => parseIpv4(each.address) === address)) {
    throw new DemiError(
      'ERR_DEMI_ADDRESS',
      `ports: true shares an address of ${options.interface}, and ${formatIpv4(address)} is none of them`,
    );
  }
  return { mode, address, prefixLength, gateway: gatewayOf(options, host, address, prefixLength) };
}

function ownAddress(
  options: IdentityOptions,
  host: HostInterface,
): { address: number; prefixLength: number } {
  if (options.address === undefined) {
    const first = host.addresses[0];
    if (first === undefined || options.ports === false) {
      throw new DemiError(
        'ERR_DEMI_ADDRESS',
        `${options.interface} has no address to share: give one as address: '10.0.0.2/24'`,
      );
    }
    return { address: parseIpv4(first.address)!, prefixLength: first.prefixLength };
  }
  const { ipv4, prefixLength } = parseIpv4Prefix(options.address);
  if (options.address.includes('/')) return { address: ipv4, prefixLength };
  // Without a length: that of the interface's network it belongs to.
  for (const each of host.addresses) {
    const mask = each.prefixLength === 0 ? 0 : -1 << (32 - each.prefixLength);
    if (((parseIpv4(each.address)! ^ ipv4) & mask) === 0) {
      return { address: ipv4, prefixLength: each.prefixLength };
    }
  }
  throw new DemiError(
    'ERR_DEMI_ADDRESS',
    `${options.address} needs a prefix length, as in ${options.address}/24: ${options.interface} has no network it belongs to`,
  );
}

function gatewayOf(
  options: IdentityOptions,
  host: HostInterface,
  address: number,
  prefixLength: number,
): number {
  const mask = prefixLength === 0 ? 0 : -1 << (32 - prefixLength);
  const onLink = (gateway: number): boolean => ((gateway ^ address) & mask) === 0;
  if (options.gateway === undefined) return host.gateway !== 0 && onLink(host.gateway) ? host.gateway : 0;
  const gateway = parseIpv4(options.gateway);
  if (gateway === undefined || !onLink(gateway)) {
    throw new DemiError(
      'ERR_DEMI_ADDRESS',
      `${options.gateway} is no gateway on the network of ${formatIpv4(address)}/${prefixLength}`,
    );
  }
  return gateway;
}
