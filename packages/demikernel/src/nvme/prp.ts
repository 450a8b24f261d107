// Physical region pages: how a command says where its data lies (Base Specification 2.0, section 4.1.1). Builds them; the
// memory is contiguous to the device.

import { PRP1_HIGH, PRP1_LOW, PRP2_HIGH, PRP2_LOW } from './commands.ts';
import { NVME_PAGE_BYTES, NVME_PAGE_SHIFT } from './registers.ts';

/** Entries of one page of a list. */
export const LIST_ENTRIES: number = NVME_PAGE_BYTES / 8;
/** What one list page can describe whatever the offset: all its entries, the first page comes on top. */
export const MAX_PRP_BYTES: number = LIST_ENTRIES * NVME_PAGE_BYTES;

/**
 * Points a command at its data: one page, two, or the first and a list of the rest.
 *
 * @param words the submission ring, `at` the entry's first word
 * @param firstPage device's page number of where the memory begins
 * @param offsetBytes where in it the data begins, a multiple of four
 * @param lengthBytes 1 to {@link MAX_PRP_BYTES}
 * @param list a page of memory for the list, from word `listAt`; the device sees it at `listPage`
 */
export function setDataPointer(
  words: Int32Array,
  at: number,
  firstPage: number,
  offsetBytes: number,
  lengthBytes: number,
  list: Int32Array,
  listAt: number,
  listPage: number,
): void {
  const page = firstPage + (offsetBytes >> NVME_PAGE_SHIFT);
  const inPage = offsetBytes & (NVME_PAGE_BYTES - 1);
  words[at + PRP1_LOW] = (page << NVME_PAGE_SHIFT) | inPage;
  words[at + PRP1_HIGH] = page >>> (32 - NVME_PAGE_SHIFT);
  const rest = (inPage + lengthBytes - 1) >> NVME_PAGE_SHIFT;
  if (rest === 0) return;
  const second = rest === 1 ? page + 1 : listPage;
  words[at + PRP2_LOW] = second << NVME_PAGE_SHIFT;
  words[at + PRP2_HIGH] = second >>> (32 - NVME_PAGE_SHIFT);
  if (rest === 1) return;
  for (let i = 0; i < rest; i++) {
    const next = page + 1 + i;
    list[listAt + 2 * i] = next << NVME_PAGE_SHIFT;
    list[listAt + 2 * i + 1] = next >>> (32 - NVME_PAGE_SHIFT);
  }
}
