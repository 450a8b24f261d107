// A request as the parser hands it over, and the limits within which it reads one. Reading it is request-parser.ts.

/** Most of what one request may bring; more is refused with the status beside it. */
export interface RequestLimits {
  /** The request line: 414. */
  lineBytes: number;
  /** All header fields, and all trailer fields: 431. */
  headBytes: number;
  /** Header fields: 431. */
  fields: number;
  /** The body, after chunks are joined: 413. */
  bodyBytes: number;
}

export const DEFAULT_LIMITS: RequestLimits = {
  lineBytes: 8192,
  headBytes: 16384,
  fields: 100,
  bodyBytes: 1 << 20,
};

/** One request. The parser reuses nothing of it. */
export interface Request {
  method: string;
  /** As sent: `/path?query`, an absolute URI, or `*`. */
  target: string;
  /** 0 or 1: HTTP/1.0 or HTTP/1.1. */
  minorVersion: number;
  /** By lower-case name; several fields of one name are joined with `, ` (RFC 9110 section 5.3). */
  fields: Map<string, string>;
  body: Uint8Array;
  /** Whether the client lets the connection live on (RFC 9112 section 9.3). */
  keepAlive: boolean;
}

/** Path of a request's target, without query: of `/a?b` and of `http://host/a?b` it is `/a`. */
export function pathOf(target: string): string {
  let path = target;
  const absolute = /^https?:\/\/[^/?#]*/i.exec(target);
  if (absolute !== null) path = target.slice(absolute[0].length) || '/';
  const query = path.search(/[?#]/);
  if (query >= 0) path = path.slice(0, query);
  return path === '' ? '/' : path;
}
