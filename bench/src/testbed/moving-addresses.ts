// Who is who where connections move, wherever that is.

import * as kernel from '@demikernel/native/kernel';

export const VIRTUAL_ADDRESS = '10.92.0.100';
export const SWITCH_ADDRESS = '10.92.0.254';
export const CLIENT_ADDRESS = '10.92.0.1';
export const PORT = 8090;
export const HEADER_KEY: Uint8Array = new Uint8Array(16).fill(7);

/** Own address of a backend, for control messages. */
export function backendAddress(id: number): string {
  return `10.92.0.${20 + id}`;
}

/** An IPv4 address as a number. */
export function addressNumber(text: string): number {
  return new DataView(kernel.parseIpAddress(text).buffer).getUint32(0);
}
