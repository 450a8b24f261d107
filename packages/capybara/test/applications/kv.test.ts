// Clients of the key-value service move at every byte of what they say: the replies are those of a client that has stayed. The data
// does not move: both backends have the same.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KvServer } from '@demikernel/apps/kv';
import type { SimulatedBackend } from '../tcpmig/simulated-fleet.ts';
import { ADDRESS, every, forEachCut, MovingTown } from './exchange.ts';

const LIMITS = { memoryBytes: 1 << 20, gatherBytes: 1024 };

function service(servers: KvServer[]): (backend: SimulatedBackend) => () => number {
  return ({ agent, os, id }) => {
    const server = new KvServer(os, {
      address: ADDRESS,
      limits: LIMITS,
      mover: agent,
      startMs: 1e12,
      idsAfter: (id + 1) * 1_000_000,
    });
    servers.push(server);
    return () => server.serveReady();
  };
}

function command(...words: string[]): string {
  return `*${words.length}\r\n${words.map(word => `$${Buffer.byteLength(word, 'latin1')}\r\n${word}\r\n`).join('')}`;
}

/** Everything that a parser can be in the middle of, and what a connection remembers; the end is the service's. */
function conversation(longBytes: number): Buffer {
  const long = Array.from({ length: longBytes }, (_, i) => String.fromCharCode(33 + (i % 90))).join('');
  return Buffer.from(
    [
      command('PING'),
      'PING inline\r\n',
      'ECHO "quoted \\x41 words"\n',
      '\r\n',
      '*0\r\n',
      command('HELLO', '3', 'SETNAME', 'mover'),
      command('GET', 'nothing'),
      command('CLIENT', 'SETINFO', 'LIB-NAME', 'a library'),
      command('ECHO', long),
      command('MGET', 'a', 'b', long, 'c'),
      command('CLIENT', 'GETNAME'),
      command('SET', 'k', 'v', 'NX', 'GET'),
      command('NONSENSE', 'x'),
      command('HELLO', '2'),
      command('GET', 'nothing'),
      command('CLIENT', 'INFO'),
      command('QUIT'),
    ].join(''),
    'latin1',
  );
}

/** Identifiers are given in order, ports too. */
function plain(bytes: Buffer): string {
  return bytes
    .toString('latin1')
    .replace(/(id\r\n:|id=)\d+/g, '$1N')
    .replace(/=(\d+\.){3}\d+:\d+/g, '=A');
}

/** An exchange that finds nothing of those before. */
function runAll(
  town: MovingTown,
  servers: KvServer[],
  bytes: Buffer,
  cuts: number[],
  moves: boolean,
): string {
  for (const { store } of servers) store.clear();
  return plain(town.run(bytes, { cuts, moves }));
}

test('a move at every byte of a conversation', () => {
  const bytes = conversation(1100);
  // The bytes of the long words are all alike but for the first and last.
  const cuts = every(1, bytes.length).filter(at => {
    const near = bytes.subarray(Math.max(0, at - 20), at + 20).includes(13);
    return near || at % 50 === 0;
  });
  let servers: KvServer[] = [];
  const found = (): MovingTown => {
    servers = [];
    return new MovingTown(service(servers));
  };
  const moved = forEachCut(cuts, found, (town, cut) => {
    const stayed = runAll(town, servers, bytes, [cut], false);
    assert.equal(runAll(town, servers, bytes, [cut], true), stayed, `moved at byte ${cut}`);
    assert.match(stayed, /\+OK\r\n$/);
  });
  assert.ok(moved > cuts.length - 30, `${moved} moves at ${cuts.length} places`);
});

test('one connection moves behind every few bytes, to and fro', () => {
  const servers: KvServer[] = [];
  const town = new MovingTown(service(servers));
  const bytes = conversation(1100);
  for (const step of [1, 7, 100]) {
    const cuts = every(step, bytes.length);
    const stayed = runAll(town, servers, bytes, cuts, false);
    assert.equal(runAll(town, servers, bytes, cuts, true), stayed, `every ${step} bytes`);
  }
  assert.ok(town.moved > 1000, `${town.moved} moves`);
  town.close();
});

test('replies that nobody reads, commands read ahead: each is executed once', () => {
  const servers: KvServer[] = [];
  const small = { tcp: { sendBufferBytes: 4096, receiveBufferBytes: 4096 } };
  const town = new MovingTown(service(servers), small);
  const word = 'x'.repeat(900);
  const asks = Array.from({ length: 60 }, () => command('ECHO', word) + command('INCR', 'n'));
  const bytes = Buffer.from(`${asks.join('')}${command('QUIT')}`);
  const cuts = every(3000, bytes.length);
  const back = town.run(bytes, { cuts, moves: true, late: true }).toString();
  assert.equal(back.split(word).length - 1, 60);
  assert.equal(back.match(/:\d+\r\n/g)?.length, 60);
  assert.equal(
    servers.reduce((sum, { commands }) => sum + commands, 0),
    121,
  );
  assert.ok(town.moved > 5, `${town.moved} moves`);
  town.close();
});

test('a client keeps its identifier, and other backends give others', () => {
  const servers: KvServer[] = [];
  const town = new MovingTown(service(servers));
  const bytes = Buffer.from(command('CLIENT', 'ID').repeat(4) + command('QUIT'));
  const step = bytes.length / 5;
  const seen = new Set<string>();
  for (let i = 0; i < 4; i++) {
    const back = town.run(bytes, { cuts: every(Math.floor(step), bytes.length), moves: true });
    const ids = [...back.toString().matchAll(/:(\d+)\r\n/g)].map(([, id]) => id!);
    assert.equal(ids.length, 4);
    assert.equal(new Set(ids).size, 1);
    seen.add(ids[0]!);
  }
  assert.equal(seen.size, 4);
  town.close();
});
