// Ordinary Node servers are restarted under load, in processes of their own: no connection is refused, reset or cut, no byte
// is lost or repeated, no request fails.

import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import * as http from 'node:http';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { requirePeer } from '@demikernel/lab';
import { platformRefusal } from '@demikernel/native/kernel';
import { succeed } from '../../src/hand-over/index.ts';
import { fillBytes, firstWrong } from '../stream.ts';

const PROGRAM = fileURLToPath(new URL('./service-program.js', import.meta.url));
const RESTARTS = 5;

/** The service's processes, one after another. */
class Service {
  readonly path: string;
  readonly port: number;
  private readonly kind: string;
  private readonly folder: string;
  private present: { child: ChildProcess; said: string } | undefined;

  constructor(kind: string, port: number) {
    this.kind = kind;
    this.port = port;
    this.folder = mkdtempSync(join(tmpdir(), 'demi-succession-'));
    this.path = join(this.folder, 'service');
    this.present = undefined;
  }

  /** Starts the next process; resolves when it serves and the one before has ended. Returns what that one said. */
  async restart(): Promise<string> {
    const before = this.present;
    const ended = before === undefined ? undefined : once(before.child, 'close');
    const child = spawn(process.execPath, [PROGRAM, this.kind, this.path, String(this.port)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const present = { child, said: '' };
    this.present = present;
    await new Promise<void>((resolve, reject) => {
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        present.said += text;
        if (present.said.includes('serving')) resolve();
      });
      child.once('exit', code => reject(new Error(`the service exited with ${code}`)));
    });
    await ended;
    return before?.said ?? '';
  }

