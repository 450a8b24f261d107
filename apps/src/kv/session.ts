// What a client of the key-value store takes along to another backend, as bytes: what it has said of itself, and its input from the
// command under way on. Fields: schemas/sessions.proto. The data stays: each backend has a store of its own.

import { KvSession } from '../moving/generated/sessions.ts';
import { asInput, badSession, SESSION_FORMAT } from '../moving/session.ts';
import type { ClientState } from './client-state.ts';
import type { Connection } from './connection.ts';

const NAME_BYTES = 256;
const LIBRARY_BYTES = 64;

/** A connection's session. The connection is left as it is; its replies have all been pushed. */
export function writeSession({ client, ending, waiting }: Connection): Uint8Array {
  const session = KvSession.acquire();
  session.format = SESSION_FORMAT;
  session.id = client.id;
  session.version = client.version;
  session.name = Buffer.from(client.name, 'latin1');
  session.libraryName = Buffer.from(client.libraryName, 'latin1');
  session.libraryVersion = Buffer.from(client.libraryVersion, 'latin1');
  session.ending = ending;
  session.quits = client.quits;
  // Who quits is not listened to any more.
  if (!client.quits) {
    session.refused = client.parser.refusing;
    const input = client.parser.unread();
    session.input = waiting === undefined ? input : Buffer.concat([input, waiting.toBytes()]);
  }
  const bytes = session.toBytes();
  session.release();
  return bytes;
}

/** Whether bytes are a session that this version can go on with. */
export function isSession(saved: Uint8Array): boolean {
  try {
    readSession(saved).release();
    return true;
  } catch {
    return false;
  }
}

/**
 * Reads a session; the caller releases it.
 *
 * @throws ERR_DEMI_SESSION for what is none, or of another version, ERR_DEMI_MALFORMED_MESSAGE for what is no message at all
 */
export function readSession(saved: Uint8Array): KvSession {
  const session = KvSession.read(saved);
  const why = whyUnsound(session);
  if (why === '') return session;
  session.release();
  throw badSession(why);
}

function whyUnsound(session: KvSession): string {
  const { format, id, version } = session;
  if (format !== SESSION_FORMAT) return `its format is ${format}`;
  if (version !== 2 && version !== 3) return `nobody speaks RESP${version}`;
  if (id > BigInt(Number.MAX_SAFE_INTEGER)) return 'no client has such an identifier';
  const { nameField, libraryNameField, libraryVersionField } = session;
  if (nameField.length > NAME_BYTES || !/^[!-~]*$/.test(latin1(session.name)))
    return 'no client has such a name';
  if (libraryNameField.length > LIBRARY_BYTES || libraryVersionField.length > LIBRARY_BYTES)
    return 'no library has such a name';
  return '';
}

/** Gives a new connection a session. */
export function restoreSession(connection: Connection, session: KvSession): void {
  const { client } = connection;
  restoreClient(client, session);
  connection.ending = session.ending;
  connection.waiting = asInput(session.input);
  if (session.refused) client.parser.refuse();
}

function restoreClient(client: ClientState, session: KvSession): void {
  client.version = session.version;
  client.name = latin1(session.name);
  client.libraryName = latin1(session.libraryName);
  client.libraryVersion = latin1(session.libraryVersion);
  client.quits = session.quits;
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}
