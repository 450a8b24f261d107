// Clients of the HTTP service move at every byte of their requests, and in the middle of responses: what comes back is what a client
// that has stayed gets.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpServer } from '@demikernel/apps/http';
import { coroutines } from 'demikernel';
import type { SimulatedBackend } from '../tcpmig/simulated-fleet.ts';
import { ADDRESS, every, forEachCut, MovingTown } from './exchange.ts';

const LARGE = Uint8Array.from({ length: 150_000 }, (_, i) => (i * 7 + (i >> 8)) & 0xff);

function service(servers: HttpServer[]): (backend: SimulatedBackend) => () => number {
  return ({ agent, os }) => {
    const server = new HttpServer(coroutines(os), {
      address: ADDRESS,
      resources: {
        '/': { contentType: 'text/plain', body: 'Hello.\n' },
        '/large': { contentType: 'application/octet-stream', body: LARGE },
      },
      date: () => 'now',
      mover: agent,
    });
    servers.push(server);
    return () => 0;
  };
}

const lines = (...text: string[]): string => text.map(line => `${line}\r\n`).join('');

/** Everything that a parser can be in the middle of; the last request asks for the end. */
const CONVERSATION = Buffer.from(
  [
    lines('GET / HTTP/1.1', 'Host: a', ''),
    lines('', 'HEAD /?q HTTP/1.1', 'host: a', 'Accept: x', 'accept: y', ''),
    lines('POST /echo HTTP/1.1', 'Host: a', 'Content-Type: text/x', 'Content-Length: 26', ''),
    'abcdefghijklmnopqrstuvwxyz',
    lines('POST /echo HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked', ''),
    lines('5;ext=1', 'hello', '00007', ', world', '0', 'Trailer: t', ''),
    lines('POST /echo HTTP/1.1', 'Host: a', 'Expect: 100-continue', 'Content-Length: 4', '', 'body').slice(
      0,
      -2,
    ),
    lines('POST /echo HTTP/1.1', 'Host: a', 'expect: 100-Continue', 'Transfer-Encoding: chunked', ''),
    lines('1', 'x', '0', ''),
    lines('DELETE /nowhere HTTP/1.1', 'Host: a', ''),
    lines('GET / HTTP/1.0', 'Connection: keep-alive', ''),
    lines('OPTIONS * HTTP/1.1', 'Host: a', 'Connection: close', ''),
  ].join(''),
);

test('a move at every byte of a conversation', () => {
  const cuts = every(1, CONVERSATION.length);
  const found = (): MovingTown => new MovingTown(service([]));
  const moved = forEachCut(cuts, found, (town, cut) => {
    const stayed = town.run(CONVERSATION, { cuts: [cut], moves: false }).toString();
    const there = town.run(CONVERSATION, { cuts: [cut], moves: true }).toString();
    assert.equal(there, stayed, `moved at byte ${cut}`);
    assert.equal(stayed.match(/HTTP\/1.1 200/g)?.length, 7);
  });
  assert.equal(moved, cuts.length);
});

test('one connection moves behind every few bytes, to and fro', () => {
  for (const step of [1, 3, 50]) {
    const town = new MovingTown(service([]));
    const cuts = every(step, CONVERSATION.length);
    const stayed = town.run(CONVERSATION, { cuts, moves: false }).toString();
    const there = town.run(CONVERSATION, { cuts, moves: true }).toString();
    assert.equal(there, stayed);
    if (step === 1) assert.equal(stayed.match(/HTTP\/1.1 100 Continue/g)?.length, 2);
    assert.equal(town.moved, cuts.length);
    town.close();
  }
});

test('what is wrong is refused alike, and the connection ends', () => {
  const wrong = [
    lines('GET / HTTP/1.1', 'Host: a', 'Host: b', '', 'x'),
    lines('POST /echo HTTP/1.1', 'Host: a', 'Content-Length: 9999999', ''),
    lines('POST /echo HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked', '', '5', 'toolong', ''),
    lines('GET / HTTP/9.0', ''),
  ];
  for (const each of wrong) {
    const bytes = Buffer.from(each);
    forEachCut(
      every(3, bytes.length),
      () => new MovingTown(service([])),
      (town, cut) => {
        const stayed = town.run(bytes, { cuts: [cut], moves: false }).toString();
        assert.match(stayed, /^HTTP\/1.1 (4|5)\d\d /);
        assert.equal(
          town.run(bytes, { cuts: [cut], moves: true }).toString(),
          stayed,
          `moved at byte ${cut}`,
        );
      },
    );
  }
});

test('responses that nobody reads yet: windows shut, requests read ahead, moves in between', () => {
  const servers: HttpServer[] = [];
  const town = new MovingTown(service(servers), {}, { tcp: { receiveBufferBytes: 8192 } });
  const asks = Array.from({ length: 10 }, (_, i) =>
    lines(`GET ${i % 3 === 0 ? '/' : '/large'} HTTP/1.1`, 'Host: a', ''),
  ).join('');
  const bytes = Buffer.from(`${asks}${lines('GET / HTTP/1.1', 'Host: a', 'Connection: close', '')}`);
  const cuts = every(40, bytes.length);
  const there = town.run(bytes, { cuts, moves: true, late: true });
  assert.equal(town.moved, cuts.length + 1);
  const stayed = town.run(bytes, { cuts, moves: false, late: true });
  assert.deepEqual(there, stayed);
  const requests = servers.reduce((sum, { counters }) => sum + counters.requests, 0);
  assert.equal(requests, 2 * 11, 'each request is answered once');
  assert.ok(there.includes(Buffer.from(LARGE)));
  town.close();
});
