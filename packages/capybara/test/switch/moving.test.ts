// Kernel connections that move between backends through the switch while data flows both ways, by the protocol's messages
// and TCP_REPAIR: nothing is lost, repeated or reset, and the client, on kernel TCP, knows nothing. SWITCH_MOVES sets how
// many moves there are, DEMI_SEED which.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { spawnNode } from '@demikernel/lab';
import * as kernel from '@demikernel/native/kernel';
import {
  abandon,
  decodeConnection,
  encodeConnection,
  exportConnection,
  type Flow,
  FlowHold,
  freeze,
  importConnection,
  thaw,
} from '../../src/repair/index.ts';
import { Switch } from '../../src/switch/switch.ts';
import * as H from '../../src/tcpmig/header.ts';
import { byteAt, fillBytes, firstWrong } from '../stream.ts';
import { Agent } from './agent.ts';
import { Chance, headerMac } from './frames.ts';
import * as T from './testbed.ts';

const PORT = 8090;
const BACKENDS = 3;
const MOVES = Number(process.env['SWITCH_MOVES'] ?? 60);
const SEED = Number(process.env['DEMI_SEED'] ?? Date.now() & 0x7fff_ffff);
const HEADER_KEY = new Uint8Array(16).fill(5);

/** A client that sends without end and checks what comes, until the service ends. */
const CLIENT = `
  import net from 'node:net';
  ${byteAt.toString()}
  ${fillBytes.toString()}
  ${firstWrong.toString()}
  const socket = net.connect({ host: '${T.VIRTUAL_ADDRESS}', port: ${PORT} });
  let [sent, got, ending] = [0, 0, false];
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

/** The service's end of the streams, wherever the connection is. */
class Service {
  sent = 0;
  got = 0;
  readonly #buffer = Buffer.alloc(64 * 1024);

  /** Reads and writes a little; whether the client has ended. */
  turn(fd: number, bytesToSend: number): boolean {
    const result = kernel.libc().readBuffer(fd, this.#buffer, this.#buffer.length);
    if (result > 0) {
      const wrong = firstWrong(this.#buffer.subarray(0, result), 1, this.got);
      assert.equal(wrong, -1, `wrong after ${this.got}`);
      this.got += result;
    }
    if (bytesToSend > 0) {
      const bytes = new Uint8Array(bytesToSend);
      fillBytes(bytes, 2, this.sent);
      this.sent += Math.max(kernel.fillQueue(fd, bytes), 0);
    }
    return result === 0;
  }
}

/** One connection and who has it. */
class Mover {
  owner: number;
  fd: number;
  /** Rolled back, rather than moved. */
  back = 0;
  readonly #bed: T.SwitchTestbed;
  readonly #agents: readonly Agent[];
  readonly #holds: readonly FlowHold[];
  readonly #flow: Flow;
  readonly #about: Partial<H.MigrationHeader>;
  /** What was left behind at the last owner: frozen, it swallows stragglers. */
  #left: number;

  constructor(
    bed: T.SwitchTestbed,
    agents: readonly Agent[],
    holds: readonly FlowHold[],
    owner: number,
    fd: number,
    flow: Flow,
  ) {
    this.owner = owner;
    this.fd = fd;
    this.#bed = bed;
    this.#agents = agents;
    this.#holds = holds;
    this.#flow = flow;
    this.#about = {
      clientAddress: T.addressNumber(flow.remote.address),
      clientPort: flow.remote.port,
      virtualAddress: T.addressNumber(flow.local.address),
      virtualPort: flow.local.port,
    };
    this.#left = -1;
  }

  /** Moves it to `target`, or, when `fails`, goes back in the middle. */
  move(target: number, identifierLow: number, fails: boolean): void {
    const [from, to] = [this.#agents[this.owner]!, this.#agents[target]!];
    const about = { ...this.#about, origin: this.owner, target, identifierLow };
    from.send(H.PREPARE, about);
    const { epoch } = to.receive('peer');
    this.#holds[target]!.hold(this.#flow);
    to.send(H.PREPARE_ACK, { ...about, epoch });
    assert.equal(from.receive('peer').stage, H.PREPARE_ACK);
    // From here on the client's packets wait at the target.
    freeze(this.fd);
    const record = encodeConnection(exportConnection(this.fd));
    if (fails) {
      from.send(H.CLAIM_BACK, { ...about, epoch });
      const claim = from.receive('switch');
      assert.deepEqual([claim.verdict, claim.entryOwner], [H.VERDICT_OWNED, this.owner]);
      this.#holds[target]!.forget(this.#flow);
      thaw(this.fd);
      this.back++;
      return;
    }
    const there = this.#bed.backends[target]!;
    // Should it come back to where it was last, that place must be free; packets for it are held there.
    this.close();
    const restored = kernel.runInNamespace(there, () => importConnection(decodeConnection(record)));
    to.send(H.COMMIT, { ...about, epoch });
    const verdict = to.receive('switch');
    assert.deepEqual([verdict.verdict, verdict.entryOwner], [H.VERDICT_OWNED, target]);
    // Only now may the target speak.
    kernel.runInNamespace(there, () => {
      restored.resume();
      this.#holds[target]!.release(this.#flow);
    });
    this.#left = this.fd;
    this.fd = restored.fd;
    this.owner = target;
  }

  close(): void {
    if (this.#left >= 0) abandon(this.#left);
    this.#left = -1;
  }
}

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

test(`${MOVES} moves of a connection in use (DEMI_SEED=${SEED})`, {
  skip: T.testbedRefusal(),
  timeout: 120_000 + MOVES * 200,
}, async t => {
  const bed = new T.SwitchTestbed(BACKENDS, { ownPrograms: true });
  const closing: (() => void)[] = [() => bed.close()];
  try {
    const balancer = kernel.runInNamespace(bed.switch, () => newSwitch(bed));
    closing.push(() => balancer.close());
    const holds = bed.backends.map(name =>
      kernel.runInNamespace(name, () => new FlowHold({ ifindex: kernel.linkIndex('eth0') })),
    );
    for (const hold of holds) closing.push(() => hold.close());
    const mac = headerMac(HEADER_KEY);
    const agents = bed.backends.map((_, id) => new Agent(bed, id, mac));
    // The first one gets the connection.
    for (let id = 1; id < BACKENDS; id++) balancer.setState(id, 'draining');
    bed.listen(0, PORT);
    const client = spawnNode(bed.client, CLIENT);
    closing.push(() => client.kill('SIGKILL'));
    const output = text(client.stdout!);
    const gone = once(client, 'close');
    const fd = await bed.accept(0);
    for (let id = 1; id < BACKENDS; id++) balancer.setState(id, 'active');
    const peer = new kernel.SocketAddress();
    assert.equal(kernel.peerName(fd, peer), 0);
    const mover = new Mover(bed, agents, holds, 0, fd, {
      local: { address: T.VIRTUAL_ADDRESS, port: PORT },
      remote: { address: T.CLIENT_ADDRESS, port: peer.port },
    });
    const chance = new Chance(SEED);
    const service = new Service();
    for (let moves = 0; moves < MOVES; moves++) {
      for (let turns = chance.below(6); turns >= 0; turns--) {
        service.turn(mover.fd, chance.below(4) === 0 ? 0 : chance.below(60_000));
        if (chance.below(3) === 0) await pause(chance.below(3));
      }
      const target = (mover.owner + 1 + chance.below(BACKENDS - 1)) % BACKENDS;
      mover.move(target, moves, chance.below(8) === 0);
    }
    kernel.shutdownSocket(mover.fd, kernel.SHUT_WR);
    while (!service.turn(mover.fd, 0)) await pause(1);
    kernel.closeDescriptor(mover.fd);
    mover.close();
    await gone;
    assert.deepEqual(JSON.parse(await output), { sent: service.got, got: service.sent });
    const counters = balancer.readCounters();
    assert.equal(counters.opened, 1);
    assert.equal(counters.prepareAck, MOVES);
    assert.equal(counters.noEntry + counters.ownerDown + counters.raced, 0);
    const { toTarget, fenced, forwarded } = counters;
    const moved = MOVES - mover.back;
    t.diagnostic(
      `${moved} moved, ${mover.back} back; ${service.got} bytes in, ${service.sent} out; ` +
        `${forwarded} segments forwarded, ${toTarget} of them early, ${fenced} replies fenced`,
    );
  } finally {
    for (const close of closing.reverse()) close();
  }
});

function newSwitch(bed: T.SwitchTestbed): Switch {
  const made = new Switch({
    ports: [
      { interface: 'sc0', role: 'client' },
      ...bed.backends.map((_, id) => ({ interface: `sb${id}`, role: 'backend' as const })),
    ],
    headerKey: HEADER_KEY,
    hashKey: new Uint8Array(16).fill(6),
    address: T.SWITCH_ADDRESS,
    mode: 'native',
  });
  made.addService(T.VIRTUAL_ADDRESS, PORT);
  for (const [id, macAddress] of bed.macAddresses.entries())
    made.addBackend(id, { macAddress, interface: `sb${id}`, address: T.backendAddress(id) });
  return made;
}
