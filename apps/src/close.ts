// Close: the ways in which a connection can end, one after another, and what the other side sees of each. The client
// plays them, the server reports.

import {
  type AddressLike,
  type Coroutine,
  type Coroutines,
  coroutines,
  ECANCELED,
  errnoName,
  SHUT_WR,
  type SocketAddress,
} from 'demikernel';
import { runApplication, say } from './options.ts';

const USAGE = `
Usage: close server ADDRESS:PORT
       close client ADDRESS:PORT [--count N]

The client ends connections in every way there is; the server says what it saw.

  --count N           client: rounds; default 1`;

/** How a connection can end. */
export const ENDINGS = ['close', 'half-close', 'close with an operation outstanding', 'reset'] as const;
export type Ending = (typeof ENDINGS)[number];

function check(call: string, errno: number): void {
  if (errno !== 0) throw new Error(`${call}: ${errnoName(errno)}`);
}

/** Opens a connection, says which ending comes, and plays it. */
function* play(co: Coroutines, address: AddressLike, ending: Ending): Coroutine {
  const { os } = co;
  const qd = os.socket('stream');
  check('connect', (yield* co.connect(qd, address)).errno);
  check('push', (yield* co.push(qd, Buffer.from(ending))).errno);
  if (ending === 'half-close') {
    // We are done sending; the server may still answer, and ends its half when it likes.
    os.shutdown(qd, SHUT_WR);
    const { array, errno } = yield* co.pop(qd);
    check('pop', errno);
    array!.free();
  } else {
    // The server's answer says that it has read the message: a reset would overtake it.
    const { array, errno } = yield* co.pop(qd);
    check('pop', errno);
    array!.free();
  }
  if (ending === 'close with an operation outstanding') {
    const token = os.pop(qd);
    os.close(qd);
    const { errno } = yield* co.wait(token);
    if (errno !== ECANCELED) throw new Error(`an operation outstanding at close: ${errnoName(errno)}`);
    return;
  }
  if (ending === 'reset') os.setsockopt(qd, 'lingerUs', 0);
  os.close(qd);
}

/** Plays every ending, so many times. */
export function* playEndings(co: Coroutines, address: AddressLike, rounds: number): Coroutine<number> {
  let played = 0;
  for (let round = 0; round < rounds; round++) {
    for (const ending of ENDINGS) {
      yield* play(co, address, ending);
      played++;
    }
  }
  return played;
}

/** Starts the reporting side. `report` gets each ending and what was seen of it. */
export function startReporter(
  co: Coroutines,
  address: AddressLike,
  report: (ending: string, seen: string) => void,
): SocketAddress {
  const { os } = co;
  const listeningQd = os.socket('stream');
  os.bind(listeningQd, address);
  os.listen(listeningQd);
  co.spawn(function* () {
    for (;;) {
      const { errno, acceptedQd } = yield* co.accept(listeningQd);
      if (errno === ECANCELED) return;
      if (errno === 0) co.spawn(() => observe(co, acceptedQd, report));
    }
  });
  return os.getsockname(listeningQd);
}

function* observe(co: Coroutines, qd: number, report: (ending: string, seen: string) => void): Coroutine {
  let ending = '';
  for (;;) {
    const { errno, array } = yield* co.pop(qd);
    if (errno !== 0 || array === undefined) {
      report(ending, errnoName(errno));
      break;
    }
    const text = Buffer.from(array.toBytes()).toString();
    array.free();
    if (text === '') {
      report(ending, 'end of stream');
      break;
    }
    ending += text;
    if ((yield* co.push(qd, Buffer.from('seen'))).errno !== 0) continue;
  }
  co.os.close(qd);
}

await runApplication(import.meta.url, USAGE, { count: { type: 'string' } }, command => {
  const role = command.role(0, ['server', 'client']);
  const address = command.address(1);
  const rounds = command.number('count', 1, 1);
  return os => {
    const co = coroutines(os);
    if (role === 'server') {
      const at = startReporter(co, address, (ending, seen) => say(`${ending}: ${seen}`));
      say(`close: listening on ${at}, ${os.name}`);
      co.run();
    } else {
      const playing = co.spawn(() => playEndings(co, address, rounds));
      co.run();
      if (playing.done) say(`${playing.value} connections ended`);
    }
  };
});
