// Forged frames: real ones from a running conversation, changed in places where it hurts, and some made from nothing.
// Everything comes from a seed. What the frames are let loose on is fuzz-stage.ts.

import { foldChecksum, pseudoHeaderSum, sumBytes } from '../../src/inetstack/checksum.ts';
import type { SeededRandom } from '../../src/runtime/random.ts';

const FRAME_BYTES = 2048;
const RING_FRAMES = 512;
const IP = 14;

/** The last frames that went one way. */
export class FrameRing {
  readonly bytes: Uint8Array;
  readonly lengths: Int32Array;
  count: number;

  constructor() {
    this.bytes = new Uint8Array(RING_FRAMES * FRAME_BYTES);
    this.lengths = new Int32Array(RING_FRAMES);
    this.count = 0;
  }

  /** Where the next frame goes; `commit` says how long it became. */
  get place(): number {
    return (this.count % RING_FRAMES) * FRAME_BYTES;
  }

  commit(length: number): void {
    this.lengths[this.count % RING_FRAMES] = length;
    this.count++;
  }

  /** A random frame's index, mostly one of the latest; -1 when there is none. */
  pick(random: SeededRandom): number {
    if (this.count === 0) return -1;
    const depth = Math.min(this.count, random.below(4) === 0 ? RING_FRAMES : 16);
    return (this.count - 1 - random.below(depth)) % RING_FRAMES;
  }
}

const INTERESTING = [
  0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 20, 40, 60, 1448, 1500, 65_515,
];

export class Forge {
  /** The forged frame is `bytes[0 … length - 1]`. */
  readonly bytes: Uint8Array;
  length: number;
  private readonly view: DataView;
  private readonly random: SeededRandom;
  /** What the peer sends to the target. */
  private readonly toTarget: FrameRing;
  /** What the target sends. */
  private readonly fromTarget: FrameRing;

  constructor(random: SeededRandom, toTarget: FrameRing, fromTarget: FrameRing) {
    this.bytes = new Uint8Array(FRAME_BYTES);
    this.length = 0;
    this.view = new DataView(this.bytes.buffer);
    this.random = random;
    this.toTarget = toTarget;
    this.fromTarget = fromTarget;
  }

  /** Makes the next frame; false when there is nothing yet to make it from. */
  next(): boolean {
    const { random } = this;
    const choice = random.below(1000);
    if (choice < 80) return this.icmpError();
    if (choice < 100) return this.arp();
    if (choice < 120) return this.noise();
    if (!this.load(this.toTarget)) return false;
    if (choice < 160) this.fragment();
    const changes = random.below(4);
    for (let i = 0; i < changes; i++) this.change();
    if (random.below(8) !== 0) this.repairChecksums();
    return true;
  }

  private load(ring: FrameRing): boolean {
    const index = ring.pick(this.random);
    if (index < 0) return false;
    const start = index * FRAME_BYTES;
    this.length = ring.lengths[index]!;
    this.bytes.set(ring.bytes.subarray(start, start + this.length));
    return true;
  }

  private change(): void {
    const { random } = this;
    if (this.length < 15) return;
    switch (random.below(9)) {
      case 0:
        this.bytes[random.below(this.length)]! ^= 1 << random.below(8);
        return;
      case 1:
        this.bytes[random.below(this.length)] = random.int32();
        return;
      case 2:
        this.interestingWord();
        return;
      case 3:
        this.length = random.below(this.length);
        return;
      case 4:
        this.lengthen();
        return;
      case 5:
        this.changeIp();
        return;
      case 6:
        this.splice();
        return;
      default:
        this.changeTransport();
    }
  }

  private interestingWord(): void {
    const at = IP + this.random.below(Math.max(1, Math.min(this.length - IP - 1, 64)));
    this.view.setUint16(at, INTERESTING[this.random.below(INTERESTING.length)]!);
  }

  private lengthen(): void {
    const extra = this.random.below(64);
    for (let i = 0; i < extra && this.length < 1514; i++) this.bytes[this.length++] = this.random.int32();
    if (this.random.below(2) === 0) this.view.setUint16(IP + 2, this.length - IP);
  }

