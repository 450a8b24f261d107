// Reading the append-only log back at the start: its records are commands, executed as if a client had sent them.

import { DemiError } from '@demikernel/memory';
import { type Demikernel, errnoName } from 'demikernel';
import type { ClientState } from './client-state.ts';
import type { Commands } from './commands.ts';
import { COMMAND, NEED_MORE } from './resp-parser.ts';

/**
 * Opens a log, making it when it is missing, and executes its commands.
 *
 * @returns descriptor of the log, its end the place where the next record goes
 * @throws ERR_DEMI_NETWORK when it cannot be opened or read, ERR_DEMI_LOG_CONTENT when it holds something else
 */
export function recover(os: Demikernel, name: string, client: ClientState, commands: Commands): number {
  const opened = os.wait(os.open(name, { mode: 'either' }));
  if (opened === undefined || opened.errno !== 0) throw failure(name, opened?.errno ?? 0);
  const qd = opened.acceptedQd;
  // A pop at the end waits for a record to come: what is there now ends before this mark of our own.
  const mark = os.wait(os.push(qd, MARK));
  if (mark === undefined || mark.errno !== 0) throw failure(name, mark?.errno ?? 0);
  for (;;) {
    const record = os.wait(os.pop(qd));
    if (record === undefined || record.errno !== 0 || record.array === undefined) {
      throw failure(name, record?.errno ?? 0);
    }
    const last = record.position === mark.position;
    execute(client, record.array, name, commands);
    if (last) return qd;
  }
}

/** An empty command. */
const MARK: Uint8Array = new Uint8Array(Buffer.from('*0\r\n', 'latin1'));

function execute(
  client: ClientState,
  record: NonNullable<ReturnType<Demikernel['alloc']>>,
  name: string,
  commands: Commands,
): void {
  const { out, parser } = client;
  parser.feed(record);
  for (;;) {
    const status = parser.next();
    if (status === NEED_MORE) return;
    if (status !== COMMAND) {
      throw new DemiError('ERR_DEMI_LOG_CONTENT', `the log '${name}' holds something else than commands`);
    }
    commands.execute(client);
    // The first byte would tell an error from a success; memory that was enough once may not be now.
    const reply = out.take();
    if (reply === undefined) continue;
    const failed = reply.segments[0]!.bytes()[0] === 45;
    const text = failed ? Buffer.from(reply.toBytes()).toString('latin1').trim() : '';
    reply.free();
    if (failed) throw new DemiError('ERR_DEMI_LOG_CONTENT', `the log '${name}' cannot be read back: ${text}`);
  }
}

function failure(name: string, errno: number): DemiError {
  return new DemiError('ERR_DEMI_NETWORK', `log '${name}': ${errnoName(errno)}`, { errno });
}
