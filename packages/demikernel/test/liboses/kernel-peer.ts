// Unmodified kernel-socket peers in child processes, and a raw ICMP socket for ping.

import type { ChildProcess } from 'node:child_process';
import { check, closeDescriptor, libc, mapAnonymous } from '@demikernel/native/kernel';
import type { VethPair } from '../devices/af-veth.ts';

/** Runs a program in a namespace and gives its standard output when it has ended with 0. */
export function output(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout!.on('data', chunk => {
      text += chunk;
    });
    child.once('close', code => (code === 0 ? resolve(text) : reject(new Error(`exit ${code}: ${text}`))));
  });
}

/** Ends a program and waits until its pipes are closed too. */
export function stop(child: ChildProcess): Promise<void> {
  return new Promise(resolve => {
    if (child.exitCode !== null || child.signalCode !== null) {
      resolve();
      return;
    }
    child.once('close', () => resolve());
    child.kill('SIGKILL');
  });
}

/** Resolves when the program has printed a line. */
export function line(child: ChildProcess): Promise<string> {
  return new Promise(resolve => child.stdout!.once('data', chunk => resolve(String(chunk).trim())));
}

/** Sends `lengthBytes` bytes to an echo over node:net, in writes of odd sizes, and says whether they came back unchanged. */
export function tcpEchoClient(address: string, port: number, lengthBytes: number, connections = 1): string {
  return `
    import net from 'node:net';
    import { createHash } from 'node:crypto';
    let open = ${connections};
    for (let c = 0; c < ${connections}; c++) {
      const sent = createHash('sha256'), came = createHash('sha256');
      let left = ${lengthBytes}, back = 0, seed = c + 1;
      const socket = net.connect(${port}, '${address}');
      const more = () => {
        while (left > 0) {
          seed = (seed * 1103515245 + 12345) & 0x7fffffff;
          const chunk = Buffer.alloc(Math.min(left, 1 + seed % 20000));
          for (let i = 0; i < chunk.length; i++) chunk[i] = seed + i * 7;
          left -= chunk.length;
          sent.update(chunk);
          if (!socket.write(chunk)) return;
        }
        if (!socket.writableEnded) socket.end();
      };
      socket.on('connect', more).on('drain', more);
      socket.on('data', chunk => { came.update(chunk); back += chunk.length; });
      socket.on('error', error => { console.error(error); process.exit(1); });
      socket.on('end', () => {
        if (back !== ${lengthBytes} || sent.digest('hex') !== came.digest('hex')) { console.log('differs', back); process.exit(2); }
        if (--open === 0) { console.log('same'); process.exit(0); }
      });
    }
    setTimeout(() => { console.log('late'); process.exit(3); }, 30000).unref();
  `;
}

/** A line-echo server over node:net that says when it is up. */
export function tcpServer(address: string, port: number, answer: string): string {
  return `
    import net from 'node:net';
    const server = net.createServer({ allowHalfOpen: true }, socket => {
      socket.on('error', () => {});
      socket.on('data', chunk => socket.write('${answer}' + chunk));
      socket.on('end', () => socket.end());
    });
    server.on('error', error => { console.log(error.code); process.exit(1); });
    server.listen(${port}, '${address}', () => console.log('up'));
  `;
}

/** Sends one text over UDP and prints the answer. */
export function udpClient(address: string, port: number, text: string): string {
  return `
    import dgram from 'node:dgram';
    const socket = dgram.createSocket('udp4');
    socket.on('message', message => { console.log(String(message)); process.exit(0); });
    const ask = () => socket.send('${text}', ${port}, '${address}');
    ask();
    setInterval(ask, 500);
    setTimeout(() => process.exit(3), 5000);
  `;
}

/** ICMP echo from the kernel's side, by a raw socket; `turn` runs the other side while it waits. */
export function ping(pair: VethPair, address: string, payloadBytes: number, turn: () => void): boolean {
  const memory = mapAnonymous({ lengthBytes: 65536 });
  const view = memory.view();
  // AF_INET, SOCK_RAW, IPPROTO_ICMP
  const fd = pair.insideFar(() => check(libc().socket(2, 3, 1), 'socket'));
  try {
    view.setUint16(0, 2, true);
    for (const [i, part] of address.split('.').entries()) view.setUint8(4 + i, Number(part));
    const at = 64;
    view.setUint8(at, 8);
    view.setUint32(at + 4, 0x12340001);
    for (let i = 0; i < payloadBytes; i++) view.setUint8(at + 8 + i, i * 3);
    let sum = 0;
    for (let i = 0; i < 8 + payloadBytes; i += 2) sum += view.getUint16(at + i);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    view.setUint16(at + 2, ~sum & 0xffff);
    const base = memory.addressNumber;
    check(libc().sendto(fd, base + at, 8 + payloadBytes, 0, base, 16), 'sendto');
    const end = Date.now() + 2000;
    while (Date.now() < end) {
      turn();
      const length = libc().recv(fd, base + 32768, 32768, 0x40);
      if (length !== 20 + 8 + payloadBytes || view.getUint8(32768 + 20) !== 0) continue;
      for (let i = 0; i < payloadBytes; i++) {
        if (view.getUint8(32768 + 28 + i) !== ((i * 3) & 255)) return false;
      }
      return true;
    }
    return false;
  } finally {
    closeDescriptor(fd);
    memory.release();
  }
}