  /** The front of this frame with the end of another. */
  private splice(): void {
    const index = this.toTarget.pick(this.random);
    if (index < 0) return;
    const at = this.random.below(this.length);
    const length = this.toTarget.lengths[index]!;
    if (length <= at) return;
    const start = index * FRAME_BYTES;
    this.bytes.set(this.toTarget.bytes.subarray(start + at, start + length), at);
    this.length = length;
  }

  private changeIp(): void {
    const { random, view } = this;
    if (this.length < IP + 20) return;
    switch (random.below(7)) {
      case 0:
        view.setUint8(IP, 0x40 | random.below(16));
        return;
      case 1:
        view.setUint16(IP + 2, random.below(2) === 0 ? random.below(1600) : this.length - IP);
        return;
      case 2:
        view.setUint16(IP + 6, random.int32() & 0xffff);
        return;
      case 3:
        view.setUint8(IP + 9, [1, 6, 17, 2, 255][random.below(5)]!);
        return;
      case 4:
        view.setInt32(IP + 12, random.below(2) === 0 ? random.int32() : view.getInt32(IP + 16));
        return;
      case 5:
        view.setInt32(IP + 16, [-1, 0, 0x7f000001, 0x0a0000ff, random.int32()][random.below(5)]!);
        return;
      default:
        // Options: the header grows into the payload.
        view.setUint8(IP, 0x45 + random.below(11));
        view.setUint8(IP + 20, random.below(256));
    }
  }

  private changeTransport(): void {
    const { random, view } = this;
    const at = IP + ((view.getUint8(IP) & 15) << 2);
    if (this.length < at + 8) return;
    if (view.getUint8(IP + 9) !== 6 || this.length < at + 20) {
      view.setUint16(at + random.below(4) * 2, random.below(2) === 0 ? random.int32() & 0xffff : 53);
      return;
    }
    switch (random.below(10)) {
      case 0:
        view.setUint8(at + 13, random.int32() & 0xff);
        return;
      case 1:
        view.setUint8(at + 13, [0x02, 0x12, 0x11, 0x04, 0x14, 0x10, 0x18, 0x01, 0x06, 0][random.below(10)]!);
        return;
      case 2:
        view.setInt32(at + 4, view.getInt32(at + 4) + this.distance());
        return;
      case 3:
        view.setInt32(at + 8, view.getInt32(at + 8) + this.distance());
        return;
      case 4:
        view.setUint16(at + 14, INTERESTING[random.below(INTERESTING.length)]!);
        return;
      case 5:
        view.setUint8(at + 12, random.below(16) << 4);
        return;
      case 6:
        this.changeOptions(at);
        return;
      case 7:
        view.setUint16(at, random.below(65_536));
        return;
      case 8:
        view.setUint16(at + 2, [80, 81, 53, 9, 0][random.below(5)]!);
        return;
      default:
        if (this.length >= at + 32) view.setInt32(at + 24 + random.below(2) * 4, random.int32());
    }
  }

  private changeOptions(at: number): void {
    const { random, view } = this;
    const headerBytes = (view.getUint8(at + 12) >> 4) << 2;
    const room = Math.min(headerBytes, this.length - at) - 20;
    if (room <= 0) return;
    const place = at + 20 + random.below(room);
    view.setUint8(place, [0, 1, 2, 3, 4, 5, 8, 255][random.below(8)]!);
    if (place + 1 < this.length) view.setUint8(place + 1, random.below(2) === 0 ? random.below(12) : 0);
  }

  private distance(): number {
    const { random } = this;
    const near = random.below(3);
    if (near === 0) return random.below(5) - 2;
    return near === 1 ? random.below(10_000) - 5000 : random.int32();
  }

  /** Cuts the packet to a fragment of itself. */
  private fragment(): void {
    const { random, view } = this;
    if (this.length < IP + 28) return;
    const cutBytes = Math.min(this.length - IP - 20, 8 * (1 + random.below(8)));
    const from = (random.below(this.length - IP - 20) >> 3) << 3;
    const keptBytes = Math.min(cutBytes, this.length - IP - 20 - from);
    this.bytes.copyWithin(IP + 20, IP + 20 + from, IP + 20 + from + keptBytes);
    this.length = IP + 20 + keptBytes;
    view.setUint8(IP, 0x45);
    view.setUint16(IP + 2, this.length - IP);
    view.setUint16(IP + 4, random.below(16));
    view.setUint16(IP + 6, (random.below(2) << 13) | (from >> 3));
  }

