// A request and a reply, taken apart: numbers, and where the bytes lie. And who puts them on the wire: a codec.

import type { Gatherable, Region, ScatterGatherArray } from '@demikernel/memory';
import { Blobs } from './blobs.ts';
import { type ObjectProtocol, STATUS_OK } from './protocol.ts';

export class ObjectRequest {
  /** Comes back with the reply: 0 to 2^31 - 1. */
  id: number;
  /** `GET`, `PUT`, `GET_LIST` or `GET_M`. */
  operation: number;
  /** One; for `GET_M` several. */
  readonly keys: Blobs;
  /** Of a `PUT`. */
  readonly values: Blobs;

  /** @param region where keys and values lie until a decoder says otherwise */
  constructor(region: Region) {
    this.id = 0;
    this.operation = 0;
    this.keys = new Blobs(region);
    this.values = new Blobs(region);
  }
}

export class ObjectReply {
  id: number;
  status: number;
  /** Whether the values are a list on the wire: of `GET_LIST` and `GET_M`, however many there are. */
  isList: boolean;
  /** Decoded, a reply with one empty value may have none, as proto3 has it. */
  readonly values: Blobs;

  constructor(region: Region) {
    this.id = 0;
    this.status = STATUS_OK;
    this.isList = false;
    this.values = new Blobs(region);
  }
}

/**
 * Writes and reads messages in one serialization. One serves a whole process, client or server: it keeps its builders and scratch,
 * so what it returns and fills in ends with the next call or {@link release}.
 */
export interface Codec {
  readonly name: ObjectProtocol;
  /** A request, to be pushed at once: `os.push(qd, codec.encodeRequest(request))`, or through an `Outbox` on a stream. */
  encodeRequest(request: ObjectRequest): Gatherable;
  /** A reply, likewise. */
  encodeReply(reply: ObjectReply): Gatherable;
  /**
   * Reads a request: every field of the library's object is asked for, so that each value is known as bytes in memory; their contents
   * are not looked at. False: malformed, for whatever reason.
   *
   * @param frame one message; stays the caller's, who keeps it as long as the request is used
   */
  decodeRequest(frame: ScatterGatherArray, into: ObjectRequest): boolean;
  /** Reads a reply, likewise. */
  decodeReply(frame: ScatterGatherArray, into: ObjectReply): boolean;
  /** Gives up what the last call holds: references to memory, nothing of the builders. */
  release(): void;
}

/** What a codec is made with. */
export interface CodecOptions {
  /** Of Cornflakes: values at least this long are sent by reference; 0, Infinity. Default: as the device says. */
  copyThresholdBytes?: number;
}
