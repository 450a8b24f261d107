// Which logs are on a namespace, and whose each segment is: read at the start, written anew with every change. Pure: bytes in
// and out. When it is written: directory-writer.ts.

import { crc32c } from '../../log/crc32c.ts';
import type { StoreBuffer } from '../../runtime/segment-store.ts';

/*
 *   0  checksum         CRC-32C of bytes 4 to the end
 *   4  "demikernel tree1"
 *  20  device           random, the same in both copies
 *  24  block bytes
 *  28  segment bytes
 *  32  segments
 *  36  0
 *  40  sequence         64 bits: the copy with the higher one is the newer
 *  48  bytes used
 *  52  logs
 *  64  owner of each segment, 16 bits: 0 for nobody, else a log's number
 *      then for each log: number (16 bits), length of its name (8), the name
 *
 * Two copies take turns, so that a torn write leaves the one before.
 */
const HEADER_BYTES = 64;
const MAGIC = Buffer.from('demikernel tree1', 'latin1');
/** Room for a copy: the first lies at the namespace's beginning, the second behind it, the first segment behind both. */
export const COPY_BYTES: number = 512 << 10;
const COPIES = 2;
/** Logs on one namespace. */
export const MAX_LOGS = 1024;
const MAX_SEGMENTS = 65_536;

/** How a namespace is laid out. */
export interface TreeLayout {
  device: number;
  blockBytes: number;
  segmentBytes: number;
  segments: number;
}

/** Where a segment begins. */
export function segmentOffset(layout: TreeLayout, segment: number): number {
  return COPIES * COPY_BYTES + segment * layout.segmentBytes;
}

/** The layout of a new namespace; `undefined` when not one segment fits. */
export function layOut(
  device: number,
  blockBytes: number,
  segmentBytes: number,
  lengthBytes: number,
): TreeLayout | undefined {
  const left = lengthBytes - COPIES * COPY_BYTES;
  const segments = Math.min(Math.floor(left / segmentBytes), MAX_SEGMENTS);
  return segments > 0 ? { device, blockBytes, segmentBytes, segments } : undefined;
}

export class Directory {
  readonly layout: TreeLayout;
  sequence: number;
  readonly owners: Uint16Array;
  /** Names to numbers. */
  readonly logs: Map<string, number>;

  constructor(layout: TreeLayout, sequence = 0) {
    this.layout = layout;
    this.sequence = sequence;
    this.owners = new Uint16Array(layout.segments);
    this.logs = new Map();
  }

  /** A number for a new log; 0 when there is none left. */
  addLog(name: string): number {
    const taken = new Set(this.logs.values());
    for (let number = 1; number <= MAX_LOGS; number++) {
      if (taken.has(number)) continue;
      this.logs.set(name, number);
      return number;
    }
    return 0;
  }

  segmentsOf(log: number): number[] {
    const found: number[] = [];
    for (let i = 0; i < this.owners.length; i++) if (this.owners[i] === log) found.push(i);
    return found;
  }

  /** Writes the directory into memory. Returns how many bytes it takes, in whole blocks. */
  encode(target: StoreBuffer): number {
    const { device, blockBytes, segmentBytes, segments } = this.layout;
    const { bytes, view, words } = target;
    bytes.fill(0);
    bytes.set(MAGIC, 4);
    view.setInt32(20, device, true);
    view.setInt32(24, blockBytes, true);
    view.setInt32(28, segmentBytes, true);
    view.setInt32(32, segments, true);
    view.setBigUint64(40, BigInt(this.sequence), true);
    let at = HEADER_BYTES;
    for (const owner of this.owners) {
      view.setUint16(at, owner, true);
      at += 2;
    }
    for (const [name, number] of this.logs) {
      view.setUint16(at, number, true);
      bytes[at + 2] = name.length;
      for (let i = 0; i < name.length; i++) bytes[at + 3 + i] = name.charCodeAt(i);
      at += 3 + name.length;
    }
    view.setInt32(48, at, true);
    view.setInt32(52, this.logs.size, true);
    view.setInt32(0, crc32c(bytes, words, 4, at), true);
    return Math.ceil(at / blockBytes) * blockBytes;
  }
}

/** Whether these bytes, the first block of a copy's place, claim to be a directory's. */
export function looksLikeDirectory(bytes: Uint8Array): boolean {
  return MAGIC.equals(bytes.subarray(4, 4 + MAGIC.length));
}

/** A whole directory from a copy's bytes; `undefined` for anything else. */
export function decodeDirectory(source: StoreBuffer): Directory | undefined {
  const { bytes, view, words } = source;
  if (!looksLikeDirectory(bytes)) return undefined;
  const used = view.getInt32(48, true);
  if (used < HEADER_BYTES || used > COPY_BYTES) return undefined;
  if (crc32c(bytes, words, 4, used) !== view.getInt32(0, true)) return undefined;
  const layout: TreeLayout = {
    device: view.getInt32(20, true),
    blockBytes: view.getInt32(24, true),
    segmentBytes: view.getInt32(28, true),
    segments: view.getInt32(32, true),
  };
  if (!isSound(layout) || HEADER_BYTES + 2 * layout.segments > used) return undefined;
  const directory = new Directory(layout, Number(view.getBigUint64(40, true)));
  let at = HEADER_BYTES;
  for (let i = 0; i < layout.segments; i++, at += 2) directory.owners[i] = view.getUint16(at, true);
  for (let left = view.getInt32(52, true); left > 0; left--) {
    if (at + 3 > used) return undefined;
    const length = bytes[at + 2]!;
    const name = Buffer.from(bytes.subarray(at + 3, at + 3 + length)).toString('latin1');
    directory.logs.set(name, view.getUint16(at, true));
    at += 3 + length;
  }
  return at === used ? directory : undefined;
}

function isSound({ blockBytes, segmentBytes, segments }: TreeLayout): boolean {
  return (
    blockBytes >= 512 &&
    blockBytes <= 4096 &&
    segmentBytes > 0 &&
    segmentBytes % 4096 === 0 &&
    segments > 0 &&
    segments <= MAX_SEGMENTS
  );
}
