// The demonstration: two backends in one thread behind one virtual address, a service of coroutines with state of its own, and one
// of promises; a client that never notices that its connection goes from one to the other, at any byte.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Coroutines, coroutines, type Demikernel } from 'demikernel';
import { openSimulated } from 'demikernel/simulator';
import { SimulatedWorld } from 'demikernel/stack';
import { MigrationAgent } from '../../src/host/agent.ts';
import { keyOf, SwitchOnWire } from '../tcpmig/switch-on-wire.ts';

const VIRTUAL = 0x0a000064;
const SWITCH = 0x0a0000fe;

interface Backend {
  os: Demikernel;
  co: Coroutines;
  agent: MigrationAgent;
  listener: number;
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
  readonly switch: SwitchOnWire;
  readonly backends: Backend[];
  readonly client: Demikernel;

  constructor() {
    this.world = new SimulatedWorld({ seed: 1, link: { delayUs: 5 } });
    const headerKey = keyOf(1, 16);
    this.switch = new SwitchOnWire(this.world, {
      virtualAddress: VIRTUAL,
      virtualPort: 80,
      address: SWITCH,
      headerKey,
    });
    const hosts: { id: number; macAddress: Uint8Array; address: number }[] = [];
    this.backends = [0, 1].map(id => {
      const os = openSimulated(this.world, `10.0.0.${10 + id}/24`, { virtualAddresses: [VIRTUAL] });
      const { address, device, stack } = this.world.hosts.at(-1)!;
      stack.arp.addPermanent(SWITCH, this.switch.backendMac);
      hosts.push({ id, macAddress: device.macAddress, address });
      const listener = os.socket('stream');
      os.bind(listener, '10.0.0.100:80');
      os.listen(listener);
      const agent = new MigrationAgent({
        os,
        self: id,
        address,
        switchAddress: SWITCH,
        addressOf: backend => hosts[backend]?.address,
        headerKey,
        fleetKey: keyOf(2, 32),
      });
      const backend: Backend = { os, co: coroutines(os), agent, listener, answered: 0 };
      serve(backend);
      return backend;
    });
    this.switch.configure(hosts);
    this.client = openSimulated(this.world, '10.0.0.1/24');
    this.world.hosts.at(-1)!.stack.arp.addPermanent(VIRTUAL, this.switch.clientMac);
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
  assert.equal(client.wait(client.connect(qd, '10.0.0.100:80'))!.errno, 0);
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
  for (const { os, agent, listener } of f.backends) {
    agent.close();
    os.close(listener);
    world.runFor(1000);
    const host = world.hosts.find(({ libos }) => libos === os.libraryOs)!;
    assert.equal(host.usedSlots, 0);
    assert.equal(os.libraryOs.runtime.queues.liveCount, 0);
    assert.equal(os.libraryOs.runtime.operations.liveCount, 0);
  }
  world.close();
});
