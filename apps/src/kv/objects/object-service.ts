// A request in, a reply out: what the object protocol does, in front of a store and behind any transport.

import type { Gatherable, ScatterGatherArray } from '@demikernel/memory';
import { type Codec, ObjectReply, ObjectRequest } from './messages.ts';
import type { ObjectStore } from './object-store.ts';
import {
  GET,
  GET_LIST,
  GET_M,
  MAX_REPLY_BYTES,
  PUT,
  STATUS_INVALID,
  STATUS_NO_MEMORY,
  STATUS_NOT_FOUND,
  STATUS_OK,
  STATUS_TOO_LONG,
} from './protocol.ts';

export class ObjectService {
  readonly codec: Codec;
  readonly store: ObjectStore;
  /** Requests answered, and messages that were none. */
  answered: number;
  malformed: number;
  private readonly request: ObjectRequest;
  private readonly reply: ObjectReply;

  constructor(codec: Codec, store: ObjectStore) {
    this.codec = codec;
    this.store = store;
    this.answered = 0;
    this.malformed = 0;
    this.request = new ObjectRequest(store.pool.region);
    this.reply = new ObjectReply(store.pool.region);
  }

  /**
   * The reply to a request, to be pushed at once; then call {@link done}. `undefined`: this is no request.
   *
   * @param frame stays the caller's, until `done`
   */
  answer(frame: ScatterGatherArray): Gatherable | undefined {
    if (!this.codec.decodeRequest(frame, this.request)) {
      this.malformed++;
      return undefined;
    }
    this.answered++;
    const { reply, request } = this;
    reply.id = request.id;
    reply.isList = false;
    reply.values.reset(this.store.pool.region, this.store.pool);
    reply.status = this.execute();
    if (reply.values.totalBytes > MAX_REPLY_BYTES) return this.apology(STATUS_TOO_LONG);
    return this.codec.encodeReply(reply);
  }

  /** A reply to the same request that fits anywhere, instead of the other: by default because there was no memory for that. */
  apology(status: number = STATUS_NO_MEMORY): Gatherable {
    const { reply } = this;
    reply.status = status;
    reply.isList = false;
    reply.values.reset(this.store.pool.region);
    return this.codec.encodeReply(reply);
  }

  /** The reply has been pushed, or will never be. */
  done(): void {
    this.codec.release();
  }

  private execute(): number {
    const { reply, request, store } = this;
    const { keys } = request;
    switch (request.operation) {
      case GET:
        if (keys.count !== 1) return STATUS_INVALID;
        return store.first(keys, 0, reply.values) ? STATUS_OK : STATUS_NOT_FOUND;
      case PUT:
        return keys.count === 1 ? store.put(keys, 0, request.values) : STATUS_INVALID;
      case GET_LIST:
        if (keys.count !== 1) return STATUS_INVALID;
        if (!store.all(keys, 0, reply.values)) return STATUS_NOT_FOUND;
        reply.isList = true;
        return STATUS_OK;
      case GET_M:
        return this.several();
      default:
        return STATUS_INVALID;
    }
  }

  private several(): number {
    const { reply, request, store } = this;
    const { keys } = request;
    let status = STATUS_OK;
    for (let i = 0; i < keys.count; i++) {
      if (store.first(keys, i, reply.values)) continue;
      reply.values.begin();
      status = STATUS_NOT_FOUND;
    }
    reply.isList = true;
    return status;
  }
}
