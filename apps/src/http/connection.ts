// One connection of the HTTP service: reads requests, answers them in order. Between any two `yield*` everything that it knows is in
// its fields, so that it can leave to another backend there; what it takes along is session.ts.

import type { MigratableHooks } from '@demikernel/capybara/host';
import type { Coroutine, Coroutines, Demikernel, ScatterGatherArray } from 'demikernel';
import { SHUT_WR } from 'demikernel';
import { pathOf, type Request } from './request.ts';
import { RequestParser } from './request-parser.ts';
import { CONTINUE, errorBody, formatHead } from './response.ts';
import type { HttpServer, Stored } from './server.ts';
import { readSession, writeSession } from './session.ts';

/** Bytes of responses that are gathered before they are pushed, so that pipelined requests share pushes. */
const GATHER_BYTES = 65536;
/** Most that is read away after the last response before the connection is closed for good. */
const LINGER_BYTES = 1 << 20;
/** How long a response waits for device memory before it looks again. */
const MEMORY_RETRY_US = 100;
/** While it is not known whether the connection leaves: how often that is looked at. */
const FROZEN_US = 100;

/** Responses made elsewhere need memory here, and get it in pieces. */
const BACKLOG_BYTES = 16_384;
const NOTHING = new Uint8Array(0);

/** Methods that exist; others are answered with 501, these where they do not apply with 405. */
const KNOWN_METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'];

/** Reads requests, answers them in order. */
export class HttpConnection implements MigratableHooks {
  /** When something last moved. */
  activeUs: number;
  readonly qd: number;
  open: boolean;
  /** It has been saved, and nothing may happen until it is known whether it has left. */
  frozen: boolean;
  readonly parser: RequestParser;
  /** What was popped, and from where on it has not been read. */
  input: ScatterGatherArray | undefined;
  segment: number;
  position: number;
  /** Responses that are not pushed yet; then one that waits for memory, and the shared bytes behind it. */
  gathered: ScatterGatherArray | undefined;
  waiting: Uint8Array | undefined;
  waitingShared: ScatterGatherArray | undefined;
  /** Responses made elsewhere, behind those. */
  backlog: Uint8Array;
  /** Whether this request has been told to continue. */
  continued: boolean;
  /** No request is read any more. */
  ending: boolean;
  /** Our half has ended. */
  lingering: boolean;
  lingerBytes: number;
  private readonly server: HttpServer;
  private readonly co: Coroutines;
  private readonly os: Demikernel;
  private gatheredBytes: number;

  constructor(server: HttpServer, co: Coroutines, qd: number) {
    this.activeUs = co.os.libraryOs.runtime.clock.micros[0]!;
    this.qd = qd;
    this.open = true;
    this.frozen = false;
    this.parser = new RequestParser(server.limits);
    this.input = undefined;
    this.segment = 0;
    this.position = 0;
    this.gathered = undefined;
    this.waiting = undefined;
    this.waitingShared = undefined;
    this.backlog = NOTHING;
    this.continued = false;
    this.ending = false;
    this.lingering = false;
    this.lingerBytes = LINGER_BYTES;
    this.server = server;
    this.co = co;
    this.os = co.os;
    this.gatheredBytes = 0;
  }

  // ---- leaving and arriving ----

  save(): Uint8Array {
    const bytes = writeSession(this);
    this.frozen = true;
    return bytes;
  }

  stayed(): void {
    this.frozen = false;
  }

  left(): void {
    this.frozen = false;
    this.close();
  }

  lost(): void {
    this.left();
  }

  /** Goes on where another was when it was saved. @throws ERR_DEMI_SESSION */
  restore(saved: Uint8Array): void {
    const session = readSession(saved, this.parser);
    this.continued = session.continued;
    this.ending = session.ending;
    this.lingering = session.lingering;
    this.lingerBytes = Math.min(session.lingerBytes, LINGER_BYTES);
    this.input = session.input;
    this.backlog = session.replies;
  }

