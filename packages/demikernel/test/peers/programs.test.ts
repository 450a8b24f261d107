// Unmodified programs against services on our stack: ping, arping, nc, curl, wrk. Runs alone.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';
import { requirePeer } from '@demikernel/lab';
import { FAR_DEVICE, NEAR_ADDRESS, type VethPair } from '../devices/af-veth.ts';
import { type ChildProgram, type Ending, startProgram, startSource } from './child-program.ts';
import { pairOrSkip, startApp } from './services.ts';

const WRK_SECONDS = Number(process.env['DEMIKERNEL_TEST_WRK_SECONDS'] ?? 2);
const HTTP = `${NEAR_ADDRESS}:8080`;
const ECHO = `${NEAR_ADDRESS}:7000`;

interface Scene {
  pair: VethPair;
  /** Runs the program at the far end, with something on its standard input, until it ends. */
  run(args: readonly string[], input?: string | Uint8Array): Promise<Ending>;
}

async function withService(
  t: TestContext,
  program: string | undefined,
  service: readonly [string, ...string[]],
  action: (scene: Scene) => Promise<void>,
): Promise<void> {
  const path = program === undefined ? process.execPath : requirePeer(t, program);
  const pair = path === undefined ? undefined : pairOrSkip(t);
  if (path === undefined || pair === undefined) return;
  let app: ChildProgram | undefined;
  const children: ChildProgram[] = [];
  try {
    app = await startApp(pair.near, service[0], service.slice(1));
    const run = (args: readonly string[], input?: string | Uint8Array): Promise<Ending> => {
      const child = startProgram(pair.far, path, args);
      children.push(child);
      child.process.stdin!.on('error', () => {});
      child.process.stdin!.end(input);
      return child.ended;
    };
    await action({ pair, run });
    const { code, errors } = await app.stop('SIGINT');
    assert.equal(code, 0, errors);
    assert.equal(errors, '');
  } finally {
    for (const child of children) await child.stop();
    await app?.stop();
    pair.remove();
  }
}

