// A client of the object protocol for tests: requests and replies as plain data, over coroutines of any library OS.

import assert from 'node:assert/strict';
import { Deframer } from '@demikernel/cornflakes';
import type { ScatterGatherArray } from '@demikernel/memory';
import { heapRegion, type Region } from '@demikernel/memory';
import type { Coroutine, Coroutines, SocketType } from 'demikernel';
import type { Blobs } from '../../../src/kv/objects/blobs.ts';
import { type Codec, ObjectReply, ObjectRequest } from '../../../src/kv/objects/messages.ts';
import { Outbox } from '../../../src/kv/objects/outbox.ts';
import { GET, GET_LIST, GET_M, MAX_MESSAGE_BYTES, PUT } from '../../../src/kv/objects/protocol.ts';

export interface PlainRequest {
  operation: number;
  keys: string[];
  values?: Uint8Array[];
}

/** Values in latin1, so that a failed comparison can be read. */
export interface PlainReply {
  id: number;
  status: number;
  values: string[];
}

export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

/** Bytes that differ for every seed. */
export function pattern(lengthBytes: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(lengthBytes);
  for (let i = 0; i < lengthBytes; i++) bytes[i] = (Math.imul(i + 1, 2_654_435_761) + seed * 31) >>> 13;
  return bytes;
}

/** Writes requests and reads replies in one serialization. */
export class Scribe {
  readonly codec: Codec;
  private readonly memory: Region;
  private readonly request: ObjectRequest;
  private readonly reply: ObjectReply;
  private used: number;

  constructor(codec: Codec) {
    this.codec = codec;
    this.memory = heapRegion(2 * MAX_MESSAGE_BYTES);
    this.request = new ObjectRequest(this.memory);
    this.reply = new ObjectReply(this.memory);
    this.used = 0;
  }

  /** Writes a request into an outbox. */
  write(outbox: Outbox, id: number, request: PlainRequest): void {
    const { codec, memory } = this;
    this.used = 0;
    this.request.id = id;
    this.request.operation = request.operation;
    this.request.keys.reset(memory);
    this.request.values.reset(memory);
    for (const key of request.keys) this.place(this.request.keys, Buffer.from(key, 'latin1'));
    for (const value of request.values ?? []) this.place(this.request.values, value);
    assert.ok(outbox.add(codec.encodeRequest(this.request)), 'no memory for a request');
    codec.release();
  }

  private place(blobs: Blobs, bytes: Uint8Array): void {
    this.memory.bytes.set(bytes, this.used);
    blobs.add(this.used, bytes.length);
    this.used += bytes.length;
  }

  /** Reads a reply; `undefined` when it is none. */
  read(frame: ScatterGatherArray): PlainReply | undefined {
    const { codec, reply } = this;
    const isReply = codec.decodeReply(frame, reply);
    const values: string[] = [];
    if (isReply) {
      for (let i = 0; i < reply.values.count; i++) values.push(latin1(reply.values.view(i)));
    }
    // Some formats cannot tell one empty value from none.
    if (!reply.isList && values[0] === '') values.length = 0;
    codec.release();
    return isReply ? { id: reply.id, status: reply.status, values } : undefined;
  }
}

