// Between the addresses of PDPIX and those that the kernel reads and writes.

import { AF_UNIX as NATIVE_AF_UNIX, type SocketAddress as NativeAddress } from '@demikernel/native/kernel';
import { AF_INET, AF_INET6, AF_UNIX, type SocketAddress } from '../runtime/socket-address.ts';

/** Writes `from` for the kernel. False when its text is no address of its family. */
export function writeNative(into: NativeAddress, from: SocketAddress): boolean {
  if (from.family === AF_INET) {
    into.setIpv4(from.ipv4, from.port);
    return true;
  }
  return writeText(into, from);
}

function writeText(into: NativeAddress, { family, text, port }: SocketAddress): boolean {
  try {
    if (family === AF_INET6) into.setIp(text, port);
    // '@name' stands for the abstract namespace, unix(7).
    else into.setUnix(text.startsWith('@') ? `\0${text.slice(1)}` : text);
    return into.family === family;
  } catch {
    return false;
  }
}

/** Reads what the kernel wrote. Allocates nothing for IPv4. */
export function readNative(into: SocketAddress, from: NativeAddress): void {
  if (from.family === AF_INET) into.setIpv4(from.ipv4, from.port);
  else readText(into, from);
}

function readText(into: SocketAddress, from: NativeAddress): void {
  into.setIpv4(0, 0);
  const { family } = from;
  if (family === AF_INET6) {
    into.family = AF_INET6;
    into.text = from.text();
    into.port = from.port;
  } else if (family === NATIVE_AF_UNIX) {
    into.family = AF_UNIX;
    into.text = from.lengthBytes > 2 ? from.text().replace(/^\0/, '@') : '';
  }
}
