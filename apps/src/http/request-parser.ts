// An incremental parser of HTTP/1.1 requests (RFC 9112): bytes in, in any pieces; a request or an error status out.
// What a strict reader may refuse, it refuses: bare CR or LF, folded fields, two ways of saying how long a body is.

import type { HttpSession } from '../moving/generated/sessions.ts';
import { badSession } from '../moving/session.ts';
import { ByteBuffer } from './byte-buffer.ts';
import { DEFAULT_LIMITS, type Request, type RequestLimits } from './request.ts';

// States of the parser.
const REQUEST_LINE = 0;
const FIELD_LINE = 1;
const BODY = 2;
const CHUNK_SIZE = 3;
const CHUNK_DATA = 4;
const CHUNK_END = 5;
const TRAILER_LINE = 6;
const COMPLETE = 7;
const FAILED = 8;

const CR = 13;
const LF = 10;

/** Empty lines that are ignored in front of a request line (RFC 9112 section 2.2). */
const MAX_EMPTY_LINES = 4;
/** Longest line with a chunk's size and extensions. */
const MAX_CHUNK_LINE_BYTES = 256;

// RFC 9110 section 5.6.2
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const REQUEST = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e]+) HTTP\/(\d)\.(\d)$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: exactly these are forbidden (RFC 9110 section 5.5)
const FORBIDDEN_IN_VALUE = /[\x00-\x08\x0a-\x1f\x7f]/;
const CHUNK_LINE = /^([0-9a-fA-F]{1,8})[ \t]*(?:;[\t\x20-\x7e]*)?$/;

/** Reads one request after another from a stream of bytes. */
export class RequestParser {
  private readonly limits: RequestLimits;
  private readonly line: ByteBuffer;
  private readonly body: ByteBuffer;
  private state: number;
  private emptyLines: number;
  private headBytes: number;
  private fieldCount: number;
  /** Bytes of the body, or of the chunk, that are still to come. */
  private leftBytes: number;
  private request: Request;
  /** Why the stream cannot be read on, as an HTTP status; 0 while it can. The connection is to be closed then. */
  errorStatus: number;

  constructor(limits: RequestLimits = DEFAULT_LIMITS) {
    this.limits = limits;
    this.line = new ByteBuffer();
    this.body = new ByteBuffer();
    this.state = REQUEST_LINE;
    this.emptyLines = 0;
    this.headBytes = 0;
    this.fieldCount = 0;
    this.leftBytes = 0;
    this.request = emptyRequest();
    this.errorStatus = 0;
  }

  /** Whether a request has been read whole: take it. */
  get complete(): boolean {
    return this.state === COMPLETE;
  }

  /** Whether the stream may end here without cutting a request in two. */
  get betweenRequests(): boolean {
    return this.state === REQUEST_LINE && this.line.lengthBytes === 0;
  }

  /** Whether the head has been read and asks for `100 Continue` before the body is sent (RFC 9110 section 10.1.1). */
  get awaitsContinue(): boolean {
    const inBody = this.state === BODY || this.state === CHUNK_SIZE;
    return inBody && this.request.minorVersion > 0 && this.request.fields.get('expect') !== undefined;
  }

  /** The request that has been read; the parser goes on with the next. */
  take(): Request {
    const { request } = this;
    request.body = this.body.copy();
    this.body.clear();
    this.request = emptyRequest();
    this.state = REQUEST_LINE;
    this.emptyLines = 0;
    this.headBytes = 0;
    this.fieldCount = 0;
    return request;
  }

  /** Writes down how far it has come. It goes on as if nothing had happened. Not for one that is complete or has failed. */
  save(session: HttpSession): void {
    const { request } = this;
    session.state = this.state;
    session.line = this.line.copy();
    session.method = request.method;
    session.target = request.target;
    session.minorVersion = request.minorVersion;
    session.keepAlive = request.keepAlive;
    for (const [name, value] of request.fields) {
      session.names.add(name);
      session.values.add(value);
    }
    session.body = this.body.copy();
    session.leftBytes = this.leftBytes;
    session.emptyLines = this.emptyLines;
    session.headBytes = this.headBytes;
    session.fieldCount = this.fieldCount;
  }

