// A connection moves in whatever state it is: idle, half-closed on either side, with a window shut, with bytes unread.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as net from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { Network } from '@demikernel/lab';
import {
  closeDescriptor,
  EAGAIN,
  fillQueue,
  libc,
  linkIndex,
  runInNamespace,
  SHUT_WR,
} from '@demikernel/native/kernel';
import {
  abandon,
  decodeConnection,
  encodeConnection,
  exportConnection,
  type Flow,
  FlowHold,
  freeze,
  importConnection,
  MovingSocket,
  socketOf,
  thaw,
} from '../../src/repair/index.ts';
import { fillBytes, firstWrong } from '../stream.ts';
import { type Addresses, accepted, Client, IPV4, IPV6, Mover, pause, Stage } from './stage.ts';

/** Our end: what it has sent and received so far. */
class End {
  fd: number;
  readonly stage: Stage;
  readonly client: Client;
  readonly mover: Mover;
  sent = 0;
  got = 0;
  ended = false;
  private readonly buffer = Buffer.alloc(64 * 1024);

  constructor(fd: number, stage: Stage, client: Client) {
    this.fd = fd;
    this.stage = stage;
    this.client = client;
    this.mover = new Mover(stage);
  }

  /** Writes so many bytes; fewer where the queue is full. */
  send(length: number): number {
    const bytes = new Uint8Array(length);
    fillBytes(bytes, 2, this.sent);
    const taken = fillQueue(this.fd, bytes);
    assert.ok(taken >= 0 || taken === -EAGAIN, `errno ${-taken}`);
    this.sent += Math.max(taken, 0);
    return Math.max(taken, 0);
  }

  /** Reads until so many bytes have come in all, or the end. */
  async receive(total: number): Promise<void> {
    while (this.got < total && !this.ended) {
      const result = libc().readBuffer(this.fd, this.buffer, this.buffer.length);
      if (result > 0) {
        assert.equal(firstWrong(this.buffer.subarray(0, result), 1, this.got), -1);
        this.got += result;
      } else if (result === 0) this.ended = true;
      else await pause(1);
    }
  }

  move(): void {
    this.fd = this.mover.move(this.fd);
  }

  close(): void {
    closeDescriptor(this.fd);
    this.mover.close();
  }
}

async function scene(
  t: TestContext,
  play: (end: End, client: Client, stage: Stage) => Promise<void>,
  addresses: Addresses = IPV4,
): Promise<void> {
  await stageOf(
    t,
    async stage => {
      const listener = stage.listen(stage.hosts[0]!);
      const client = new Client(stage);
      try {
        const end = new End(await accepted(listener), stage, client);
        await client.says('connected');
        await play(end, client, stage);
        end.close();
        closeDescriptor(listener);
      } finally {
        client.kill();
      }
    },
    addresses,
  );
}

async function stageOf(
  t: TestContext,
  play: (stage: Stage) => Promise<void>,
  addresses: Addresses = IPV4,
): Promise<void> {
  const built = Network.build(network => new Stage(network, addresses), 'states');
  if (typeof built === 'string') {
    t.skip(built);
    return;
  }
  try {
    await play(built.made);
  } finally {
    built.network.remove();
  }
}

/** Some bytes both ways, and the end. */
async function converse(end: End, client: Client): Promise<void> {
  client.tell('send 5000');
  await end.receive(end.got + 5000);
  end.send(3000);
  await client.says(`got ${end.sent}`);
}

async function finish(end: End, client: Client): Promise<void> {
  client.tell('end');
  await end.receive(Number.POSITIVE_INFINITY);
  libc().shutdown(end.fd, SHUT_WR);
  await client.says('closed');
}

