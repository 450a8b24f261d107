// Scatter-gather lists: how a command says where its data lies when it is in many pieces, at any address (Base Specification
// 2.0, section 4.1.2). Builds them. What lies in one piece is prp.ts's.

import type { RegionTable } from '@demikernel/memory';
import type { GatherList } from '../runtime/gather-list.ts';
import { PRP1_HIGH, PRP1_LOW, PRP2_HIGH, PRP2_LOW } from './commands.ts';
import { NVME_PAGE_BYTES, NVME_PAGE_SHIFT } from './registers.ts';

/** Words of a descriptor: address (two), length, type in the last byte. A data block is type 0. */
const DESCRIPTOR_WORDS = 4;
/** A segment of descriptors, after which none comes. */
const LAST_SEGMENT = 0x30 << 24;
/** In the first word of a command: its data pointer is a descriptor. */
const USES_SGL = 1 << 14;
/** What one page of descriptors can say. */
export const MAX_SGL_PIECES: number = NVME_PAGE_BYTES / 16;

/**
 * Points a command at a part of what `pieces` say.
 *
 * @param words the submission ring, `at` the entry's first word
 * @param firstPage device's page number of the buffer that pieces without a slice lie in
 * @param regions the others: keys are page numbers
 * @param skipBytes of the pieces that belong to commands before, `lengthBytes` of them that are this one's
 * @param list a page for the descriptors, from word `listAt`; the device sees it at `listPage`
 */
export function setGatherPointer(
  words: Int32Array,
  at: number,
  pieces: GatherList,
  firstPage: number,
  regions: RegionTable,
  skipBytes: number,
  lengthBytes: number,
  list: Int32Array,
  listAt: number,
  listPage: number,
): void {
  let skip = skipBytes;
  let left = lengthBytes;
  let to = listAt;
  for (let i = 0; i < pieces.count && left > 0; i++) {
    const whole = pieces.lengths[i]!;
    if (skip >= whole) {
      skip -= whole;
      continue;
    }
    const length = whole - skip < left ? whole - skip : left;
    const slice = pieces.slices[i];
    const base = slice === undefined ? firstPage : regions.keyOf(slice.pool.region);
    const offset = (slice === undefined ? pieces.offsets[i]! : slice.offset) + skip;
    const page = base + (offset >>> NVME_PAGE_SHIFT);
    list[to] = (page << NVME_PAGE_SHIFT) | (offset & (NVME_PAGE_BYTES - 1));
    list[to + 1] = page >>> (32 - NVME_PAGE_SHIFT);
    list[to + 2] = length;
    list[to + 3] = 0;
    to += DESCRIPTOR_WORDS;
    left -= length;
    skip = 0;
  }
  words[at] = words[at]! | USES_SGL;
  words[at + PRP1_LOW] = listPage << NVME_PAGE_SHIFT;
  words[at + PRP1_HIGH] = listPage >>> (32 - NVME_PAGE_SHIFT);
  words[at + PRP2_LOW] = (to - listAt) << 2;
  words[at + PRP2_HIGH] = LAST_SEGMENT;
}