  /**
   * Goes on where another parser was when it was saved.
   *
   * @throws ERR_DEMI_SESSION for what no parser can have come to within these limits
   */
  restore(session: HttpSession): void {
    const { line, body, limits, request } = this;
    const { leftBytes } = session;
    this.state = session.state;
    this.emptyLines = session.emptyLines;
    this.headBytes = session.headBytes;
    this.fieldCount = session.fieldCount;
    this.leftBytes = leftBytes;
    line.append(session.line, 0, session.line.length);
    body.append(session.body, 0, session.body.length);
    request.method = session.method;
    request.target = session.target;
    request.minorVersion = session.minorVersion;
    request.keepAlive = session.keepAlive;
    this.restoreFields(session);
    const inBody = this.state === BODY || this.state === CHUNK_DATA;
    const begun = this.state !== REQUEST_LINE;
    const inHead = !begun || this.state === FIELD_LINE;
    const sound =
      this.state < COMPLETE &&
      (!begun || REQUEST.test(`${request.method} ${request.target} HTTP/1.${request.minorVersion}`)) &&
      (begun || request.fields.size === 0) &&
      this.emptyLines <= MAX_EMPTY_LINES &&
      this.headBytes <= limits.headBytes &&
      this.fieldCount <= limits.fields &&
      request.fields.size <= limits.fields &&
      line.lengthBytes <= (inBody ? 0 : this.lineLimitBytes()) &&
      session.line.indexOf(LF) < 0 &&
      body.lengthBytes <= (inHead ? 0 : limits.bodyBytes) &&
      (!inBody || (leftBytes > 0 && leftBytes <= limits.bodyBytes - body.lengthBytes));
    if (!sound) throw badSession('no request begins like that');
  }

  private restoreFields({ names, values }: HttpSession): void {
    const { fields } = this.request;
    if (names.length !== values.length || names.length > this.limits.fields)
      throw badSession('fields without values');
    for (let i = 0; i < names.length; i++) {
      const name = names.at(i);
      const value = values.at(i);
      const sound = TOKEN.test(name) && name === name.toLowerCase() && !FORBIDDEN_IN_VALUE.test(value);
      if (!sound || fields.has(name)) throw badSession('a field that makes no sense');
      fields.set(name, value);
    }
  }