  // ---- serving ----

  /** Over when either side has ended the connection, or it has left. */
  *serve(): Coroutine {
    while (this.open && this.backlog.length > 0) {
      const piece = this.backlog.subarray(0, BACKLOG_BYTES);
      this.backlog = this.backlog.subarray(piece.length);
      yield* this.send(piece, undefined);
    }
    while (this.open) {
      yield* this.read();
      if (!(yield* this.flush())) return;
      if (this.ending) break;
      const { errno, array } = yield* this.co.pop(this.qd);
      this.stir();
      if (errno !== 0 || array === undefined) return;
      if (array.count > 0) this.input = array;
      else {
        array.free();
        this.ending = true;
      }
    }
    yield* this.linger();
  }

  private stir(): void {
    this.activeUs = this.os.libraryOs.runtime.clock.micros[0]!;
  }

  /**
   * Ends our half and reads away what the client still sends: closing at once would reset the connection, and the reset
   * could overtake the last response (RFC 9112 section 9.6).
   */
  private *linger(): Coroutine {
    if (!this.open) return;
    this.dropInput();
    if (!this.lingering) this.os.shutdown(this.qd, SHUT_WR);
    this.lingering = true;
    while (this.lingerBytes > 0) {
      const { errno, array } = yield* this.co.pop(this.qd);
      if (errno !== 0 || array === undefined) return;
      const { lengthBytes } = array;
      array.free();
      if (lengthBytes === 0) return;
      this.lingerBytes -= lengthBytes;
    }
  }

  /** Reads what has come and answers what it completes. */
  private *read(): Coroutine {
    const { parser } = this;
    while (this.open && !this.ending && this.input !== undefined) {
      const { offset, length, pool } = this.input.segments[this.segment]!;
      const stop = parser.feed(pool.region.bytes, offset + this.position, offset + length);
      this.position = stop - offset;
      if (this.position === length) {
        this.segment++;
        this.position = 0;
        if (this.segment === this.input.count) this.dropInput();
      }
      yield* this.react();
    }
  }

  private dropInput(): void {
    this.input?.free();
    this.input = undefined;
    this.segment = 0;
    this.position = 0;
  }

  private *react(): Coroutine {
    const { parser } = this;
    if (parser.errorStatus !== 0) {
      this.ending = true;
      yield* this.refuse(parser.errorStatus);
    } else if (parser.complete) {
      const request = parser.take();
      this.ending = !request.keepAlive;
      this.continued = false;
      yield* this.answer(request);
    } else if (parser.awaitsContinue && !this.continued) {
      this.continued = true;
      yield* this.send(CONTINUE, undefined);
    }
  }

  private *refuse(status: number): Coroutine {
    const { refused } = this.server.counters;
    refused[status] = (refused[status] ?? 0) + 1;
    yield* this.respond({ keepAlive: false, minorVersion: 1 }, status, 'text/plain', errorBody(status));
  }

  private *answer(request: Request): Coroutine {
    this.server.counters.requests++;
    const path = pathOf(request.target);
    const stored = this.server.resource(path);
    const { method } = request;
    if (!KNOWN_METHODS.includes(method)) yield* this.respond(request, 501, 'text/plain', errorBody(501));
    else if (stored !== undefined && (method === 'GET' || method === 'HEAD')) {
      yield* this.respondStored(request, stored);
    } else if (path === '/echo' && method === 'POST') {
      const type = request.fields.get('content-type') ?? 'application/octet-stream';
      yield* this.respond(request, 200, type, request.body);
    } else if (stored !== undefined || path === '/echo' || request.target === '*') {
      const allow = `Allow: ${path === '/echo' ? 'OPTIONS, POST' : 'GET, HEAD, OPTIONS'}\r\n`;
      if (method === 'OPTIONS') yield* this.respond(request, 204, undefined, undefined, allow);
      else yield* this.respond(request, 405, 'text/plain', errorBody(405), allow);
    } else yield* this.respond(request, 404, 'text/plain', errorBody(404));
  }

