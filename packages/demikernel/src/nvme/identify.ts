// What a controller and its namespaces say of themselves (Base Specification 2.0, section 5.17.2; NVM Command Set
// Specification 1.0, section 4.1.5). Pure: a page in, facts out, whatever the page holds.

import { NVME_PAGE_BYTES } from './registers.ts';

export interface ControllerIdentity {
  serial: string;
  model: string;
  firmware: string;
  /** Longest transfer of one command; `Infinity` when there is no limit. */
  maxTransferBytes: number;
  /** Namespace identifiers are below or equal to this. */
  namespaceCount: number;
  /** Aborts that may be under way at once. */
  abortLimit: number;
  errorLogEntries: number;
  hasDatasetManagement: boolean;
  hasWriteZeroes: boolean;
  /** Writes are on the medium only after a flush, or with force unit access. */
  hasVolatileWriteCache: boolean;
  /** What addresses and lengths in scatter-gather lists are multiples of: 1 or 4; 0 when there are no such lists. */
  gatherAlignBytes: number;
}

/** By the low bits of SGLS. */
const GATHER_ALIGNMENT = [0, 1, 4, 0] as const;

export function readControllerIdentity(view: DataView): ControllerIdentity {
  const optional = view.getUint16(520, true);
  const transferShift = view.getUint8(77);
  return {
    serial: text(view, 4, 20),
    model: text(view, 24, 40),
    firmware: text(view, 64, 8),
    maxTransferBytes:
      transferShift === 0 || transferShift > 16 ? Number.POSITIVE_INFINITY : NVME_PAGE_BYTES << transferShift,
    namespaceCount: view.getUint32(516, true),
    abortLimit: view.getUint8(258) + 1,
    errorLogEntries: view.getUint8(262) + 1,
    hasDatasetManagement: (optional & (1 << 2)) !== 0,
    hasWriteZeroes: (optional & (1 << 3)) !== 0,
    hasVolatileWriteCache: (view.getUint8(525) & 1) !== 0,
    gatherAlignBytes: GATHER_ALIGNMENT[view.getUint8(536) & 3]!,
  };
}

/** One namespace: blocks under a number. */
export interface NvmeNamespace {
  id: number;
  blocks: number;
  blockBytes: number;
  lengthBytes: number;
}

/** A namespace that this driver can use, or why it cannot. */
export function readNamespace(view: DataView, id: number): NvmeNamespace | string {
  const blocks = Number(view.getBigUint64(0, true));
  if (blocks === 0) return 'it is not active';
  const formatted = view.getUint8(26);
  const format = (formatted & 0xf) | ((formatted >> 1) & 0x30);
  if (format > view.getUint8(25)) return `it has no format ${format}`;
  const metadataBytes = view.getUint16(128 + 4 * format, true);
  const shift = view.getUint8(128 + 4 * format + 2);
  if (metadataBytes !== 0) return `its blocks carry ${metadataBytes} bytes of metadata`;
  if (shift < 9 || shift > 12) return `its blocks are 2^${shift} bytes, not 512 to 4096`;
  const blockBytes = 1 << shift;
  const lengthBytes = blocks * blockBytes;
  if (!Number.isSafeInteger(lengthBytes)) return 'it is larger than 8 PiB';
  return { id, blocks, blockBytes, lengthBytes };
}

/** Identifiers of active namespaces, ascending. */
export function readNamespaceList(view: DataView): number[] {
  const ids: number[] = [];
  for (let at = 0; at < NVME_PAGE_BYTES; at += 4) {
    const id = view.getUint32(at, true);
    if (id <= (ids.at(-1) ?? 0)) break;
    ids.push(id);
  }
  return ids;
}

/** An entry of the error log, newest first (section 5.16.1.2). */
export interface ErrorLogEntry {
  /** Errors counted so far. */
  count: number;
  queue: number;
  command: number;
  status: number;
  lba: number;
  namespaceId: number;
}

export const ERROR_LOG_ENTRY_BYTES = 64;

export function readErrorLog(view: DataView, entries: number): ErrorLogEntry[] {
  const found: ErrorLogEntry[] = [];
  for (let at = 0; at < entries * ERROR_LOG_ENTRY_BYTES; at += ERROR_LOG_ENTRY_BYTES) {
    const count = Number(view.getBigUint64(at, true));
    if (count === 0) break;
    found.push({
      count,
      queue: view.getUint16(at + 8, true),
      command: view.getUint16(at + 10, true),
      // Bit 0 is the phase.
      status: view.getUint16(at + 12, true) >> 1,
      lba: Number(view.getBigUint64(at + 16, true)),
      namespaceId: view.getUint32(at + 24, true),
    });
  }
  return found;
}

function text(view: DataView, at: number, lengthBytes: number): string {
  let result = '';
  for (let i = at; i < at + lengthBytes; i++) {
    const code = view.getUint8(i);
    result += code >= 0x20 && code < 0x7f ? String.fromCharCode(code) : ' ';
  }
  return result.trim();
}
