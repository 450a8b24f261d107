// How much memory a service needs for its values, and a client for its requests.

import { type EndSetting, makeWorkload, type WorkloadSetting } from './setting.ts';

/** What connections, device rings and replies under way take. */
const NETWORK_BYTES = 64 << 20;
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

/** Of the service, with the share of it that values may take, and of the client. */
export interface Memory {
  serverBytes: number;
  valueShare: number;
  clientBytes: number;
}

export function memoryFor(libos: EndSetting['libos'], workload: WorkloadSetting): Memory {
  const values = valueMemoryBytes(workload) * SPARE_SHARE + SPARE_BYTES;
  const serverBytes = Math.ceil((values + NETWORK_BYTES) / ROUND_BYTES) * ROUND_BYTES;
  // Slots of Catmem are eight times as long, and a request that is not short takes one.
  const clientBytes = libos === 'catmem' ? 2 * CLIENT_BYTES : CLIENT_BYTES;
  return { serverBytes, valueShare: values / serverBytes, clientBytes };
}
