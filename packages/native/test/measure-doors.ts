// Measures the doors of the data path: nanoseconds, as a ratio to a trivial native call, and bytes allocated per
// operation. Not a test by itself; allocation.test.ts runs it.
//
//   node --single-threaded --expose-gc --min-semi-space-size=512 --max-semi-space-size=512 dist/test/measure-doors.js [--json] [rounds]

import { bytesPerOperation } from '@demikernel/lab';
import { Clock } from '../src/kernel/clock.ts';
import { EPOLLIN, EpollSet } from '../src/kernel/epoll.ts';
import { EventFd } from '../src/kernel/event-fd.ts';
import { koffi, libc } from '../src/kernel/library.ts';
import { mapAnonymous } from '../src/kernel/memory-map.ts';
import { Message, MSG_NOSIGNAL } from '../src/kernel/message.ts';
import { POLLIN, PollSet } from '../src/kernel/poll-set.ts';
import { SIGUSR2, SignalWatch } from '../src/kernel/signals.ts';
import {
  acceptSocket,
  bindSocket,
  connectSocket,
  getSocketOption,
  listenSocket,
  openSocket,
  SO_ERROR,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
  socketName,
} from '../src/kernel/socket.ts';
import { AF_INET, SocketAddress } from '../src/kernel/socket-address.ts';

export interface DoorFigures {
  door: string;
  nsPerCall: number;
  ratioToTrivialCall: number;
  bytesPerCall: number;
}

const LOOPBACK = 0x7f000001;
const rounds = Number(process.argv.find(each => /^\d+$/.test(each)) ?? 40_000);
const clock = new Clock();

/** The better of three for the time, because others work beside us. */
function measure(door: string, run: (count: number) => void): DoorFigures {
  run(rounds);
  run(rounds);
  let nsPerCall = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 3; attempt++) {
    clock.read();
    const before = clock.us[0]!;
    run(rounds);
    clock.read();
    nsPerCall = Math.min(nsPerCall, ((clock.us[0]! - before) * 1000) / rounds);
  }
  return { door, nsPerCall, ratioToTrivialCall: 0, bytesPerCall: bytesPerOperation(rounds, run) };
}

/** Several of each, picked by index: what one constant object allows the compiler must not flatter the doors. */
function several<T>(make: () => T): T[] {
  return Array.from({ length: 8 }, make);
}

const trivial = koffi().load(null).func('abs', 'int', ['int']) as (value: number) => number;
const memory = mapAnonymous({ lengthBytes: 1 << 20, populate: true });
const base = memory.addressNumber;
const clocks = several(() => new Clock());
const polls = several(() => new PollSet(4));
const epolls = several(() => new EpollSet(16));
const events = several(() => new EventFd());
const messages = several(() => new Message());
const addresses = several(() => new SocketAddress());
const message = new Message();
for (const each of polls) each.add(events[0]!.fd, POLLIN);
for (const each of epolls) each.add(events[0]!.fd, EPOLLIN, 5);
for (const each of messages) each.setCount(1);

const address = new SocketAddress();
const peer = new SocketAddress();
address.setIpv4(LOOPBACK, 0);
const udp = openSocket(AF_INET, SOCK_DGRAM);
bindSocket(udp, address);
socketName(udp, message.name);
address.setIpv4(LOOPBACK, 0);
const listener = openSocket(AF_INET, SOCK_STREAM);
bindSocket(listener, address);
listenSocket(listener, 4);
socketName(listener, address);
const client = openSocket(AF_INET, SOCK_STREAM, 0, { blocking: true });
connectSocket(client, address);
const server = acceptSocket(listener, peer);
const watch = new SignalWatch([SIGUSR2]);
const planted: unknown[] = new Array(1024);
// An int32: a larger sum would be a number on the heap, and counted against the door.
let sink = 0;

const figures: DoorFigures[] = [
  measure('trivial call: abs', count => {
    for (let i = 0; i < count; i++) sink = ((sink + trivial(1)) as number) | 0;
  }),
  measure('trivial system call: getppid', count => {
    const { syscall } = libc();
    for (let i = 0; i < count; i++) sink = (sink + syscall(110, 0, 0, 0, 0, 0, 0)) | 0;
  }),
  measure('planted: one object of 40 B in ten calls', count => {
    for (let i = 0; i < count; i++) if (i % 10 === 0) planted[i & 1023] = { a: i, b: i };
  }),
  measure('clock', count => {
    for (let i = 0; i < count; i++) clocks[i & 7]!.read();
  }),
  measure('poll, nothing ready', count => {
    for (let i = 0; i < count; i++) sink = (sink + polls[i & 7]!.wait(0)) | 0;
  }),
  measure('epoll, nothing ready', count => {
    for (let i = 0; i < count; i++) sink = (sink + epolls[i & 7]!.wait(0)) | 0;
  }),
  measure('eventfd signal and drain', count => {
    for (let i = 0; i < count; i++) sink = (sink + events[i & 7]!.signal() + events[i & 7]!.drain()) | 0;
  }),
  measure('receive, nothing there', count => {
    for (let i = 0; i < count; i++) sink = (sink + messages[i & 7]!.receive(udp, 0)) | 0;
  }),
  measure('accept, nothing there', count => {
    for (let i = 0; i < count; i++) sink = (sink + acceptSocket(listener, addresses[i & 7]!)) | 0;
  }),
  measure('socket option', count => {
    for (let i = 0; i < count; i++) sink = (sink + getSocketOption(client, SOL_SOCKET, SO_ERROR)) | 0;
  }),
  measure('fill two vectors', count => {
    for (let i = 0; i < count; i++) {
      const each = messages[i & 7]!;
      each.setVector(0, base, (i & 255) << 11, 40);
      each.setVector(1, base, (i & 127) << 12, 64);
    }
  }),
  measure('udp send and receive, 64 B', count => {
    for (let i = 0; i < count; i++) {
      const each = messages[i & 7]!;
      each.setVector(0, base, (i & 255) << 11, 24);
      each.setVector(1, base, ((i & 255) << 11) + 24, 40);
      each.setCount(2);
      each.name.copyFrom(message.name);
      sink = (sink + each.sendTo(udp, 0)) | 0;
      each.setVector(0, base, (i & 255) << 11, 2048);
      each.setCount(1);
      sink = (sink + each.receiveFrom(udp, 0)) | 0;
    }
  }),
  measure('tcp send and receive, 64 B', count => {
    for (let i = 0; i < count; i++) {
      const each = messages[i & 7]!;
      each.setVector(0, base, (i & 255) << 11, 64);
      each.setCount(1);
      sink = (sink + each.send(client, MSG_NOSIGNAL)) | 0;
      each.setVector(0, base, 0x80000 + ((i & 127) << 11), 2048);
      sink = (sink + each.receive(server, 0)) | 0;
    }
  }),
  measure('signal check', count => {
    for (let i = 0; i < count; i++) sink = (sink + watch.check()) | 0;
  }),
];

watch.close();
const [floor] = figures;
for (const each of figures) each.ratioToTrivialCall = each.nsPerCall / floor!.nsPerCall;

if (process.argv.includes('--json')) console.log(JSON.stringify(figures));
else {
  for (const each of figures) {
    const ratio = each.ratioToTrivialCall.toFixed(1).padStart(7);
    const ns = each.nsPerCall.toFixed(0).padStart(7);
    console.log(`${each.door.padEnd(42)}${ns} ns ${ratio} x  ${each.bytesPerCall.toFixed(3).padStart(8)} B`);
  }
}
if (!Number.isFinite(sink)) process.exitCode = 1;