  /**
   * Reads `bytes[start … end - 1]` until a request is complete or an error is found.
   *
   * @returns where it stopped: `end`, or less when a request is complete and more bytes follow it
   */
  feed(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end && this.state !== COMPLETE && this.state !== FAILED) {
      if (this.state === BODY || this.state === CHUNK_DATA) at = this.feedBody(bytes, at, end);
      else at = this.feedLine(bytes, at, end);
    }
    return at;
  }

  private feedBody(bytes: Uint8Array, start: number, end: number): number {
    const length = Math.min(this.leftBytes, end - start);
    this.body.append(bytes, start, start + length);
    this.leftBytes -= length;
    if (this.leftBytes === 0) this.state = this.state === BODY ? COMPLETE : CHUNK_END;
    return start + length;
  }

  private feedLine(bytes: Uint8Array, start: number, end: number): number {
    const found = bytes.subarray(start, end).indexOf(LF);
    const stop = found < 0 ? end : start + found + 1;
    this.line.append(bytes, start, stop);
    // The limit counts the line's end too, so that it does not matter how the bytes were cut.
    if (this.line.lengthBytes > this.lineLimitBytes()) this.fail(this.lineTooLongStatus());
    else if (found >= 0) this.endLine();
    return stop;
  }

  private lineLimitBytes(): number {
    if (this.state === REQUEST_LINE) return this.limits.lineBytes;
    if (this.state === CHUNK_SIZE || this.state === CHUNK_END) return MAX_CHUNK_LINE_BYTES;
    return this.limits.headBytes - this.headBytes;
  }

  private lineTooLongStatus(): number {
    if (this.state === REQUEST_LINE) return 414;
    return this.state === FIELD_LINE || this.state === TRAILER_LINE ? 431 : 400;
  }

  private endLine(): void {
    const { line } = this;
    const length = line.lengthBytes - 2;
    const ended = length >= 0 && line.bytes[length] === CR;
    const text = ended ? line.latin1(length) : '';
    if (this.state === FIELD_LINE || this.state === TRAILER_LINE) this.headBytes += line.lengthBytes;
    line.clear();
    this.state = ended ? this.stateAfterLine(text) : this.fail(400);
  }

  private stateAfterLine(text: string): number {
    switch (this.state) {
      case REQUEST_LINE:
        return this.requestLine(text);
      case FIELD_LINE:
        return text === '' ? this.endHead() : this.fieldLine(text);
      case CHUNK_SIZE:
        return this.chunkSize(text);
      case CHUNK_END:
        return text === '' ? CHUNK_SIZE : this.fail(400);
      default:
        return text === '' ? COMPLETE : this.trailerLine(text);
    }
  }

  // Each of these reads one line and says which state follows.

  private requestLine(text: string): number {
    if (text === '') return ++this.emptyLines > MAX_EMPTY_LINES ? this.fail(400) : REQUEST_LINE;
    const match = REQUEST.exec(text);
    if (match === null) return this.fail(400);
    if (match[3] !== '1') return this.fail(505);
    this.request.method = match[1]!;
    this.request.target = match[2]!;
    // A later minor version of HTTP/1 is read as the highest that we know (RFC 9110 section 2.5).
    this.request.minorVersion = match[4] === '0' ? 0 : 1;
    return FIELD_LINE;
  }

  private fieldLine(text: string): number {
    if (++this.fieldCount > this.limits.fields) return this.fail(431);
    // A line that begins with white space would continue the field before it (obs-fold): not a token, refused.
    const colon = text.indexOf(':');
    const name = text.slice(0, Math.max(colon, 0)).toLowerCase();
    const value = trimWhiteSpace(text.slice(colon + 1));
    if (!TOKEN.test(name) || FORBIDDEN_IN_VALUE.test(value)) return this.fail(400);
    const { fields } = this.request;
    const earlier = fields.get(name);
    // Two hosts or two lengths are how requests are smuggled (RFC 9112 sections 3.2 and 11.2).
    if (earlier !== undefined && (name === 'host' || name === 'content-length')) return this.fail(400);
    fields.set(name, earlier === undefined ? value : `${earlier}, ${value}`);
    return FIELD_LINE;
  }

  private endHead(): number {
    const { request } = this;
    const { fields, minorVersion } = request;
    const connection = (fields.get('connection') ?? '').toLowerCase().split(',').map(trimWhiteSpace);
    request.keepAlive =
      !connection.includes('close') && (minorVersion > 0 || connection.includes('keep-alive'));
    if (minorVersion > 0 && !fields.has('host')) return this.fail(400);
    const expect = fields.get('expect');
    if (expect !== undefined && expect.toLowerCase() !== '100-continue') return this.fail(417);
    const coding = fields.get('transfer-encoding');
    const length = fields.get('content-length');
    if (coding === undefined) return length === undefined ? COMPLETE : this.countedBody(length);
    if (length !== undefined || minorVersion === 0) return this.fail(400);
    if (coding.toLowerCase() !== 'chunked') return this.fail(501);
    // From here on counts the trailer fields.
    this.headBytes = 0;
    return CHUNK_SIZE;
  }

  private countedBody(length: string): number {
    if (!/^\d+$/.test(length)) return this.fail(400);
    this.leftBytes = Number(length);
    if (this.leftBytes > this.limits.bodyBytes) return this.fail(413);
    return this.leftBytes === 0 ? COMPLETE : BODY;
  }

  private chunkSize(text: string): number {
    const match = CHUNK_LINE.exec(text);
    if (match === null) return this.fail(400);
    this.leftBytes = Number.parseInt(match[1]!, 16);
    if (this.leftBytes > this.limits.bodyBytes - this.body.lengthBytes) return this.fail(413);
    return this.leftBytes === 0 ? TRAILER_LINE : CHUNK_DATA;
  }

  /** Trailers are checked and dropped: nothing in them could be trusted as a header is (RFC 9110 section 6.5.1). */
  private trailerLine(text: string): number {
    if (++this.fieldCount > this.limits.fields) return this.fail(431);
    const colon = text.indexOf(':');
    const sound = TOKEN.test(text.slice(0, Math.max(colon, 0))) && !FORBIDDEN_IN_VALUE.test(text);
    return sound ? TRAILER_LINE : this.fail(400);
  }

  private fail(status: number): number {
    this.state = FAILED;
    this.errorStatus = status;
    this.line.clear();
    this.body.clear();
    return FAILED;
  }
}

/** Takes spaces and tabs off both ends; in time proportional to the text, which a regular expression is not. */
function trimWhiteSpace(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isWhiteSpace(text.charCodeAt(start))) start++;
  while (end > start && isWhiteSpace(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isWhiteSpace(character: number): boolean {
  return character === 32 || character === 9;
}

function emptyRequest(): Request {
  return {
    method: '',
    target: '',
    minorVersion: 1,
    fields: new Map(),
    body: new Uint8Array(0),
    keepAlive: false,
  };
}
