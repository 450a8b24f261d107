// A small HTTP/1.1 service in coroutines: one per connection, keep-alive and pipelining, resources that lie ready in
// the device's memory. The model for a service that should read like ordinary code.

import type {
  AddressLike,
  Coroutine,
  Coroutines,
  Demikernel,
  ScatterGatherArray,
  SocketAddress,
} from 'demikernel';
import { ECANCELED, SHUT_WR } from 'demikernel';
import { DEFAULT_LIMITS, pathOf, type Request, type RequestLimits } from './request.ts';
import { RequestParser } from './request-parser.ts';
import { CONTINUE, DateText, errorBody, formatHead } from './response.ts';

/** Bytes of responses that are gathered before they are pushed, so that pipelined requests share pushes. */
const GATHER_BYTES = 65536;
/** Most that is read away after the last response before the connection is closed for good. */
const LINGER_BYTES = 1 << 20;
/** How often idle connections are looked for. */
const SWEEP_US = 1_000_000;
/** How long a response waits for device memory before it looks again. */
const MEMORY_RETRY_US = 100;

/** Methods that exist; others are answered with 501, these where they do not apply with 405. */
const KNOWN_METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'];

/** Something that can be got. */
export interface Resource {
  contentType: string;
  body: Uint8Array | string;
}

export interface HttpServerOptions {
  address: AddressLike;
  /** By path. */
  resources: Record<string, Resource>;
  limits?: RequestLimits;
  /** A connection that neither sends nor reads for so long is closed. Default 60 s. */
  idleTimeoutUs?: number;
  /** Text of the `Date` field; default the wall clock's. */
  date?: () => string;
}

interface Stored {
  contentType: string;
  lengthBytes: number;
  /** The body in device memory: every response shares it, none copies it. `undefined` when it is empty. */
  body: ScatterGatherArray | undefined;
}

/** What the service counts. */
export interface HttpCounters {
  connections: number;
  requests: number;
  /** Requests that could not be read, by status. */
  refused: Record<number, number>;
  idleClosed: number;
}

/** Serves resources; `POST /echo` sends the request's body back. */
export class HttpServer {
  readonly counters: HttpCounters;
  readonly limits: RequestLimits;
  readonly date: () => string;
  private readonly co: Coroutines;
  private readonly os: Demikernel;
  private readonly listeningQd: number;
  private readonly idleTimeoutUs: number;
  private readonly resources: Map<string, Stored>;
  private readonly connections: Set<HttpConnection>;

  constructor(co: Coroutines, options: HttpServerOptions) {
    const dateText = new DateText();
    this.counters = { connections: 0, requests: 0, refused: {}, idleClosed: 0 };
    this.limits = options.limits ?? DEFAULT_LIMITS;
    this.date = options.date ?? (() => dateText.now());
    this.co = co;
    this.os = co.os;
    this.idleTimeoutUs = options.idleTimeoutUs ?? 60_000_000;
    this.resources = new Map();
    for (const [path, resource] of Object.entries(options.resources)) {
      this.resources.set(path, store(co.os, resource));
    }
    this.connections = new Set();
    this.listeningQd = co.os.socket('stream');
    co.os.bind(this.listeningQd, options.address);
    co.os.listen(this.listeningQd, 512);
    co.spawn(() => this.acceptAll());
    co.spawn(() => this.closeIdle());
  }

  /** Where it listens. */
  get address(): SocketAddress {
    return this.os.getsockname(this.listeningQd);
  }

  /** A resource, or `undefined`. */
  resource(path: string): Stored | undefined {
    return this.resources.get(path);
  }

  private *acceptAll(): Coroutine {
    for (;;) {
      const { errno, acceptedQd } = yield* this.co.accept(this.listeningQd);
      if (errno === ECANCELED) return;
      // A connection that was gone before it was accepted is no reason to stop.
      if (errno !== 0) continue;
      this.os.setsockopt(acceptedQd, 'noDelay', true);
      const connection = new HttpConnection(this, this.co, acceptedQd);
      this.connections.add(connection);
      this.counters.connections++;
      this.co.spawn(() => this.serve(connection));
    }
  }

  private *serve(connection: HttpConnection): Coroutine {
    try {
      yield* connection.serve();
    } finally {
      connection.close();
      this.connections.delete(connection);
    }
  }

  private *closeIdle(): Coroutine {
    for (;;) {
      yield* this.co.sleep(SWEEP_US);
      const horizonUs = nowUs(this.os) - this.idleTimeoutUs;
      for (const connection of this.connections) {
        if (connection.activeUs > horizonUs) continue;
        this.counters.idleClosed++;
        // Its operations complete as cancelled, and its coroutine ends.
        connection.close();
      }
    }
  }

  /** Gives the resources' memory back; the connections end with the library OS. */
  close(): void {
    this.os.close(this.listeningQd);
    for (const connection of this.connections) connection.close();
    for (const { body } of this.resources.values()) body?.free();
    this.resources.clear();
  }
}

