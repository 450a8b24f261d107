// The peer: a RESP server on node:net as one would write it, a Map of buffers behind a parser over joined chunks. GET, SET
// and PING; enough for the load. With `spin`, the same with a setImmediate loop.

import { createServer } from 'node:net';
import { announceReady, exitOnRequest } from '../servers/ready.ts';

const [port = '6379', wait = 'interrupt'] = process.argv.slice(2);

const store = new Map<string, Buffer>();
const LINE = '\r\n';

/** Parses one command at `at`: its arguments and where it ends; `undefined` when it is not here whole. */
function parse(bytes: Buffer, at: number): { args: Buffer[]; end: number } | undefined {
  let line = bytes.indexOf(LINE, at);
  if (line < 0) return undefined;
  const count = Number(bytes.toString('latin1', at + 1, line));
  const args: Buffer[] = [];
  let next = line + 2;
  for (let i = 0; i < count; i++) {
    line = bytes.indexOf(LINE, next);
    if (line < 0) return undefined;
    const length = Number(bytes.toString('latin1', next + 1, line));
    const start = line + 2;
    next = start + length + 2;
    if (next > bytes.length) return undefined;
    args.push(bytes.subarray(start, start + length));
  }
  return { args, end: next };
}

function execute(args: readonly Buffer[], replies: (Buffer | string)[]): void {
  switch (args[0]!.toString('latin1').toUpperCase()) {
    case 'GET': {
      const value = store.get(args[1]!.toString('latin1'));
      if (value === undefined) replies.push('$-1\r\n');
      else replies.push(`$${value.length}\r\n`, value, LINE);
      break;
    }
    case 'SET':
      store.set(args[1]!.toString('latin1'), Buffer.from(args[2]!));
      replies.push('+OK\r\n');
      break;
    case 'PING':
      replies.push('+PONG\r\n');
      break;
    case 'CONFIG':
      replies.push('*0\r\n');
      break;
    default:
      replies.push('-ERR unknown command\r\n');
  }
}

exitOnRequest();
const server = createServer({ noDelay: true }, socket => {
  let rest: Buffer | undefined;
  socket.on('data', chunk => {
    const bytes = rest === undefined ? chunk : Buffer.concat([rest, chunk]);
    const replies: (Buffer | string)[] = [];
    let at = 0;
    for (let command = parse(bytes, 0); command !== undefined; command = parse(bytes, at)) {
      execute(command.args, replies);
      at = command.end;
      if (at === bytes.length) break;
    }
    rest = at < bytes.length ? bytes.subarray(at) : undefined;
    if (replies.length === 0) return;
    if (replies.every(each => typeof each === 'string')) socket.write(replies.join(''), 'latin1');
    else
      socket.write(Buffer.concat(replies.map(each => (typeof each === 'string' ? Buffer.from(each) : each))));
  });
  socket.on('error', () => socket.destroy());
});
server.listen(Number(port), '0.0.0.0', announceReady);

function spin(): void {
  setImmediate(spin);
}
if (wait === 'spin') spin();
