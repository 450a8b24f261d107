// Connections that move between two hosts while data flows both ways: nothing is lost, repeated or reset.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { Network } from '@demikernel/lab';
import { closeDescriptor, EAGAIN, fillQueue, libc } from '@demikernel/native/kernel';
import { SeededRandom } from 'demikernel/stack';
import { fillBytes, firstWrong } from '../stream.ts';
import { accepted, Mover, pause, Stage } from './stage.ts';

const MOVES = Number(process.env['REPAIR_MOVES'] ?? 200);
const SEED = Number(process.env['REPAIR_SEED'] ?? Date.now() % 1_000_000);

// Sends a stream without end and checks the one that comes, until the service ends; then says how much it was.
const STREAMS_BOTH_WAYS = `
  const socket = connect();
  let sent = 0;
  let got = 0;
  let ending = false;
  const more = () => {
    while (!ending) {
      const bytes = new Uint8Array(1 + (sent % 9000));
      fillBytes(bytes, 1, sent);
      sent += bytes.length;
      if (!socket.write(bytes)) return;
    }
  };
  socket.on('connect', more).on('drain', more);
  socket.on('data', bytes => {
    const wrong = firstWrong(bytes, 2, got);
    if (wrong >= 0) { console.log('wrong at', got + wrong); process.exit(1); }
    got += bytes.length;
  });
  socket.on('error', error => { console.log(error.code, 'after', sent, got); process.exit(1); });
  socket.on('end', () => { ending = true; socket.end(); });
  socket.on('close', () => console.log(JSON.stringify({ sent, got })));
`;

/** Our end of the streams. */
class Service {
  sent = 0;
  got = 0;
  private readonly buffer = Buffer.alloc(64 * 1024);

  /** Reads and writes a little. Returns whether the peer has ended. */
  turn(fd: number, bytesToSend: number): boolean {
    const result = libc().readBuffer(fd, this.buffer, this.buffer.length);
    if (result > 0) {
      assert.equal(firstWrong(this.buffer.subarray(0, result), 1, this.got), -1, `wrong after ${this.got}`);
      this.got += result;
    }
    if (bytesToSend > 0) {
      const bytes = new Uint8Array(bytesToSend);
      fillBytes(bytes, 2, this.sent);
      const taken = fillQueue(fd, bytes);
      assert.ok(taken >= 0 || taken === -EAGAIN, `errno ${-taken}`);
      this.sent += Math.max(taken, 0);
    }
    return result === 0;
  }
}

test(`${MOVES} moves with streams both ways (REPAIR_SEED=${SEED})`, { timeout: 300_000 }, async t => {
  const built = Network.build(network => new Stage(network), 'repair');
  if (typeof built === 'string') {
    t.skip(built);
    return;
  }
  const { made: stage, network } = built;
  try {
    const random = new SeededRandom(SEED);
    const listener = stage.listen(stage.hosts[0]!);
    const client = stage.run(STREAMS_BOTH_WAYS);
    const output = text(client.stdout!);
    const gone = once(client, 'close');
    let fd = await accepted(listener);
    const service = new Service();
    const mover = new Mover(stage);
    for (let moves = 0; moves < MOVES; moves++) {
      for (let turns = random.below(6); turns >= 0; turns--) {
        service.turn(fd, random.below(4) === 0 ? 0 : random.below(60_000));
        // Sometimes the client gets time to fill our queue, sometimes everything is under way.
        if (random.below(3) === 0) await pause(random.below(3));
      }
      fd = mover.move(fd);
    }
    libc().shutdown(fd, 1);
    while (!service.turn(fd, 0)) await pause(1);
    closeDescriptor(fd);
    mover.close();
    closeDescriptor(listener);
    await gone;
    assert.deepEqual(JSON.parse(await output), { sent: service.got, got: service.sent });
    t.diagnostic(`${service.got} bytes in, ${service.sent} bytes out, ${MOVES} moves`);
  } finally {
    network.remove();
  }
});
