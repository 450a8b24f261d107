// The HTTP service on Catnap over loopback: node:http, raw sockets, curl and wrk. Runs alone.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { describe, test } from 'node:test';
import { isFullRun, requirePeer } from '@demikernel/lab';
import { withService } from '../service.ts';

interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
}

function ask(
  port: number,
  path: string,
  options: {
    method?: string;
    body?: Buffer | Buffer[];
    headers?: Record<string, string>;
    agent?: Agent;
  } = {},
): Promise<Answer> {
  const { body, ...rest } = options;
  return new Promise((resolve, reject) => {
    const sending = request({ host: '127.0.0.1', port, path, ...rest }, response => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks) }),
      );
    });
    sending.on('error', reject);
    // Several pieces: without a length, so chunked.
    if (Array.isArray(body)) for (const piece of body) sending.write(piece);
    sending.end(Array.isArray(body) ? undefined : body);
  });
}

/** Sends bytes on a raw connection, ends it, and gives everything that came back. */
function raw(port: number, pieces: readonly (string | Buffer)[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    let text = '';
    socket.on('data', chunk => {
      text += chunk.toString('latin1');
    });
    socket.on('end', () => resolve(text));
    socket.on('error', reject);
    void (async () => {
      for (const piece of pieces) {
        if (socket.destroyed || !socket.writable) break;
        socket.write(piece);
        await new Promise(resolveSoon => setImmediate(resolveSoon));
      }
      socket.end();
    })();
  });
}

const HTTP = ['127.0.0.1:0'];

