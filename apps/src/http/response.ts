// Responses as bytes: heads and the short bodies of errors.

const REASONS: Record<number, string> = {
  200: 'OK',
  204: 'No Content',
  400: 'Bad Request',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  413: 'Content Too Large',
  414: 'URI Too Long',
  417: 'Expectation Failed',
  431: 'Request Header Fields Too Large',
  501: 'Not Implemented',
  503: 'Service Unavailable',
  505: 'HTTP Version Not Supported',
};

export const CONTINUE: Uint8Array = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n');

export interface ResponseHead {
  status: number;
  /** An IMF-fixdate (RFC 9110 section 5.6.7). */
  date: string;
  contentType?: string;
  /** Absent with 204. */
  contentLength?: number;
  /** Further fields, as lines that end in CRLF. */
  further?: string;
  /** Whether the connection lives on. */
  keepAlive: boolean;
  /** The client speaks HTTP/1.0: it must be told that the connection lives on. */
  minorVersion: number;
}

/** A head up to and with the empty line. */
export function formatHead(head: ResponseHead): string {
  let text = `HTTP/1.1 ${head.status} ${REASONS[head.status] ?? 'Error'}\r\nDate: ${head.date}\r\n`;
  if (head.contentType !== undefined) text += `Content-Type: ${head.contentType}\r\n`;
  if (head.contentLength !== undefined) text += `Content-Length: ${head.contentLength}\r\n`;
  text += head.further ?? '';
  if (!head.keepAlive) text += 'Connection: close\r\n';
  else if (head.minorVersion === 0) text += 'Connection: keep-alive\r\n';
  return `${text}\r\n`;
}

/** The body that goes with an error status. */
export function errorBody(status: number): string {
  return `${status} ${REASONS[status] ?? 'Error'}\n`;
}

/** Dates for responses, made anew once a second. */
export class DateText {
  private second: number;
  private text: string;

  constructor() {
    this.second = -1;
    this.text = '';
  }

  now(): string {
    const nowMs = Date.now();
    const second = Math.floor(nowMs / 1000);
    if (second !== this.second) {
      this.second = second;
      this.text = new Date(nowMs).toUTCString();
    }
    return this.text;
  }
}
