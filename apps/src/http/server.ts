// A small HTTP/1.1 service in coroutines: one per connection, keep-alive and pipelining, resources that lie ready in
// the device's memory. The model for a service that should read like ordinary code. One connection is connection.ts.

import type { Arrival } from '@demikernel/capybara/host';
import type {
  AddressLike,
  Coroutine,
  Coroutines,
  Demikernel,
  ScatterGatherArray,
  SocketAddress,
} from 'demikernel';
import { ECANCELED } from 'demikernel';
import type { Mover } from '../moving/session.ts';
import { HttpConnection } from './connection.ts';
import { DEFAULT_LIMITS, type RequestLimits } from './request.ts';
import { RequestParser } from './request-parser.ts';
import { DateText } from './response.ts';
import { readSession } from './session.ts';

/** How often idle connections are looked for. */
const SWEEP_US = 1_000_000;

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
  /** With an agent, connections come from other backends and leave to them, at any byte. */
  mover?: Mover;
}

/** A resource that lies ready. */
export interface Stored {
  contentType: string;
  lengthBytes: number;
  /** The body in device memory: every response shares it, none copies it. `undefined` when it is empty. */
  body: ScatterGatherArray | undefined;
}

/** What the service counts. */
export interface HttpCounters {
  connections: number;
  /** Of these, those that came from another backend. */
  arrived: number;
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
  private readonly mover: Mover | undefined;

  constructor(co: Coroutines, options: HttpServerOptions) {
    const dateText = new DateText();
    this.counters = { connections: 0, arrived: 0, requests: 0, refused: {}, idleClosed: 0 };
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
    this.mover = options.mover;
    this.listeningQd = co.os.socket('stream');
    co.os.bind(this.listeningQd, options.address);
    co.os.listen(this.listeningQd, 512);
    this.mover?.serve(this.listeningQd, {
      canGoOn: saved => canRead(saved, this.limits),
      arrived: arrival => this.arrive(arrival),
    });
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
      this.begin(new HttpConnection(this, this.co, acceptedQd));
    }
  }

  /** @throws ERR_DEMI_SESSION */
  private arrive({ qd, saved }: Arrival): void {
    const connection = new HttpConnection(this, this.co, qd);
    connection.restore(saved);
    this.counters.arrived++;
    this.begin(connection);
  }

  private begin(connection: HttpConnection): void {
    this.connections.add(connection);
    this.counters.connections++;
    this.mover?.migratable(connection.qd, connection);
    this.co.spawn(() => this.serve(connection));
  }

  private *serve(connection: HttpConnection): Coroutine {
    try {
      yield* connection.serve();
    } finally {
      this.end(connection);
    }
  }

  private end(connection: HttpConnection): void {
    this.connections.delete(connection);
    if (!connection.open) return;
    this.mover?.forget(connection.qd);
    connection.close();
  }

  private *closeIdle(): Coroutine {
    for (;;) {
      yield* this.co.sleep(SWEEP_US);
      const horizonUs = this.os.libraryOs.runtime.clock.micros[0]! - this.idleTimeoutUs;
      for (const connection of this.connections) {
        if (connection.activeUs > horizonUs || connection.frozen) continue;
        this.counters.idleClosed++;
        // Its operations complete as cancelled, and its coroutine ends.
        this.end(connection);
      }
    }
  }

  /** Gives the resources' memory back; the connections end with the library OS. */
  close(): void {
    this.os.close(this.listeningQd);
    for (const connection of this.connections) this.end(connection);
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

/** Whether the bytes are a session that can go on here. */
function canRead(saved: Uint8Array, limits: RequestLimits): boolean {
  try {
    readSession(saved, new RequestParser(limits));
    return true;
  } catch {
    return false;
  }
}
