// The first message in each direction of a rendezvous socket: who speaks, and the descriptors of what it shares.
//
// ```
//   connecting side                         listening side
//        | -- greeting, [slots, bell, rings] -> |   the rings are made by who connects
//        | <- greeting, [slots, bell] --------- |   the connection stands
//        | -- a byte when the other sleeps ---> |   and back, from here on
//        | <------------ end of file ---------> |   closed; or the process has ended, at once and for sure
// ```
//
// That a peer has died is read from the socket: the kernel closes it with its last descriptor, so there is no pid that
// could be another process's by then.

import {
  closeDescriptor,
  errno,
  getSocketOptionBytes,
  libc,
  type MemoryMap,
  Message,
  MSG_CMSG_CLOEXEC,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  mapAnonymous,
  readRights,
  rightsBytes,
  SO_PEERCRED,
  SOL_SOCKET,
  writeRights,
} from '@demikernel/native/kernel';
import type { Kind } from './names.ts';

const MAGIC = 0x4d544143; // "CATM", little-endian
const VERSION = 1;
const GREETING_BYTES = 32;
const GREETING_WORDS = 8;
const MOST_DESCRIPTORS = 4;
/** Where the byte that wakes lies, and where those that woke us are read to. */
const WAKE_OFFSET = 64;
const DRAIN_OFFSET = 128;
const DRAIN_BYTES = 64;

/** What a greeting says. */
export interface Greeting {
  kind: Kind;
  /** Entries of the rings. */
  capacity: number;
  /** Connecting side: the address that was asked for. */
  ipv4: number;
  port: number;
  /** To be closed by the receiver. */
  descriptors: number[];
}

/** Sends and receives greetings and wake-ups; one per library OS. */
export class Greeter {
  private readonly memory: MemoryMap;
  private readonly words: Int32Array;
  private readonly message: Message;
  private readonly credentials: Int32Array;

  constructor() {
    this.memory = mapAnonymous({ lengthBytes: 256 });
    this.words = this.memory.signedWords(0, GREETING_WORDS);
    this.message = new Message({ vectors: 1, controlBytes: rightsBytes(MOST_DESCRIPTORS) });
    this.message.setVector(0, this.memory.addressNumber, 0, GREETING_BYTES);
    this.message.setCount(1);
    // struct ucred { pid_t pid; uid_t uid; gid_t gid; }
    this.credentials = new Int32Array(3);
  }

  /** Bytes sent, or a negative errno. */
  send(fd: number, greeting: Greeting): number {
    const { words, message } = this;
    words[0] = MAGIC;
    words[1] = VERSION;
    words[2] = greeting.kind === 'stream' ? 0 : 1;
    words[3] = greeting.capacity;
    words[4] = greeting.ipv4;
    words[5] = greeting.port;
    const controlBytes = writeRights(message.control, greeting.descriptors);
    return message.sendWithControl(fd, MSG_NOSIGNAL | MSG_DONTWAIT, controlBytes);
  }

  /** A greeting; a negative errno; or `undefined` for what is none. */
  receive(fd: number): Greeting | number | undefined {
    const { words, message } = this;
    const length = message.receive(fd, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (length < 0) return length;
    const descriptors = readRights(message.control, message.controlLengthBytes);
    if (length !== GREETING_BYTES || words[0] !== MAGIC || words[1] !== VERSION) {
      closeAll(descriptors);
      return undefined;
    }
    const kind = words[2] === 0 ? 'stream' : 'message';
    return { kind, capacity: words[3]!, ipv4: words[4]!, port: words[5]! & 0xffff, descriptors };
  }

  /** Whether the process at the other end runs as the same user, or as root: whoever else may not see our memory. */
  isTrusted(fd: number): boolean {
    if (getSocketOptionBytes(fd, SOL_SOCKET, SO_PEERCRED, this.credentials) < 0) return false;
    const uid = this.credentials[1]!;
    return uid === 0 || uid === process.geteuid?.() || process.geteuid?.() === 0;
  }

  /** Wakes the other end. Never blocks: in a full socket lie bytes enough to wake it. */
  ring(fd: number): void {
    libc().send(fd, this.memory.addressNumber + WAKE_OFFSET, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  }

  /** Takes one message out of a socket. Its length, 0 at the end of file, or a negative errno. */
  drain(fd: number): number {
    const length = libc().recv(fd, this.memory.addressNumber + DRAIN_OFFSET, DRAIN_BYTES, MSG_DONTWAIT);
    return length === -1 ? -errno() : length;
  }

  close(): void {
    this.message.close();
    this.memory.release();
  }
}

/** Closes descriptors that a greeting brought. */
export function closeAll(descriptors: readonly number[]): void {
  for (const fd of descriptors) closeDescriptor(fd);
}