  private *respondStored(request: Request, stored: Stored): Coroutine {
    const head = formatHead({
      status: 200,
      date: this.server.date(),
      contentType: stored.contentType,
      contentLength: stored.lengthBytes,
      keepAlive: request.keepAlive,
      minorVersion: request.minorVersion,
    });
    yield* this.send(Buffer.from(head, 'latin1'), request.method === 'HEAD' ? undefined : stored.body);
  }

  private *respond(
    request: { keepAlive: boolean; minorVersion: number; method?: string },
    status: number,
    contentType?: string,
    body?: Uint8Array | string,
    further?: string,
  ): Coroutine {
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    const head = formatHead({
      status,
      date: this.server.date(),
      contentType,
      contentLength: bytes?.length,
      further,
      keepAlive: request.keepAlive,
      minorVersion: request.minorVersion,
    });
    const headBytes = Buffer.from(head, 'latin1');
    const silent = bytes === undefined || request.method === 'HEAD';
    yield* this.send(silent ? headBytes : Buffer.concat([headBytes, bytes]), undefined);
  }

  /** Adds fresh bytes, and after them shared ones, to what is sent next. */
  private *send(bytes: Uint8Array, shared: ScatterGatherArray | undefined): Coroutine {
    let array = this.os.alloc(bytes.length);
    if (array === undefined || this.frozen) {
      array?.free();
      array = yield* this.waitForMemory(bytes, shared);
    }
    if (array === undefined) return;
    array.copyFrom(bytes);
    this.gatheredBytes += bytes.length;
    for (let i = 0; shared !== undefined && i < shared.count; i++) {
      const slice = shared.segments[i]!;
      array.append(slice.share());
      this.gatheredBytes += slice.length;
    }
    this.waiting = undefined;
    this.waitingShared = undefined;
    this.gather(array);
    if (this.gatheredBytes >= GATHER_BYTES) yield* this.flush();
  }

  /** Everything is in use: what we hold back may be what is missing. `undefined` when the connection has ended meanwhile. */
  private *waitForMemory(
    bytes: Uint8Array,
    shared: ScatterGatherArray | undefined,
  ): Coroutine<ScatterGatherArray | undefined> {
    this.waiting = bytes;
    this.waitingShared = shared;
    while (this.open) {
      yield* this.flush();
      yield* this.co.sleep(MEMORY_RETRY_US);
      if (this.frozen) continue;
      const array = this.open ? this.os.alloc(bytes.length) : undefined;
      if (array !== undefined) return array;
    }
    return undefined;
  }

  private gather(array: ScatterGatherArray): void {
    const { gathered } = this;
    if (gathered === undefined) this.gathered = array;
    else {
      for (let i = 0; i < array.count; i++) gathered.append(array.segments[i]!.share());
      array.free();
    }
  }

  /** Pushes what has been gathered; false when the connection is over. Returns only while nothing is in the balance. */
  private *flush(): Coroutine<boolean> {
    // What was saved must not be sent as well.
    while (this.frozen) yield* this.co.sleep(FROZEN_US);
    const { gathered } = this;
    this.gathered = undefined;
    this.gatheredBytes = 0;
    if (gathered !== undefined && !this.open) gathered.free();
    if (gathered === undefined || !this.open) return this.open;
    const token = this.os.push(this.qd, gathered);
    // The queue has references of its own.
    gathered.free();
    const { errno } = yield* this.co.wait(token);
    while (this.frozen) yield* this.co.sleep(FROZEN_US);
    this.stir();
    return errno === 0 && this.open;
  }

  /** Ends the connection; what was pushed is still sent. */
  close(): void {
    if (!this.open) return;
    this.open = false;
    this.dropInput();
    this.gathered?.free();
    this.gathered = undefined;
    this.waiting = undefined;
    this.waitingShared = undefined;
    this.backlog = NOTHING;
    this.os.close(this.qd);
  }
}
