// How much memory a service needs for its values, and a client for its requests.

import { type EndSetting, makeWorkload, type WorkloadSetting } from './setting.ts';

/** Of values; the rest is the network's. */
export const VALUE_SHARE = 0.85;
/** What connections, device rings and replies under way take. */
const NETWORK_BYTES = 48 << 20;
/** Requests that are written beforehand, and the network's. */
const CLIENT_BYTES = 128 << 20;
const ROUND_BYTES = 1 << 20;
/** The store keeps an entry in one block of a power of two: key, lengths and values, behind a header. */
const HEADER_BYTES = 12;
const SMALLEST_BLOCK_BYTES = 64;
/** Blocks are cut from whole stretches, and a value that is put again lies there twice until the old one has been sent. */
const SPARE_SHARE = 1.3;
const SPARE_BYTES = 16 << 20;

/** Bytes that all keys take in the store. */
export function valueMemoryBytes(setting: WorkloadSetting): number {
  const { firstValue, keyBytes, keys, valueBytes } = makeWorkload(setting);
  let total = 0;
  for (let key = 0; key < keys; key++) {
    let bytes = HEADER_BYTES + keyBytes[key]!;
    for (let i = firstValue[key]!; i < firstValue[key + 1]!; i++) bytes += 4 + valueBytes[i]!;
    total += 2 ** Math.ceil(Math.log2(Math.max(bytes, SMALLEST_BLOCK_BYTES)));
  }
  return total;
}

export function memoryFor(
  libos: EndSetting['libos'],
  workload: WorkloadSetting,
): { server: number; client: number } {
  const values = valueMemoryBytes(workload) * SPARE_SHARE + SPARE_BYTES;
  const server = Math.max(values / VALUE_SHARE, values + NETWORK_BYTES);
  // Slots of Catmem are eight times as long, and a request that is not short takes one.
  return { server: Math.ceil(server / ROUND_BYTES) * ROUND_BYTES, client: libos === 'catmem' ? 2 * CLIENT_BYTES : CLIENT_BYTES };
}
