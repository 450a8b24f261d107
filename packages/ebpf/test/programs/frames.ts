// Frames for tests: well-formed ones of every kind the programs know, and mutations that reach their edges.

import type { Random } from '../random.ts';

export interface FrameChoices {
  /** Ours, first octet first. */
  address: readonly number[];
  ports: readonly number[];
}

/** Writes a frame into `buffer` and returns its length, from 14: mostly meant for us, often slightly wrong. */
export function randomFrame(random: Random, buffer: Uint8Array, choices: FrameChoices): number {
  if (random.chance(20)) {
    const length = 14 + random.below(120);
    random.fill(buffer.subarray(0, length));
    return length;
  }
  let length = wellFormed(random, buffer, choices);
  if (random.chance(3)) length = mutate(random, buffer, length);
  return length;
}

function wellFormed(random: Random, frame: Uint8Array, choices: FrameChoices): number {
  random.fill(frame.subarray(0, 14));
  const kind = random.below(10);
  if (kind === 0) {
    put16(frame, 12, random.pick([0x8100, 0x88a8, 0x86dd, 0x0801, 0x0008]));
    return 60;
  }
  if (kind === 1) return arp(random, frame, choices);
  const protocol = random.pick([6, 6, 17, 17, 1, 1, 1, 2, 132]);
  put16(frame, 12, 0x0800);
  let at = ipv4(random, frame, 14, protocol);
  put(frame, 30, address(random, choices));
  if (protocol !== 1) return at + transport(random, frame, at, choices, 2);
  frame[at] = random.pick([0, 8, 3, 3, 4, 11, 12, 13]);
  random.fill(frame.subarray(at + 1, at + 8));
  const inner = at + 8;
  at = ipv4(random, frame, inner, random.pick([6, 17, 1, 50]));
  put(frame, inner + 12, address(random, choices));
  return at + transport(random, frame, at, choices, 0);
}

function arp(random: Random, frame: Uint8Array, choices: FrameChoices): number {
  put(frame, 12, [0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, random.pick([1, 2, 1, 2, 3])]);
  random.fill(frame.subarray(22, 42));
  put(frame, 38, address(random, choices));
  return 42;
}

/** An IPv4 header, sometimes with options or as a fragment; returns where its payload starts. */
function ipv4(random: Random, frame: Uint8Array, at: number, protocol: number): number {
  const words = random.chance(4) ? 5 + random.below(11) : 5;
  random.fill(frame.subarray(at, at + words * 4));
  frame[at] = 0x40 | words;
  put16(
    frame,
    at + 6,
    random.chance(6) ? random.below(0x10000) : random.pick([0, 0x4000, 0x8000, 0x2000, 0, 0, 0x4000, 0x4000]),
  );
  frame[at + 9] = protocol;
  return at + words * 4;
}

function transport(
  random: Random,
  frame: Uint8Array,
  at: number,
  choices: FrameChoices,
  portAt: number,
): number {
  const bytes = random.pick([4, 8, 8, 20, 40]);
  random.fill(frame.subarray(at, at + bytes));
  if (!random.chance(4)) put16(frame, at + portAt, random.pick(choices.ports));
  return bytes;
}

function address(random: Random, choices: FrameChoices): readonly number[] {
  if (!random.chance(5)) return choices.address;
  const other = [...choices.address];
  other[random.below(4)]! ^= 1 << random.below(8);
  return other;
}

function mutate(random: Random, frame: Uint8Array, length: number): number {
  switch (random.below(4)) {
    case 0: // cut anywhere
      return 14 + random.below(length - 13);
    case 1: // a few bits
      for (let n = 1 + random.below(4); n > 0; n--) frame[random.below(length)]! ^= 1 << random.below(8);
      return length;
    case 2: // a byte that decides something
      frame[random.pick([12, 13, 14, 20, 21, 23, 34, 42])] = random.below(256);
      return length;
    default: // longer than it says
      random.fill(frame.subarray(length, length + 32));
      return length + random.below(32);
  }
}

export function put(frame: Uint8Array, at: number, bytes: readonly number[]): void {
  frame.set(bytes, at);
}

export function put16(frame: Uint8Array, at: number, value: number): void {
  frame[at] = value >> 8;
  frame[at + 1] = value;
}