function store(os: Demikernel, { contentType, body }: Resource): Stored {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  if (bytes.length === 0) return { contentType, lengthBytes: 0, body: undefined };
  const array = os.alloc(bytes.length);
  if (array === undefined) throw new Error(`no device memory for a resource of ${bytes.length} bytes`);
  array.copyFrom(bytes);
  return { contentType, lengthBytes: bytes.length, body: array };
}

function nowUs(os: Demikernel): number {
  return os.libraryOs.runtime.clock.micros[0]!;
}

/** One connection: reads requests, answers them in order. */
class HttpConnection {
  /** When something last moved. */
  activeUs: number;
  private readonly server: HttpServer;
  private readonly co: Coroutines;
  private readonly os: Demikernel;
  private readonly qd: number;
  private readonly parser: RequestParser;
  /** Responses that are not pushed yet. */
  private gathered: ScatterGatherArray | undefined;
  private gatheredBytes: number;
  private open: boolean;

  constructor(server: HttpServer, co: Coroutines, qd: number) {
    this.activeUs = nowUs(co.os);
    this.server = server;
    this.co = co;
    this.os = co.os;
    this.qd = qd;
    this.parser = new RequestParser(server.limits);
    this.gathered = undefined;
    this.gatheredBytes = 0;
    this.open = true;
  }

  /** Over when either side has ended the connection. */
  *serve(): Coroutine {
    while (this.open) {
      const { errno, array } = yield* this.co.pop(this.qd);
      this.activeUs = nowUs(this.os);
      if (errno !== 0 || array === undefined) return;
      let alive = array.count > 0;
      try {
        for (let i = 0; i < array.count && alive; i++) {
          const { pool, offset, length } = array.segments[i]!;
          alive = yield* this.read(pool.region.bytes, offset, offset + length);
        }
      } finally {
        array.free();
      }
      if (!(yield* this.flush())) return;
      if (!alive) break;
    }
    yield* this.linger();
  }

  /**
   * Ends our half and reads away what the client still sends: closing at once would reset the connection, and the reset
   * could overtake the last response (RFC 9112 section 9.6).
   */
  private *linger(): Coroutine {
    if (!this.open) return;
    this.os.shutdown(this.qd, SHUT_WR);
    for (let left = LINGER_BYTES; left > 0; ) {
      const { errno, array } = yield* this.co.pop(this.qd);
      if (errno !== 0 || array === undefined) return;
      const { lengthBytes } = array;
      array.free();
      if (lengthBytes === 0) return;
      left -= lengthBytes;
    }
  }

  /** Reads some bytes and answers what they complete; false when the connection is to end. */
  private *read(bytes: Uint8Array, start: number, end: number): Coroutine<boolean> {
    const { parser } = this;
    let at = start;
    for (;;) {
      at = parser.feed(bytes, at, end);
      if (parser.errorStatus !== 0) {
        yield* this.refuse(parser.errorStatus);
        return false;
      }
      if (!parser.complete) break;
      const request = parser.take();
      yield* this.answer(request);
      if (!request.keepAlive || !this.open) return false;
    }
    if (parser.awaitsContinue) yield* this.send(CONTINUE, undefined);
    return this.open;
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
    while (array === undefined && this.open) {
      // Everything is in use: what we hold back may be what is missing.
      yield* this.flush();
      yield* this.co.sleep(MEMORY_RETRY_US);
      array = this.os.alloc(bytes.length);
    }
    if (array === undefined) return;
    array.copyFrom(bytes);
    this.gatheredBytes += bytes.length;
    for (let i = 0; shared !== undefined && i < shared.count; i++) {
      const slice = shared.segments[i]!;
      array.append(slice.share());
      this.gatheredBytes += slice.length;
    }
    this.gather(array);
    if (this.gatheredBytes >= GATHER_BYTES) yield* this.flush();
  }

  private gather(array: ScatterGatherArray): void {
    const { gathered } = this;
    if (gathered === undefined) this.gathered = array;
    else {
      for (let i = 0; i < array.count; i++) gathered.append(array.segments[i]!.share());
      array.free();
    }
  }

  /** Pushes what has been gathered; false when the connection is over. */
  private *flush(): Coroutine<boolean> {
    const { gathered } = this;
    this.gathered = undefined;
    this.gatheredBytes = 0;
    if (gathered === undefined) return this.open;
    if (!this.open) {
      gathered.free();
      return false;
    }
    const token = this.os.push(this.qd, gathered);
    // The queue has references of its own.
    gathered.free();
    const { errno } = yield* this.co.wait(token);
    this.activeUs = nowUs(this.os);
    return errno === 0 && this.open;
  }

  /** Ends the connection; what was pushed is still sent. */
  close(): void {
    if (!this.open) return;
    this.open = false;
    this.gathered?.free();
    this.gathered = undefined;
    this.os.close(this.qd);
  }
}
