// What a driver told its controller to make durable, with the data, and when it heard that it was: recorded at the door, and
// replayed up to any moment as a disk might look after a crash then.

import assert from 'node:assert/strict';
import { FORCE_UNIT_ACCESS, NVM_DATASET_MANAGEMENT, NVM_FLUSH, NVM_WRITE } from '../../src/nvme/commands.ts';
import type { NvmeController } from '../../src/nvme/controller.ts';
import type { NvmeRequest } from '../../src/nvme/request.ts';
import type { Random } from '../../src/runtime/random.ts';

/** A write, a flush or blocks given up: from one moment to another. */
export interface RecordedCommand {
  opcode: number;
  offsetBytes: number;
  lengthBytes: number;
  /** What a write carries, as it was when it was submitted. */
  data: Uint8Array | undefined;
  /** It is durable when it is over, without a flush. */
  through: boolean;
  begun: number;
  /** The moment at which it was over; `Infinity` for one that never was. */
  ended: number;
  errno: number;
}

/** The door's private side: every request ends through it. */
interface Ending {
  end(request: NvmeRequest, status: number, errno: number): void;
}

/** Bytes that a request carries, wherever they lie. */
function dataOf(request: NvmeRequest): Uint8Array {
  const { lengthBytes, memory, offsetBytes, pieces, piecesBefore } = request;
  const buffer = memory!.bytes;
  if (pieces === undefined) return buffer.slice(offsetBytes, offsetBytes + lengthBytes);
  const all: Uint8Array[] = [];
  for (let i = 0; i < pieces.count; i++) {
    const at = offsetBytes + pieces.offsets[i]!;
    all.push(pieces.slices[i]?.bytes() ?? buffer.subarray(at, at + pieces.lengths[i]!));
  }
  return new Uint8Array(Buffer.concat(all).subarray(piecesBefore, piecesBefore + lengthBytes));
}

export class Recording {
  readonly commands: RecordedCommand[];
  /** Moments so far: commands that began or ended, and what {@link mark} counted. */
  moment: number;
  /** Flushes, and writes that were durable at once, which ended well. */
  durableEnds: number[];

  /** @param blockBytes of the one namespace that is recorded */
  constructor(controller: NvmeController, namespaceId: number, blockBytes: number) {
    this.commands = [];
    this.moment = 0;
    this.durableEnds = [];
    const under = new Map<NvmeRequest, RecordedCommand>();
    const submit = controller.submit.bind(controller);
    controller.submit = request => {
      const { opcode } = request;
      const kept = opcode === NVM_WRITE || opcode === NVM_FLUSH || opcode === NVM_DATASET_MANAGEMENT;
      if (kept && request.namespaceId === namespaceId) {
        const command: RecordedCommand = {
          opcode,
          offsetBytes: request.lba * blockBytes,
          lengthBytes: request.blocks * blockBytes,
          data: opcode === NVM_WRITE ? dataOf(request) : undefined,
          through: (request.flags & FORCE_UNIT_ACCESS) !== 0 || !controller.identity.hasVolatileWriteCache,
          begun: this.mark(),
          ended: Number.POSITIVE_INFINITY,
          errno: 0,
        };
        this.commands.push(command);
        under.set(request, command);
      }
      submit(request);
    };
    const door = controller as unknown as Ending;
    const end = door.end.bind(controller);
    door.end = (request, status, errno) => {
      const command = under.get(request);
      if (command !== undefined) {
        under.delete(request);
        command.ended = this.mark();
        command.errno = errno;
        if (command.data !== undefined)
          assert.deepEqual(dataOf(request), command.data, 'written to while the device was reading it');
        if (errno === 0 && (command.through || command.opcode === NVM_FLUSH))
          this.durableEnds.push(command.ended);
      }
      end(request, status, errno);
    };
  }

  /** One moment later. */
  mark(): number {
    return ++this.moment;
  }
}

/** Blocks that a command of which nobody knows the end has changed: none, all, some, or up to one. */
function leave(image: Uint8Array, { data, lengthBytes, offsetBytes }: RecordedCommand, random: Random): void {
  const SECTOR = 512;
  const sectors = lengthBytes / SECTOR;
  const outcome = random.below(4);
  const cut = outcome === 0 ? 0 : outcome === 1 ? sectors : random.below(sectors + 1);
  for (let sector = 0; sector < sectors; sector++) {
    const happened = outcome === 3 ? random.below(2) === 0 : sector < cut;
    if (!happened) continue;
    const at = sector * SECTOR;
    if (data === undefined) image.fill(0, offsetBytes + at, offsetBytes + at + SECTOR);
    else image.set(data.subarray(at, at + SECTOR), offsetBytes + at);
  }
}

/** Plays a recording, moment by moment. */
export class Replay {
  private readonly recording: Recording;
  /** What is durable, whatever happens. */
  private readonly durable: Uint8Array;
  /** Commands that are over or under way and may be lost. */
  private uncertain: RecordedCommand[];
  private next: number;

  /** @param image what was on the disk when the recording began; becomes the replay's own */
  constructor(recording: Recording, image: Uint8Array) {
    this.recording = recording;
    this.durable = image;
    this.uncertain = [];
    this.next = 0;
  }

  /** Whether the disk, at the end, holds what was recorded: nothing was missed. */
  matches(disk: Uint8Array): boolean {
    this.advance(this.recording.moment);
    const image = this.durable.slice();
    for (const { data, lengthBytes, offsetBytes } of this.uncertain) {
      if (data === undefined) image.fill(0, offsetBytes, offsetBytes + lengthBytes);
      else image.set(data, offsetBytes);
    }
    return Buffer.compare(image, disk) === 0;
  }

  /** Goes on to a moment, later than the last: what ended before it has ended. */
  advance(moment: number): void {
    const { commands } = this.recording;
    while (this.next < commands.length && commands[this.next]!.begun <= moment)
      this.uncertain.push(commands[this.next++]!);
    // A flush covers what had ended when it began.
    let flushed = 0;
    for (const command of this.uncertain)
      if (command.opcode === NVM_FLUSH && command.ended <= moment && command.errno === 0)
        flushed = Math.max(flushed, command.begun);
    const left: RecordedCommand[] = [];
    // In the order in which they ended; the driver has no two under way to the same blocks.
    for (const command of this.uncertain.toSorted((a, b) => a.ended - b.ended)) {
      const over = command.ended <= moment;
      if (command.opcode === NVM_FLUSH) {
        if (!over) left.push(command);
      } else if (over && command.errno === 0 && (command.through || command.ended < flushed)) {
        if (command.data === undefined)
          this.durable.fill(0, command.offsetBytes, command.offsetBytes + command.lengthBytes);
        else this.durable.set(command.data, command.offsetBytes);
      } else left.push(command);
    }
    this.uncertain = left;
  }

  /** Into `image`: the disk after the power went at this moment. Returns how many commands had no certain end. */
  crash(image: Uint8Array, random: Random): number {
    image.set(this.durable);
    const writes = this.uncertain.filter(({ opcode }) => opcode !== NVM_FLUSH);
    // A cache writes back in whatever order.
    for (let left = writes.length; left > 0; left--) {
      const chosen = random.below(left);
      leave(image, writes[chosen]!, random);
      writes[chosen] = writes[left - 1]!;
    }
    return this.uncertain.length;
  }
}
