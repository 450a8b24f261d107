// The demonstration: two backends in one thread behind one virtual address, a service of coroutines with state of its own, and one
// of promises; a client that never notices that its connection goes from one to the other, at any byte.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Coroutines, coroutines, type Demikernel } from 'demikernel';
import { SimulatedWorld } from 'demikernel/stack';
import {
  configure,
  openBackend,
  openClient,
  openSwitch,
  type SimulatedBackend,
  VIRTUAL,
} from '../tcpmig/simulated-fleet.ts';

interface Backend extends SimulatedBackend {
  co: Coroutines;
  /** Lines that this backend has answered. */
  answered: number;
}

/** What the service knows of a connection: it answers each line with how many there were, and their letters in all. */
interface Session {
  lines: number;
  letters: number;
  /** The line that is not at its end yet. */
  partial: string;
}

class Fleet {
  readonly world: SimulatedWorld;
  readonly backends: Backend[];
  readonly client: Demikernel;

  constructor() {
    this.world = new SimulatedWorld({ seed: 1, link: { delayUs: 5 } });
    const balancer = openSwitch(this.world);
    this.backends = [0, 1].map(id => {
      const opened = openBackend(this.world, balancer, id);
      const backend: Backend = { ...opened, co: coroutines(opened.os), answered: 0 };
      serve(backend);
      return backend;
    });
    configure(balancer, this.backends);
    this.client = openClient(this.world, balancer).os;
  }

  /** The backend that has the connection. */
  get owner(): Backend | undefined {
    return this.backends.find(({ agent }) => agent.connections.length > 0);
  }
}

/** Accepted here or arrived from elsewhere: the same handler. */
function serve(backend: Backend): void {
  const { agent, co, listener } = backend;
  co.spawn(function* () {
    for (;;) {
      const { acceptedQd, errno } = yield* co.accept(listener);
      if (errno !== 0) return;
      spawn(backend, acceptedQd, { lines: 0, letters: 0, partial: '' });
    }
  });
  agent.serve(listener, {
    arrived: ({ qd, saved }) => spawn(backend, qd, JSON.parse(Buffer.from(saved).toString()) as Session),
  });
}

function spawn(backend: Backend, qd: number, session: Session): void {
  const { agent, co, os } = backend;
  agent.migratable(qd, { save: () => Buffer.from(JSON.stringify(session)) });
  co.spawn(function* () {
    for (;;) {
      const { array, errno } = yield* co.pop(qd);
      // ECANCELED: the connection has left, and its session with it.
      if (errno !== 0 || array === undefined || array.count === 0) {
        array?.free();
        break;
      }
      session.partial += Buffer.from(array.toBytes()).toString();
      array.free();
      let answer = '';
      for (let end = session.partial.indexOf('\n'); end >= 0; end = session.partial.indexOf('\n')) {
        session.lines++;
        session.letters += end;
        backend.answered++;
        session.partial = session.partial.slice(end + 1);
        answer += `${session.lines} ${session.letters}\n`;
      }
      if (answer !== '') yield* co.push(qd, Buffer.from(answer));
    }
    agent.forget(qd);
    os.close(qd);
  });
}

test('a service of coroutines: its connection moves at every byte of a line', () => {
  const f = new Fleet();
  const { client, world } = f;
  const qd = client.socket('stream');
  assert.equal(client.wait(client.connect(qd, VIRTUAL))!.errno, 0);
  let text = '';
  let expected = '';
  let letters = 0;
  let moves = 0;
  for (let line = 1; line <= 40; line++) {
    const words = 'x'.repeat(line % 13);
    letters += words.length;
    expected += `${line} ${letters}\n`;
    for (const letter of `${words}\n`) {
      client.wait(client.push(qd, Buffer.from(letter)));
      // Some letters are on the wire when the connection moves, some not read yet, some in the session.
      if (moves % 3 !== 0) world.runFor(moves % 30);
      const from = f.owner;
      const connection = from?.agent.connections[0];
      if (from === undefined || connection === undefined) {
        world.runFor(100);
        continue;
      }
      let outcome = '';
      assert.ok(
        from.agent.move(connection, 1 - from.agent.self, how => {
          outcome = how;
        }),
      );
      assert.ok(world.run(() => outcome !== ''));
      assert.equal(outcome, 'moved');
      moves++;
    }
    while (text.length < expected.length) {
      const { array, errno } = client.wait(client.pop(qd))!;
      assert.equal(errno, 0);
      text += Buffer.from(array!.toBytes()).toString();
      array!.free();
    }
    assert.equal(text, expected);
  }
  assert.ok(moves > 200, `${moves} moves`);
  for (const { answered, agent } of f.backends) {
    assert.ok(answered > 5, 'both took part');
    assert.equal(agent.counters.lost, 0);
    assert.equal(agent.counters.stayed, 0);
  }
  client.close(qd);
  world.runFor(40_000_000);
  for (const { os, agent, host, listener } of f.backends) {
    agent.close();
    os.close(listener);
    world.runFor(1000);
    assert.equal(host.usedSlots, 0);
    assert.equal(os.libraryOs.runtime.queues.liveCount, 0);
    assert.equal(os.libraryOs.runtime.operations.liveCount, 0);
  }
  world.close();
});
