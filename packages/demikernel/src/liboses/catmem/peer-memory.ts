// The memory of peers, mapped for reading, once per peer however many connections there are to it.

import { fstatSync } from 'node:fs';
import type { Region } from '@demikernel/memory';
import {
  F_SEAL_SHRINK,
  getSeals,
  MAX_MAP_BYTES,
  type MemoryMap,
  mapDescriptor,
  PAGE_BYTES,
  regionOf,
} from '@demikernel/native/kernel';
import { Bell } from '../../shm/bell.ts';

/** What a peer shares: its slots, and the word that says whether it sleeps. */
export interface PeerMemory {
  readonly key: string;
  readonly region: Region;
  readonly bell: Bell;
  /** Where the word of the bell lies in this process. */
  readonly bellAddress: number;
  users: number;
  readonly unmap: () => void;
}

/**
 * Length of a memfd that a peer sent, or -1 when it is none that can be trusted: without the seal against shrinking its
 * owner could take pages away under our feet, and the next look at them would kill the process (SIGBUS).
 */
export function trustedLengthBytes(fd: number): number {
  const seals = getSeals(fd);
  if (seals < 0 || (seals & F_SEAL_SHRINK) === 0) return -1;
  const { size } = fstatSync(fd);
  return size > 0 && size <= MAX_MAP_BYTES && size % PAGE_BYTES === 0 ? size : -1;
}

/** What tells two memfds apart. Both inodes count: a peer that sends another's memory with a bell of its own is a third. */
export function keyOf(poolFd: number, bellFd: number): string {
  const pool = fstatSync(poolFd, { bigint: true });
  const bell = fstatSync(bellFd, { bigint: true });
  return `${pool.dev}:${pool.ino}:${bell.ino}`;
}

/** The peers of one library OS. */
export class PeerMemories {
  private readonly known: Map<string, PeerMemory>;
  /** Ranges of peers that are gone, by length, to be used again: a released range stays taken for ever. */
  private readonly ranges: Map<number, MemoryMap[]>;

  /** @param own our own memory, for connections to ourselves */
  constructor(own: PeerMemory) {
    this.known = new Map([[own.key, own]]);
    this.ranges = new Map();
  }

  /** The memory behind two descriptors, which stay the caller's; `undefined` when it is not to be trusted. */
  open(poolFd: number, bellFd: number): PeerMemory | undefined {
    const poolBytes = trustedLengthBytes(poolFd);
    if (poolBytes < 0 || trustedLengthBytes(bellFd) < 0) return undefined;
    const key = keyOf(poolFd, bellFd);
    let memory = this.known.get(key);
    if (memory === undefined) {
      memory = this.map(key, poolFd, poolBytes, bellFd);
      this.known.set(key, memory);
    }
    memory.users++;
    return memory;
  }

  /** One user less; with the last one the memory is unmapped. */
  close(memory: PeerMemory): void {
    memory.users--;
    if (memory.users > 0) return;
    this.known.delete(memory.key);
    memory.unmap();
  }

  private map(key: string, poolFd: number, poolBytes: number, bellFd: number): PeerMemory {
    const pool = this.range(poolFd, poolBytes);
    let bell: MemoryMap;
    try {
      bell = this.range(bellFd, PAGE_BYTES);
    } catch (error) {
      this.giveBack(pool);
      throw error;
    }
    return {
      key,
      region: regionOf(pool),
      bell: new Bell(bell.signedWords(0, 1)),
      bellAddress: bell.addressNumber,
      users: 0,
      unmap: () => {
        this.giveBack(pool);
        this.giveBack(bell);
      },
    };
  }

  private range(fd: number, lengthBytes: number): MemoryMap {
    const range = this.ranges.get(lengthBytes)?.pop();
    if (range === undefined) return mapDescriptor({ fd, lengthBytes, writable: false });
    range.reuse(fd, false);
    return range;
  }

  private giveBack(range: MemoryMap): void {
    range.release();
    const ranges = this.ranges.get(range.lengthBytes);
    if (ranges === undefined) this.ranges.set(range.lengthBytes, [range]);
    else ranges.push(range);
  }
}
