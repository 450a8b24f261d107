// A client that connects, asks once, and ends the connection, over and over: a process of its own with kernel sockets,
// several connections on their way at a time. One request a line, one answer a line.

import { readSync, writeSync } from 'node:fs';
import {
  AF_INET,
  closeDescriptor,
  connectSocket,
  EINPROGRESS,
  IPPROTO_TCP,
  libc,
  machineCpuTime,
  openSocket,
  POLLIN,
  POLLOUT,
  PollSet,
  parseIpAddress,
  SOCK_STREAM,
  SocketAddress,
  setLinger,
  setSocketOption,
  TCP_NODELAY,
} from '@demikernel/native/kernel';
import { processCpuUs } from '../processor-time.ts';

export interface ChurnRequest {
  address: string;
  port: number;
  /** Connections on their way at a time. */
  outstanding: number;
  measureMs: number;
  /** Process whose processor time is wanted; 0: none. */
  serverPid: number;
}

export interface ChurnResult {
  connections: number;
  failed: number;
  elapsedUs: number;
  machineCpuUs: number;
  serverCpuUs: number;
}

const MESSAGE = Buffer.alloc(64, 'x');
const WAIT_US = 100_000;

/** What is on its way in one place. */
interface Attempt {
  fd: number;
  asked: boolean;
}

function churn(request: ChurnRequest): ChurnResult {
  const name = new SocketAddress();
  name.setIpv4(new DataView(parseIpAddress(request.address).buffer).getInt32(0), request.port);
  const answer = Buffer.alloc(MESSAGE.length);
  const machine = machineCpuTime().busyUs;
  const server = processCpuUs(request.serverPid);
  const start = performance.now();
  const until = start + request.measureMs;
  let [connections, failed] = [0, 0];
  const begin = (): Attempt => {
    const fd = openSocket(AF_INET, SOCK_STREAM);
    setSocketOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    // The end is a reset: no port waits for stragglers afterwards.
    setLinger(fd, 0);
    const result = connectSocket(fd, name);
    if (result !== 0 && result !== -EINPROGRESS) failed++;
    return { fd, asked: false };
  };
  const set = new PollSet(request.outstanding);
  const attempts: Attempt[] = [];
  const replace = (place: number): void => {
    set.remove(place);
    attempts[place] = begin();
    set.add(attempts[place].fd, POLLOUT);
  };
  for (let place = 0; place < request.outstanding; place++) replace(place);
  while (performance.now() < until) {
    set.wait(WAIT_US);
    for (let place = 0; place < attempts.length; place++) {
      if (set.ready(place) === 0) continue;
      const attempt = attempts[place]!;
      if (!attempt.asked) {
        attempt.asked = true;
        set.setEvents(place, POLLIN);
        libc().writeBuffer(attempt.fd, MESSAGE, MESSAGE.length);
        continue;
      }
      if (libc().readBuffer(attempt.fd, answer, answer.length) === MESSAGE.length) connections++;
      else failed++;
      closeDescriptor(attempt.fd);
      replace(place);
    }
  }
  const elapsedUs = (performance.now() - start) * 1000;
  for (const { fd } of attempts) closeDescriptor(fd);
  set.close();
  name.close();
  return {
    connections,
    failed,
    elapsedUs,
    machineCpuUs: machineCpuTime().busyUs - machine,
    serverCpuUs: processCpuUs(request.serverPid) - server,
  };
}

const chunk = Buffer.alloc(4096);
writeSync(1, '{"ready":true}\n');
for (;;) {
  const count = readSync(0, chunk);
  if (count === 0) break;
  writeSync(1, `${JSON.stringify(churn(JSON.parse(chunk.toString('utf8', 0, count)) as ChurnRequest))}\n`);
}
