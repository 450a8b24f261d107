// How a loop that owns its thread sleeps on Catmem: inside io_uring_enter(2), on the bell itself, on the sockets of its peers and
// on the signals that end a service, all at once. A peer that wakes it makes one system call, and no socket is read afterwards.

import { DemiError } from '@demikernel/memory';
import {
  EAGAIN,
  EINTR,
  IORING_OP_FUTEX_WAIT,
  IORING_OP_POLL_ADD,
  IoUring,
  POLLIN,
  prepareFutexWait,
  SIGHUP,
  SIGINT,
  SIGTERM,
  SignalWatch,
  SQE_OPERATION_FLAGS,
} from '@demikernel/native/kernel';
import type { Waiter } from '../../runtime/waiter.ts';
import { ASLEEP_ON_WORD } from '../../shm/bell.ts';
import type { MemoryHost } from './memory-host.ts';

/** What the requests of the ring wait for. */
const BELL = 0;
const SOCKETS = 1;
const SIGNALS = 2;
const REQUESTS = 3;

/**
 * The futex is the sleeper's own bell, which its peers cannot write, so a wake-up cannot leave a mark in it: instead the sleep is
 * queued first, and the rings are looked at after that. Whoever publishes later finds the bell set and somebody queued.
 */
export class FutexWaiter implements Waiter {
  private readonly host: MemoryHost;
  private readonly bellAddress: number;
  private readonly signals: SignalWatch;
  private readonly ring: IoUring;
  /** By request: whether it is queued. */
  private readonly queued: Uint8Array;
  /** libuv looks at its own descriptor, and ours can watch it, only after the first look. */
  private looked: boolean;
  /** There may be a signal: look before sleeping. */
  private rang: boolean;
  /** The kernel takes the futex. */
  private onWord: boolean;

  /**
   * From here on SIGINT, SIGTERM and SIGHUP no longer end the process: `checkSignal` reports them.
   *
   * @throws ERR_DEMI_IO_URING_DISABLED, ERR_DEMI_SYSCALL; ERR_DEMI_UNSUPPORTED before Linux 6.7
   */
  constructor(host: MemoryHost, bellAddress: number) {
    this.host = host;
    this.bellAddress = bellAddress;
    this.ring = new IoUring({ entries: 8 });
    if (!this.ring.supports(IORING_OP_FUTEX_WAIT)) {
      this.ring.close();
      throw new DemiError('ERR_DEMI_UNSUPPORTED', 'io_uring without futexes: Linux before 6.7');
    }
    this.signals = new SignalWatch([SIGINT, SIGTERM, SIGHUP]);
    this.queued = new Uint8Array(REQUESTS);
    this.looked = false;
    this.rang = false;
    this.onWord = true;
  }

  checkSignal(): number {
    if (this.queued[SIGNALS] !== 0) {
      const { ring } = this;
      if (ring.needsEnter) ring.enter();
      if (ring.available() === 0) return 0;
      this.reap();
      if (this.queued[SIGNALS] !== 0) return 0;
    }
    this.rang = false;
    this.looked = true;
    return this.signals.check();
  }

  sleep(timeoutUs: number): void {
    const { host, ring } = this;
    this.reap();
    if (this.rang || !this.looked) return;
    // Otherwise peers find it as the poll loop has left it, asleep on its descriptor.
    if (this.onWord) host.bell.fallAsleepOnWord();
    this.queue();
    // Whoever has published before this look is found; whoever does later finds us queued.
    if ((ring.prepared === 0 || ring.enter() >= 0) && !host.hasWork()) {
      ring.wait(timeoutUs === Number.POSITIVE_INFINITY ? timeoutUs : Math.max(timeoutUs, 1));
    }
    host.socketsSilent = true;
    this.reap();
  }

  /** Queues what is not. */
  private queue(): void {
    const { host, queued, ring } = this;
    if (queued[BELL] === 0 && this.onWord) {
      prepareFutexWait(ring, this.bellAddress, ASLEEP_ON_WORD, 0, BELL);
      queued[BELL] = 1;
    }
    if (queued[SOCKETS] === 0) this.watch(host.epoll.fd, SOCKETS);
    if (queued[SIGNALS] === 0) this.watch(this.signals.descriptor, SIGNALS);
  }

  private watch(fd: number, request: number): void {
    const at = this.ring.prepare(IORING_OP_POLL_ADD, fd, 0, request);
    this.ring.words[at + SQE_OPERATION_FLAGS] = POLLIN;
    this.queued[request] = 1;
  }

  private reap(): void {
    const { queued, ring, host } = this;
    const count = ring.available();
    for (let n = 0; n < count; n++) {
      const request = ring.tag(n);
      queued[request] = 0;
      if (request === SIGNALS) this.rang = true;
      else if (request === BELL) this.onWord = sleepsOnWord(ring.result(n));
      else if (request === SOCKETS) host.socketsSilent = false;
    }
    if (count > 0) ring.consume(count);
  }

  close(): void {
    this.ring.close();
    this.signals.close();
  }
}

/** Whether a sleep on the word has ended as such sleeps do; anything else would end so at once, every time. */
function sleepsOnWord(result: number): boolean {
  return result >= 0 || result === -EAGAIN || result === -EINTR;
}
