// Run in a process of its own by guard.test.ts: reads mutated messages that end, or begin, where memory may not be touched,
// so that a single byte read beyond kills the process. Prints what was counted, as JSON.

import { heapRegion, Region, type ScatterGatherArray, SlotPool } from '@demikernel/memory';
import { type MemoryMap, mapAnonymous, syscall } from '@demikernel/native/kernel';
import { MalformedMessageError, type Message, OK } from '../../src/index.ts';
import { mutate, Random, READ_AS, READ_WITH, wellFormed } from './mutation.ts';

// x86-64 (arch/x86/entry/syscalls/syscall_64.tbl), PROT_NONE of mman-common.h.
const SYS_MPROTECT = 10;
const PROT_NONE = 0;

const SLOT_BYTES = 16_384;
// Between three guards two slots that may be read.
const SLOTS = 5;
const FIRST = 1;
const SECOND = 3;

const MESSAGES = Number(process.argv[2]);
const SEED = Number(process.argv[3]);

function guardedPool(): SlotPool {
  const map: MemoryMap = mapAnonymous({ lengthBytes: SLOTS * SLOT_BYTES });
  for (let slot = 0; slot < SLOTS; slot += 2) {
    if (syscall(SYS_MPROTECT, map.addressNumber + slot * SLOT_BYTES, SLOT_BYTES, PROT_NONE) !== 0) {
      throw new Error('no guard pages');
    }
  }
  const region = new Region({ buffer: map.buffer, address: map.address });
  const pool = new SlotPool(region, { slotSizeBytes: SLOT_BYTES, headroomBytes: 0 });
  for (let slot = 0; slot < SLOTS; slot++) if (pool.allocSlot() !== slot) throw new Error('slots in order');
  return pool;
}

const pool = guardedPool();
const { bytes, view, buffer } = pool.region;
const FIRST_END = (FIRST + 1) * SLOT_BYTES;
const SECOND_END = (SECOND + 1) * SLOT_BYTES;

// Arrays whose slices are laid over each message: nothing is made per message.
function arrayOver(...slots: number[]): ScatterGatherArray {
  const array = pool.array();
  for (const slot of slots) {
    pool.retain(slot);
    array.append(pool.slice(slot, 0, 0));
  }
  return array;
}
const oneSlice = arrayOver(FIRST);
const twoSlices = arrayOver(FIRST, SECOND);

function lay(array: ScatterGatherArray, index: number, end: number, length: number): void {
  const slice = array.segments[index]!;
  slice.offset = end - length;
  slice.length = length;
}

const random = new Random(SEED);
const wires = wellFormed(SEED).filter(wire => wire.length <= SLOT_BYTES);
const messages: Message[] = READ_AS.map(type => {
  const message = type.acquire();
  // Everything is copied when it is written: so every byte that can be reached is read.
  message.copyThresholdBytes = Number.POSITIVE_INFINITY;
  return message;
});
const target = new SlotPool(heapRegion(1 << 20), { slotSizeBytes: 1 << 20, headroomBytes: 0 }).allocArray(
  (1 << 20) - 1,
)!;
const byReason: number[] = [];
let printed = 0;
let mostWritten = 0;

/** Puts a mutated message where it ends at the first guard; returns its length. */
function place(): number {
  const original = wires[random.below(wires.length)]!;
  const length = random.below(4) === 0 ? 4 + random.below(original.length - 3) : original.length;
  const start = FIRST_END - length;
  if (length === original.length) bytes.set(original, start);
  else for (let i = 0; i < length; i++) bytes[start + i] = original[i]!;
  mutate(random, view, start, length);
  return length;
}

/** Reads the message in the way that `how` says. */
function read(message: Message, length: number, how: number): number {
  const option = random.below(8) === 0 ? READ_WITH[random.below(READ_WITH.length)] : undefined;
  const start = FIRST_END - length;
  if (how === 0) return message.tryRead(new Uint8Array(buffer, start, length), option);
  if (how === 1) {
    const begin = FIRST * SLOT_BYTES;
    bytes.copyWithin(begin, start, FIRST_END);
    return message.tryRead(new Uint8Array(buffer, begin, length), option);
  }
  if (how === 2) {
    lay(oneSlice, 0, FIRST_END, length);
    return message.tryRead(oneSlice, option);
  }
  // In two pieces, each of which ends at a guard.
  const head = random.below(length + 1);
  bytes.copyWithin(SECOND_END - (length - head), start + head, FIRST_END);
  bytes.copyWithin(FIRST_END - head, start, start + head);
  lay(twoSlices, 0, FIRST_END, head);
  lay(twoSlices, 1, SECOND_END, length - head);
  return message.tryRead(twoSlices, option);
}

/** Reads all there is by writing it again, now and then by printing it too. */
function readToTheEnd(message: Message, length: number, tried: number): void {
  const written = message.copiedBytes();
  mostWritten = Math.max(mostWritten, written / (length + 16));
  message.write(target);
  if ((tried & 0x3f) !== 0) return;
  printed++;
  try {
    JSON.stringify(message);
  } catch (error) {
    // Text that is no UTF-8 is found when it is asked for.
    if (!(error instanceof MalformedMessageError)) throw error;
  }
}

if (process.argv[4] === 'over-read') process.exit(bytes[FIRST_END]);
if (process.argv[4] === 'under-read') process.exit(bytes[FIRST * SLOT_BYTES - 1]);

for (let tried = 0; tried < MESSAGES; tried++) {
  const length = place();
  const message = messages[random.below(8) < 6 ? random.below(2) : random.below(messages.length)]!;
  const reason = read(message, length, random.below(4));
  byReason[reason] = (byReason[reason] ?? 0) + 1;
  if (reason === OK) readToTheEnd(message, length, tried);
}

for (const message of messages) message.release();
for (const array of [oneSlice, twoSlices]) array.free();
for (let slot = 0; slot < SLOTS; slot++) pool.release(slot);
console.log(
  JSON.stringify({
    messages: MESSAGES,
    seed: SEED,
    accepted: byReason[OK] ?? 0,
    byReason: Object.fromEntries(byReason.map((count, reason) => [reason, count]).filter(pair => pair[1])),
    printed,
    mostWritten: Number(mostWritten.toFixed(2)),
    slotsHeld: pool.slotCount - pool.freeSlots,
  }),
);
