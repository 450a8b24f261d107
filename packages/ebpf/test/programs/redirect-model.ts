// The decision of redirect-to-socket, written a second time and differently: straight over bytes, in TypeScript.

import type { RedirectPath } from '../../src/programs/redirect-to-socket-code.ts';

export interface ModelOptions {
  mode: 'address' | 'ports';
  address: readonly [number, number, number, number];
  tcp: ReadonlySet<number>;
  udp: ReadonlySet<number>;
}

/** Paths after which the frame belongs to a socket. */
export const OURS: ReadonlySet<RedirectPath> = new Set(['arp', 'ipv4', 'tcp', 'udp', 'icmpError']);

/** The path a frame takes, when every queue has a socket. */
export function modelPath(frame: Uint8Array, options: ModelOptions): RedirectPath {
  const u8 = (at: number): number => frame[at]!;
  const u16 = (at: number): number => u8(at) * 256 + u8(at + 1);
  const isOurAddress = (at: number): boolean => options.address.every((octet, i) => u8(at + i) === octet);

  if (frame.length < 14) return 'truncated';
  switch (u16(12)) {
    case 0x8100:
    case 0x88a8:
      return 'vlan';
    case 0x0806:
      return options.mode === 'address' ? arp() : 'otherArp';
    case 0x0800:
      return ipv4();
    default:
      return 'otherEtherType';
  }

  function arp(): RedirectPath {
    if (frame.length < 42) return 'truncated';
    const wellFormed = u16(14) === 1 && u16(16) === 0x0800 && u8(18) === 6 && u8(19) === 4;
    const operation = u16(20);
    return wellFormed && (operation === 1 || operation === 2) && isOurAddress(38) ? 'arp' : 'otherArp';
  }

  function ipv4(): RedirectPath {
    if (frame.length < 34) return 'truncated';
    const headerBytes = (u8(14) % 16) * 4;
    if (u8(14) >> 4 !== 4 || headerBytes < 20) return 'malformed';
    if (!isOurAddress(30)) return 'otherAddress';
    if (options.mode === 'address') return 'ipv4';
    if (u16(20) % 0x2000 !== 0) return 'laterFragment';
    if ((u16(20) & 0x2000) !== 0) return 'firstFragment';
    const transport = 14 + headerBytes;
    switch (u8(23)) {
      case 6:
        return byPort(options.tcp, transport, 'tcp');
      case 17:
        return byPort(options.udp, transport, 'udp');
      case 1:
        return icmp(transport);
      default:
        return 'otherProtocol';
    }
  }

  function byPort(ports: ReadonlySet<number>, transport: number, ours: RedirectPath): RedirectPath {
    if (frame.length < transport + 4) return 'truncated';
    return ports.has(u16(transport + 2)) ? ours : 'otherPort';
  }

  function icmp(at: number): RedirectPath {
    if (frame.length < at + 8) return 'truncated';
    if (![3, 4, 11, 12].includes(u8(at))) return 'otherIcmp';
    const inner = at + 8;
    if (frame.length < inner + 20) return 'truncated';
    const headerBytes = (u8(inner) & 15) * 4;
    if (u8(inner) >> 4 !== 4 || headerBytes < 20) return 'otherIcmp';
    if (!isOurAddress(inner + 12)) return 'otherIcmp';
    if ((u16(inner + 6) & 0x1fff) !== 0) return 'otherIcmp';
    const protocol = u8(inner + 9);
    if (protocol !== 6 && protocol !== 17) return 'otherIcmp';
    if (frame.length < inner + headerBytes + 4) return 'truncated';
    const ports = protocol === 6 ? options.tcp : options.udp;
    return ports.has(u16(inner + headerBytes)) ? 'icmpError' : 'otherIcmp';
  }
}
