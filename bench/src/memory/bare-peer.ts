// The floor: two words of shared memory, one for each direction, and 64 bytes that travel with them. Nothing else: no
// queue, no ownership, no other connection.

import { openSync } from 'node:fs';
import { createMemfd, mapDescriptor } from '@demikernel/native/kernel';
import type { Client } from './peer.ts';

const PAGE_BYTES = 4096;
const THERE = 0;
const BACK = 32;
const PAYLOAD_THERE = 64;
const PAYLOAD_BACK = 96;
const PAYLOAD_WORDS = 16;

/** Makes the page; returns where a client finds it. */
export function makeBare(): { words: Int32Array; path: string } {
  const fd = createMemfd({ name: 'bare', lengthBytes: PAGE_BYTES });
  return {
    words: mapDescriptor({ fd, lengthBytes: PAGE_BYTES }).signedWords(0, PAGE_BYTES >> 2),
    path: `/proc/${process.pid}/fd/${fd}`,
  };
}

/** Answers for ever. */
export function serveBare(words: Int32Array): void {
  for (let turn = 1; ; turn = (turn + 1) | 0) {
    while (Atomics.load(words, THERE) !== turn);
    for (let i = 0; i < PAYLOAD_WORDS; i++) words[PAYLOAD_BACK + i] = words[PAYLOAD_THERE + i]!;
    Atomics.store(words, BACK, turn);
  }
}

export class BareClient implements Client {
  private readonly words: Int32Array;
  private turn: number;

  constructor(path: string) {
    const fd = openSync(path, 'r+');
    this.words = mapDescriptor({ fd, lengthBytes: PAGE_BYTES }).signedWords(0, PAGE_BYTES >> 2);
    this.turn = this.words[BACK]!;
  }

  roundTrip(_sizeBytes: number): void {
    const { words } = this;
    const turn = (this.turn + 1) | 0;
    this.turn = turn;
    for (let i = 0; i < PAYLOAD_WORDS; i++) words[PAYLOAD_THERE + i] = turn;
    Atomics.store(words, THERE, turn);
    while (Atomics.load(words, BACK) !== turn);
  }

  send(): void {
    throw new Error('nothing to stream through');
  }

  close(): void {}
}