/** What one client sends and hears over one connection, `pipeline` requests at a time. */
export function* exchange(
  co: Coroutines,
  address: string,
  codec: Codec,
  requests: readonly PlainRequest[],
  pipeline: number,
  socketType: SocketType = 'stream',
): Coroutine<PlainReply[]> {
  const { os } = co;
  const qd = os.socket(socketType);
  const connected = yield* co.connect(qd, address);
  assert.ok(connected.errno === 0, `connect: errno ${connected.errno}`);
  const isStream = socketType === 'stream';
  const outbox = new Outbox(os.libraryOs.pool, os.libraryOs.sliceBytes, isStream);
  const deframer = new Deframer({ maxFrameBytes: MAX_MESSAGE_BYTES });
  const scribe = new Scribe(codec);
  const replies: PlainReply[] = [];
  try {
    for (let start = 0; start < requests.length; start += pipeline) {
      const end = Math.min(requests.length, start + pipeline);
      const sending = co.spawn(function* () {
        for (let id = start; id < end; id++) {
          scribe.write(outbox, id, requests[id]!);
          if (isStream && id < end - 1 && outbox.pendingBytes < 20_000) continue;
          const array = outbox.take()!;
          const token = os.push(qd, array);
          array.free();
          const { errno } = yield* co.wait(token);
          assert.equal(errno, 0);
        }
      });
      while (replies.length < end) {
        const { array, errno } = yield* co.pop(qd);
        if (errno !== 0 || array === undefined || array.count === 0) {
          array?.free();
          throw new Error(`the connection ended after ${replies.length} replies, errno ${errno}`);
        }
        if (!isStream) replies.push(readAndFree(scribe, array));
        else {
          deframer.add(array);
          array.free();
          for (let frame = deframer.next(); frame !== undefined; frame = deframer.next()) {
            replies.push(readAndFree(scribe, frame));
          }
        }
      }
      assert.ok(sending.done);
    }
    return replies;
  } finally {
    outbox.drop();
    deframer.close();
    os.close(qd);
  }
}

function readAndFree(scribe: Scribe, frame: ScatterGatherArray): PlainReply {
  const reply = scribe.read(frame);
  frame.free();
  assert.ok(reply !== undefined, 'a reply that is none');
  return reply;
}

/** The store as it should be, to be compared with. */
export class Model {
  private readonly entries = new Map<string, string[]>();

  /** What a request must be answered with. */
  answer(id: number, request: PlainRequest): PlainReply {
    const first = this.entries.get(request.keys[0]!);
    switch (request.operation) {
      case GET:
        return first === undefined
          ? { id, status: 1, values: [] }
          : { id, status: 0, values: first[0] === '' ? [] : [first[0]!] };
      case PUT:
        this.entries.set(request.keys[0]!, (request.values ?? []).map(latin1));
        return { id, status: 0, values: [] };
      case GET_LIST:
        return first === undefined ? { id, status: 1, values: [] } : { id, status: 0, values: [...first] };
      case GET_M: {
        const found = request.keys.map(key => this.entries.get(key)?.[0]);
        return {
          id,
          status: found.includes(undefined) ? 1 : 0,
          values: found.map(value => value ?? ''),
        };
      }
      default:
        return { id, status: 4, values: [] };
    }
  }
}

/** The lengths around which something changes: thresholds, slots, packets, and the longest. */
export const LENGTHS: readonly number[] = [
  0, 1, 7, 63, 64, 65, 511, 512, 513, 1000, 1447, 1448, 1449, 2047, 2048, 4096, 9000, 16_384, 65_536,
];

/** Requests of every kind over values of every length; `keyPrefix` keeps clients apart. */
export function script(keyPrefix: string, rounds: number): PlainRequest[] {
  const requests: PlainRequest[] = [];
  const key = (i: number): string => `${keyPrefix}:${i}`.padEnd(20 + (i % 50), 'k');
  for (let i = 0; i < rounds; i++) {
    const length = LENGTHS[i % LENGTHS.length]!;
    requests.push({ operation: GET, keys: [key(i % 11)] });
    requests.push({ operation: PUT, keys: [key(i % 11)], values: [pattern(length, i)] });
    requests.push({ operation: GET, keys: [key(i % 11)] });
    const list = [3, 0, 700, 100, 2000].slice(0, 2 + (i % 4)).map((bytes, at) => pattern(bytes + i, at));
    requests.push({ operation: PUT, keys: [key(20 + (i % 3))], values: list });
    requests.push({ operation: GET_LIST, keys: [key(20 + (i % 3))] });
    requests.push({ operation: GET_LIST, keys: [key(i % 11)] });
    requests.push({
      operation: GET_M,
      keys: [key(20), key(21), key(22), 'nothing', key(23)].slice(0, 1 + (i % 5)),
    });
    requests.push({ operation: GET, keys: ['nothing'] });
  }
  return requests;
}
