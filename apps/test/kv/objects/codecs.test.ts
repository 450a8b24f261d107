// The codecs by themselves: messages cut into slices anywhere, and messages that have been damaged. Longer by hand:
// KV_CODECS_FUZZ_RUNS=1000000.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { heapRegion, type ScatterGatherArray, SlotPool } from '@demikernel/memory';
import { SeededRandom } from 'demikernel/simulator';
import type { Blobs } from '../../../src/kv/objects/blobs.ts';
import { loadCodec } from '../../../src/kv/objects/codecs.ts';
import { type Codec, ObjectReply, ObjectRequest } from '../../../src/kv/objects/messages.ts';
import { Outbox } from '../../../src/kv/objects/outbox.ts';
import { GET, GET_LIST, GET_M, OBJECT_PROTOCOLS, PUT } from '../../../src/kv/objects/protocol.ts';

const SLICE_BYTES = 200;
const FUZZ_RUNS = Number(process.env['KV_CODECS_FUZZ_RUNS'] ?? 3000);

function makePool(slots = 8192): SlotPool {
  return new SlotPool(heapRegion(slots * 256), { slotSizeBytes: 256, headroomBytes: 16 });
}

/** Memory full of something that differs everywhere. */
function makeMemory(): ReturnType<typeof heapRegion> {
  const memory = heapRegion(1 << 18);
  for (let i = 0; i < memory.bytes.length; i++) memory.bytes[i] = Math.imul(i, 2_654_435_761) >>> 15;
  return memory;
}

function fill(
  blobs: Blobs,
  memory: ReturnType<typeof heapRegion>,
  count: number,
  lengths: () => number,
): void {
  blobs.reset(memory);
  for (let i = 0; i < count; i++) blobs.add(i * 331, lengths());
}

/** A copy in slices of lengths that `next` gives. */
function cut(pool: SlotPool, bytes: Uint8Array, next: () => number): ScatterGatherArray {
  const array = pool.array();
  for (let at = 0; at < bytes.length; ) {
    const slice = pool.alloc(Math.min(next(), bytes.length - at, pool.capacityBytes))!;
    slice.bytes().set(bytes.subarray(at, at + slice.length));
    array.append(slice);
    at += slice.length;
  }
  return array;
}

function assertSame(found: Blobs, wanted: Blobs, what: string): void {
  // Some formats cannot tell one empty value from none.
  if (wanted.count === 1 && wanted.totalBytes === 0) assert.equal(found.totalBytes, 0, what);
  else {
    assert.equal(found.count, wanted.count, what);
    for (let i = 0; i < wanted.count; i++) assert.ok(found.equals(i, wanted.view(i)), `${what} ${i}`);
  }
}

/** Every piece lies in a slice of the frame, or in memory that is the codec's own and as long as a message may be. */
function assertInside(blobs: Blobs, frame: ScatterGatherArray, pool: SlotPool): void {
  for (let piece = 0; piece < blobs.pieceCount; piece++) {
    const start = blobs.offsets[piece]!;
    const end = start + blobs.pieceLengths[piece]!;
    assert.ok(end > start, 'a piece without bytes');
    if (blobs.region !== pool.region) {
      // A copy of the message, or what was decoded from it.
      assert.ok(start >= 0 && end <= frame.lengthBytes, 'beyond the message');
      continue;
    }
    let inside = false;
    for (let i = 0; i < frame.count; i++) {
      const slice = frame.segments[i]!;
      if (start >= slice.offset && end <= slice.offset + slice.length) inside = true;
    }
    assert.ok(inside, 'outside the message');
  }
}

interface Sample {
  bytes: Uint8Array;
  isReply: boolean;
}

/** Requests and replies of every kind, written by a codec. */
function samples(codec: Codec, pool: SlotPool): Sample[] {
  const memory = makeMemory();
  const outbox = new Outbox(pool, SLICE_BYTES, false);
  const found: Sample[] = [];
  const request = new ObjectRequest(memory);
  const reply = new ObjectReply(memory);
  for (const [operation, keys, values] of [
    [GET, 1, 0],
    [PUT, 1, 1],
    [PUT, 1, 4],
    [GET_LIST, 1, 0],
    [GET_M, 6, 0],
  ] as const) {
    let length = 20;
    request.id = 9;
    request.operation = operation;
    fill(request.keys, memory, keys, () => length++);
    fill(request.values, memory, values, () => (length += 70));
    assert.ok(outbox.add(codec.encodeRequest(request)));
    codec.release();
    const array = outbox.take()!;
    found.push({ bytes: array.toBytes(), isReply: false });
    array.free();
    reply.id = 9;
    reply.isList = values !== 1;
    fill(reply.values, memory, values, () => (length += 50));
    assert.ok(outbox.add(codec.encodeReply(reply)));
    codec.release();
    const replyArray = outbox.take()!;
    found.push({ bytes: replyArray.toBytes(), isReply: true });
    replyArray.free();
  }
  return found;
}

