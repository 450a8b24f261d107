// What the services' ways of moving a connection have in common: the agent's part that they use, restored input, and what is wrong
// with a session that cannot be read. What a session holds is schemas/sessions.proto.

import type { MigrationAgent } from '@demikernel/capybara/host';
import { DemiError, heapRegion, type ScatterGatherArray, SlotPool } from '@demikernel/memory';

/** Of sessions as they are written today. Others are refused. */
export const SESSION_FORMAT = 1;

/** The part of a migration agent that a service needs. */
export type Mover = Pick<MigrationAgent, 'migratable' | 'forget' | 'serve'>;

/** Bytes that are no session of ours: damaged, or of another version of the service. */
export function badSession(what: string): DemiError {
  return new DemiError('ERR_DEMI_SESSION', `a connection's session cannot be restored: ${what}`);
}

const SMALLEST_SLOT_BYTES = 256;

/** Bytes as if they had just been popped, in memory of their own; `undefined` when there are none. */
export function asInput(bytes: Uint8Array): ScatterGatherArray | undefined {
  if (bytes.length === 0) return undefined;
  const slotSizeBytes = Math.max(SMALLEST_SLOT_BYTES, 2 ** Math.ceil(Math.log2(bytes.length)));
  const pool = new SlotPool(heapRegion(slotSizeBytes), { slotSizeBytes, headroomBytes: 0 });
  const array = pool.allocArray(bytes.length)!;
  array.copyFrom(bytes);
  return array;
}

/** The bytes of an array from a place on, in a fresh array. */
export function bytesFrom(array: ScatterGatherArray, segment: number, position: number): Uint8Array {
  let length = -position;
  for (let i = segment; i < array.count; i++) length += array.segments[i]!.length;
  const bytes = new Uint8Array(Math.max(0, length));
  let at = 0;
  for (let i = segment; i < array.count; i++) {
    const slice = array.segments[i]!;
    const skip = i === segment ? position : 0;
    const start = slice.offset + skip;
    bytes.set(slice.pool.region.bytes.subarray(start, slice.offset + slice.length), at);
    at += slice.length - skip;
  }
  return bytes;
}
