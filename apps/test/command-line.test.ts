// Every application on Catnap over loopback, started as a user would; its own client and unmodified peers. Runs alone.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { requirePeer } from '@demikernel/lab';
import { output, Service, withService } from './service.ts';

const APPS = [
  'echo',
  'ping-pong',
  'push-pop',
  'pktgen',
  'dump',
  'close',
  'wait',
  'udp-relay',
  'http',
  'log',
  'kv',
];

describe('every application', () => {
  for (const app of APPS) {
    test(`${app} --help, and arguments that make no sense`, async () => {
      assert.match(await output(app, ['--help']), new RegExp(`Usage: ${app}.*--libos`, 's'));
      for (const args of [['--no-such-flag'], ['--libos', 'catfish', 'server', '127.0.0.1:0']]) {
        const service = new Service(app, args);
        assert.equal(await service.status(), 2, service.errors);
        assert.match(service.errors, /--help/);
      }
    });
  }
});

/** Runs a peer's program with some input; what it prints until it ends, or until so much has come. */
async function peer(path: string, args: string[], input: string, enough: number): Promise<string> {
  const child = spawn(path, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  let text = '';
  child.stdin.on('error', () => {});
  child.stdin.write(input);
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    if (text.length >= enough) child.kill();
  });
  await once(child, 'close');
  return text;
}

describe('echo', () => {
  for (const protocol of ['tcp', 'udp']) {
    for (const wait of ['spin', 'adaptive', 'interrupt']) {
      test(`${protocol}, ${wait}: its own client`, async () => {
        const flags = ['--protocol', protocol, '--wait', wait];
        await withService('echo', ['server', '127.0.0.1:0', ...flags], async (_service, port) => {
          const args = ['client', `127.0.0.1:${port}`, ...flags, '--count', '200', '--connections', '4'];
          assert.match(await output('echo', args), /^800 round trips, 0 lost/);
        });
      });
    }
  }

  test('messages larger than any buffer', async () => {
    await withService('echo', ['server', '127.0.0.1:0'], async (_service, port) => {
      const args = ['client', `127.0.0.1:${port}`, '--size', '3000000', '--count', '2'];
      assert.match(await output('echo', args), /^2 round trips/);
    });
  });

  test('node:net, which ends its half and waits', async () => {
    await withService('echo', ['server', '127.0.0.1:0'], async (_service, port) => {
      const socket = connect(port, '127.0.0.1');
      const sent = Buffer.alloc(2_000_000, 'abc');
      socket.end(sent);
      const chunks: Buffer[] = [];
      for await (const chunk of socket) chunks.push(chunk as Buffer);
      assert.ok(Buffer.concat(chunks).equals(sent));
    });
  });

  test('clients that reset, and clients that only connect', async () => {
    await withService('echo', ['server', '127.0.0.1:0'], async (_service, port) => {
      for (let i = 0; i < 20; i++) {
        const socket = connect(port, '127.0.0.1');
        socket.on('error', () => {});
        await once(socket, 'connect');
        if (i % 2 === 0) socket.write('x'.repeat(10_000));
        socket.resetAndDestroy();
      }
      const args = ['client', `127.0.0.1:${port}`, '--count', '10'];
      assert.match(await output('echo', args), /^10 round trips/);
    });
  });

  test('a client that does not read stops being read', async () => {
    await withService('echo', ['server', '127.0.0.1:0'], async (_service, port) => {
      const socket = connect(port, '127.0.0.1');
      socket.pause();
      const block = Buffer.alloc(1 << 20);
      let written = 0;
      while (socket.write(block) || written < 64) {
        written++;
        await new Promise(resolve => setImmediate(resolve));
        if (written > 64) break;
      }
      await new Promise(resolve => setTimeout(resolve, 200));
      assert.ok(socket.writableLength > 0, 'everything was taken');
      const args = ['client', `127.0.0.1:${port}`, '--count', '10'];
      assert.match(await output('echo', args), /^10 round trips/);
      socket.destroy();
    });
  });

  for (const protocol of ['tcp', 'udp']) {
    test(`nc, ${protocol}`, async (t: TestContext) => {
      const nc = requirePeer(t, 'nc');
      if (nc === undefined) return;
      await withService('echo', ['server', '127.0.0.1:0', '--protocol', protocol], async (_service, port) => {
        const flags = protocol === 'udp' ? ['-u', '-w', '5'] : ['-w', '5'];
        assert.equal(await peer(nc, [...flags, '127.0.0.1', String(port)], 'hello\n', 6), 'hello\n');
      });
    });
  }
});