  stop(): void {
    this.present?.child.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function withService(
  t: TestContext,
  kind: string,
  play: (service: Service) => Promise<void>,
): Promise<void> {
  const refusal = platformRefusal();
  if (refusal !== undefined) {
    t.skip(refusal);
    return;
  }
  const service = new Service(kind, await freePort());
  try {
    await service.restart();
    await play(service);
  } finally {
    service.stop();
  }
}

/** A client that sends and checks without a pause, until told to stop. */
async function stream(port: number, stopping: () => boolean): Promise<number> {
  const socket = net.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  let sent = 0;
  let got = 0;
  const finished = new Promise<void>((resolve, reject) => {
    socket.on('data', bytes => {
      const wrong = firstWrong(bytes, 2, got);
      if (wrong >= 0) reject(new Error(`wrong at ${got + wrong}`));
      got += bytes.length;
      // Everything has come back: the next piece, of another length each time.
      if (got === sent) send();
    });
    socket.on('error', reject);
    socket.on('close', () =>
      got === sent && stopping() ? resolve() : reject(new Error(`closed at ${got} of ${sent}`)),
    );
    const send = (): void => {
      if (stopping()) {
        socket.end();
        return;
      }
      const bytes = new Uint8Array(1 + ((sent * 7) % 30_000));
      fillBytes(bytes, 1, sent);
      sent += bytes.length;
      socket.write(bytes);
    };
    send();
  });
  await finished;
  return got;
}

describe('succession', { timeout: 120_000 }, () => {
  test(`node:net: ${RESTARTS} restarts under streams`, t =>
    withService(t, 'net', async service => {
      let stopping = false;
      const streams = Promise.all(Array.from({ length: 10 }, () => stream(service.port, () => stopping)));
      streams.catch(() => {});
      for (let i = 0; i < RESTARTS; i++) {
        const said = await service.restart();
        assert.match(said, /handed over true \d+ 0/);
        assert.doesNotMatch(said, /wrong/);
      }
      stopping = true;
      const bytes = (await streams).reduce((sum, each) => sum + each, 0);
      t.diagnostic(`${bytes} bytes each way over 10 connections`);
    }));

  test(`node:http: ${RESTARTS} restarts under keep-alive clients`, t =>
    withService(t, 'http', async service => {
      let stopping = false;
      const processes = new Set<string>();
      const ask = (agent: http.Agent, path: string): Promise<string> =>
        new Promise((resolve, reject) => {
          const request = http.get({ port: service.port, host: '127.0.0.1', path, agent }, response => {
            let body = '';
            processes.add(String(response.headers['x-process']));
            response.setEncoding('utf8').on('data', text => {
              body += text;
            });
            response.on('end', () => resolve(body)).on('error', reject);
          });
          request.on('error', reject);
        });
      let requests = 0;
      let connections = 0;
      const clients = Promise.all(
        Array.from({ length: 8 }, async (_, client) => {
          // One connection each, which must last through all restarts.
          const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
          const create = agent.createConnection.bind(agent);
          agent.createConnection = (...args) => {
            connections++;
            return create(...args);
          };
          while (!stopping) {
            const path = requests++ % 50 === 0 ? `/slow/${client}` : `/${client}`;
            assert.equal(await ask(agent, path), `GET ${path}\n`);
          }
          agent.destroy();
        }),
      );
      clients.catch(() => {});
      for (let i = 0; i < RESTARTS; i++) assert.match(await service.restart(), /handed over true \d+ 0/);
      stopping = true;
      await clients;
      assert.equal(connections, 8, 'a connection was made anew');
      assert.equal(processes.size, RESTARTS + 1);
      t.diagnostic(`${requests} requests over 8 connections and ${processes.size} processes`);
    }));

  test('wrk and curl see no error', async t => {
    const [wrk, curl] = [requirePeer(t, 'wrk'), requirePeer(t, 'curl')];
    if (wrk === undefined || curl === undefined) return;
    await withService(t, 'http', async service => {
      const run = promisify(execFile);
      const load = run(wrk, ['-t1', '-c20', '-d3s', `http://127.0.0.1:${service.port}/`]);
      let loading = true;
      void load.finally(() => {
        loading = false;
      });
      let restarts = 0;
      for (; loading; restarts++) {
        assert.match(await service.restart(), /handed over true \d+ 0/);
        const page: { stdout: string } = await run(curl, [
          '-sS',
          '--fail',
          `http://127.0.0.1:${service.port}/x`,
        ]);
        assert.equal(page.stdout, 'GET /x\n');
      }
      const report = (await load).stdout;
      assert.doesNotMatch(report, /Socket errors|Non-2xx/);
      t.diagnostic(`${restarts} restarts, ${/\d+ requests/.exec(report)?.[0]}`);
    });
  });

  test('a successor that dies half-way leaves the service with its predecessor', t =>
    withService(t, 'net', async service => {
      let stopping = false;
      const streams = Promise.all(Array.from({ length: 4 }, () => stream(service.port, () => stopping)));
      streams.catch(() => {});
      // It connects, receives the listening socket, and is gone before it answers.
      const source = `
        import { connectChannel } from ${JSON.stringify(new URL('../../src/hand-over/channel.js', import.meta.url).href)};
        const channel = connectChannel(${JSON.stringify(service.path)});
        channel.onMessage = ({ kind }) => {
          if (process.argv[1] === 'later' && kind === 1) channel.send(4, 0);
          else process.kill(process.pid, 'SIGKILL');
        };`;
      for (const when of ['at once', 'later', 'later']) {
        while (!existsSync(service.path)) await new Promise(resolve => setTimeout(resolve, 5));
        const child = spawn(process.execPath, ['--input-type=module', '-e', source, when], {
          stdio: 'inherit',
        });
        await once(child, 'exit');
        const extra = stream(service.port, () => true);
        await extra;
      }
      while (!existsSync(service.path)) await new Promise(resolve => setTimeout(resolve, 5));
      assert.match(await service.restart(), /handed over true 4 0/);
      stopping = true;
      await streams;
    }));

  test('a file in the way is left alone', { skip: platformRefusal() }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'demi-succession-'));
    after(() => rmSync(folder, { recursive: true, force: true }));
    const path = join(folder, 'precious');
    writeFileSync(path, 'data');
    const server = net.createServer();
    // connect(2) to what is no socket is refused, as by one that nobody listens on.
    await assert.rejects(succeed(server, { path, listen: { port: 0, host: '127.0.0.1' } }), {
      code: 'ERR_DEMI_ADDRESS',
    });
    assert.ok(existsSync(path));
    server.close();
  });
});
