// What a connection of the HTTP service takes along to another backend, as bytes. Which fields there are is schemas/sessions.proto.

import type { ScatterGatherArray } from 'demikernel';
import { HttpSession } from '../moving/generated/sessions.ts';
import { asInput, badSession, bytesFrom, SESSION_FORMAT } from '../moving/session.ts';
import type { HttpConnection } from './connection.ts';
import type { RequestParser } from './request-parser.ts';

/** What a connection knows of its own, beside its parser. */
export interface RestoredSession {
  continued: boolean;
  ending: boolean;
  lingering: boolean;
  lingerBytes: number;
  /** Read ahead; the receiver's to free. */
  input: ScatterGatherArray | undefined;
  replies: Uint8Array;
}

/** A connection's session. The connection is left as it is. */
export function writeSession(connection: HttpConnection): Uint8Array {
  const { backlog, gathered, input, parser, waiting, waitingShared } = connection;
  const session = HttpSession.acquire();
  session.format = SESSION_FORMAT;
  session.continued = connection.continued;
  session.ending = connection.ending;
  session.lingering = connection.lingering;
  session.lingerBytes = Math.max(0, connection.lingerBytes);
  // Who reads no more has no request under way.
  if (!connection.ending) {
    parser.save(session);
    if (input !== undefined) session.input = bytesFrom(input, connection.segment, connection.position);
  }
  const replies = [gathered?.toBytes(), waiting, waitingShared?.toBytes(), backlog];
  session.replies = Buffer.concat(replies.filter(each => each !== undefined));
  const bytes = session.toBytes();
  session.release();
  return bytes;
}

/**
 * Reads a session; the request under way goes to `parser`, which must be new.
 *
 * @throws ERR_DEMI_SESSION for what is none, or of another version, ERR_DEMI_MALFORMED_MESSAGE for what is no message at all
 */
export function readSession(saved: Uint8Array, parser: RequestParser): RestoredSession {
  const session = HttpSession.read(saved);
  try {
    if (session.format !== SESSION_FORMAT) throw badSession(`its format is ${session.format}`);
    if (session.lingering && !session.ending) throw badSession('it has ended and goes on');
    if (!session.ending) parser.restore(session);
    return {
      continued: session.continued,
      ending: session.ending,
      lingering: session.lingering,
      lingerBytes: session.lingerBytes,
      input: asInput(session.input),
      replies: session.replies.slice(),
    };
  } finally {
    session.release();
  }
}