describe('moving', { timeout: 60_000 }, () => {
  for (const [name, addresses] of [
    ['IPv4', IPV4],
    ['IPv6', IPV6],
  ] as const) {
    test(`idle, over ${name}, there and back`, t =>
      scene(
        t,
        async (end, client) => {
          for (let i = 0; i < 4; i++) {
            end.move();
            await converse(end, client);
          }
          await finish(end, client);
        },
        addresses,
      ));

    test(`after the peer has closed its side, over ${name}`, t =>
      scene(
        t,
        async (end, client) => {
          client.tell('send 100');
          client.tell('end');
          await pause(20);
          // CLOSE_WAIT, with a hundred bytes not read.
          end.move();
          await end.receive(Number.POSITIVE_INFINITY);
          assert.equal(end.got, 100);
          end.send(2000);
          await client.says('got 2000');
          end.move();
          end.send(10);
          await client.says('got 2010');
          libc().shutdown(end.fd, SHUT_WR);
          await client.says('closed');
        },
        addresses,
      ));
  }

  test('after we have closed our side', t =>
    scene(t, async (end, client) => {
      end.send(1000);
      libc().shutdown(end.fd, SHUT_WR);
      await client.says('end 1000');
      // FIN_WAIT2
      end.move();
      client.tell('send 70000');
      await end.receive(70_000);
      end.move();
      client.tell('send 10');
      client.tell('end');
      await end.receive(Number.POSITIVE_INFINITY);
      assert.equal(end.got, 70_010);
      await client.says('closed');
    }));

  test('with a shut window, and our FIN behind what waits', t =>
    scene(t, async (end, client) => {
      client.tell('pause');
      await pause(20);
      while (end.send(100_000) > 0) await pause(5);
      libc().shutdown(end.fd, SHUT_WR);
      // FIN_WAIT1: the FIN has not left.
      end.move();
      end.move();
      client.tell('resume');
      await client.says(`end ${end.sent}`);
      client.tell('end');
      await end.receive(Number.POSITIVE_INFINITY);
      await client.says('closed');
    }));

  test('with bytes that nobody has read, and our own window shut', t =>
    scene(t, async (end, client) => {
      client.tell('send 9000000');
      await pause(200);
      end.move();
      end.move();
      await end.receive(9_000_000);
      await converse(end, client);
      await finish(end, client);
    }));

  test('thawed, it goes on where it is', t =>
    scene(t, async (end, client) => {
      for (let i = 0; i < 3; i++) {
        freeze(end.fd);
        client.tell('send 5000');
        await pause(5);
        exportConnection(end.fd);
        thaw(end.fd);
        await end.receive(end.got + 5000);
        await converse(end, client);
      }
      await finish(end, client);
    }));

  test('an import that is abandoned leaves no trace', t =>
    scene(t, async (end, client) => {
      freeze(end.fd);
      const bytes = encodeConnection(exportConnection(end.fd));
      runInNamespace(end.mover.nextHost, () => importConnection(decodeConnection(bytes)).abandon());
      // The connection is still in this host: a second one cannot be.
      runInNamespace(end.stage.hosts[0]!, () =>
        assert.throws(() => importConnection(decodeConnection(bytes)), { errnoName: 'EADDRNOTAVAIL' }),
      );
      thaw(end.fd);
      await converse(end, client);
      await finish(end, client);
    }));

  test('packets that arrive before it are held, and lose no time', t =>
    scene(t, async (end, client, stage) => {
      using hold = runInNamespace(end.mover.nextHost, () => new FlowHold({ ifindex: linkIndex('host0') }));
      freeze(end.fd);
      const record = exportConnection(end.fd);
      const flow: Flow = record;
      hold.hold(flow);
      stage.turn();
      // The switch has turned, the connection is nowhere: without the hold the kernel answers with a reset.
      client.tell('send 30000');
      while (hold.heldFrames(flow) === 0) await pause(1);
      await pause(20);
      const { fd } = runInNamespace(end.mover.nextHost, () => {
        const restored = importConnection(record);
        restored.resume();
        assert.ok(hold.release(flow) > 0);
        return restored;
      });
      abandon(end.fd);
      end.fd = fd;
      await end.receive(30_000);
      await converse(end, client);
      await finish(end, client);
      const { held, overflowed, tooLong } = hold.readCounters();
      assert.ok(held > 0);
      assert.equal(overflowed + tooLong, 0);
    }));

  test('node:net on both hosts, with bytes that Node has read ahead', t =>
    stageOf(t, async stage => {
      const serve = (socket: net.Socket, place: { got: number; sent: number }): void => {
        socket.on('data', bytes => {
          assert.equal(firstWrong(bytes, 1, place.got), -1);
          place.got += bytes.length;
          const answer = new Uint8Array(bytes.length);
          fillBytes(answer, 2, place.sent);
          place.sent += answer.length;
          socket.write(answer);
        });
      };
      const server = net.createServer({ pauseOnConnect: true }).listen({ fd: stage.listen(stage.hosts[0]!) });
      const client = new Client(stage);
      try {
        let [socket] = (await once(server, 'connection')) as [net.Socket];
        const place = { got: 0, sent: 0 };
        serve(socket, place);
        socket.resume();
        client.tell('send 10000');
        await client.says('got 10000');
        for (let host = 1, total = 10_000; host <= 6; host++) {
          // Paused, so that bytes lie in Node's buffer and in the kernel's.
          socket.pause();
          client.tell('send 300000');
          total += 300_000;
          await pause(20);
          const moving = MovingSocket.start(socket)!;
          const to = stage.hosts[host % 2]!;
          const restored = runInNamespace(to, () => importConnection(moving.connection));
          stage.turn();
          runInNamespace(to, () => restored.resume());
          moving.left();
          // Its descriptor is closed when libuv comes to it.
          await once(socket, 'close');
          socket = socketOf(restored);
          serve(socket, place);
          await client.says(`got ${total}`);
        }
        client.tell('end');
        await client.says('closed');
      } finally {
        client.kill();
        server.close();
      }
    }));
});