  /** An error about something that the target has sent, or seems to. */
  private icmpError(): boolean {
    const { random, view, bytes } = this;
    if (!this.load(this.fromTarget) || this.length < IP + 28) return false;
    const quotedBytes = Math.min(this.length - IP, 8 + 20 + random.below(40));
    bytes.copyWithin(IP + 28, IP, IP + quotedBytes);
    this.turnRound();
    view.setUint16(IP, 0x4500);
    view.setUint16(IP + 2, 28 + quotedBytes);
    view.setInt32(IP + 4, 0);
    view.setUint16(IP + 8, 0x4001);
    const peer = view.getInt32(IP + 28 + 16);
    view.setInt32(IP + 12, peer);
    view.setInt32(IP + 16, view.getInt32(IP + 28 + 12));
    view.setUint8(IP + 20, [3, 3, 3, 11, 12, 0, 5, 8][random.below(8)]!);
    view.setUint8(IP + 21, random.below(6));
    view.setInt32(IP + 24, random.below(3) === 0 ? random.below(1600) : random.int32());
    this.length = IP + 28 + quotedBytes;
    const changes = random.below(3);
    for (let i = 0; i < changes; i++) {
      bytes[IP + 28 + random.below(quotedBytes)]! ^= 1 << random.below(8);
    }
    if (random.below(10) !== 0) this.repairChecksums();
    return true;
  }

  private turnRound(): void {
    const { bytes } = this;
    for (let i = 0; i < 6; i++) {
      const to = bytes[i]!;
      bytes[i] = bytes[6 + i]!;
      bytes[6 + i] = to;
    }
  }

  private arp(): boolean {
    const { random, view } = this;
    if (!this.load(this.fromTarget)) return false;
    this.turnRound();
    const us = view.getInt32(0);
    const usLow = view.getUint16(4);
    view.setUint16(12, 0x0806);
    view.setInt32(IP, 0x00010800);
    view.setUint16(IP + 4, 0x0604);
    view.setUint16(IP + 6, 1 + random.below(3));
    view.setInt32(IP + 8, random.below(32) === 0 ? random.int32() : view.getInt32(6));
    view.setUint16(IP + 12, view.getUint16(10));
    view.setInt32(IP + 14, 0x0a000000 | random.below(random.below(4) === 0 ? 0x1000000 : 4));
    view.setInt32(IP + 18, us);
    view.setUint16(IP + 22, usLow);
    view.setInt32(IP + 24, 0x0a000001);
    this.length = 42;
    if (random.below(4) === 0) this.bytes[IP + random.below(28)] = random.int32();
    if (random.below(16) === 0) this.length = IP + random.below(28);
    return true;
  }

  /** A header that reaches the target, and behind it anything. */
  private noise(): boolean {
    const { random } = this;
    if (!this.load(this.toTarget)) return false;
    const from = random.below(3) === 0 ? random.below(14) : [14, 34, 54][random.below(3)]!;
    this.length = from + random.below(200);
    for (let at = from; at < this.length; at++) this.bytes[at] = random.int32();
    return true;
  }

  /** Makes the checksums right again where the headers still allow to tell where they are. */
  private repairChecksums(): void {
    const { view } = this;
    const headerBytes = (view.getUint8(IP) & 15) << 2;
    if (view.getUint16(12) !== 0x0800 || headerBytes < 20 || this.length < IP + headerBytes) return;
    view.setUint16(IP + 10, 0);
    view.setUint16(IP + 10, foldChecksum(sumBytes(view, IP, headerBytes, 0)));
    if ((view.getUint16(IP + 6) & 0x3fff) !== 0) return;
    const at = IP + headerBytes;
    const bytes = Math.min(view.getUint16(IP + 2) - headerBytes, this.length - at);
    if (bytes < 8) return;
    const protocol = view.getUint8(IP + 9);
    const field = protocol === 6 ? 16 : protocol === 17 ? 6 : protocol === 1 ? 2 : -1;
    if (field < 0 || bytes < field + 2) return;
    const pseudo =
      protocol === 1 ? 0 : pseudoHeaderSum(view.getInt32(IP + 12), view.getInt32(IP + 16), protocol, bytes);
    view.setUint16(at + field, 0);
    view.setUint16(at + field, foldChecksum(sumBytes(view, at, bytes, pseudo)));
  }
}