for (const protocol of ['tcp', 'udp']) {
  test(`ping-pong, ${protocol}`, async () => {
    const service = new Service('ping-pong', ['server', '127.0.0.1:0', '--protocol', protocol]);
    try {
      const args = ['client', `127.0.0.1:${await service.port()}`, '--protocol', protocol, '--count', '100'];
      assert.equal(await output('ping-pong', args), 'counted to 100');
      // With its one connection the service over TCP is over, too: a signal would meet it on its way out.
      const ended = protocol === 'tcp' ? service.status() : service.stop();
      assert.equal(await ended, 0, service.errors);
    } finally {
      await service.kill();
    }
  });
}

test('push-pop, tcp: every byte', async () => {
  const popper = new Service('push-pop', ['pop', '127.0.0.1:0']);
  try {
    const args = ['push', `127.0.0.1:${await popper.port()}`, '--count', '500', '--size', '5000'];
    assert.match(await output('push-pop', args), /^500 messages, 2500000 bytes/);
    await popper.line(/messages, 2500000 bytes/);
    assert.equal(await popper.status(), 0, popper.errors);
  } finally {
    await popper.kill();
  }
});

test('pktgen and dump', async () => {
  const dump = new Service('dump', ['127.0.0.1:0', '--protocol', 'udp', '--quiet']);
  try {
    const args = [`127.0.0.1:${await dump.port()}`, '--rate', '2000', '--seconds', '1', '--size', '100'];
    const sent = Number(/^(\d+) datagrams sent/.exec(await output('pktgen', args))![1]);
    assert.ok(sent > 0 && sent <= 2000, `${sent} sent`);
    assert.equal(await dump.stop(), 0, dump.errors);
    const received = Number((await dump.line(/^(\d+) messages/))[1]);
    assert.ok(received > 0 && received <= sent, `${received} of ${sent} received`);
  } finally {
    await dump.kill();
  }
});

test('dump shows bytes and peers of a stream', async () => {
  const dump = new Service('dump', ['127.0.0.1:0', '--hex']);
  try {
    const socket = connect(await dump.port(), '127.0.0.1');
    socket.end('hello, world 123\n');
    await dump.line(/^127\.0\.0\.1:\d+ {2}17 bytes$/);
    await dump.line(/^00000000 {2}68 65 6c 6c 6f .*\|hello, world 123\|$/);
    await dump.line(/^00000010 {2}0a .*\|\.\|$/);
    assert.equal(await dump.stop(), 0, dump.errors);
    await dump.line(/^1 messages, 17 bytes on 1 connections$/);
  } finally {
    await dump.kill();
  }
});

test('close: what the server sees of every ending', async () => {
  await withService('close', ['server', '127.0.0.1:0'], async (service, port) => {
    assert.equal(
      await output('close', ['client', `127.0.0.1:${port}`, '--count', '2']),
      '8 connections ended',
    );
    await service.line(/^close: end of stream$/);
    await service.line(/^half-close: end of stream$/);
    await service.line(/^close with an operation outstanding: end of stream$/);
    await service.line(/^reset: ECONNRESET$/);
  });
});

test('wait', async () => {
  const text = await output('wait', ['--queues', '16', '--count', '500']);
  assert.match(text, /waitAny: \d+ ns.*waitNextN: \d+ ns.*wait set: \d+ ns.*kept its time/s);
});

test('udp-relay between node:dgram sockets', async () => {
  const target = createSocket('udp4');
  target.on('message', (message, from) => target.send(`<${message}>`, from.port, from.address));
  target.bind(0, '127.0.0.1');
  await once(target, 'listening');
  try {
    const args = ['127.0.0.1:0', `127.0.0.1:${target.address().port}`, '--clients', '2'];
    await withService('udp-relay', args, async (_service, port) => {
      for (const name of ['a', 'b', 'c', 'a']) {
        const client = createSocket('udp4');
        try {
          const answer = once(client, 'message');
          client.send(name, port, '127.0.0.1');
          assert.equal(String((await answer)[0]), `<${name}>`);
        } finally {
          client.close();
        }
      }
    });
  } finally {
    target.close();
  }
});