describe('programs that know nothing of us', { timeout: 60_000 }, () => {
  it('ping: small, full, in fragments, the largest there is', async t => {
    await withService(t, 'ping', ['echo', 'server', ECHO], async ({ run }) => {
      for (const size of ['0', '56', '1472', '1473', '8000', '65507']) {
        const { code, output } = await run(['-c', '3', '-i', '0.02', '-W', '2', '-s', size, NEAR_ADDRESS]);
        assert.equal(code, 0, output);
        assert.match(output, /3 packets transmitted, 3 received/);
        assert.doesNotMatch(output, /wrong|truncated|DUP/);
      }
    });
  });

  it('arping: our address is answered for, and found to be taken', async t => {
    await withService(t, 'arping', ['echo', 'server', ECHO], async ({ run }) => {
      const answered = await run(['-c', '2', '-w', '2', '-I', FAR_DEVICE, NEAR_ADDRESS]);
      assert.equal(answered.code, 0, answered.output + answered.errors);
      assert.match(answered.output, /Received [2-9] response/);
      const taken = await run(['-D', '-c', '1', '-w', '2', '-I', FAR_DEVICE, NEAR_ADDRESS]);
      assert.equal(taken.code, 1, 'duplicate address detection found nobody');
    });
  });

  it('nc: lines over TCP', async t => {
    await withService(t, 'nc', ['echo', 'server', ECHO], async ({ run }) => {
      const text = 'a line\n'.repeat(20_000);
      const { code, output, errors } = await run(['-N', NEAR_ADDRESS, '7000'], text);
      assert.equal(code, 0, errors);
      assert.equal(output.length, text.length);
      assert.ok(output === text);
    });
  });

  it('nc: datagrams', async t => {
    await withService(t, 'nc', ['echo', 'server', ECHO, '--protocol', 'udp'], async ({ run }) => {
      const { output } = await run(['-u', '-w', '1', NEAR_ADDRESS, '7000'], 'a datagram\n');
      assert.equal(output, 'a datagram\n');
    });
  });

  it('node:dgram: datagrams of every size, in fragments both ways', async t => {
    await withService(t, undefined, ['echo', 'server', ECHO, '--protocol', 'udp'], async ({ pair }) => {
      const client = startSource(
        pair.far,
        `import dgram from 'node:dgram';
         const sizes = [0, 1, 1471, 1472, 1473, 4000, 20_001, 65_507];
         const message = sizes.map(size => Buffer.alloc(size).map((_, i) => i * 31 + size));
         const socket = dgram.createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
         let at = 0;
         const send = () => socket.send(message[at], 7000, '${NEAR_ADDRESS}');
         socket.on('message', answer => {
           if (!answer.equals(message[at])) { console.log('differs', sizes[at], answer.length); process.exit(1); }
           if (++at === sizes.length) { console.log('same'); process.exit(0); }
           send();
         });
         send();
         setTimeout(() => { console.log('no answer to', sizes[at]); process.exit(2); }, 5000);`,
      );
      assert.equal((await client.ended).output, 'same\n');
    });
  });

  it('nc: closed ports are refused, TCP and UDP', async t => {
    await withService(t, 'nc', ['echo', 'server', ECHO], async ({ pair, run }) => {
      const { code, errors } = await run(['-v', '-w', '2', NEAR_ADDRESS, '9']);
      assert.equal(code, 1);
      assert.match(errors, /refused/);
      const datagram = startProgram(pair.far, process.execPath, [
        '-e',
        `const socket = require('dgram').createSocket('udp4');
         socket.on('error', error => { console.log(error.code); process.exit(); });
         socket.connect(9, '${NEAR_ADDRESS}', () => socket.send('x'));
         setTimeout(() => process.exit(3), 3000);`,
      ]);
      assert.equal((await datagram.ended).output, 'ECONNREFUSED\n');
    });
  });

  it('curl: keep-alive, HEAD, a megabyte each way', async t => {
    await withService(t, 'curl', ['http', HTTP], async ({ run }) => {
      const url = (path: string): string => `http://${HTTP}${path}`;
      const silent = ['-sS', '-m', '10'];
      const hello = await run([...silent, url('/')]);
      assert.equal(hello.output, 'Hello from a library OS.\n', hello.errors);
      const again = await run([
        ...silent,
        '-o',
        '/dev/null',
        url('/1k'),
        '-o',
        '/dev/null',
        url('/1m'),
        '-w',
        '%{num_connects} %{http_code} %{size_download}\n',
      ]);
      assert.equal(again.output, '1 200 1024\n0 200 1048576\n', again.errors);
      const head = await run([...silent, '-I', url('/1m')]);
      assert.match(head.output, /^HTTP\/1\.1 200 OK\r\n[\s\S]*content-length: 1048576\r\n/i);
      // Printable, because what programs print is read as text here.
      const body = createHash('sha512').update('1').digest('hex').repeat(8192);
      for (const further of [[], ['-H', 'Transfer-Encoding: chunked'], ['-H', 'Expect: 100-continue']]) {
        const posted = await run([...silent, '--data-binary', '@-', ...further, url('/echo')], body);
        assert.equal(posted.code, 0, posted.errors);
        assert.ok(posted.output === body, `${posted.output.length} bytes came back`);
      }
      const missing = await run([...silent, '-o', '/dev/null', '-w', '%{http_code}', url('/nothing')]);
      assert.equal(missing.output, '404');
    });
  });

  for (const [what, path, further] of [
    ['keep-alive', '/', []],
    ['keep-alive, 64 KiB', '/64k', []],
    // The service closes first: its TIME-WAITs meet new connections from the same ports.
    ['a connection per request', '/', ['-H', 'Connection: close']],
  ] as const) {
    it(`wrk: 64 connections, ${what}, no socket error`, async t => {
      await withService(t, 'wrk', ['http', HTTP], async ({ run }) => {
        const args = ['-c64', '-t2', `-d${WRK_SECONDS}`, ...further, `http://${HTTP}${path}`];
        const { code, output, errors } = await run(args);
        assert.equal(code, 0, errors);
        t.diagnostic(`${/Requests\/sec.*/.exec(output)?.[0]} ${/Latency .*/.exec(output)?.[0]}`);
        assert.doesNotMatch(output, /Socket errors|Non-2xx/);
        assert.match(output, /[1-9]\d* requests in/);
      });
    });
  }
});