describe('object codecs', () => {
  for (const protocol of OBJECT_PROTOCOLS) {
    test(`${protocol}: what is written is read, in slices cut anywhere, several in one outbox`, async () => {
      const pool = makePool();
      const codec = await loadCodec(protocol);
      const reader = await loadCodec(protocol);
      const memory = makeMemory();
      const random = new SeededRandom(11);
      const outbox = new Outbox(pool, SLICE_BYTES, false);
      const [request, reply] = [new ObjectRequest(memory), new ObjectReply(memory)];
      const [gotRequest, gotReply] = [new ObjectRequest(memory), new ObjectReply(memory)];
      for (let round = 0; round < 120; round++) {
        const operation = 1 + random.below(4);
        const most = [3, 100, 3000][random.below(3)]!;
        request.id = random.below(0x7fff_ffff);
        request.operation = operation;
        fill(request.keys, memory, operation === GET_M ? random.below(9) : 1, () => random.below(most) + 1);
        fill(request.values, memory, operation === PUT ? random.below(5) : 0, () => random.below(most));
        assert.ok(outbox.add(codec.encodeRequest(request)));
        codec.release();
        const whole = outbox.take()!;
        const bytes = whole.toBytes();
        const pieces = cut(pool, bytes, () => 1 + random.below(230));
        for (const frame of [whole, pieces]) {
          assert.ok(reader.decodeRequest(frame, gotRequest), `${protocol}, round ${round}`);
          assert.equal(gotRequest.id, request.id);
          assert.equal(gotRequest.operation, operation);
          assertSame(gotRequest.keys, request.keys, 'key');
          assertSame(gotRequest.values, request.values, 'value');
          reader.release();
          frame.free();
        }
        reply.id = request.id;
        reply.status = random.below(5);
        reply.isList = random.below(2) === 1;
        fill(reply.values, memory, reply.isList ? 1 + random.below(6) : random.below(2), () =>
          random.below(most),
        );
        assert.ok(outbox.add(codec.encodeReply(reply)));
        codec.release();
        const answer = outbox.take()!;
        assert.ok(reader.decodeReply(answer, gotReply));
        assert.equal(gotReply.id, reply.id);
        assert.equal(gotReply.status, reply.status);
        assert.equal(gotReply.isList, reply.isList);
        assertSame(gotReply.values, reply.values, 'value');
        reader.release();
        answer.free();
      }
      assert.equal(pool.freeSlots, pool.slotCount);
    });

    test(`${protocol}: damaged messages are refused, or read as something within their bounds`, async () => {
      const pool = makePool(2048);
      const codec = await loadCodec(protocol);
      const memory = makeMemory();
      const random = new SeededRandom(12);
      const messages = samples(codec, pool);
      const [request, reply] = [new ObjectRequest(memory), new ObjectReply(memory)];
      let refused = 0;
      for (let run = 0; run < FUZZ_RUNS; run++) {
        const { bytes, isReply } = messages[run % messages.length]!;
        const damaged = bytes.slice(0, random.below(4) === 0 ? random.below(bytes.length) + 1 : bytes.length);
        for (let hits = random.below(4); hits >= 0; hits--) {
          const at =
            random.below(2) === 0 ? random.below(damaged.length) : random.below(Math.min(64, damaged.length));
          damaged[at] = [random.below(256), 0, 0xff, 0x7f, damaged[at]! ^ (1 << random.below(8))][
            random.below(5)
          ]!;
        }
        const isWhole = random.below(2) === 0 && damaged.length <= pool.capacityBytes;
        const frame = cut(pool, damaged, () => (isWhole ? damaged.length : 1 + random.below(230)));
        if (isReply) {
          if (codec.decodeReply(frame, reply)) assertInside(reply.values, frame, pool);
          else refused++;
        } else if (codec.decodeRequest(frame, request)) {
          assertInside(request.keys, frame, pool);
          assertInside(request.values, frame, pool);
        } else refused++;
        codec.release();
        frame.free();
      }
      assert.ok(refused > FUZZ_RUNS / 20, `${refused} of ${FUZZ_RUNS} refused`);
      if (FUZZ_RUNS > 3000) console.log(`${protocol}: ${FUZZ_RUNS} damaged messages, ${refused} refused`);
      assert.equal(pool.freeSlots, pool.slotCount);
    });
  }

  test('cornflakes: what changes in shared memory after it was verified leads nowhere outside the message', async () => {
    const pool = makePool(2048);
    const codec = await loadCodec('cornflakes');
    const memory = makeMemory();
    const random = new SeededRandom(13);
    const messages = samples(codec, pool).filter(({ isReply }) => !isReply);
    const request = new ObjectRequest(memory);
    let frame = pool.array();
    // A peer of ill will writes as soon as the verifier has looked.
    const inner = (codec as unknown as { request: { tryRead(source: ScatterGatherArray): number } }).request;
    const tryRead = inner.tryRead.bind(inner);
    inner.tryRead = source => {
      const reason = tryRead(source);
      for (let hits = 0; hits < 6; hits++) {
        const slice = frame.segments[random.below(frame.count)]!;
        slice.bytes()[random.below(slice.length)] = [0, 0xff, 0x7f, random.below(256)][random.below(4)]!;
      }
      return reason;
    };
    let refused = 0;
    for (let run = 0; run < FUZZ_RUNS; run++) {
      frame.free();
      frame = cut(pool, messages[run % messages.length]!.bytes, () =>
        run % 2 === 0 ? 230 : 1 + random.below(90),
      );
      if (codec.decodeRequest(frame, request)) {
        assertInside(request.keys, frame, pool);
        assertInside(request.values, frame, pool);
      } else refused++;
      codec.release();
    }
    frame.free();
    assert.ok(refused > 0);
    assert.equal(pool.freeSlots, pool.slotCount);
  });
});