describe('http', () => {
  test('resources, methods and errors', async () => {
    await withService('http', HTTP, async (_service, port) => {
      const hello = await ask(port, '/');
      assert.equal(hello.status, 200);
      assert.equal(hello.body.toString(), 'Hello from a library OS.\n');
      assert.equal(hello.headers['content-type'], 'text/plain; charset=utf-8');
      assert.ok(!Number.isNaN(Date.parse(String(hello.headers['date']))));
      const large = await ask(port, '/1m?query');
      assert.equal(large.body.length, 1 << 20);
      assert.ok(large.body.every((byte, i) => byte === (i & 255)));
      const head = await ask(port, '/64k', { method: 'HEAD' });
      assert.deepEqual([head.status, head.headers['content-length'], head.body.length], [200, '65536', 0]);
      assert.equal((await ask(port, '/none')).status, 404);
      const wrong = await ask(port, '/', { method: 'DELETE' });
      assert.deepEqual([wrong.status, wrong.headers['allow']], [405, 'GET, HEAD, OPTIONS']);
      const options = await ask(port, '/echo', { method: 'OPTIONS' });
      assert.deepEqual([options.status, options.headers['allow']], [204, 'OPTIONS, POST']);
      assert.equal((await ask(port, '/', { method: 'LINK' })).status, 501);
    });
  });

  test('bodies come back, counted and chunked', async () => {
    await withService('http', HTTP, async (_service, port) => {
      for (const lengthBytes of [0, 1, 1000, 100_000, 1 << 20]) {
        const body = Buffer.alloc(lengthBytes, 'body ');
        const headers = { 'content-type': 'x/y' };
        const counted = await ask(port, '/echo', { method: 'POST', body, headers });
        assert.equal(counted.headers['content-type'], 'x/y');
        assert.ok(counted.body.equals(body), `${lengthBytes} counted`);
        const pieces = [body.subarray(0, 7), body.subarray(7, 5000), body.subarray(5000)];
        const chunked = await ask(port, '/echo', { method: 'POST', body: pieces });
        assert.ok(chunked.body.equals(body), `${lengthBytes} chunked`);
      }
      const headers = { expect: '100-continue' };
      assert.equal(
        String((await ask(port, '/echo', { method: 'POST', body: Buffer.from('x'), headers })).body),
        'x',
      );
    });
  });

  test('keep-alive: one connection for many requests', async () => {
    await withService('http', HTTP, async (_service, port) => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      for (let i = 0; i < 50; i++) assert.equal((await ask(port, '/1k', { agent })).body.length, 1024);
      assert.equal(Object.values(agent.freeSockets).flat().length, 1);
      agent.destroy();
    });
  });

  test('pipelined requests are answered in order, however they are cut', async () => {
    const host = 'Host: a\r\n';
    const stream =
      `GET / HTTP/1.1\r\n${host}\r\nHEAD /1k HTTP/1.1\r\n${host}\r\n` +
      `POST /echo HTTP/1.1\r\n${host}Content-Length: 3\r\n\r\nabcGET /none HTTP/1.1\r\n${host}Connection: close\r\n\r\n` +
      `GET /never HTTP/1.1\r\n${host}\r\n`;
    await withService('http', HTTP, async (_service, port) => {
      for (const size of [1, 7, 50, stream.length]) {
        const pieces: string[] = [];
        for (let at = 0; at < stream.length; at += size) pieces.push(stream.slice(at, at + size));
        const text = await raw(port, pieces);
        const statuses = [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(match => match[1]);
        assert.deepEqual(statuses, ['200', '200', '200', '404'], `pieces of ${size}`);
        assert.match(text, /\r\n\r\nabcHTTP\/1\.1 404/);
      }
      // More answers than any buffer holds, for a client that asks first and reads later.
      const many = `GET /64k HTTP/1.1\r\n${host}\r\n`.repeat(100);
      const text = await raw(port, [many]);
      assert.equal([...text.matchAll(/HTTP\/1\.1 200/g)].length, 100);
    });
  });

  test('what cannot be read is refused, and the service goes on', async () => {
    await withService('http', HTTP, async (_service, port) => {
      const vectors: [string, number][] = [
        ['\x16\x03\x01\x02\x00\x01\n', 400],
        ['GET / HTTP/1.1\r\n\r\n', 400],
        [`GET /${'a'.repeat(9000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414],
        [`GET / HTTP/1.1\r\nHost: a\r\n${'A: b\r\n'.repeat(200)}\r\n`, 431],
        ['POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n', 413],
        ['POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
        ['GET / HTTP/2.0\r\nHost: a\r\n\r\n', 505],
      ];
      for (const [text, status] of vectors) {
        const answer = await raw(port, [text]);
        assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} .*Connection: close`, 's'), text.slice(0, 40));
      }
      // Cut off in the middle: no answer, no harm.
      assert.equal(await raw(port, ['GET / HT']), '');
      assert.equal((await ask(port, '/')).status, 200);
    });
  });

  test('an idle connection is closed', async () => {
    await withService('http', [...HTTP, '--idle-timeout', '1'], async (_service, port) => {
      const socket = connect(port, '127.0.0.1');
      socket.write('GET / HT');
      await new Promise<void>(resolve => {
        socket.resume().on('end', resolve);
      });
      socket.destroy();
      assert.equal((await ask(port, '/')).status, 200);
    });
  });

  test('curl', async t => {
    const curl = requirePeer(t, 'curl');
    if (curl === undefined) return;
    await withService('http', HTTP, async (_service, port) => {
      const run = (...args: string[]): string => {
        const { status, stdout, stderr } = spawnSync(curl, ['-sS', '--max-time', '10', ...args], {
          encoding: 'latin1',
          maxBuffer: 1 << 24,
        });
        assert.equal(status, 0, stderr);
        return stdout;
      };
      const url = `http://127.0.0.1:${port}`;
      assert.equal(run(url), 'Hello from a library OS.\n');
      assert.match(run('-I', `${url}/1k`), /^HTTP\/1\.1 200 OK\r\n.*Content-Length: 1024/s);
      assert.equal(run(`${url}/1m`, `${url}/64k`).length, (1 << 20) + 65536);
      assert.equal(run('--data', 'a=b', `${url}/echo`), 'a=b');
      assert.equal(run('-0', `${url}/`), 'Hello from a library OS.\n');
      assert.equal(run('-H', 'Transfer-Encoding: chunked', '--data', 'chunky', `${url}/echo`), 'chunky');
    });
  });

  test('wrk: 64 connections, no error', async t => {
    const wrk = requirePeer(t, 'wrk');
    if (wrk === undefined) return;
    await withService('http', HTTP, async (_service, port) => {
      const seconds = isFullRun() ? '5' : '2';
      const url = `http://127.0.0.1:${port}/1k`;
      const { stdout, stderr } = spawnSync(wrk, ['-t1', '-c64', `-d${seconds}s`, url], { encoding: 'utf8' });
      assert.match(stdout, /requests in/, stderr);
      assert.doesNotMatch(stdout, /Socket errors|Non-2xx/);
    });
  });
});
